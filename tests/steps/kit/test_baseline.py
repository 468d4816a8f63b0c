from __future__ import annotations

import datetime as dt
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gates.decide.outcome import Outcome
from probes.observation import utc_now
from steps.collectors import BaselineRefusedError, collect
from steps.kit.baseline import (
    SHARED,
    CannotCollectError,
    Collector,
    NoBaselineError,
    before,
    load_baseline,
)
from steps.kit.check import Check
from steps.kit.platform import Platform
from tests.steps.platforms import NOWHERE, a_platform, keep_baseline
from tests.tables import cases

REGIONS = {"eu": NOWHERE.format(1), "us": NOWHERE.format(2)}
FACTS = {"replicas": {"eu": 3, "us": 4}, "migrations": {SHARED: ["one"]}}


@pytest.fixture
def clinic(tmp_path: pathlib.Path) -> Platform:
    """Return a platform with a state of its own."""
    return a_platform(tmp_path, REGIONS, state={"url": "state"})


def keep(platform: Platform, run: str = "r1", **changes: Any) -> pathlib.Path:
    at = f"2026-01-31T21:4{run[-1]}:00+00:00"
    kept = {"facts": FACTS, "run": run, "taken_at": at, "regions": ["eu", "us"], **changes}
    return pathlib.Path(keep_baseline(platform, **kept))


def test_the_latest_baseline_counts(clinic: Platform) -> None:
    keep(clinic, "r1", facts={"replicas": {"eu": 1, "us": 1}})
    keep(clinic, "r2")
    baseline = load_baseline(clinic)
    assert baseline.named == "the baseline of 2026-01-31T21:42:00+00:00"
    assert [baseline.of("replicas", region) for region in REGIONS] == [3, 4]
    assert baseline.of("migrations", "us") == ["one"]


def test_a_baseline_of_one_region_does_not_count_for_two(clinic: Platform) -> None:
    keep(clinic, "r1")
    keep(clinic, "r2", regions=["eu"])
    assert load_baseline(clinic).run == "r1"


def test_without_a_baseline_the_command_is_named(clinic: Platform) -> None:
    with pytest.raises(NoBaselineError, match=r"gate baseline --env clinic --release v1\.2\.0"):
        load_baseline(clinic)


def compared(platform: Platform, name: str = "replicas") -> tuple[Check, dict[str, Any]]:
    check = Check("D2.2-2", platform.regions)
    found = before(platform, check, name)
    return check, {region: earlier.facts for region, earlier in found.items()}


def test_a_check_gets_what_was_collected(clinic: Platform) -> None:
    keep(clinic)
    check, found = compared(clinic)
    assert found == {"eu": 3, "us": 4}
    assert check.outcome("eu") is None


def outcomes(clinic: Platform, name: str = "replicas") -> set[Outcome | None]:
    check, found = compared(clinic, name)
    assert found == {}
    return {check.outcome(region) for region in REGIONS}


def test_without_a_baseline_or_its_fact_a_check_is_inconclusive_with_the_command(
    clinic: Platform,
) -> None:
    assert outcomes(clinic) == {Outcome.INCONCLUSIVE}
    assert "gate baseline" in compared(clinic)[0].noted()["us"].judgements[0].clears
    keep(clinic)
    assert outcomes(clinic, "certificates") == {Outcome.INCONCLUSIVE}


def _linked(newest: pathlib.Path, older: pathlib.Path) -> None:
    newest.unlink()
    newest.symlink_to(older)


def _changed(newest: pathlib.Path, _older: pathlib.Path) -> None:
    newest.write_text(newest.read_text().replace('"eu": 3', '"eu": 2'))


@cases(
    "attack",
    {
        "a number that was changed": _changed,
        "half of it gone": lambda newest, _: newest.write_text(newest.read_text()[:200]),
        "replaced by an older one": lambda newest, older: newest.write_text(older.read_text()),
        "deleted": lambda newest, _: newest.unlink(),
        "linked to an older one": _linked,
    },
)
def test_a_damaged_baseline_is_an_error_although_an_older_one_is_whole(
    clinic: Platform, attack: Callable[[pathlib.Path, pathlib.Path], None]
) -> None:
    older = keep(clinic, "r1")
    attack(keep(clinic, "r2"), older)
    assert outcomes(clinic) == {Outcome.ERROR}
    keep(clinic, "r3")
    assert compared(clinic)[1] == {"eu": 3, "us": 4}
    keep(clinic, "r4", schema=2)
    assert outcomes(clinic) == {Outcome.ERROR}


def test_a_baseline_that_was_copied_here_is_none(clinic: Platform) -> None:
    path = keep(clinic, "r1")
    path.with_name("r9.json").write_text(path.read_text().replace('"eu": 3', '"eu": 1'))
    assert compared(clinic)[1] == {"eu": 3, "us": 4}


def test_a_baseline_of_a_time_to_come_is_an_error_and_says_that_a_clock_was_wrong(
    clinic: Platform,
) -> None:
    keep(clinic, "r1")
    keep(clinic, "r2", taken_at=(utc_now() + dt.timedelta(hours=1)).isoformat())
    assert outcomes(clinic) == {Outcome.ERROR}
    (judgement,) = compared(clinic)[0].noted()["eu"].judgements
    said = "still to come: a clock was wrong; move it elsewhere and take a new one"
    assert said in judgement.sentence


def replicas(_: Platform) -> Mapping[str, Any]:
    return {"eu": 3, "us": 3}


def unreachable(_: Platform) -> Mapping[str, Any]:
    raise CannotCollectError("the cluster of us refuses the connection")


def broken(_: Platform) -> Mapping[str, Any]:
    raise KeyError("sentinel of a patient")


GOOD, ELSEWHERE = Collector("replicas", replicas), Collector("rows", broken, "postgres")


def test_what_the_environment_does_not_describe_is_not_collected(clinic: Platform) -> None:
    assert collect(clinic, (GOOD, ELSEWHERE)) == {"replicas": {"eu": 3, "us": 3}}


@cases(
    "collectors says",
    {
        "refused": (
            (GOOD, Collector("flags", unreachable)),
            "flags: the cluster of us refuses the connection.",
        ),
        "broken": (
            (GOOD, Collector("flags", broken)),
            "flags: the collector itself broke: KeyError in broken",
        ),
        "partial": (
            (GOOD, Collector("flags", lambda _: {"eu": 3})),
            "flags: the collector left a region out",
        ),
        "nothing is described": ((ELSEWHERE,), "describes nothing"),
    },
)
def test_one_collector_that_fails_refuses_the_whole_baseline(
    clinic: Platform, collectors: tuple[Collector, ...], says: str
) -> None:
    with pytest.raises(BaselineRefusedError) as caught:
        collect(clinic, collectors)
    (sentence,) = caught.value.sentences
    assert says in sentence
    assert "sentinel" not in sentence
