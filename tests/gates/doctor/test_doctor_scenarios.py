"""The doctor tries every scenario without asking anybody: what is not described is BAD before a run."""

from __future__ import annotations

import pathlib
import tempfile

import pytest
import yaml

from gates.cli.set_up import summary
from gates.doctor.look import Diagnosis, examine_scenarios, subject_of
from gates.load import ROOT, Checks, load_catalogue
from steps.kit.findings import Finding, Level
from tests.environments.files import loaded
from tests.gates.doctor.test_doctor import everything_at
from tests.probes.servers import answer, serving
from tests.tables import beside, cases

HEADER = "id,phase,when,owner,severity,smoke,on_fail,applies_if\n"
DATA = {
    "tables": {"patients": {"columns": ["id"], "counted": "grows"}},
    "migrations": {"repository": "releases", "log": "migrate.log"},
    "backups": {"location": "backups"},
}
SCENARIOS = beside(__file__, "scenarios.yaml")
NO_POLICY = "lacks the section data; add a data.yaml there, for "


pytestmark = pytest.mark.usefixtures("secrets")


@pytest.fixture(autouse=True)
def own_place(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """Return where temporary files of this test are."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def found(folder: pathlib.Path, steps: dict[str, str], port: int = 9) -> list[Finding]:
    """Return what the doctor says of scenarios, given as steps by id; `data:` has no policy."""
    rows = "".join(f"{one},post-deploy,15m,we,blocker,no,hold,\n" for one in steps)
    scenarios = "\n".join(
        f"  @{one}\n  Scenario: Scenario {one}\n    {text}\n" for one, text in steps.items()
    )
    for part, name, text in (
        ("features", "catalogue.csv", HEADER + rows),
        ("features", "ours.feature", f"Feature: Ours\n\n{scenarios}"),
        ("policy", "gate.yaml", (ROOT / "gates/policy/gate.yaml").read_text()),
        ("policy", "objectives.yaml", (ROOT / "gates/policy/objectives.yaml").read_text()),
    ):
        (folder / "ours" / part).mkdir(parents=True, exist_ok=True)
        (folder / "ours" / part / name).write_text(text)
    lease = {"command": ["touch", str(folder / "asked")], "requests_per_second": 1}
    more = {"checks": "ours", "data": DATA, "traffic": {"lease": lease}}
    text = yaml.safe_dump({**yaml.safe_load(everything_at(port)), **more})
    subject = subject_of(loaded(folder, text), "v1.2.0", ())
    checks = Checks.of(subject.platform.environment.checks)
    return examine_scenarios(subject, load_catalogue(checks.features))


def test_what_is_not_described_is_bad_and_nobody_was_asked(
    tmp_path: pathlib.Path, own_place: pathlib.Path
) -> None:
    with serving(answer(b"{}")) as server:
        findings = found(tmp_path, SCENARIOS, server.port)
        assert server.connections == 0
    assert not (tmp_path / "asked").exists()
    assert list(own_place.iterdir()) == []
    assert all(one.level is Level.BAD for one in findings)
    service, objective, data = sorted(findings, key=lambda one: "DATA-1" in one.sentence)
    assert service.sentence == (
        "the environment lacks services.lab.health.status; add it, for OURS-1 “Scenario OURS-1”"
    )
    assert "lacks an objective for OURS-3; add it, for OURS-3" in objective.sentence
    needing = data.sentence.partition(NO_POLICY)[2]
    assert [one.split(" ")[0] for one in needing.split(", ")] == [f"DATA-{n}" for n in range(1, 7)]
    diagnosis = Diagnosis("clinic", None, tuple(findings))
    assert diagnosis.exit_code == 20
    assert "can decide" not in summary(diagnosis)


LIVENESS = "When the liveness endpoint of the api is read in every region"


@cases(
    "steps level words",
    {
        "all described": (
            f"{LIVENESS}\n    Then it reports healthy",
            Level.OK,
            "all that the scenarios need is described (1 tried)",
        ),
        "an undefined step": (
            "When the moon is read",
            Level.BAD,
            "“the moon is read” is undefined",
        ),
        "no step": ("", Level.BAD, "has no steps"),
    },
)
def test_everything_described_is_ok_and_what_cannot_be_tried_is_bad(
    tmp_path: pathlib.Path, steps: str, level: Level, words: str
) -> None:
    (finding,) = found(tmp_path, {"OURS-1": steps})
    assert finding.level is level
    assert words in finding.sentence
