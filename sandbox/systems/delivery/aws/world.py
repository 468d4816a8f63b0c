"""Account and edges together: told of the deployment, bent by faults, and settled as time goes on."""

from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING, Any

from sandbox.systems.delivery.aws.account import Account
from sandbox.systems.delivery.aws.names import INVALIDATION_ORDERED_AFTER, INVALIDATION_TAKES
from sandbox.systems.delivery.aws.state import Bent, Facts
from sandbox.systems.delivery.builds import web_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Origin = Callable[[str], tuple[bytes, Mapping[str, str]] | None]
    from collections.abc import Mapping

    from sandbox.systems.delivery.aws.guard import Guard

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


_BEFORE = {"1.2.0": "1.1.0"}
_LONG_AGO = dt.timedelta(days=30)
_TIMER_MARGIN_SECONDS = 0.05


class World:
    """Everything that the process serves; one lock for every change."""

    def __init__(self, guard: Guard, regions: Iterable[str]) -> None:
        self._guard = guard
        self._account = Account()
        self.edges = {region: Edge(self._account.object) for region in regions}
        self._facts = Facts(web_uploaded_at=dt.datetime.now(dt.UTC) - _LONG_AGO)
        self._bent: dict[str, Mapping[str, Any]] = {}
        self._lock = threading.RLock()
        self._show()
        self._forget()

    def tell(self, facts: Mapping[str, Any]) -> None:
        """Change facts for good; a new bundle is uploaded now, and edges are told to forget theirs.

        Raises ValidationError for what is not a fact.
        """
        with self._lock:
            now = {"web_uploaded_at": dt.datetime.now(dt.UTC)} if "web_version" in facts else {}
            changed = {**self._facts.model_dump(), **facts, **now}
            self._facts = Facts.model_validate(changed)
            self._show()
            if now:
                self._later()

    def bend(self, fault: str, values: Mapping[str, Any] | None) -> None:
        """Lay a fault's values over the facts, or take them off; raises ValidationError."""
        with self._lock:
            bent = {name: held for name, held in self._bent.items() if name != fault}
            if values is not None:
                bent[fault] = values
            _effective(bent)
            self._bent = bent
            self._show()
            self._forget()

    def _later(self) -> None:
        """Complete the invalidation when its time has come."""
        seconds = (INVALIDATION_ORDERED_AFTER + INVALIDATION_TAKES).total_seconds()
        timer = threading.Timer(seconds + _TIMER_MARGIN_SECONDS, self._complete)
        timer.daemon = True
        timer.start()

    def _complete(self) -> None:
        with self._lock:
            self._show()
            self._forget()

    def _show(self) -> None:
        bent = _effective(self._bent)
        self._guard.credentials_refused = bent.credentials_refused
        self._guard.throttled = bent.throttled
        self._account.show(self._facts, bent)

    def _forget(self) -> None:
        bent = _effective(self._bent)
        old = web_bundle(_BEFORE.get(self._facts.web_version, "1.0.0"))
        stale = {
            name: (file.content, {"cache-control": file.cache, "content-type": file.content_type})
            for name, file in old.items()
        }
        for region, edge in self.edges.items():
            edge.forget(stale if bent.stale_edge == region else None)


def _effective(bent: Mapping[str, Mapping[str, Any]]) -> Bent:
    union = {key: value for values in bent.values() for key, value in values.items()}
    return Bent.model_validate(union)
