"""The web application behind its edge, with an API in memory: a site in a tenth of a second."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import threading
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from werkzeug.serving import WSGIRequestHandler, make_server

from sandbox.systems.delivery.aws.edge import Edge
from sandbox.systems.delivery.builds import web_bundle
from tests.probes.standin_server import listening

PROVIDER = {
    "id": "synthetic-provider",
    "name": "Synthetic provider",
    "specialty": "general practice",
    "region": "eu",
}


@dataclasses.dataclass
class Patients:
    """The API's routes for patients, without a database; change the fields to disturb it."""

    new_ui: bool = False
    down: bool = False
    declined: bool = False
    video_refused: bool = False
    users: dict[str, str] = dataclasses.field(default_factory=dict)
    tokens: dict[str, str] = dataclasses.field(default_factory=dict)
    """Whose session each is; clear it to let all expire."""
    appointments: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str]]] = dataclasses.field(default_factory=list)
    """Method, path and headers of each."""

    async def register(self, request: Request, _user: str | None) -> Any:
        """Make an account."""
        body = await request.json()
        if body["email"] in self.users:
            return {"detail": "this address has an account"}, 409
        self.users[body["email"]] = body["password"]
        return {"id": str(uuid.uuid4())}, 201

    async def login(self, request: Request, _user: str | None) -> Any:
        """Open a session."""
        body = await request.json()
        if self.users.get(body["email"]) != body["password"]:
            return {"detail": "address and password do not match"}, 401
        token = secrets.token_urlsafe(8)
        self.tokens[token] = body["email"]
        return {"token": token}, 200

    async def logout(self, request: Request, _user: str | None) -> Any:
        """End a session."""
        self.tokens.pop(_token(request), None)
        return None, 204

    async def features(self, _request: Request, _user: str | None) -> Any:
        """Tell which form books."""
        return {"newAppointmentUi": self.new_ui}, 200

    async def providers(self, _request: Request, _user: str | None) -> Any:
        """List the synthetic one."""
        return {"providers": [PROVIDER]}, 200

    async def mine(self, _request: Request, user: str | None) -> Any:
        """List the patient's appointments."""
        own = [one for one in self.appointments.values() if one["patient"] == user]
        return {"appointments": own}, 200

    async def book(self, request: Request, user: str | None) -> Any:
        """Book one."""
        body = await request.json()
        one = {
            "id": str(uuid.uuid4()),
            "patient": str(user),
            "providerId": body["providerId"],
            "providerName": PROVIDER["name"],
            "date": body["date"],
            "status": "scheduled",
        }
        self.appointments[one["id"]] = one
        return {"id": one["id"], "status": one["status"]}, 201

    async def appointment(self, request: Request, _user: str | None) -> Any:
        """Return one."""
        found = self.appointments.get(request.path_params["id"])
        return (found, 200) if found else ({"detail": "no such appointment"}, 404)

    async def pay(self, _request: Request, _user: str | None) -> Any:
        """Charge a card."""
        if self.declined:
            return {"status": "declined"}, 402
        return {"id": str(uuid.uuid4()), "status": "succeeded"}, 201

    async def call(self, _request: Request, _user: str | None) -> Any:
        """Begin a video call."""
        if self.video_refused:
            return {"detail": "no video call can be made now"}, 409
        made = str(uuid.uuid4())
        joined = f"https://video.example.org/join/{made}"
        return {"id": made, "status": "initialised", "joinUrl": joined}, 201

    def app(self) -> Starlette:
        """Return the application."""
        open_to_all = {"/v1/auth/register": self.register, "/v1/auth/login": self.login}
        routes = {
            ("POST", "/v1/auth/register"): self.register,
            ("POST", "/v1/auth/login"): self.login,
            ("POST", "/v1/auth/logout"): self.logout,
            ("GET", "/v1/features"): self.features,
            ("GET", "/v1/providers"): self.providers,
            ("GET", "/v1/me/appointments"): self.mine,
            ("POST", "/v1/appointments"): self.book,
            ("GET", "/v1/appointments/{id}"): self.appointment,
            ("POST", "/v1/payments"): self.pay,
            ("POST", "/v1/video/calls"): self.call,
        }
        return Starlette(
            routes=[
                Route(path, self._answering(handler, path in open_to_all), methods=[method])
                for (method, path), handler in routes.items()
            ]
        )

    def _answering(self, handler: Any, open_to_all: bool) -> Any:  # noqa: FBT001 - one caller
        async def answer(request: Request) -> Response:
            self.requests.append((request.method, request.url.path, dict(request.headers)))
            user = self.tokens.get(_token(request))
            if self.down:
                return JSONResponse({"detail": "the database is unavailable"}, 503)
            if user is None and not open_to_all:
                return JSONResponse({"detail": "sign in first"}, 401)
            content, status = await handler(request, user)
            return Response(status_code=204) if status == 204 else JSONResponse(content, status)

        return answer


def _token(request: Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


@dataclasses.dataclass(frozen=True)
class Site:
    """A running site."""

    url: str
    patients: Patients


class _Quiet(WSGIRequestHandler):
    def log_request(self, *_arguments: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def web_site(
    bugs: Sequence[str] = (), version: str = "1.2.0", api_url: str | None = None
) -> Iterator[Site]:
    """Serve a build, with an API in memory unless another one is given, until the block ends."""
    patients = Patients()
    bundle = web_bundle(version, tuple(bugs))
    files = {
        name: (file.content, {"cache-control": file.cache, "content-type": file.content_type})
        for name, file in bundle.items()
    }
    with contextlib.ExitStack() as stack:
        edge = Edge(files.get, api_url or stack.enter_context(listening(patients.app())))
        stack.callback(edge.close)
        server = make_server("127.0.0.1", 0, edge, threaded=True, request_handler=_Quiet)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield Site(f"http://127.0.0.1:{server.server_port}", patients)
        finally:
            server.shutdown()
            server.server_close()
            thread.join(5)
