"""Whether the web application keeps people out: by axe, by the keyboard, in a narrow window, by motion."""

from __future__ import annotations

from collections.abc import Iterator

import probes
from gates.decide.suite import Attachment, Kind
from probes.observation import utc_now
from settings.browser import AccessibilityPolicy
from smoke import keyboard, states
from smoke.examined import Examined, Typed
from smoke.walks import WINDOW
from steps.browser import accessibility_rules as rules
from steps.browser.walked import Walk, Walked, conclude, walked
from steps.kit.asked import Asked
from steps.kit.run import Run
from steps.kit.sentence import then, when
from steps.kit.suites import attach

_KIND = Kind.ACCESSIBILITY


@when("every page and state of the web application is examined", target_fixture="examined")
def examined(run: Run) -> Walked[Examined]:
    return run.shared(_examined)


def _examined(run: Run) -> Walked[Examined]:
    options = {**WINDOW, "reduced_motion": "reduce"}
    seconds, scripts = _policy(run).budget, (probes.looks.MOTION,)
    return walked(run, Walk("states", states.examine, seconds, scripts, options))


@when(
    "an appointment is booked with the new form by the keyboard alone", target_fixture="by_keyboard"
)
def by_keyboard(run: Run) -> Walked[Typed]:
    return run.shared(_by_keyboard)


def _by_keyboard(run: Run) -> Walked[Typed]:
    return walked(run, Walk("keyboard", keyboard.book, _policy(run).budget))


@then("axe finds nothing in any frame of it")
def axe_finds_nothing(run: Run, asked: Asked, examined: Walked[Examined]) -> None:
    found = examined.read(asked)
    judgements = [
        *rules.not_seen(found.missing),
        *rules.by_axe(found, _policy(run).accepted, utc_now().date()),
    ]
    version = {one.scan.version for one in found.seen.values()}
    tools = {"axe-core": ", ".join(sorted(version))} if version else {}
    shown = list(_pictures(run, asked, found))
    conclude(run, asked, _KIND, examined, judgements, tools=tools, attachments=shown)


@then("nothing is beyond the edge of 320 px or of a window enlarged four times")
def fits(run: Run, asked: Asked, examined: Walked[Examined]) -> None:
    found = examined.read(asked)
    judgements = [
        *rules.not_seen(found.missing),
        *rules.fits(found.seen),
    ]
    conclude(run, asked, _KIND, examined, judgements)


@then("nothing moves for longer than the policy allows")
def keeps_still(run: Run, asked: Asked, examined: Walked[Examined]) -> None:
    found, longest = examined.read(asked), _policy(run).longest_motion
    judgements = [
        *rules.not_seen(found.missing),
        *rules.still(found.seen, longest),
    ]
    conclude(run, asked, _KIND, examined, judgements)


@then("Tab reaches and shows every control in order, and the dialog gives the focus back")
def reached(run: Run, asked: Asked, by_keyboard: Walked[Typed]) -> None:
    typed = by_keyboard.read(asked)
    judgements = [
        *rules.by_keyboard(typed, _policy(run).focus_pixels),
        *rules.dialog_by_keyboard(typed),
    ]
    conclude(run, asked, _KIND, by_keyboard, judgements)


def _pictures(run: Run, asked: Asked, found: Examined) -> Iterator[Attachment]:
    """Keep one picture for each rule: of the first element that breaks it, or leaves it open."""
    pictures = {
        one.rule: one.picture
        for seen in reversed(list(found.seen.values()))
        for one in (*seen.scan.incomplete, *seen.scan.violations)
        if one.picture is not None
    }
    for rule, picture in pictures.items():
        yield attach(run, f"{asked.check.id} {rule}", picture, "image/png", "png")


def _policy(run: Run) -> AccessibilityPolicy:
    return run.platform.policy.accessibility
