"""The kit of the platform's own servers: one configuration each, and facts that faults bend."""

from __future__ import annotations

import functools
import hmac
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import uvicorn
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Handler = Callable[[Request], Awaitable[Any]]

_OK, _USAGE, _CONFIGURATION = 0, 64, 78
_KEEP_ALIVE_SECONDS = 75


class Configuration(BaseModel):
    """What a server is told; it holds secrets, so no error shows a value."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


C = TypeVar("C", bound=Configuration)


def run(arguments: list[str], kind: type[C], serve: Callable[[C], int | None]) -> int:
    """Serve with the configuration until told to stop; 64 without a file, 78 when it can't be used."""
    if len(arguments) != 1:
        sys.stderr.write(f"usage: python -m {_module(kind)} CONFIG.json\n")
        return _USAGE
    try:
        configuration = kind.model_validate_json(Path(arguments[0]).read_bytes())
    except OSError as exc:
        sys.stderr.write(f"cannot read {arguments[0]}: {exc.strerror}\n")
        return _CONFIGURATION
    except ValidationError as exc:
        found = "; ".join(
            f"{'.'.join(map(str, error['loc'])) or 'file'}: {error['msg']}"
            for error in exc.errors(include_input=False, include_context=False)
        )
        sys.stderr.write(f"{arguments[0]} is not a valid {kind.__name__}: {found}\n")
        return _CONFIGURATION
    return serve(configuration) or _OK


def _module(kind: type[Configuration]) -> str:
    """Return what `python -m` knows the server by."""
    spec = sys.modules[kind.__module__].__spec__
    name = spec.name if spec else kind.__module__
    return name.removesuffix(".__main__").removesuffix(".config")


def uvicorn_config(app: Any, **more: Any) -> uvicorn.Config:
    """Return how each of the platform's Python servers serves: quietly, keeping idle connections."""
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        access_log=False,
        proxy_headers=False,
        log_level="warning",
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
        **more,
    )


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
        self._admin_token = admin_token.get_secret_value().encode()
        self.now = initial
        """The facts as they are to be shown now."""

    def order(self, path: str, token: str, order: dict[str, Any]) -> int:
        """Carry out an order of the supervisor's and return the status of its answer."""
        if not hmac.compare_digest(token.encode(), self._admin_token):
            return 401
        facts, bent = self._facts, dict(self._bent)
        try:
            if path == _STATE:
                facts = _with(facts, order)
            else:
                bent.pop(order["fault"], None)
                bent |= {order["fault"]: order["values"]} if order["values"] is not None else {}
            now = functools.reduce(_with, bent.values(), facts)
        except ValidationError:
            return 422
        self._facts, self._bent, self.now = facts, bent, now
        self.changed()
        return 200

    def changed(self) -> None:
        """Follow an order that was carried out."""

    async def _put(self, request: Request) -> Any:
        token = request.headers.get("X-Sandbox-Token", "")
        return {}, self.order(request.url.path, token, await request.json())

    def app(
        self, routes: Mapping[str, Handler], login: Login | None = None, lifespan: Any = None
    ) -> Starlette:
        """Return an application: for each `METHOD PATH` what answers who is logged in."""
        own = [
            Route(_STATE, _answered(self._put), methods=["PUT"]),
            Route(_FAULT, _answered(self._put), methods=["PUT"]),
            Route("/_sandbox/ready", _answered(_ready)),
        ]
        shown = []
        for route, handler in routes.items():
            methods, path = route.split(" ")
            shown.append(Route(path, _answered(handler, login), methods=methods.split(",")))
        return Starlette(routes=[*own, *shown], lifespan=lifespan)


_STATE, _FAULT = "/_sandbox/state", "/_sandbox/fault"


class Login(NamedTuple):
    """Who may ask a stand-in, and what everybody else is answered."""

    authorization: str
    refusal: Any
    status: int = 401

    def fits(self, request: Request) -> bool:
        """Tell whether a request carries it."""
        given = request.headers.get("Authorization", "").encode()
        return hmac.compare_digest(given, self.authorization.encode())


def _answered(handler: Handler, login: Login | None = None) -> Handler:
    """Return a handler's answer as a response; what is none is JSON, with or without its status."""

    async def answer(request: Request) -> Response:
        refused = login is not None and not login.fits(request)
        found = login[1:] if login and refused else await handler(request)
        if isinstance(found, Response):
            return found
        content, status = found if isinstance(found, tuple) else (found, 200)
        return JSONResponse(content, status)

    return answer


def _with(facts: S, values: Mapping[str, Any]) -> S:
    return type(facts).model_validate({**facts.model_dump(), **values})


async def _ready(_request: Request) -> Any:
    return {}
