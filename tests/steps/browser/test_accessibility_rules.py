"""What is said of pages as they were seen: what is broken, open, accepted, and not to be told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from probes.browser.accessibility import Found, Round, Scan, Stop
from probes.browser.looks import Motion, Move, Reflow, Vitals
from settings.browser import AcceptedRule, VitalsPolicy
from smoke.examined import Examined, Seen, Typed
from steps.browser import accessibility_rules as rules
from steps.browser import vitals
from tests.golden import Said
from tests.steps.scenarios import sentence
from tests.tables import cases

TODAY = dt.date(2026, 1, 31)
CONTRAST = Found("color-contrast", "serious", "Enough contrast", "https://x", ("1.4.3",), 2, ("p",))
FRAME = Found("frame-tested", "critical", "Frames are tested", "https://y", (), 1, ("iframe",))


def a_scan(*violations: Found, incomplete: tuple[Found, ...] = (), passes: int = 9) -> Scan:
    return Scan("4.12.1", 1, passes, violations, incomplete)


def a_seen(scan: Scan | None = None, **changes: Any) -> Seen:
    reflows = changes.get("reflows", (Reflow("320 px", 320, 0, ()),))
    motion = changes.get("motion", Motion(reduced=True, moves=()))
    return Seen(scan or a_scan(), reflows, motion)


def accepted(*pages: str, until: str = "2026-01-31") -> tuple[AcceptedRule, ...]:
    reason = "a new palette comes with 1.3"
    rule = {"rule": "color-contrast", "pages": pages, "reason": reason, "until": until}
    return (AcceptedRule.model_validate(rule),)


@cases(
    "seen accepts",
    {
        "nothing is found": ({"login": a_seen(), "pay": a_seen()}, ()),
        "a rule is broken on two pages": (
            {
                "login": a_seen(a_scan(CONTRAST)),
                "pay": a_seen(a_scan(CONTRAST)),
                "home": a_seen(),
            },
            (),
        ),
        "it is accepted on both": (
            {"login": a_seen(a_scan(CONTRAST)), "pay": a_seen(a_scan(CONTRAST))},
            accepted("login", "pay"),
        ),
        "it is accepted on one of them": (
            {"login": a_seen(a_scan(CONTRAST)), "pay": a_seen(a_scan(CONTRAST))},
            accepted("login"),
        ),
        "the last day of its acceptance is over": (
            {"login": a_seen(a_scan(CONTRAST))},
            accepted("login", until="2026-01-30"),
        ),
        "a frame could not be read": (
            {"login": a_seen(a_scan(incomplete=(FRAME,)))},
            (),
        ),
        "what axe leaves open is accepted": (
            {"login": a_seen(a_scan(incomplete=(CONTRAST,)))},
            accepted("login"),
        ),
        "a page without anything to check": ({"login": a_seen(a_scan(passes=0))}, ()),
        "no page at all": ({}, ()),
    },
)
def test_what_axe_finds(
    seen: Mapping[str, Seen], accepts: tuple[AcceptedRule, ...], said: Said
) -> None:
    said([sentence(one) for one in rules.by_axe(Examined(seen, {}), accepts, TODAY)])


def test_pages_that_were_not_come_to_are_named_once_for_each_reason(said: Said) -> None:
    why = {"pay": "no button “Pay”", "paid": "no button “Pay”", "login": "no heading “Sign in”"}
    said([sentence(one) for one in rules.not_seen(why)])


@cases(
    "reflow",
    {
        "it fits": Reflow("320 px", 320, 0, ()),
        "it scrolls sideways": Reflow("320 px", 320, 160, ("table.days", "h1")),
        "it is cut off": Reflow("320 px", 320, 0, ("button.pay",)),
        "the window was not resized": Reflow("320 px", 1280, 0, ()),
    },
)
def test_a_narrow_window(reflow: Reflow, said: Said) -> None:
    said([sentence(one) for one in rules.fits({"login": a_seen(reflows=(reflow,))})])


@cases(
    "motion",
    {
        "nothing moves": Motion(reduced=True, moves=()),
        "what lasts no longer than is allowed": Motion(
            reduced=True, moves=(Move("fade", "h1", 100),)
        ),
        "what lasts longer": Motion(reduced=True, moves=(Move("fade", "h1", 101),)),
        "what does not end": Motion(reduced=True, moves=(Move("spin", "i", -1),)),
        "nobody told the page": Motion(reduced=False, moves=()),
    },
)
def test_motion(motion: Motion, said: Said) -> None:
    said([sentence(one) for one in rules.still({"login": a_seen(motion=motion)}, 0.1)])


PAY = Stop("Pay", "button", 24)
DIM = Stop("Pay", "button", 23)


@cases(
    "typed",
    {
        "all is well": Typed({"pay": Round((PAY,), (), (), None)}, {"close with Escape": True}),
        "a focus of one pixel too few": Typed({"pay": Round((DIM,), (), (), None)}, {}),
        "Tab reaches nothing": Typed({"pay": Round((), (), (), None)}, {}),
        "nothing but faults": Typed(
            {"pay": Round((PAY,), (DIM,), (PAY,), PAY)},
            {"close with Escape": False},
            wrong="Escape does not close the dialog",
        ),
        "the page broke": Typed({}, {}, broke="nothing follows the button “Pay”"),
    },
)
def test_keys(typed: Typed, said: Said) -> None:
    judged = [*rules.by_keyboard(typed, 24), *rules.dialog_by_keyboard(typed)]
    said([sentence(one) for one in judged])


AS_ALLOWED = Vitals(2500, 0.1, 200, 40, 500_000)


@cases(
    "took",
    {
        "as much as is allowed": AS_ALLOWED,
        "more than is allowed": Vitals(2501, 0.11, 201, 41, 500_001),
        "nothing was painted": Vitals(None, 0.0, 16, 1, 900),
    },
)
def test_limits_of_a_page(took: Vitals, said: Said) -> None:
    said([sentence(one) for one in vitals.within("pay", took, VitalsPolicy())])


@cases(
    "before",
    {
        "as it was": dict(vitals.facts_of("pay", AS_ALLOWED)),
        "much worse than it was": {
            "pay-lcp-ms": 1000,
            "pay-cls": 0,
            "pay-inp-ms": 16,
            "pay-bytes": 90_000,
            "pay-requests": 9,
        },
        "nothing is known of it": {"pay-lcp-ms": "fast", "login-cls": 0.1, "pay-cls": True},
    },
)
def test_a_page_beside_the_release_before(before: Mapping[str, Any], said: Said) -> None:
    said([sentence(one) for one in vitals.worse("pay", AS_ALLOWED, before, VitalsPolicy())])
