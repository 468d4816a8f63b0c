"""What is said of pages as axe, a narrow window, a keyboard and people who want less motion find them."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from gates.decide.judgement import Judgement
from settings.browser import AcceptedRule
from smoke.examined import Examined, Seen, Typed
from steps.kit.expect import expect, measured, unable

if TYPE_CHECKING:
    from probes.browser.accessibility import Found, Round, Stop
    from probes.browser.looks import Move, Reflow

_MOST_NAMED = 4
_FIXED = "the page fixed and built again"


def not_seen(missing: Mapping[str, str]) -> Iterator[Judgement]:
    """Yield what is left open by pages that nobody came to, once for each reason."""
    by_reason = defaultdict(list)
    for state, why in missing.items():
        by_reason[why].append(state)
    for why, states in by_reason.items():
        sentence = f"{_listed(states)} could not be examined: {why}"
        yield expect(
            None,
            "pages and states",
            sentence,
            "every page and state reached; the browser journeys (BR-*) say what is broken",
            **measured("examined", "not reached", "reached"),
            data={"pages": states},
        )


# --- axe


def by_axe(
    examined: Examined, accepted: Sequence[AcceptedRule], today: dt.date
) -> Iterator[Judgement]:
    """Judge what axe says: a broken rule is a FAIL, one that it can't decide is left open.

    A rule that the policy accepts is shown on its pages until its last day. A page on which no rule was
    kept is not a page.
    """
    empty = [state for state, seen in examined.seen.items() if not seen.scan.passes]
    if empty:
        sentence = f"axe found nothing to check on {_listed(empty)}: that is not the page"
        data = {"pages": empty}
        yield expect(None, "axe", sentence, "the page itself", **measured("axe", 0), data=data)
    valid = {(one.rule, page): one for one in accepted if today <= one.until for page in one.pages}
    found, shown = _by_rule(examined.seen, valid)
    for (rule, good), places in found.items():
        yield _broken(rule, places, good=good)
    for line in shown:
        yield expect(True, "axe", line, **measured("axe, accepted", 0))
    bad = {state for places in found.values() for state in places} | set(empty)
    clean = {state: seen.scan for state, seen in examined.seen.items() if state not in bad}
    if clean:
        version = next(iter(clean.values())).version
        frames = sum(scan.frames for scan in clean.values())
        more, many = " else" if shown else "", _pages(len(clean))
        sentence = f"axe {version} finds nothing{more} on {many} with {frames} frames"
        yield expect(True, "axe", sentence, **measured("axe", 0), data={"pages": list(clean)})


_Places = dict[str, "Found"]


def _by_rule(
    seen: Mapping[str, Seen], valid: Mapping[tuple[str, str], AcceptedRule]
) -> tuple[Mapping[tuple[str, bool | None], _Places], list[str]]:
    """Return each rule with the pages on which it is broken (False) or open (None), and what is accepted."""
    found: dict[tuple[str, bool | None], _Places] = defaultdict(dict)
    shown = []
    for state, one in seen.items():
        both = [(False, each) for each in one.scan.violations]
        for good, each in (*both, *((None, each) for each in one.scan.incomplete)):
            excuse = valid.get((each.rule, state))
            if excuse is None:
                found[each.rule, good][state] = each
            else:
                shown.append(
                    f"{each.rule} on {state}, accepted until {excuse.until}: {excuse.reason}"
                )
    return found, shown


def _broken(rule: str, places: _Places, *, good: bool | None) -> Judgement:
    first = next(iter(places.values()))
    nodes = sum(one.nodes for one in places.values())
    criteria = f"WCAG {', '.join(first.criteria)}, " if first.criteria else ""
    what = "is broken by" if good is False else "is left open by axe for"
    where = first.selectors[0] if first.selectors else "the page"
    sentence = (
        f"{rule} ({criteria}{first.impact}) {what} {nodes} element{'s'[: nodes != 1]} on "
        f"{_listed(places)}, such as {where}: {first.help}. See {first.link}"
    )
    clears = _FIXED if good is False else "a person who looks, and accessibility.accepted naming it"
    pages = {state: list(one.selectors) for state, one in places.items()}
    return expect(
        good,
        f"axe, {rule}",
        sentence,
        clears,
        **measured("axe", nodes, 0, "elements"),
        data={
            "impact": first.impact,
            "link": first.link,
            "pages": list(pages),
            "selectors": pages,
        },
    )


# --- a narrow window, enlarged text

_NARROW_PX = 320


def fits(seen: Mapping[str, Seen]) -> Iterator[Judgement]:
    """Judge, for each narrow window, that pages fit: nothing to scroll to at the side, nothing cut off."""
    windows: dict[str, dict[str, Reflow]] = defaultdict(dict)
    for state, one in seen.items():
        for reflow in one.reflows:
            windows[reflow.window][state] = reflow
    for window, pages in windows.items():
        stayed = [state for state, one in pages.items() if one.width != _NARROW_PX]
        if stayed:
            sentence = f"at {window}: the window of {_listed(stayed)} stayed wider"
            clears, data = "a browser that resizes its window", {"pages": stayed}
            yield unable(f"pages at {window}", sentence, clears, data=data)
        yield from _fit(window, {one: pages[one] for one in pages if one not in stayed})


def _fit(window: str, pages: Mapping[str, Reflow]) -> Iterator[Judgement]:
    wide = {state: one for state, one in pages.items() if one.sideways > 0 or one.wide}
    fitting = [state for state in pages if state not in wide]
    subject = f"pages at {window}"
    if wide:
        listed = _listed(f"{state} ({_too_wide(one)})" for state, one in wide.items())
        sentence = f"at {window} too wide: {listed}"
        worst = max(one.sideways for one in wide.values())
        clears, figures = f"one column at {window}", measured("fits", worst, 0, "px")
        yield expect(False, subject, sentence, clears, **figures, data={"pages": list(wide)})
    if fitting:
        sentence = f"at {window} nothing is too wide on {_pages(len(fitting))}"
        yield expect(
            True, subject, sentence, **measured("fits", 0, 0, "px"), data={"pages": fitting}
        )


def _too_wide(one: Reflow) -> str:
    where = f": {', '.join(one.wide[:3])}" if one.wide else ""
    return f"{one.sideways} px to scroll{where}" if one.sideways > 0 else f"cut off{where}"


# --- less motion


def still(seen: Mapping[str, Seen], longest_seconds: float) -> Iterator[Judgement]:
    """Judge that nothing moves for long in front of somebody who asked for less motion."""
    subject, untold = "less motion", [one for one in seen if not seen[one].motion.reduced]
    if untold:
        sentence = f"{_listed(untold)}: the page does not know that less motion is wanted"
        clears, data = "a browser that tells it (prefers-reduced-motion)", {"pages": untold}
        yield unable(subject, sentence, clears, data=data)
    moving: dict[Move, list[str]] = defaultdict(list)
    for state, one in seen.items():
        for move in one.motion.moves:
            if move.ms < 0 or move.ms > longest_seconds * 1000:
                moving[move].append(state)
    for move, states in moving.items():
        lasts = "without end" if move.ms < 0 else f"for {move.ms / 1000:g} s"
        sentence = (
            f"{move.what} moves {move.where} {lasts} on {_listed(states)}, although less motion was "
            "asked for"
        )
        clears = "nothing that moves under @media (prefers-reduced-motion: reduce)"
        figures = measured("motion", move.ms, longest_seconds * 1000, "ms")
        yield expect(False, subject, sentence, clears, **figures, data={"pages": states})
    bad = {*untold, *(state for states in moving.values() for state in states)}
    if calm := [state for state in seen if state not in bad]:
        sentence = f"nothing moves for people who want less motion on {_pages(len(calm))}"
        yield expect(True, subject, sentence, **measured("motion", 0), data={"pages": calm})


# --- the keyboard


_BY_KEYS = "booking by keys"


def by_keyboard(typed: Typed, focus_pixels: int) -> Iterator[Judgement]:
    """Judge a booking by keys: what Tab reaches, in which order, what keeps the focus, where one sees it."""
    for page, one in typed.rounds.items():
        yield from _round(page, one, focus_pixels)
    good: bool | None = not typed.wrong
    sentence, clears = "an appointment is booked, paid and joined by keys alone", _FIXED
    if typed.wrong:
        sentence = f"an appointment can't be booked by keys: {typed.wrong}"
    elif typed.broke:
        good = None
        sentence = f"a booking by keys could not be tried to its end: {typed.broke}"
        clears = (
            "a booking that goes through at all; the browser journeys (BR-*) say what is broken"
        )
    pages = {"pages": [_BY_KEYS]}
    yield expect(good, _BY_KEYS, sentence, clears, rule="by keys", data=pages)


def _round(page: str, one: Round, focus_pixels: int) -> Iterator[Judgement]:
    hidden = [stop for stop in one.reached if (stop.focus_pixels or 0) < focus_pixels]
    trap = () if one.trapped_by is None else (one.trapped_by,)
    wrongs: tuple[tuple[str, Sequence[Stop], str], ...] = (
        ("is not reached by Tab", one.unreached, "reached"),
        ("is reached before what precedes it on the page", one.early, "in order"),
        ("keeps the focus: Tab does not lead out of it", trap, "left"),
        ("has the focus and does not show it", hidden, "visible focus"),
    )
    subject, pages = f"keyboard on {page}", {"pages": [page]}
    for what, stops, rule in wrongs:
        if stops:
            named = _listed(f"{stop.kind} “{stop.name}”" for stop in stops)
            figures = measured(rule, len(stops), 0)
            yield expect(False, subject, f"{page}: {named} {what}", _FIXED, **figures, data=pages)
    figures = measured("reached", len(one.reached))
    if not one.reached:
        sentence = f"{page}: Tab reaches nothing"
        yield expect(None, subject, sentence, _FIXED, **figures, data=pages)
    elif not any(stops for _, stops, _ in wrongs):
        sentence = (
            f"{page}: Tab reaches all {len(one.reached)} controls in order and shows where it is"
        )
        yield expect(True, subject, sentence, **figures, data=pages)


def dialog_by_keyboard(typed: Typed) -> Iterator[Judgement]:
    """Judge what keys do to the dialog that asks for confirmation."""
    subject, pages = "dialog by keys", {"pages": ["booking dialog"]}
    if not typed.dialog:
        clears = "a booking that comes to its dialog"
        yield expect(None, subject, "the dialog was not come to", clears, rule="dialog", data=pages)
    for what, did in typed.dialog.items():
        sentence = f"the dialog {'does' if did else 'does not'} {what}"
        figures = measured("dialog", str(did), "True")
        yield expect(did, subject, sentence, _FIXED, **figures, data=pages)


def _pages(number: int) -> str:
    return "1 page" if number == 1 else f"{number} pages and states"


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _MOST_NAMED} more" if len(every) > _MOST_NAMED else ""
    return ", ".join(every[:_MOST_NAMED]) + more
