"""Two regions of one run must be told apart in Prometheus."""

from __future__ import annotations

import pathlib

import pytest

from gates.doctor.look import subject_of
from steps.kit.findings import Level
from steps.objectives.doctor import examine_overlaps
from steps.objectives.overlap import overlaps
from tests.environments.files import SECRETS, VALID, loaded

ONE = "http://prometheus.eu.clinic.example:9090"
ONE_FOR_BOTH = VALID.replace("http://prometheus.us.clinic.example:9090", f"{ONE}/")
ALIKE = ONE_FOR_BOTH.replace("labels: {region: us}", "labels: {region: eu}")
BOTH = ("eu", "us")


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("content", "regions", "parted"),
    [
        pytest.param(VALID, BOTH, True, id="each its own Prometheus"),
        pytest.param(ONE_FOR_BOTH, BOTH, True, id="one, and different values of one label"),
        pytest.param(ALIKE, BOTH, False, id="one, and the same labels"),
        pytest.param(
            ALIKE.replace(f"{ONE}/", "http://Prometheus.EU.clinic.example.:9090"),
            BOTH,
            False,
            id="one by two spellings, and the same labels",
        ),
        pytest.param(ALIKE, ("us",), True, id="the same labels, but asked alone"),
        pytest.param(
            ONE_FOR_BOTH.replace("labels: {region: us}", "labels: {}"),
            BOTH,
            False,
            id="one, and the labels of one select the other's series too",
        ),
        pytest.param(
            ONE_FOR_BOTH.replace("labels: {region: us}", "labels: {cluster: us}"),
            BOTH,
            False,
            id="one, and labels that a series may have both",
        ),
    ],
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
