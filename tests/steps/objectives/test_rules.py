"""Two regions of one run are told apart in Prometheus; what is not measured, or no share, decides nothing."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import pytest

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
BOTH = ("eu", "us")


def with_us(labels: str) -> str:
    """Return one Prometheus for both regions, and these labels of us."""
    return ONE_FOR_BOTH.replace("labels: {region: us}", f"labels: {labels}")


ALIKE = with_us("{region: eu}")
TWO_SPELLINGS = ALIKE.replace(f"{ONE}/", "http://Prometheus.EU.clinic.example.:9090")


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
        "one by two spellings, and the same labels": (TWO_SPELLINGS, BOTH, False),
        "the same labels, but asked alone": (ALIKE, ("us",), True),
        "one, and the labels of one select the other's series too": (with_us("{}"), BOTH, False),
        "one, and labels that a series may have both": (with_us("{cluster: us}"), BOTH, False),
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
    "values",
    {
        "room enough": (shares(0.5, 0.151),),
        "one is nearly full": (shares(0.5, 0.149),),
        "just enough": (shares(0.15, 0.15),),
        "more used than there is": (shares(0.5, -0.01),),
        "one is not measured": (shares(0.5),),
        "none is measured": (shares(),),
        "of no size": (shares(0.5, float("nan")),),
        "of size zero": (shares(0.5, float("inf")),),
        "the two metrics swapped": (shares(0.5, 1.6),),
    },
)
def test_the_fullest_file_system_decides(values: list[Series], said: Callable[..., None]) -> None:
    found = room_on("nodes", values, 2, 0.15)
    said(f"{found.outcome}: {found.sentence}")
