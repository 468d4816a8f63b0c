"""What is kept of a page that was wrong: a picture and a trace, without secrets and people's data.

Playwright's trace holds what was typed, headers, bodies and the page's own texts in clear. What is kept
is written anew out of the fields that are named here; nothing else of it is let in (ADR 0011).
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

from probes.browser.events import place

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

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
            kept["error"] = {"name": "Error", "message": _error(line["error"])}
        yield kept


def _masked(value: object, private: Sequence[str]) -> object:
    if not isinstance(value, str):
        return value
    for one in private:
        value = value.replace(one, _HIDDEN) if one else value
    return value


def _error(error: Mapping[str, Any]) -> str:
    found = _TIMEOUT.search(str(error.get("message", "")))
    return found[0] if found else "failed"
