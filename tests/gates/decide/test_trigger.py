from __future__ import annotations

import itertools
import pathlib
import random
from collections.abc import Iterator, Sequence

import pytest

from gates.decide.trigger import Clock, Event, Observation, State, fold, step
from sandbox.core import SandboxError, binaries
from tests.gates.decide import promtool as oracle
from tests.tables import cases

EVERY = oracle.EVERY_SECONDS
CLOCK = Clock(for_seconds=2 * EVERY, gap_seconds=2 * EVERY)
MEANS = {"x": True, ".": False, "?": None}
"""What an evaluation says: it holds, it does not, no answer."""


def observed(said: str) -> list[Observation]:
    return [Observation(EVERY * number, MEANS[one]) for number, one in enumerate(said)]


def walked(clock: Clock, said: Sequence[Observation]) -> Iterator[tuple[State, tuple[Event, ...]]]:
    state = State()
    for one in said:
        state, events = step(clock, state, one)
        yield state, events


def fires(clock: Clock, said: str) -> int | None:
    """Return the first evaluation at which it fires."""
    states = walked(clock, observed(said))
    return next((at for at, (state, _) in enumerate(states) if state.fired_at is not None), None)


@cases(
    "said fires undecided",
    {
        "for, counted from the first": ("xxx", 2, False),
        "not yet": ("xx", None, False),
        "one good evaluation begins again": ("xx.xx", None, False),
        "and fires from there": ("xx.xxx", 5, False),
        "healthy": ("......", None, False),
        "never asked": ("", None, False),
        "one without an answer is bridged": ("x?x", 2, False),
        "what may have fired before it got well is undecided": ("xx?.", None, True),
        "it may also have been well": ("xx?xx", 3, True),
        "a short gap among good ones can hide nothing": ("..?..", None, False),
        "a gap as long as the tolerance is never healthy": ("..???..", None, True),
        "a long gap begins again": ("xx???xx", None, True),
        "and fires only after whole time": ("xx???xxx", 7, True),
        "nothing but gaps": ("????", None, True),
    },
)
def test_what_a_condition_over_time_comes_to(
    said: str, fires: int | None, *, undecided: bool
) -> None:
    states = [state for state, _ in walked(CLOCK, observed(said))]
    fired = next((at for at, state in enumerate(states) if state.fired_at is not None), None)
    last = states[-1] if states else State()
    assert (fired, last.undecided_since is not None) == (fires, undecided)


def test_a_time_is_counted_in_milliseconds_as_prometheus_does() -> None:
    """A sum of fractions falls short of 300 ms by some nanoseconds."""
    times = [1_796_106_139.549 + number * 0.1 for number in range(2, 6)]
    assert times[3] - times[0] < 0.3
    state = fold(Clock(0.3, 1), State(), [Observation(at, holds=True) for at in times])
    assert state.fired_at == times[3]


def test_it_says_what_changed() -> None:
    clock = Clock(for_seconds=EVERY, gap_seconds=2 * EVERY, keep_firing_seconds=2 * EVERY)
    changed = [list(events) for _, events in walked(clock, observed("xxx.x...??x"))]
    assert changed == [
        [Event.PENDING],
        [Event.FIRING],
        [],
        [],
        [],
        [],
        [],
        [Event.RESOLVED],
        [],
        [Event.UNDECIDED],
        [Event.PENDING],
    ]


def test_an_evaluation_is_never_earlier_than_the_last() -> None:
    state = fold(CLOCK, State(), observed("xx"))
    with pytest.raises(ValueError, match="is not later than that at 15"):
        step(CLOCK, state, Observation(EVERY, holds=True))


@pytest.mark.parametrize("length", range(1, 8))
def test_a_gap_fires_nothing_and_hides_nothing(length: int) -> None:
    """Every sequence: against all that could have been seen where nothing was seen."""
    for said in map("".join, itertools.product("x.?", repeat=length)):
        fillings = itertools.product("x.", repeat=said.count("?"))
        could = [fires(CLOCK, filled(said, one)) is not None for one in fillings]
        state = fold(CLOCK, State(), observed(said))
        fired, undecided = fires(CLOCK, said) is not None, state.undecided_since is not None
        assert not fired or any(could), said
        assert fired or undecided or not any(could), said
        assert not undecided or any(could) or "???" in said, said
        if "?" not in said:
            assert not undecided, said


def filled(said: str, answers: Sequence[str]) -> str:
    rest = iter(answers)
    return "".join(next(rest) if one == "?" else one for one in said)


@pytest.fixture(scope="module")
def promtool() -> binaries.Binary:
    try:
        return oracle.find()
    except SandboxError as exc:
        pytest.skip(f"needs promtool: {exc}")


@cases("for_evaluations keep_evaluations", {"for": (3, 0), "for, kept": (3, 2), "at once": (0, 0)})
def test_it_fires_when_prometheus_does(
    tmp_path: pathlib.Path, promtool: binaries.Binary, for_evaluations: int, keep_evaluations: int
) -> None:
    chance = random.Random(11)  # noqa: S311 - cases, no secrets
    assert oracle.differ(promtool, tmp_path, chance, for_evaluations, keep_evaluations) is None
