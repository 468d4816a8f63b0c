"""What is found on small pages by axe, by the keyboard, in narrow windows, by motion and by the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

import probes
from probes.browser import Browser
from probes.observation import Deadline
from tests.probes.standin_server import listening
from tests.tables import cases

STYLE = "<style>:focus-visible { outline: 3px solid #06c }</style>"
LABELLED = "<label>Name <input></label>"
INNER = f"<!doctype html><html lang=en><title>in</title><main><h1>In</h1>{'{}'}</main></html>"
Walk = Callable[[Page, Page], Any]
"""Takes the page, and an empty one."""
Asked = Callable[[str, Walk], Any]


def whole(body: str) -> str:
    head = f"<title>A page</title><link rel=icon href=data:,>{STYLE}"
    return f"<!doctype html><html lang=en>{head}<main><h1>A page</h1>{body}</main>"


@pytest.fixture(scope="module")
def ask(browser: Browser) -> Iterator[Asked]:
    """Return what opens a page with this body in one browser, and returns what a walk brings."""
    shown = {"body": ""}

    async def answer(request: Request) -> Response:
        """Serve the page, under a policy that forbids scripts of others."""
        inner = request.url.path == "/frame"
        page = INNER.format("<input>") if inner else whole(shown["body"])
        return HTMLResponse(page, headers={"Content-Security-Policy": "script-src 'unsafe-inline'"})

    app = Starlette(routes=[Route("/{path:path}", answer)])
    with listening(app) as url:
        # localhost is another origin than 127.0.0.1.
        foreign = url.replace("127.0.0.1", "localhost")

        opened: list[Page] = []

        def open_pages(started: Any, *_: object) -> None:
            context = started.new_context(
                viewport={"width": 1280, "height": 720}, reduced_motion="reduce"
            )
            for script in (probes.looks.MOTION, probes.looks.WATCH):
                context.add_init_script(script)
            opened.extend([context.new_page(), context.new_page()])
            opened[0].bring_to_front()

        def visited(body: str, walk: Walk) -> Any:
            shown["body"] = body.replace("FOREIGN", foreign)

            def job(*_: object) -> Any:
                opened[0].goto(url)
                return walk(*opened)

            return browser.do(job, 20, Deadline.after(30))

        browser.do(open_pages, 20, Deadline.after(30))
        yield visited
        browser.do(lambda *_: opened[0].context.close(), 20, Deadline.after(30))


def rules(found: tuple[probes.axe.Found, ...]) -> list[tuple[str, str]]:
    return [(one.rule, one.selectors[0]) for one in found]


@cases(
    "body violations undecided",
    {
        "a good page": (LABELLED, [], []),
        "grey on white": ("<p style='color:#bbb'>pale</p>", [("color-contrast", "p")], []),
        "an input without a label": ("<input>", [("label", "input")], []),
        "a frame whose page has an input without a label": (
            "<iframe title=f src=/frame></iframe>",
            [("label", "input in iframe")],
            [],
        ),
        "a frame from another origin": (
            "<iframe title=f src=FOREIGN/frame></iframe>",
            [("label", "input in iframe")],
            [],
        ),
        "a frame in which nothing can be asked": (
            "<iframe title=f sandbox src=/frame></iframe>",
            [],
            [("frame-tested", "iframe")],
        ),
        "an address in an attribute": (
            "<input name='sentinel@example.org'><input>",
            [("label", 'input[name="…"]')],
            [],
        ),
    },
)
def test_axe_scans_every_frame(
    ask: Asked,
    body: str,
    violations: list[tuple[str, str]],
    undecided: list[tuple[str, str]],
) -> None:
    found = ask(body, lambda page, _: probes.axe.scan(page))
    assert rules(found.violations) == violations
    assert rules(found.incomplete) == undecided
    assert found.passes > 3
    assert all(one.picture.startswith(b"\x89PNG") for one in found.violations)
    assert "sentinel" not in str(found.facts())


def test_pictures_of_elements_show_nobody_and_the_page_stays_as_it_was(ask: Asked) -> None:
    def scanned(secret: str) -> list[bytes]:
        body = (
            f"<p style='color:#bbb' title='{secret}'>{secret} a@example.org</p>"
            f"<input value='{secret}'><iframe title=f srcdoc='<p>{secret}</p>'></iframe>"
            "<input type=date aria-label=d value=2026-11-30>"
        )

        def walk(page: Page, _: Page) -> tuple[list[bytes], str, str]:
            before = page.content() + page.locator("input").first.input_value()
            found = probes.axe.scan(page, [secret])
            after = page.content() + page.locator("input").first.input_value()
            return [one.picture or b"" for one in found.violations], before, after

        pictures, before, after = ask(body, walk)
        kept: list[bytes] = pictures
        assert before == after.replace(' style=""', "")
        return kept

    first = scanned("sentinel-1A2b")
    assert len(first) > 1
    assert all(first)
    assert first == scanned("another-9Z8y7")


def names(stops: tuple[probes.keyboard.Stop, ...]) -> list[str]:
    return [one.name for one in stops]


KEPT = "event.key == 'Tab' && event.preventDefault()"
BUTTONS = "<button>one</button> <button>two</button> <button>three</button>"


@cases(
    "body found",
    {
        "buttons in their order": (BUTTONS, "one two three"),
        "radio buttons are one stop": (
            "<label><input type=radio name=r>a</label><label><input type=radio name=r>b</label>",
            "a",
        ),
        "a date has parts": (
            "<label>day <input type=date></label><button>one</button>",
            "day one",
        ),
        "nobody is sent to what is hidden, disabled or inert": (
            f"{BUTTONS}<button hidden>h</button><button disabled>d</button><div inert><a href=#>i</a></div>",
            "one two three",
        ),
        "a text that is pressed by the mouse alone": (
            "<button>one</button><div onclick='1'>two</div>",
            "one, unreached two",
        ),
        "an order of its own": (
            "<button>one</button><button tabindex=2>two</button>",
            "one two, early two",
        ),
        "a field that Tab does not leave": (
            f'<button>one</button><input id=two onkeydown="{KEPT}"><button>three</button>',
            "one two, unreached three, trapped by two",
        ),
        "a field that Shift+Tab does not leave": (
            "<button>one</button><input id=two onkeydown='event.shiftKey && event.preventDefault()'>",
            "one two, trapped by two",
        ),
        "a focus that is not shown": (
            "<button>one</button><button style='outline: none'>two</button>",
            "one two, hidden two",
        ),
        "a focus in the colour of the page": (
            "<p><button>one</button></p><p><button style='outline-color: white'>two</button></p>",
            "one two, hidden two",
        ),
    },
)
def test_the_keyboard_goes_round(ask: Asked, body: str, found: str) -> None:
    went = ask(body, probes.keyboard.round_trip)
    hidden = tuple(one for one in went.reached if one.focus_pixels < 24)
    trap = (went.trapped_by,) if went.trapped_by else ()
    rest = {"unreached": went.unreached, "early": went.early, "trapped by": trap, "hidden": hidden}
    said = [f"{word} {' '.join(names(stops))}" for word, stops in rest.items() if stops]
    assert ", ".join([" ".join(names(went.reached)), *said]) == found


def test_an_open_dialog_is_gone_through_by_itself(ask: Asked) -> None:
    dialog = "<dialog id=d><button>two</button><button>three</button></dialog>"

    def opened(page: Page, paper: Page) -> object:
        probes.keyboard.tab_to(page, page.get_by_role("button", name="one"), "one")
        page.keyboard.press("Enter")
        inside = probes.keyboard.has_focus(page.locator("dialog"))
        found = probes.keyboard.round_trip(page, paper)
        page.keyboard.press("Escape")
        back = probes.keyboard.has_focus(page.get_by_role("button", name="one"))
        return inside, sorted(names(found.reached)), found.unreached, found.trapped_by, back

    body = f"<button onclick='d.showModal()'>one</button>{dialog}"
    assert ask(body, opened) == (True, ["three", "two"], (), None, True)


def test_a_control_that_tab_does_not_reach_is_named(ask: Asked) -> None:
    def sought(page: Page, _: Page) -> None:
        with pytest.raises(probes.keyboard.NotReachedError, match=r"^two is not reached by Tab$"):
            probes.keyboard.tab_to(page, page.get_by_text("two"), "two")

    ask("<button>one</button><p>two</p>", sought)


def reflow(page: Page, _: Page) -> list[tuple[bool, tuple[str, ...]]]:
    protocol = page.context.new_cdp_session(page)
    found = probes.looks.reflow(page, protocol, (probes.looks.NARROW, probes.looks.ZOOMED))
    assert page.evaluate("() => [innerWidth, innerHeight, devicePixelRatio]") == [1280, 720, 1]
    assert [one.window for one in found] == ["320 px", "400 % zoom"]
    assert [one.width for one in found] == [320, 320]
    return [(one.sideways > 0, one.wide) for one in found]


WIDE = "<p class=wide style='width: 700px'>wide</p>"


@cases(
    "body seen",
    {
        "a page in one column": (LABELLED, (False, ())),
        "a paragraph that is too wide": (WIDE, (True, ("p.wide",))),
        "what is too wide is cut off": (
            f"<div style='overflow: hidden'>{WIDE}</div>",
            (False, ("p.wide",)),
        ),
        "a table in a box that scrolls": (
            f"<div style='overflow-x: auto'>{WIDE}</div>",
            (False, ()),
        ),
    },
)
def test_a_page_is_seen_in_narrow_windows(
    ask: Asked, body: str, seen: tuple[bool, tuple[str, ...]]
) -> None:
    assert ask(body, reflow) == [seen, seen]


CALM = "@media (prefers-reduced-motion: no-preference)"
TURN = "@keyframes turn { to { rotate: 1turn } }"


@cases(
    "body moves",
    {
        "nothing moves": (LABELLED, []),
        "an animation without end": (
            f"<style>{TURN} b {{ animation: turn 2s infinite }}</style><b>x</b>",
            [("turn", "b", -1)],
        ),
        "one that is over already": (
            f"<style>{TURN} b {{ animation: turn 60ms 2 }}</style><b>x</b>",
            [("turn", "b", 120)],
        ),
        "one for those who do not mind": (
            f"<style>{TURN} {CALM} {{ b {{ animation: turn 2s infinite }} }}</style><b>x</b>",
            [],
        ),
        "a script moves it": (
            "<b>x</b><script>document.querySelector('b').animate([{}, {rotate: '9deg'}], 900)</script>",
            [("script", "b", 900)],
        ),
    },
)
def test_motion_is_noted(ask: Asked, body: str, moves: list[tuple[str, str, float]]) -> None:
    def moved(page: Page, _: Page) -> probes.looks.Motion:
        page.wait_for_timeout(150)
        return probes.looks.motion(page)

    found = ask(body, moved)
    assert found.reduced
    assert [(one.what, one.where, one.ms) for one in found.moves] == moves


def loaded(page: Page, _: Page) -> probes.looks.Vitals:
    wire = probes.looks.Wire(page)
    page.reload()
    return wire.measured(page, page.locator("h1").click)


def test_a_load_is_measured(ask: Asked) -> None:
    found = ask(f"{LABELLED}{'<!-- 20 kB -->' * 1500}", loaded)
    assert 0 < found.lcp_ms < 10_000
    assert found.cls == 0
    assert found.inp_ms >= probes.looks.SHORTEST_MS
    assert (found.requests, 20_000 < found.transferred_bytes < 25_000) == (1, True)


def test_a_press_that_is_answered_late_is_measured(ask: Asked) -> None:
    slow = "for (const end = performance.now() + 300; performance.now() < end;);"
    found = ask(f"<script>document.onclick = () => {{ {slow} }}</script>", loaded)
    assert found.inp_ms >= 300


def test_what_moves_the_page_under_its_reader_is_a_shift(ask: Asked) -> None:
    late = (
        "<div id=late></div><p style='height: 400px; background: #eee'>text</p>"
        "<script>const grow = () => late.style.height = '300px';"
        "requestAnimationFrame(() => setTimeout(grow, 20))</script>"
    )
    assert ask(late, loaded).cls > 0.1


@cases(
    "shifts worst",
    {
        "none": ([], 0.0),
        "two within a second": ([[0, 0.1], [900, 0.2]], 0.3),
        "two with a pause": ([[0, 0.1], [1001, 0.2]], 0.2),
        "a window of five seconds": ([[at * 900, 0.1] for at in range(8)], 0.6),
        "in any order": ([[900, 0.2], [0, 0.1]], 0.3),
    },
)
def test_shifts_are_summed_in_windows(shifts: list[tuple[float, float]], worst: float) -> None:
    assert probes.looks.worst_window(shifts) == pytest.approx(worst)
