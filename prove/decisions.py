"""Proofs of the decision: any results against a second opinion, and any damage to the lines."""

from __future__ import annotations

import itertools
import pathlib
import random
import tempfile
from collections.abc import Callable, Mapping

import hypothesis
from hypothesis import strategies as st

from gates.decide.fold import RegionResult, Stage, fold
from gates.decide.outcome import Decision, Meaning, Outcome
from gates.run.lines import read
from prove import Cases
from tests.gates.decide.test_fold_properties import BADNESS, CHECKS, REGIONS, oracle
from tests.gates.decide.values import a_result, a_row
from tests.gates.run.recorded import finished, started, text

FOLD = "any results, in any order, fold to what a second, independent opinion says"
LINES = "lines that are cut, lost, doubled or littered never make a decision GO that was not"
EXAMPLES_AT_ONCE = 100

Ran = Mapping[tuple[str, str], list[Outcome]]
"""By check and region: the outcomes of however many times it ran."""
found = st.lists(st.sampled_from([Outcome.PASS, Outcome.PASS, *Outcome]), max_size=3)
places = list(itertools.product(CHECKS, REGIONS))
ran = st.fixed_dictionaries({place: st.just([Outcome.PASS]) | found for place in places})
meanings = st.fixed_dictionaries({check: st.sampled_from(Meaning) for check in CHECKS})


class _DiffersError(Exception):
    """The fold and the second opinion differ; hypothesis shows the smallest such case."""


def fold_agrees(seed: int) -> Cases:
    """Yield examples in batches: each has a seed of its own and is shrunk where it fails."""
    for batch in itertools.count():
        tried = 0

        @hypothesis.seed(seed + batch)
        @hypothesis.settings(max_examples=EXAMPLES_AT_ONCE, database=None, deadline=None)
        @hypothesis.given(meanings, ran, st.sampled_from(Stage), st.randoms(use_true_random=False))
        def every(
            meaning: dict[str, Meaning], ran: Ran, stage: Stage, chance: random.Random
        ) -> None:
            nonlocal tried
            tried += 1
            _compare(meaning, ran, stage, chance)

        try:
            every()
        except _DiffersError as exc:
            yield str(exc)
        yield from itertools.repeat(None, tried)


def _compare(meaning: Mapping[str, Meaning], ran: Ran, stage: Stage, chance: random.Random) -> None:
    results: list[RegionResult] = [
        a_result(outcome, check=check, region=region)
        for (check, region), outcomes in ran.items()
        for outcome in outcomes
    ]
    chance.shuffle(results)
    rows = [a_row(check, means) for check, means in meaning.items()]
    chance.shuffle(rows)
    decided = fold(rows, REGIONS, results, stage).decision.value
    words = {check: means.value for check, means in meaning.items()}
    expected = max(
        (
            oracle(words, {check: [o.value for o in ran[check, region]] for check in CHECKS}, stage)
            for region in REGIONS
        ),
        key=BADNESS.index,
    )
    if decided != expected:
        raise _DiffersError(f"{decided}, not {expected}: {meaning} {ran} {stage}")


def damage_is_never_go(seed: int) -> Cases:
    """Yield files of events, damaged once or more."""
    chance = random.Random(seed)  # noqa: S311 - cases, no secrets
    with tempfile.TemporaryDirectory(prefix="prove-") as folder:
        path = pathlib.Path(folder) / "events.jsonl"
        while True:
            whole = _recorded(chance)
            damaged = whole
            for _ in range(chance.randint(1, 3)):
                damaged = chance.choice(DAMAGES)(damaged, chance)
            before, after = _decision(path, whole), _decision(path, damaged)
            worse = after is Decision.GO and before is not Decision.GO
            yield f"{before.value} became GO: {whole!r} {damaged!r}" if worse else None


def _recorded(chance: random.Random) -> bytes:
    """Return the events of a run that is mostly green."""
    outcomes = [*([Outcome.PASS] * 8), *Outcome]
    events = [
        event
        for check in CHECKS
        for event in (
            started(check),
            finished(check, *chance.choices(outcomes, k=chance.randint(1, 2))),
        )
    ]
    return text(*events)


def _decision(path: pathlib.Path, data: bytes) -> Decision:
    path.write_bytes(data)
    lines = read(path)
    rows = [a_row(check) for check in CHECKS]
    return fold(rows, REGIONS, lines.results, Stage.LIVE, lines.problems).decision


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randint(0, len(data))]


def _lose_a_line(data: bytes, chance: random.Random) -> bytes:
    lines = data.splitlines(keepends=True) or [b""]
    lines.pop(chance.randrange(len(lines)))
    return b"".join(lines)


def _double_a_line(data: bytes, chance: random.Random) -> bytes:
    lines = data.splitlines(keepends=True) or [b"\n"]
    return b"".join([*lines, chance.choice(lines)])


def _shuffle(data: bytes, chance: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    chance.shuffle(lines)
    return b"".join(lines)


def _litter(data: bytes, chance: random.Random) -> bytes:
    place = chance.randint(0, len(data))
    return data[:place] + chance.randbytes(chance.randint(1, 20)) + data[place:]


def _flip_a_byte(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data)) if data else 0
    return data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :]


DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _cut,
    _lose_a_line,
    _double_a_line,
    _shuffle,
    _litter,
    _flip_a_byte,
)
