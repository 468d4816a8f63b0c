"""A browser, as a patient has one: pages are opened, walked through and watched; nothing is judged.

Example: `visit(browser, Look("https://app.example.org"), lambda page: page.title(), seconds=20, deadline=…)`.
One visit is a fresh context with one page, under one deadline.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from urllib.parse import urlsplit

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import TimeoutError as LateError
from pydantic import SecretStr

from probes.browser import evidence, program
from probes.browser.evidence import Event, Watcher
from probes.browser.program import KINDS, installed, key_of
from probes.browser.worker import Browser
from probes.observation import (
    WORDS,
    Deadline,
    Failure,
    FailureKind,
    FoundError,
    Observation,
    PhaseClock,
    Shown,
    kinds_of,
    observed,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Started
    from playwright.sync_api import BrowserContext, Page, Request, Route

__all__ = [
    "KINDS",
    "Browser",
    "Event",
    "LateError",
    "Look",
    "PlaywrightError",
    "Reply",
    "Visited",
    "WrongPage",
    "installed",
    "key_of",
    "visit",
]

T = TypeVar("T")

PHASES: Final = ("start", "open", "walk")
_KINDS: Final = kinds_of("browser")
_OURS: Final = WORDS["browser_itself"]
_SENTENCES: Final = {FailureKind[kind.upper()]: text for kind, text in WORDS["browser"].items()}
_CODE: Final = re.compile(r"\b(?:net::)?((?:ERR|NS_ERROR)_[A-Z_]+)\b")
_SERVER_ERROR, _GOOD_BELOW = 500, 400
_CRASH_MILLISECONDS: Final = 200
_GRACE_SECONDS: Final = 0.5
_KEEP_SECONDS: Final = 2.0
"""What of the deadline is left for picture and trace of a walk that went wrong."""


class WrongPage(Exception):  # noqa: N818 - a finding about the page, not an error of ours
    """A page is not as it should be; the text is a sentence of ours."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """What the browser answers in the API's place, to this visit alone."""

    path: str
    """Of the site's own addresses; `*` stands for anything."""
    status: int | None = None
    """None: the connection is broken off."""
    body: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def takes(self, url: str, site: str) -> bool:
        """Return whether it answers an address."""
        pattern = re.escape(self.path).replace(r"\*", ".*")
        return url.startswith(site) and re.fullmatch(pattern, urlsplit(url).path) is not None

    def give(self, route: Route) -> None:
        """Answer a request."""
        if self.status is None:
            route.abort("connectionrefused")
            return
        body = json.dumps(dict(self.body))
        route.fulfill(status=self.status, content_type="application/json", body=body)


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """How a page is opened and what the browser pretends to be."""

    site: str
    """The origin, such as https://app.example.org."""
    path: str = "/"
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    """Sent with every request to the site's own origin, and to no other."""
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Of the context, as Playwright's `new_context` names them: viewport, is_mobile, reduced_motion, …"""
    scripts: tuple[str, ...] = ()
    """JavaScript that runs before that of each page."""
    replies: tuple[Reply, ...] = ()
    """The first that takes an address answers it."""
    private: tuple[SecretStr, ...] = dataclasses.field(default=(), repr=False)
    """What no picture and no trace may show, such as the password that is typed."""
    keep: bool = False
    """Whether picture and trace are brought of a page that was wrong."""


@dataclasses.dataclass(frozen=True, slots=True)
class Visited(Shown, Generic[T]):
    """What a walk brought, or what was wrong with the page, and what happened meanwhile."""

    KEPT = ("browser", "wrong", "events", "requests")

    browser: str
    value: T | None = dataclasses.field(repr=False)
    wrong: str = ""
    events: tuple[Event, ...] = ()
    requests: int = 0
    picture: bytes = dataclasses.field(default=b"", repr=False)
    """A PNG of a page that was wrong, without what is private."""
    trace: bytes = dataclasses.field(default=b"", repr=False)
    """What Playwright's trace viewer shows of the walk, without what is private."""


def visit(
    browser: Browser,
    look: Look,
    walk: Callable[[Page], T],
    *,
    seconds: float,
    deadline: Deadline,
) -> Observation[Visited[T]]:
    """Open a page and walk through it; the walk raises WrongPage where the page is not as it should be.

    Page and walk have that many seconds, from when the browser is there; `deadline` is the run's.
    A site that is not reached, a certificate that is not accepted and a browser that does not start or
    ends meanwhile are failures; they say nothing about the page.
    """

    def asked(clock: PhaseClock) -> Visited[T]:
        clock.enter("start")
        return browser.do(_Visit(look, walk, seconds, clock).run, seconds, deadline)

    return observed(
        "browser", f"{look.site}{look.path}", asked, lambda exc: _explained(exc, look.site), PHASES
    )


@dataclasses.dataclass
class _Visit(Generic[T]):
    """One visit while it lasts, in the browser's thread."""

    look: Look
    walk: Callable[[Page], T]
    seconds: float
    clock: PhaseClock
    short: bool = False
    """Whether the run's deadline leaves less time than a page has: then its end says nothing of the page."""

    def run(self, started: Started, deadline: Deadline) -> Visited[T]:
        """Open, walk, keep what there is to keep; nothing of the context is left."""
        self.short = deadline.remaining_seconds() < self.seconds - _GRACE_SECONDS
        version = program.version(started)
        watcher = Watcher(self.look.site, self._answered_here)
        options = {"accept_downloads": False, "service_workers": "block", **self.look.options}
        context = started.new_context(**options)
        try:
            watcher.watch(context)
            page = self._page(context, deadline)
            value, wrong = self._walked(page, watcher)
            picture, trace = self._kept(page, context, wrong)
        finally:
            with contextlib.suppress(PlaywrightError):
                context.close()
        events, requests = tuple(watcher.events), watcher.requests
        return Visited(version, value, wrong, events, requests, picture, trace)

    def _page(self, context: BrowserContext, deadline: Deadline) -> Page:
        for script in self.look.scripts:
            context.add_init_script(script)
        if self.look.replies:
            context.route(self._answered_here, self._reply)
        if self.look.keep:
            context.tracing.start(screenshots=False, snapshots=False, sources=False)
        page = context.new_page()
        self._send_headers(context, page)
        seconds = max(0.1, deadline.remaining_seconds() - _KEEP_SECONDS)
        context.set_default_timeout(seconds * 1000)
        return page

    def _send_headers(self, context: BrowserContext, page: Page) -> None:
        """Add our headers to requests to the site's origin; a redirect elsewhere does not take them along.

        Playwright's own routing would: what it adds to a request goes to wherever that is redirected.
        """
        if not self.look.headers:
            return
        if page.context.browser is None or page.context.browser.browser_type.name != "chromium":
            context.route(f"{self.look.site}/**", self._add_headers)
            return
        session = context.new_cdp_session(page)

        def send(paused: Mapping[str, Any]) -> None:
            headers = {**paused["request"]["headers"], **self.look.headers}
            pairs = [{"name": name, "value": value} for name, value in headers.items()]
            told = {"requestId": paused["requestId"], "headers": pairs}
            with contextlib.suppress(PlaywrightError):  # The page has gone on meanwhile.
                session.send("Fetch.continueRequest", told)

        session.on("Fetch.requestPaused", send)
        session.send("Fetch.enable", {"patterns": [{"urlPattern": f"{self.look.site}/*"}]})

    def _add_headers(self, route: Route, request: Request) -> None:
        route.fallback(headers={**request.headers, **self.look.headers})

    def _reply(self, route: Route, request: Request) -> None:
        next(one for one in self.look.replies if one.takes(request.url, self.look.site)).give(route)

    def _answered_here(self, url: str) -> bool:
        return any(reply.takes(url, self.look.site) for reply in self.look.replies)

    def _walked(self, page: Page, watcher: Watcher) -> tuple[T | None, str]:
        try:
            self.clock.enter("open")
            _opened(page, self.look)
            self.clock.enter("walk")
            value = self.walk(page)
            _hear_all(page)
        except WrongPage as exc:
            return None, str(exc)
        except LateError:
            if self.short:
                raise _ours("too_late") from None
            if self.clock.current == "open":
                raise _found(FailureKind.TIMEOUT, self.look.site) from None
            return None, f"{self.look.path} did not come to rest in time"
        except PlaywrightError:
            with contextlib.suppress(PlaywrightError):
                page.wait_for_timeout(_CRASH_MILLISECONDS)  # A crash is told a moment later.
            if watcher.crashed:
                raise _ours("page_crashed") from None
            raise
        return value, ""

    def _kept(self, page: Page, context: BrowserContext, wrong: str) -> tuple[bytes, bytes]:
        """Return picture and trace; the trace ends first, as masking the page is nobody's walk."""
        if not self.look.keep or not wrong:
            return b"", b""
        private = [one.get_secret_value() for one in self.look.private]
        trace = evidence.trace(context, private)
        return evidence.picture(page, private), trace


def _hear_all(page: Page) -> None:
    """Have every frame say what it measured, and take in what was said meanwhile."""
    for frame in page.frames:
        with contextlib.suppress(PlaywrightError):  # It has gone on.
            frame.evaluate("globalThis.__gate_tell_all?.()")
    page.wait_for_timeout(0)


def _opened(page: Page, look: Look) -> None:
    """Open the page; raises FoundError where the site answers nothing that is a page."""
    statuses: list[int] = []
    page.on(
        "response",
        lambda it: statuses.append(it.status) if it.request.is_navigation_request() else None,
    )
    try:
        page.goto(f"{look.site}{look.path}", wait_until="load")
    except PlaywrightError as exc:
        if "Download is starting" in str(exc):
            raise _found(FailureKind.UNUSABLE_ANSWER, look.site, "a file") from None
        # Of an error without a body the browser shows a page of its own.
        if "ERR_HTTP_RESPONSE_CODE_FAILURE" not in str(exc):
            raise
    status = next((one for one in statuses if one >= _GOOD_BELOW), None)
    if status is not None:
        kind = FailureKind.SERVER_ERROR if status >= _SERVER_ERROR else FailureKind.UNUSABLE_ANSWER
        host = urlsplit(look.site).netloc
        raise FoundError(kind, f"{host} answered the page with status {status}.")


def _explained(exc: Exception, site: str) -> Failure | None:
    """Return what an error of Playwright means; its own text holds addresses and the browser's log."""
    if not isinstance(exc, PlaywrightError):
        return None
    code = _CODE.search(str(exc))
    if code is not None:
        kind = _KINDS.get(code[1], FailureKind.UNUSABLE_ANSWER)
        return _found(kind, site, code[1]).failure
    # The class of this error is not exported; its sentence is what there is.
    ended = any(words in str(exc) for words in ("has been closed", "onnection closed"))
    return _ours("browser_ended" if ended else "walk_broke").failure


def _found(kind: FailureKind, site: str, code: str = "") -> FoundError:
    return FoundError(kind, _SENTENCES[kind].format(host=urlsplit(site).netloc, code=code))


def _ours(what: str) -> FoundError:
    return FoundError(FailureKind.OUR_FAULT, _OURS[what])
