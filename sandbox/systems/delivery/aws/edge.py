"""One edge of the content delivery network: serves the bucket's objects and keeps what it has served."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Origin = Callable[[str], tuple[bytes, Mapping[str, str]] | None]

_NOT_FOUND = (b"<html>not found</html>", {"content-type": "text/html", "cache-control": "no-cache"})


class Edge:
    """A WSGI application; what it keeps is served until it is told to forget."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._kept: dict[str, tuple[bytes, Mapping[str, str]]] = {}
        self._lock = threading.Lock()

    def forget(self, kept: Mapping[str, tuple[bytes, Mapping[str, str]]] | None = None) -> None:
        """Forget everything, or all but what is given."""
        with self._lock:
            self._kept = dict(kept or {})

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve one file; `/` is the page."""
        name = environ["PATH_INFO"].lstrip("/") or "index.html"
        with self._lock:
            found = self._kept.get(name) or self._origin(name)
            if found is not None:
                self._kept[name] = found
        body, metadata = found or _NOT_FOUND
        headers = {name.lower(): value for name, value in metadata.items()}
        answered = [
            ("Content-Type", headers.get("content-type", "application/octet-stream")),
            ("Cache-Control", headers.get("cache-control", "")),
            ("Content-Length", str(len(body))),
        ]
        start_response("200 OK" if found else "404 Not Found", answered)
        return [body]
