"""The browser: what it opens and watches, how it ends, and that nothing private leaves it."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import re
import socket
import ssl
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from playwright.sync_api import Error, Page
from pydantic import SecretStr

from probes import observation as waiting
from probes.browser import Browser, Look, Reply, Visited, WrongPage, key_of, program, visit, worker
from probes.observation import Deadline, FailureKind, Observation
from tests.golden import Said
from tests.probes import servers
from tests.probes.chains import a_chain
from tests.probes.servers import Behaviour, answer, closed_port, failed, serving, wait_until
from tests.tables import cases

SENTINEL = "sentinel-1A2b"
PORTS = re.compile(r"(?<=127.0.0.1:)\d+|(?<=localhost:)\d+")
Walk = Callable[[Page], Any]


def page(body: str, status: str = "200 OK", **headers: str) -> Behaviour:
    text = f"<!doctype html><title>A page</title>{body}".encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return answer(text, status=status, headers=named, content_type="text/html")


def site(pages: Mapping[str, Behaviour]) -> Behaviour:
    """Answer each path in its own way, 204 to others: a browser asks for icons."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        asked = connection.recv(65536, socket.MSG_PEEK).split(b" ")
        path = asked[1].decode().partition("?")[0] if len(asked) > 1 else ""
        pages.get(path, answer(b"", status="204 No Content"))(connection, over)

    return behave


def visited(
    browser: Browser,
    pages: Behaviour | Mapping[str, Behaviour],
    walk: Walk = lambda page: page.title(),
    *,
    seconds: float = 10,
    deadline: float = 60,
    tls: ssl.SSLContext | None = None,
    **look: Any,
) -> Observation[Visited[Any]]:
    """Visit a server's page."""
    behaviour = site(pages) if isinstance(pages, Mapping) else pages
    with serving(behaviour, tls=tls) as server:
        address = f"{'https' if tls else 'http'}://127.0.0.1:{server.port}"
        asked = Look(address, **look)
        return visit(browser, asked, walk, seconds=seconds, deadline=Deadline.after(deadline))


def told(observed: Observation[Visited[Any]]) -> Any:
    """Return what there is to say of a visit, without ports."""
    if observed.failure is not None:
        failure = observed.failure
        return [failure.kind.value, PORTS.sub("PORT", failure.detail), failure.phase]
    value = observed.brought()
    events = [[one.kind, one.what, PORTS.sub("PORT", one.where)] for one in value.events]
    return {"value": value.value, "wrong": value.wrong, "events": events}


def wrong(_page: Page) -> None:
    """Find the page wrong."""
    raise WrongPage("the page is wrong")


def endless(page: Page) -> None:
    """Ask something that the page never answers."""
    page.evaluate("while (true) {}")


def crashes(page: Page) -> None:
    """Ask something of a page whose process has crashed."""
    with page.expect_event("crash"), contextlib.suppress(Error):
        page.goto("chrome://crash")
    page.title()


def kill(number: int, browser: Browser) -> None:
    """Kill the browser (0), or Playwright's process that started it (1)."""
    os.kill(browser._pids[number], 9)


def test_a_page_is_opened_and_walked_through(browser: Browser) -> None:
    observed = visited(
        browser, page("<h1>Hello</h1>"), lambda page: page.locator("h1").inner_text()
    )
    assert observed.brought().value == "Hello"
    assert {one.kind for one in observed.brought().events} <= {"long task"}
    named, built = (
        observed.brought().browser,
        pathlib.Path(f"/proc/{browser._pids[0]}/exe").readlink(),
    )
    assert named.startswith("chromium ")
    assert named.endswith(" (headless shell)") is ("headless-shell" in built.name)
    assert [name for name, seconds in observed.phases.items() if seconds] == [
        "start",
        "open",
        "walk",
    ]


@cases(
    "behaviour walk look",
    {
        "a page that is not as it should be": (page(""), wrong, {}),
        "a walk that waits for what never comes": (
            page(""),
            lambda page: page.locator("h1").click(timeout=100),
            {},
        ),
        "an answer 503": (page("", "503 Service Unavailable"), wrong, {}),
        "an answer 404": (page("", "404 Not Found"), wrong, {}),
        "a server that breaks off": (servers.reset, wrong, {}),
        "a server that closes without an answer": (servers.close_after_request, wrong, {}),
        "a server that does not speak HTTP": (servers.say(b"SSH-2.0-OpenSSH_9.2\r\n"), wrong, {}),
        "a page in place of which a file is sent": (
            page("", Content_Disposition="attachment; filename=a.html"),
            wrong,
            {},
        ),
        "a page that crashes": (page(""), crashes, {}),
        "a question that the browser refuses": (page(""), lambda page: page.evaluate("nix()"), {}),
    },
)
def test_what_is_said_of_a_page_that_can_not_be_walked_through(
    browser: Browser, said: Said, behaviour: Behaviour, walk: Walk, look: dict[str, Any]
) -> None:
    said(told(visited(browser, behaviour, walk, **look)))


@cases(
    "behaviour walk kind",
    {
        "a page that never comes": (servers.hang, wrong, FailureKind.TIMEOUT),
        "a page in an endless loop": (page(""), endless, FailureKind.TIMEOUT),
        "a page that loads for ever": (
            {"/": page("<img src=/slow>"), "/slow": servers.hang},
            wrong,
            FailureKind.TIMEOUT,
        ),
    },
)
def test_a_visit_ends_with_its_time(
    browser: Browser, behaviour: Behaviour, walk: Walk, kind: FailureKind
) -> None:
    observed = visited(browser, behaviour, walk, seconds=2.2)
    failed(observed, kind)
    assert observed.elapsed_seconds < 30, "the run itself would have gone on for a minute"


def test_the_end_of_the_run_says_nothing_about_a_page(browser: Browser) -> None:
    visited(browser, page(""))
    observed = visited(browser, page(""), endless, deadline=1)
    assert "run's deadline" in failed(observed, FailureKind.OUR_FAULT).detail


def test_a_visit_waits_for_its_turn_until_the_deadline(browser: Browser) -> None:
    visited(browser, page(""))
    free = threading.Event()
    with contextlib.ExitStack() as stack:
        browser._turn.acquire()
        stack.callback(browser._turn.release)
        stack.callback(free.set)
        observed = visited(browser, page(""), deadline=0.2)
    assert told(observed) == [
        FailureKind.OUR_FAULT.value,
        "The run's deadline came while the browser was busy with other pages.",
        "start",
    ]


@contextlib.contextmanager
def own_site(folder: pathlib.Path, days: float = 90) -> Iterator[tuple[str, str]]:
    """Serve a page under an authority of one's own; yield its address and the authority's file."""
    root, middle, leaf = a_chain("localhost", (90, 90, days))
    (folder / "server.pem").write_bytes(leaf + middle)
    (folder / "ca.pem").write_bytes(root)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    with serving(page(""), tls=context) as server:
        yield f"https://localhost:{server.port}", str(folder / "ca.pem")


def test_a_site_of_ones_own_authority_opens_and_none_of_another(
    chromium: str, tmp_path: pathlib.Path
) -> None:
    nobody = f"http://127.0.0.1:{closed_port()}"
    (tmp_path / "other").mkdir()
    with own_site(tmp_path) as (own, ca_file), own_site(tmp_path / "other") as (other, _):
        keys = [key_of(own, ca_file, Deadline.after(9)) or ""]
        with contextlib.closing(Browser(executable=chromium, trusted=lambda _: keys)) as one:
            found = [
                visit(one, Look(it), Page.title, seconds=9, deadline=Deadline.after(20))
                for it in (own, other, nobody)
            ]
    assert found[0].brought().value == "A page"
    failed(found[1], FailureKind.CERTIFICATE_UNTRUSTED)
    failed(found[2], FailureKind.REFUSED)


@cases("days host", {"expired": (-0.5, "localhost"), "of another name": (90, "127.0.0.1")})
def test_no_key_is_taken_of_a_certificate_that_is_not_good(
    tmp_path: pathlib.Path, days: float, host: str
) -> None:
    with own_site(tmp_path, days) as (own, ca_file):
        assert key_of(own.replace("localhost", host), ca_file, Deadline.after(9)) is None


WATCHED = {
    "errors, violations and what keeps people waiting": """<p>text</p><script src=/missing.js></script>
        <script>console.log('sentinel'); console.error(new TypeError('sentinel'))</script>
        <script>nothing.there</script><script>eval('1')</script>
        <script>fetch('http://localhost:1/v1/patients/17?name=sentinel').catch(() => 0)</script>
        <script>const t = Date.now(); while (Date.now() - t < 300);</script>
        <script>setTimeout(() => document.body.prepend(Object.assign(
        document.createElement('div'), {style: 'height: 300px'})), 150)</script>""",
    "a dialog and a download": """<a href=/file download>x</a>
        <script>alert('sentinel'); document.querySelector('a').click()</script>""",
}


@cases("body", WATCHED)
def test_what_happens_meanwhile_is_noted(
    request: pytest.FixtureRequest, browser: Browser, said: Said, body: str
) -> None:
    pages = {
        "/": page(body, Content_Security_Policy="script-src 'self' 'unsafe-inline'"),
        "/missing.js": page("", "404 Not Found"),
        "/file": answer(b"x", headers={"Content-Disposition": "attachment"}),
    }
    observed = visited(browser, pages, lambda page: page.wait_for_timeout(400))
    assert SENTINEL[:8] not in str(observed.record()) + repr(observed.brought())
    # Whether a page keeps people waiting is the machine's doing too.
    slow = set() if "waiting" in request.node.name else {"long task", "layout shift"}
    said(sorted({tuple(one) for one in told(observed)["events"] if one[0] not in slow}))


def test_headers_go_to_the_sites_own_origin_and_not_where_it_redirects_to(browser: Browser) -> None:
    with serving(page("elsewhere", Access_Control_Allow_Origin="*")) as other:
        away = answer(
            b"",
            status="302 Found",
            headers={"Location": f"http://localhost:{other.port}/elsewhere"},
        )
        frame = f"<script>fetch('/api'); fetch('http://localhost:{other.port}/direct')</script>"
        with serving(site({"/": page(frame), "/api": page("x"), "/away": away})) as server:
            origin = f"http://127.0.0.1:{server.port}"
            look = Look(origin, headers={"X-Synthetic-Tag": "the-tag"})

            def walk(page: Page) -> None:
                page.wait_for_timeout(200)
                page.goto(f"{origin}/away")

            visit(browser, look, walk, seconds=10, deadline=Deadline.after(20)).brought()
    assert any(b"GET /api" in one for one in server.requests)
    assert all(b"the-tag" in one for one in server.requests)
    assert any(b"GET /elsewhere" in one for one in other.requests)
    assert not any(b"the-tag" in one for one in other.requests)


def test_replies_are_given_in_this_browser_alone(browser: Browser) -> None:
    asked = "['/v1/payments', '/v1/x/y', '/other'].map(u => fetch(u).then(r => r.status, () => 'broken'))"
    observed = visited(
        browser,
        {"/": page(""), "/other": page("")},
        lambda page: page.evaluate(f"Promise.all({asked})"),
        headers={"X-Synthetic-Tag": "tag"},
        replies=(Reply("/v1/payments", 402, {"detail": "declined"}), Reply("/v1/*")),
    )
    assert observed.brought().value == [402, "broken", 200]
    kinds = {one.kind for one in observed.brought().events}
    assert kinds <= {"long task"}, "what the gate does itself is no finding"


@cases("number", {"the browser": 0, "the process that started it": 1})
def test_a_browser_that_dies_is_a_failure_of_the_instrument(
    browser: Browser, said: Said, number: int
) -> None:
    visited(browser, page(""))

    def walk(page: Page) -> str:
        kill(number, browser)
        return page.title()

    said(told(visited(browser, page(""), walk)))
    assert visited(browser, page("")).brought().value == "A page"


def test_a_browser_that_died_between_two_visits_is_started_anew(browser: Browser) -> None:
    visited(browser, page(""))
    kill(0, browser)
    wait_until(lambda: not worker._parent(browser._pids[0]), "it is gone")
    assert visited(browser, page("")).brought().value == "A page"


def test_a_walk_that_hangs_since_the_browser_died_is_no_absence_of_the_site(
    browser: Browser,
) -> None:
    def hangs(_: Page) -> None:
        kill(0, browser)
        time.sleep(6.5)

    observed = visited(browser, page(""), hangs, seconds=5)
    assert "The browser ended" in failed(observed, FailureKind.OUR_FAULT).detail


ABSENT = {
    "a program that is not there": ("chromium", "/nowhere/chromium"),
    "a program that is no browser": ("chromium", "/bin/true"),
    **{f"no {kind} at all": (kind, None) for kind in program.KINDS},
}


def test_a_browser_that_does_not_start_says_how_to_get_one(
    said: Said, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    found = {}
    with contextlib.closing(Browser()) as none:
        # Playwright itself is started once for all of them.
        for name, (none.kind, none._wanted) in ABSENT.items():
            found[name] = told(visited(none, page("")))
    said(found)


def test_what_playwright_turns_off_in_the_browser_stays_off(browser: Browser) -> None:
    """Of two lists the last one counts, and ours is the last."""
    visited(browser, page(""))
    line = pathlib.Path(f"/proc/{browser._pids[0]}/cmdline").read_text().split("\0")
    lists = [one for one in line if one.startswith("--disable-features=")]
    theirs, ours = (set(one.partition("=")[2].split(",")) for one in lists)
    assert ours - theirs == {"WebUIOmniboxPopup", "WebUIOmniboxAimPopup"}
    assert theirs <= ours


def test_a_browser_asks_nobody_by_itself_and_leaves_no_thread_and_no_process(
    chromium: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    log = tmp_path / "network.json"
    monkeypatch.setattr(program, "_QUIET", (*program._QUIET, f"--log-net-log={log}"))
    one = Browser(executable=chromium)
    visited(one, page(""), lambda page: page.wait_for_timeout(4000)).brought()
    pids, thread = one._pids, one._thread
    one.close()
    assert thread is not None
    assert not thread.is_alive()
    assert len(pids) == 2
    assert not [pid for pid in pids if pathlib.Path(f"/proc/{pid}").exists()]
    one.close()
    asked = set(re.findall(r'"url":"(\w+://[^/"]+)', log.read_text(encoding="utf-8")))
    assert {PORTS.sub("PORT", one) for one in asked} <= {"http://127.0.0.1:PORT"}


def test_a_run_that_is_stopped_waits_for_no_page(browser: Browser) -> None:
    visited(browser, page(""))
    stopping = threading.Timer(0.3, waiting.stop)
    stopping.start()
    try:
        with pytest.raises(waiting.Stopped):
            visited(browser, page(""), endless)
    finally:
        stopping.join()
        waiting.begin()
    assert visited(browser, page("")).brought().value == "A page"


FORM = """<label>Password <input type=password></label><label>E-mail <input type=email></label>
<p id=who>Signed in as {0}@example.org, +49 30 5550101</p><p title="{0}">{0}</p>
<iframe srcdoc="<input value={0}><p>{0}</p>"></iframe>
<script>sessionStorage.token = "{0}"; console.error("{0}");
const headers = {{Authorization: "Bearer {0}"}};
fetch("/v1/me?name={0}", {{method: "POST", body: "{0}", headers}})</script>"""


def filled(page: Page, text: str) -> None:
    """Type something private and find the page wrong."""
    page.get_by_label("Password").fill(text)
    page.get_by_label("E-mail").fill(f"{text}@example.org")
    page.wait_for_timeout(100)
    raise WrongPage("the page is wrong")


def kept(browser: Browser, text: str) -> Visited[None]:
    return visited(
        browser,
        {"/": page(FORM.format(text)), "/v1/me": answer(text.encode(), headers={"X-Who": text})},
        lambda page: filled(page, text),
        path=f"/?token={text}",
        headers={"X-Synthetic-Tag": "tag"},
        private=(SecretStr(text),),
        keep=True,
    ).brought()


def test_picture_and_trace_of_a_wrong_page_hold_nothing_private(browser: Browser) -> None:
    found = kept(browser, SENTINEL)
    with zipfile.ZipFile(io.BytesIO(found.trace)) as members:
        contents = {name: members.read(name) for name in members.namelist()}
    assert b'"method": "fill"' in contents["trace.trace"], "the walk itself is there"
    for name, content in {**contents, "picture": found.picture, "zip": found.trace}.items():
        assert SENTINEL.encode() not in content, name
        assert b"example.org" not in content, name
    assert SENTINEL not in repr(found) + str(found.facts())
    assert found.picture == kept(browser, "another-9Z8y7x").picture, "whatever was private"


def test_of_a_page_that_is_right_nothing_is_kept(browser: Browser) -> None:
    found = visited(browser, page(""), keep=True).brought()
    assert (found.picture, found.trace) == (b"", b"")
