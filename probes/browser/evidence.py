"""What happens while a page is open, and what is kept of one that was wrong: a picture and a trace.

Events are errors, failed requests, violations, long tasks, dialogs and downloads. Playwright's trace holds
what was typed, headers, bodies and the page's own texts in clear. What is kept is written anew out of the
fields that are named here; nothing else of it is let in (ADR 0011).
"""

from __future__ import annotations

import contextlib
import io
import json
import pathlib
import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from playwright.sync_api import Error

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page


import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from probes.observation import Shown

if TYPE_CHECKING:
    from playwright.sync_api import (
        BrowserContext,
        ConsoleMessage,
        Dialog,
        Download,
        Request,
        Response,
    )

_MASK: Final = pathlib.Path(__file__).with_name("mask.js").read_text(encoding="utf-8")
_HIDDEN: Final = "•••"
_PICTURE_MILLISECONDS: Final = 2000
_EVENTS: Final = "trace.trace"
_NETWORK: Final = "trace.network"
"""The viewer asks for it; it stays empty."""
_KEPT: Final[Mapping[str, Sequence[str]]] = {
    "context-options": (
        *("version", "type", "origin", "browserName", "playwrightVersion", "platform", "wallTime"),
        *("monotonicTime", "sdkLanguage", "testIdAttributeName"),
    ),
    "before": ("type", "callId", "startTime", "class", "method", "pageId"),
    "after": ("type", "callId", "endTime"),
    "console": ("type", "messageType", "time", "pageId"),
}
"""By kind of line, the fields that hold nothing of page or typist."""
_PARAMS: Final = ("selector", "key", "timeout", "waitUntil", "state")
_TIMEOUT: Final = re.compile(r"Timeout \d+ms exceeded")


@contextlib.contextmanager
def masked(page: Page, private: Sequence[str]) -> Iterator[None]:
    """Hide what is private in every frame until the block ends; raises Error where one can't be masked."""
    frames = page.frames
    try:
        for frame in frames:
            frame.evaluate(_MASK, [one for one in private if one])
        yield
    finally:
        for frame in frames:
            with contextlib.suppress(Error):
                frame.evaluate(_MASK, None)


def picture(page: Page, private: Sequence[str]) -> bytes:
    """Return a picture of the page; empty where a frame can't be masked."""
    with contextlib.suppress(Error), masked(page, private):
        return page.screenshot(
            full_page=True, animations="disabled", timeout=_PICTURE_MILLISECONDS, scale="css"
        )
    return b""


def trace(context: BrowserContext, private: Sequence[str]) -> bytes:
    """End the trace and return what may be kept of it; empty where there is none."""
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(Error, OSError):
        raw = pathlib.Path(folder) / "raw.zip"
        context.tracing.stop(path=raw)
        return _rewritten(raw, private)
    return b""


def _rewritten(raw: pathlib.Path, private: Sequence[str]) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(raw) as source, zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as target:
        lines = [json.dumps(one) for one in _lines(source.read(_EVENTS), private)]
        target.writestr(_EVENTS, "\n".join(lines) + "\n")
        target.writestr(_NETWORK, "")
    return kept.getvalue()


def _lines(content: bytes, private: Sequence[str]) -> Iterator[dict[str, Any]]:
    for written in content.splitlines():
        line = json.loads(written)
        if line.get("type") not in _KEPT:
            continue
        kept = {name: line[name] for name in _KEPT[line["type"]] if name in line}
        given = line.get("params", {})
        params = {name: given[name] for name in _PARAMS if name in given}
        if "url" in given:
            params["url"] = place(given["url"])
        if line["type"] == "before":
            kept["params"] = {name: _masked(value, private) for name, value in params.items()}
        if line["type"] == "context-options":
            kept["options"] = {}
        if line["type"] == "console":
            kept |= {"text": "(not kept)", "location": {"url": place(line["location"]["url"])}}
        if "error" in line:
            late = _TIMEOUT.search(str(line["error"].get("message", "")))
            kept["error"] = {"name": "Error", "message": late[0] if late else "failed"}
        yield kept


def _masked(value: object, private: Sequence[str]) -> object:
    if not isinstance(value, str):
        return value
    for one in private:
        value = value.replace(one, _HIDDEN) if one else value
    return value


WATCH: Final = pathlib.Path(__file__).with_name("watch.js").read_text(encoding="utf-8")
_BAD_STATUS: Final = 400
_CLASS: Final = re.compile(
    r"\b((?:Type|Reference|Syntax|Range|URI|Eval|Aggregate|Security|Network|Abort|QuotaExceeded)Error)\b"
)
_PLAIN: Final = re.compile(r"[^A-Za-z0-9._/#:-]")
_IDS: Final = re.compile(r"(?<=/)(?:\d+|[0-9a-fA-F-]{16,})(?=/|$)|[A-Za-z0-9_-]{40,}")
_LONGEST: Final = 120
_NO_FAILURES: Final = ("net::ERR_ABORTED", "csp")
"""A page gave up what it had asked for, as it went on; or its policy forbids it, which is noted."""
_NOTED_ANYWAY: Final = ("Failed to load resource", "Content Security Policy", "Mixed Content:")
"""What the browser itself writes to the console about what is noted as what it is."""


@dataclasses.dataclass(frozen=True, slots=True)
class Event(Shown):
    """Something that happened; evidence shows of it what the page's own text has no part in (ADR 0011)."""

    KEPT = ("kind", "what", "where", "value")

    kind: str
    """console error · failed request · policy violation · mixed content · long task · layout shift ·
    dialog · download."""
    what: str
    """A status, an error's class, a directive: a word of the browser's."""
    where: str
    """Host and path, never a query."""
    value: float = 0.0
    """Milliseconds of a long task, the score of a layout shift."""
    text: str = dataclasses.field(default="", repr=False)
    """What the page said: for patterns to be held against, never shown."""


def place(url: str) -> str:
    """Return host and path of an address, ids and whatever is not plain left out."""
    parts = urlsplit(url)
    if not parts.netloc:
        return f"{parts.scheme or 'the page'}:"
    shown = f"{parts.netloc.rpartition('@')[2]}{parts.path}"
    return _IDS.sub("…", _PLAIN.sub("…", shown))[:_LONGEST]


class Watcher:
    """Notes the events of one context; `answered_here` tells the requests that the gate itself answered."""

    def __init__(self, site: str, answered_here: Callable[[str], bool]) -> None:
        self.events: list[Event] = []
        self.requests = 0
        self.crashed = False
        self._site = urlsplit(site)
        self._answered_here = answered_here

    def watch(self, context: BrowserContext) -> None:
        """Begin; the context has no page yet."""
        context.expose_binding("__gate_saw", self._told)
        context.add_init_script(WATCH)
        context.on("request", self._requested)
        context.on("requestfailed", self._failed)
        context.on("response", self._answered)
        context.on("console", self._console)
        context.on("weberror", lambda error: self._raised(f"{error.error.name}: {error.error}"))
        context.on("dialog", self._dialog)
        context.on("page", self._opened)

    def _opened(self, page: Any) -> None:
        page.on("download", self._download)
        page.on("crash", self._crash)

    def _crash(self, _page: object) -> None:
        self.crashed = True

    def _note(self, kind: str, what: str, url: str, value: float = 0.0, text: str = "") -> None:
        self.events.append(Event(kind, what, place(url), value, text))

    def _requested(self, request: Request) -> None:
        self.requests += 1
        parts = urlsplit(request.url)
        plain = parts.scheme in {"http", "ws"}
        if plain and (self._site.scheme == "https" or parts.hostname != self._site.hostname):
            self._note("mixed content", request.resource_type, request.url)

    def _failed(self, request: Request) -> None:
        if request.failure not in _NO_FAILURES and not self._answered_here(request.url):
            what = _word(request.failure or "")
            self._note("failed request", f"{request.method} {what}", request.url)

    def _answered(self, response: Response) -> None:
        if response.status >= _BAD_STATUS and not self._answered_here(response.url):
            self._note(
                "failed request", f"{response.request.method} {response.status}", response.url
            )

    def _console(self, message: ConsoleMessage) -> None:
        if message.type != "error":
            return
        url = str(message.location.get("url", ""))
        if not any(words in message.text for words in _NOTED_ANYWAY):
            self._note("console error", _class(message.text), url, text=message.text)

    def _raised(self, text: str) -> None:
        self._note("console error", f"uncaught {_class(text)}", self._site.geturl(), text=text)

    def _dialog(self, dialog: Dialog) -> None:
        self._note("dialog", _word(dialog.type), self._site.geturl(), text=dialog.message)
        dialog.dismiss()

    def _download(self, download: Download) -> None:
        self._note("download", "a file", download.url)
        with contextlib.suppress(Exception):
            download.cancel()

    def _told(self, source: Mapping[str, Any], kind: object, value: object) -> None:
        """Note what watch.js tells; a page could tell the same, so nothing of it is taken for text."""
        where = str(source["frame"].url)
        if kind in {"long task", "layout shift"} and isinstance(value, int | float):
            self._note(str(kind), "", where, round(float(value), 4))
        elif kind == "policy violation":
            directive, _, blocked = str(value).partition(" ")
            self._note(str(kind), _word(directive), where, text=blocked)


def _class(text: str) -> str:
    found = _CLASS.search(text)
    return found[1] if found else "error"


def _word(text: str) -> str:
    return _PLAIN.sub("…", text.removeprefix("net::"))[:60]
