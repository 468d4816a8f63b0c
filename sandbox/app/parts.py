"""What a request can reach: the parts of the running API and who is asking."""

import hmac
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, SecretStr
from pydantic.alias_generators import to_camel

from sandbox.app.audit import Audit, FlagStore
from sandbox.app.config import AppConfig
from sandbox.app.database import Database
from sandbox.app.faults import Faults
from sandbox.app.gateways import Gateways
from sandbox.app.metrics import Metrics
from sandbox.app.sessions import Sessions, User


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that one process of the API is made of."""

    config: AppConfig
    faults: Faults
    metrics: Metrics
    database: Database
    sessions: Sessions
    gateways: Gateways
    flags: FlagStore
    audit: Audit


class Body(BaseModel):
    """A JSON body: camelCase outside, no unknown keys."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )


class UnusableError(Exception):
    """A request that is well formed and can't be used; it becomes a 422 as any other."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.problem = {"loc": ["body", field], "msg": message, "type": "value_error"}


def parts_of(request: Request) -> Parts:
    """Return the parts of the API that serves this request."""
    parts: Parts = request.app.state.parts
    return parts


async def _parts(request: Request) -> Parts:
    return parts_of(request)


PartsOfApp = Annotated[Parts, Depends(_parts)]
BEARER_TOKEN: dict[str, Any] = {"security": [{"HTTPBearer": []}]}
"""What OpenAPI says of routes that call `require_reader` themselves."""
_bearer = HTTPBearer(auto_error=False)
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def same_secret(given: str, secret: SecretStr) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode(), secret.get_secret_value().encode())


def _refusal() -> HTTPException:
    return HTTPException(
        status.HTTP_401_UNAUTHORIZED, "sign in first", headers={"WWW-Authenticate": "Bearer"}
    )


async def _user_of(parts: Parts, token: str) -> User:
    user = await parts.sessions.find(token)
    if user is None:
        raise _refusal()
    return user


async def _token(credentials: _Credentials) -> str:
    if credentials is None:
        raise _refusal()
    return credentials.credentials


Token = Annotated[str, Depends(_token)]


async def _signed_in(parts: PartsOfApp, token: Token) -> User:
    return await _user_of(parts, token)


SignedIn = Annotated[User, Depends(_signed_in)]


async def _patient(user: SignedIn) -> User:
    if user.patient_id is None:
        raise HTTPException(status.HTTP_403_FORBIDDEN, "only patients can do this")
    return user


async def _synthetic_token(parts: PartsOfApp, credentials: _Credentials) -> None:
    if credentials is None or not same_secret(
        credentials.credentials, parts.config.synthetic.token
    ):
        raise _refusal()


async def require_reader(request: Request) -> Parts:
    """Let users in and, for reads that name no patient, the synthetic traffic too; raises 401.

    Called and not depended on: these are the routes that are read 200 times a second, where
    every dependency costs as much as a query.
    """
    parts = parts_of(request)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise _refusal()
    if not same_secret(token, parts.config.synthetic.token):
        await _user_of(parts, token)
    return parts


Patient = Annotated[User, Depends(_patient)]
OnlySyntheticToken = Depends(_synthetic_token)
