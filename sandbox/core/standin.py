"""What a stand-in shows: the deployment's facts, and over them what faults want for a while."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

S = TypeVar("S", bound="State")


class State(BaseModel):
    """A stand-in's facts; unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Facts(Generic[S]):
    """The facts of one stand-in, told by the deployment and bent by faults.

    `PUT /_sandbox/state` {fact: value} changes facts for good. `PUT /_sandbox/fault`
    {"fault": name, "values": {fact: value} or null} lays values over them until null is said.
    """

    def __init__(self, initial: S, admin_token: SecretStr) -> None:
        self._facts = initial
        self._bent: dict[str, Mapping[str, Any]] = {}
        self._effective = initial
        self._admin_token = admin_token.get_secret_value().encode()

    @property
    def now(self) -> S:
        """The facts as they are to be shown now."""
        return self._effective

    def routes(self) -> list[Route]:
        """Return the routes for the supervisor; they ask for the admin token."""
        return [
            Route("/_sandbox/state", self._put_state, methods=["PUT"]),
            Route("/_sandbox/fault", self._put_fault, methods=["PUT"]),
            Route("/_sandbox/ready", _ready),
        ]

    async def _put_state(self, request: Request) -> JSONResponse:
        return self._changed(request, await request.json(), dict(self._bent))

    async def _put_fault(self, request: Request) -> JSONResponse:
        order = await request.json()
        bent = {name: values for name, values in self._bent.items() if name != order["fault"]}
        if order["values"] is not None:
            bent[order["fault"]] = order["values"]
        return self._changed(request, {}, bent)

    def _changed(
        self, request: Request, facts: Mapping[str, Any], bent: dict[str, Mapping[str, Any]]
    ) -> JSONResponse:
        given = request.headers.get("X-Sandbox-Token", "").encode()
        if not hmac.compare_digest(given, self._admin_token):
            return JSONResponse({"error": "X-Sandbox-Token is missing or wrong"}, 401)
        try:
            changed = _with(self._facts, facts)
            effective = changed
            for values in bent.values():
                effective = _with(effective, values)
        except ValidationError as exc:
            return JSONResponse({"error": str(exc)}, 422)
        self._facts, self._bent, self._effective = changed, bent, effective
        return JSONResponse({})


def _with(facts: S, values: Mapping[str, Any]) -> S:
    return type(facts).model_validate({**facts.model_dump(), **values})


async def _ready(_request: Request) -> JSONResponse:
    return JSONResponse({})
