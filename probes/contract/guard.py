"""What keeps a pass to what it may send: every request of this process goes through here, or nowhere.

Schemathesis opens sessions in several places, and its settings decide what it generates; they are not what
this trusts. Two layers, below them: the adapter of every session of `requests`, and the standard
library's connection, through which all of them (and urllib) write a request's first line.
"""

from __future__ import annotations

import collections
import http.client
import re
from collections.abc import Collection
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
from requests.adapters import HTTPAdapter

_PORTS = {"http": 80, "https": 443}


class RefusedError(requests.exceptions.InvalidURL):
    """A request that must not leave this process."""


class Guard:
    """Lets requests of these operations of one server through, and counts what was sent and refused."""

    def __init__(self, base_url: str, allowed: Collection[str], others: Collection[str]) -> None:
        self._base = urlsplit(base_url)
        # Of two that fit a path, the one with fewer places for values is meant.
        known = sorted({*allowed, *others}, key=lambda one: (one.count("{"), one))
        self._known = [(self._pattern(one), one in allowed) for one in known]
        self.sent: collections.Counter[str] = collections.Counter()
        self.refused = 0

    def _pattern(self, operation: str) -> re.Pattern[str]:
        method, _, path = operation.partition(" ")
        parts = re.split(r"\{[^}]*\}", self._base.path.rstrip("/") + path)
        return re.compile(f"{method} {'[^/]*'.join(map(re.escape, parts))}")

    def let(self, method: str | None, address: SplitResult) -> None:
        """Return if this may be sent; raises RefusedError."""
        same_server = _server(address) == _server(self._base)
        asked = f"{method} {address.path}"
        if not (same_server and next((may for one, may in self._known if one.fullmatch(asked)), 0)):
            self.refused += 1
            raise RefusedError("the gate does not send this")

    def install(self) -> None:
        """Put both layers into this process, for good."""
        guard = self

        class Guarded(HTTPAdapter):
            def send(
                self, request: requests.PreparedRequest, *more: Any, **named: Any
            ) -> requests.Response:
                guard.let(request.method, urlsplit(request.url or ""))
                guard.sent[str(request.method)] += 1
                # No proxy of this machine's: the one server is asked and nobody else.
                return super().send(request, *more, **{**named, "proxies": {}})

        requests.sessions.HTTPAdapter = Guarded  # what every session mounts
        put = http.client.HTTPConnection.putrequest

        def putrequest(
            connection: http.client.HTTPConnection, method: str, url: str, *more: Any, **named: Any
        ) -> None:
            scheme = guard._base.scheme
            guard.let(method, urlsplit(f"{scheme}://{connection.host}:{connection.port}{url}"))
            put(connection, method, url, *more, **named)

        http.client.HTTPConnection.putrequest = putrequest  # type: ignore[method-assign,assignment]  # the guard's own


def _server(address: SplitResult) -> tuple[str | None, int | None]:
    return address.hostname, address.port or _PORTS.get(address.scheme)
