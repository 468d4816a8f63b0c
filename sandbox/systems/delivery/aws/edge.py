"""An edge of the web site: it keeps the bundle's files and passes `/v1/*` on to its region's API."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Request, Response

Origin = Callable[[str], tuple[bytes, Mapping[str, str]] | None]

_NOT_FOUND = (b"<html>not found</html>", {"content-type": "text/html", "cache-control": "no-cache"})
_API = "/v1/"
_API_SECONDS = 15.0
_MOST_BODY_BYTES = 1_048_576
_HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization"),
        *("proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)
"""RFC 9110, 7.6.1: these are between two neighbours."""
_REWRITTEN = frozenset({"host", "content-length"})
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "frame-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'self'",
    "require-trusted-types-for": "'script'",
}
SECURITY_HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
}


class Edge:
    """A WSGI application; what it keeps is served until it is told to forget."""

    def __init__(self, origin: Origin, api_url: str) -> None:
        self._origin = origin
        # The API is on this machine: a proxy of the environment must not see it.
        self._api = httpx.Client(base_url=api_url, timeout=_API_SECONDS, trust_env=False)
        self._kept: dict[str, tuple[bytes, Mapping[str, str]]] = {}
        self._lock = threading.Lock()

    def forget(self, kept: Mapping[str, tuple[bytes, Mapping[str, str]]] | None = None) -> None:
        """Forget everything, or all but what is given."""
        with self._lock:
            self._kept = dict(kept or {})

    def close(self) -> None:
        """Close the connections to the API."""
        self._api.close()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve one file, `/` is the page; or what the API answers."""
        request = Request(environ)
        answer = self._passed_on(request) if request.path.startswith(_API) else self._file(request)
        answer.headers.extend(SECURITY_HEADERS)
        return answer(environ, start_response)

    def _file(self, request: Request) -> Response:
        if request.method not in {"GET", "HEAD"}:
            return _problem(405, "files are only read")
        name = request.path.lstrip("/") or "index.html"
        with self._lock:
            found = self._kept.get(name) or self._origin(name)
            if found is not None:
                self._kept[name] = found
        body, metadata = found or _NOT_FOUND
        headers = {name.lower(): value for name, value in metadata.items()}
        kind = headers.get("content-type", "application/octet-stream")
        kept = {"Cache-Control": headers.get("cache-control", "")}
        return Response(body, 200 if found else 404, kept, content_type=kind)

    def _passed_on(self, request: Request) -> Response:
        """Ask the API the same; one that can't be reached is a bad gateway, a slow one a timeout."""
        if (request.content_length or 0) > _MOST_BODY_BYTES:
            return _problem(413, "the request is too large")
        url = httpx.URL(self._api.base_url, raw_path=_raw_path(request))
        headers = _end_to_end(request.headers.items(), request.headers.get("Connection", ""))
        sent = request.get_data()
        try:
            with self._api.stream(request.method, url, headers=headers, content=sent) as answer:
                body = b"".join(answer.iter_raw())
        except httpx.TimeoutException:
            return _problem(504, "the API takes too long")
        except httpx.TransportError:
            return _problem(502, "the API is unreachable")
        kept = _end_to_end(answer.headers.multi_items(), answer.headers.get("Connection", ""))
        return Response(body, answer.status_code, Headers(kept))


def _raw_path(request: Request) -> bytes:
    """Return path and query as they were sent; servers unquote the path for an application."""
    parts = urlsplit(str(request.environ["RAW_URI"]))
    return (f"{parts.path}?{parts.query}" if parts.query else parts.path).encode("latin-1")


def _end_to_end(headers: Iterable[tuple[str, str]], named: str) -> list[tuple[str, str]]:
    """Return the headers that are passed on, without those that `Connection` names."""
    left_out = _HOP_BY_HOP | _REWRITTEN | {name.strip().lower() for name in named.split(",")}
    return [(name, value) for name, value in headers if name.lower() not in left_out]


def _problem(status: int, detail: str) -> Response:
    return Response(json.dumps({"detail": detail}), status, content_type="application/json")
