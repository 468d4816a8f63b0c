"""What asks for a rollback without lasting: how it is read, and what two readings come to."""

from __future__ import annotations

import datetime as dt
import pathlib
from collections.abc import Sequence
from typing import Any

import pytest

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Meaning, Outcome
from gates.decide.statements import Kind
from gates.decide.trigger import Clock
from probes.observation import Failure, FailureKind
from probes.prometheus.alerting import Alerts
from settings.data import Reference
from settings.rollback import Trigger
from steps.data import rules as data_rules
from steps.kit.baseline import Before
from steps.kit.expect import expect, unable
from steps.watch import rules
from steps.watch.rules import Ended, Track, judge
from steps.watch.standing import Standing, Words, standing
from tests.steps.platforms import NOWHERE, a_platform
from tests.steps.statements.signing import Scene
from tests.tables import cases

SWITCHED = dt.datetime(2026, 1, 31, 22, 0, tzinfo=dt.UTC)
BEFORE = Before({"payments": {"rows": 100, "error_rows": 0, "exact": True}}, "the baseline", "t")
REFERENCE = Reference(table="payments", column="of", to_table="appointments")
KNOWN = data_rules.named(REFERENCE)


def rows(count: int) -> Judgement:
    band = data_rules.Band(100, 105, 0)
    return data_rules.moved("payments", data_rules.Count(100), data_rules.Count(count), band, "b")


def orphans(count: int, before: int | None) -> Judgement:
    found = probes.rows.Orphans(there=True, found=count)
    return data_rules.no_orphan(REFERENCE, found, {} if before is None else {KNOWN: before})


def sample(rows_now: int = 9, checksum: str = "a", types: str = "text") -> Judgement:
    was = {"rows": 9, "checksum": "a", "types": "text", "before": "then"}
    found = probes.rows.Sampled("then", rows_now, checksum, types)
    return data_rules.unchanged("bookings", found, Before({"bookings": was}, "the baseline", "t"))


@cases(
    "judged holds",
    {
        "as many rows": ([rows(100)], False),
        "a row is lost": ([rows(99)], True),
        "more rows than expected are none lost": ([rows(900)], False),
        "a table is gone": ([data_rules.gone("payments")], True),
        "an orphan": ([orphans(1, 0)], True),
        "orphans that are older than the release": ([orphans(3, 3)], False),
        "one more orphan than before": ([orphans(4, 3)], True),
        "orphans that no baseline counted": ([orphans(1, None)], None),
        "a key that is switched off": ([expect(False, "k", "off", means=Meaning.HOLD)], None),
        "frozen rows as they were": ([sample()], False),
        "a frozen row is another one": ([sample(checksum="b")], True),
        "a frozen row is gone": ([sample(rows_now=8)], True),
        "a frozen column has another type": ([sample(checksum="b", types="uuid")], None),
        "a table can't be read, another one is well": ([rows(100), unable("t", "away", "")], None),
        "a table can't be read, and a row is lost": ([rows(99), unable("t", "away", "")], True),
        "nothing was read": ([], None),
    },
)
def test_lost_data(judged: Sequence[Judgement], holds: object) -> None:
    assert rules.lost(judged)[0] is holds


def alerts(*minutes: int, quiet: int = 0) -> Alerts:
    since = tuple(SWITCHED + dt.timedelta(minutes=one) for one in minutes)
    return Alerts(({},) * len(since), since, quiet)


AWAY = Failure(FailureKind.REFUSED, "Alertmanager refused the connection.")


@cases(
    "found switched holds",
    {
        "no alert": ([alerts()], SWITCHED, False),
        "one since the switch": ([alerts(), alerts(1)], SWITCHED, True),
        "one from before it": ([alerts(-1)], SWITCHED, None),
        "one from before, one since": ([alerts(-1, 1)], SWITCHED, True),
        "one that is silenced": ([alerts(quiet=1)], SWITCHED, None),
        "one, and nobody knows when the switch was": ([alerts(1)], None, None),
        "Alertmanager away for one of two": ([alerts(), AWAY], SWITCHED, None),
        "away for one, and the other fires": ([AWAY, alerts(1)], SWITCHED, True),
    },
)
def test_security_alerts(
    found: Sequence[Alerts | Failure], switched: dt.datetime | None, holds: object
) -> None:
    assert rules.attacked(found, switched)[0] is holds


def scripted(folder: pathlib.Path, said: str) -> Standing:
    """Return a condition whose readings a test wrote."""
    left = iter(said)
    means = {"x": True, ".": False, "?": None}
    platform = a_platform(folder, {"eu": NOWHERE.format(1)})
    return Standing(platform, "data", lambda _: (means[next(left)], "as written"))


ENDED = Ended(wanted_seconds=6, seconds=6)


@cases(
    "said outcome",
    {
        "well at each reading": ("......", Outcome.PASS),
        "bad twice": ("...xx", Outcome.FAIL),
        "bad once, then well": ("..x...", Outcome.PASS),
        "bad once, at the end": (".....x", Outcome.INCONCLUSIVE),
        "away for a while: what was lost by then would be lost now": ("..???.", Outcome.PASS),
        "away, then bad: one reading is not two": (".??x..", Outcome.PASS),
        "away at the end": ("....??", Outcome.INCONCLUSIVE),
        "away all the time": ("??????", Outcome.INCONCLUSIVE),
    },
)
def test_two_readings_fire_and_none_is_no_good_one(
    tmp_path: pathlib.Path, said: str, outcome: Outcome
) -> None:
    condition = scripted(tmp_path, said)
    track = Track(("TRIG-3", "eu", "data"), Clock(0.5, 3), condition)
    for at in range(1, len(said) + 1):
        track.look([float(at)])
    assert judge(track, ENDED).outcome is outcome


def test_regions_share_a_reading(tmp_path: pathlib.Path) -> None:
    condition = scripted(tmp_path, ".")
    assert [condition.ask([1.0], 1.0)[0].holds for _ in ("eu", "us")] == [False, False]


@cases(
    "changed words",
    {
        "nothing": ({}, "name what is watched"),
        "two things": ({"watches": "data", "complaints_over": 10}, "name what is watched"),
    },
)
def test_a_trigger_watches_one_thing(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Trigger.model_validate({"check": "TRIG-3", "title": "Loss", **changed})


def test_a_person_s_word_fires_at_once_and_a_chain_that_was_changed_is_not_well(
    tmp_path: pathlib.Path,
) -> None:
    scene = Scene(tmp_path)
    trigger = Trigger.model_validate({"check": "TRIG-3", "title": "Loss", "objective": "PERF-1"})

    def found() -> object:
        (word,) = standing(scene.platform, trigger, Words(scene.platform))
        assert (word.twice, word.for_seconds) == (False, 0)
        return word.ask([1.0], 1.0)[0].holds

    assert found() is False
    scene.sign("rosa.keller", "T7-CODE-7", **DECLARED)
    assert found() is True
    scene.rewrite(1, lambda record: record.update(number=9))
    assert found() is None
    scene.record(1).unlink()
    scene.approvers.unlink()
    assert found() is None


DECLARED: dict[str, Any] = {
    "kind": Kind.DECLARE,
    "items": {"TRIG-3": "fires"},
    "reason": "it is gone",
}
