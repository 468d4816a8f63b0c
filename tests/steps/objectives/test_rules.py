"""Two regions of one run are told apart in Prometheus; what is not measured, or no share, decides nothing."""

from __future__ import annotations

import pathlib

import pytest

from gates.decide.outcome import Outcome
from gates.doctor.look import subject_of
from probes.prometheus import Series
from steps.kit.findings import Level
from steps.objectives.doctor import examine_overlaps
from steps.objectives.overlap import overlaps
from steps.objectives.rules import room_on
from tests.environments.files import SECRETS, VALID, loaded
from tests.tables import cases

ONE = "http://prometheus.eu.clinic.example:9090"
ONE_FOR_BOTH = VALID.replace("http://prometheus.us.clinic.example:9090", f"{ONE}/")
ALIKE = ONE_FOR_BOTH.replace("labels: {region: us}", "labels: {region: eu}")
BOTH = ("eu", "us")


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


@cases(
    "content regions parted",
    {
        "each its own Prometheus": (VALID, BOTH, True),
        "one, and different values of one label": (ONE_FOR_BOTH, BOTH, True),
        "one, and the same labels": (ALIKE, BOTH, False),
        "one by two spellings, and the same labels": (
            ALIKE.replace(f"{ONE}/", "http://Prometheus.EU.clinic.example.:9090"),
            BOTH,
            False,
        ),
        "the same labels, but asked alone": (ALIKE, ("us",), True),
        "one, and the labels of one select the other's series too": (
            ONE_FOR_BOTH.replace("labels: {region: us}", "labels: {}"),
            BOTH,
            False,
        ),
        "one, and labels that a series may have both": (
            ONE_FOR_BOTH.replace("labels: {region: us}", "labels: {cluster: us}"),
            BOTH,
            False,
        ),
    },
)
def test_regions_of_one_run_are_told_apart(
    tmp_path: pathlib.Path, content: str, regions: tuple[str, ...], *, parted: bool
) -> None:
    found = list(overlaps(loaded(tmp_path, content).settings, regions))
    assert (not found) is parted, found
    assert all("eu and us have one Prometheus" in one.sentence for one in found)


def test_the_doctor_says_it_first(tmp_path: pathlib.Path) -> None:
    (found,) = examine_overlaps(subject_of(loaded(tmp_path, ALIKE), "v1.2.0", ()))
    assert found.level is Level.BAD
    assert "regions.us.labels" in " ".join(found.remedy)
    assert examine_overlaps(subject_of(loaded(tmp_path, VALID), "v1.2.0", ())) == []


def shares(*values: float) -> list[Series]:
    return [Series({"instance": f"node-{n}"}, value) for n, value in enumerate(values)]


@cases(
    "values outcome says",
    {
        "room enough": ((0.5, 0.151), Outcome.PASS, "instance node-1 has 15.1% free"),
        "one is nearly full": ((0.5, 0.149), Outcome.FAIL, "instance node-1 has 14.9% free"),
        "just enough": ((0.15, 0.15), Outcome.PASS, "wanted at least 15%"),
        "more used than there is": ((0.5, -0.01), Outcome.FAIL, "-1.0% free"),
        "one is not measured": (
            (0.5,),
            Outcome.INCONCLUSIVE,
            "1 are measured, there are at least 2",
        ),
        "none is measured": ((), Outcome.INCONCLUSIVE, "0 are measured"),
        "of no size": ((0.5, float("nan")), Outcome.INCONCLUSIVE, "nan of itself"),
        "of size zero": (
            (0.5, float("inf")),
            Outcome.INCONCLUSIVE,
            "are available and size the right metrics",
        ),
        "the two metrics swapped": ((0.5, 1.6), Outcome.INCONCLUSIVE, "1.6 of itself"),
    },
)
def test_the_fullest_file_system_decides(
    values: tuple[float, ...], outcome: Outcome, says: str
) -> None:
    found = room_on("nodes", shares(*values), 2, 0.15)
    assert found.outcome is outcome
    assert says in found.sentence
