"""The gates along a deployment as people run them, on a catalogue of four rows."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
import signal
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
import yaml
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from gates.decide.catalogue import COLUMNS
from gates.load import POLICY
from sandbox.core.layout import NORMAL_REPLICAS
from tests.gates.process.gates import ForkedGate, Gate
from tests.sandbox.platforms import Sandbox, eventually
from tests.tables import cases

ROWS = {
    "TEAM-ONE-1": ("deploy", "1.1"),
    "TEAM-TWO-1": ("deploy", "2.1"),
    "TEAM-T7-1": ("pre-deploy", "T-7d"),
    "TEAM-T2-1": ("pre-deploy", "T-2h"),
}
SCENARIO = """
  @{check}
  Scenario: The API answers, asks {check}
    When the liveness endpoint of the api is read in every region
    Then it answers with status 200 and JSON
"""
DESCRIBED = (
    *("schema", "name", "release", "time_scale", "owner", "traffic"),
    *("regions", "services", "prometheus", "metrics"),
)
OTHERS = "the gate's own catalogue"
"""Whose checks a platform with checks of its own does not ask."""
Change = Callable[[dict[str, Any]], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Deployment:
    """A gate with its environment file, whose state a test may break."""

    gate: Gate
    environment: pathlib.Path
    state: pathlib.Path

    def change(self, change: Change) -> None:
        """Change the environment file."""
        data = yaml.safe_load(self.environment.read_text())
        change(data)
        self.environment.write_text(yaml.safe_dump(data))

    @property
    def asked(self) -> tuple[str, ...]:
        """What every command is asked about."""
        return "--env", str(self.environment), "--release", "v1.2.0"

    def ask(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Run a gate and return its exit code and verdict."""
        done = self.gate.run(*arguments, *self.asked, "--output", "json")
        assert done.stdout, done.stderr
        verdict: dict[str, Any] = json.loads(done.stdout)
        return done.returncode, verdict

    def records(self) -> list[str]:
        """Return the names of all records of the history in the state."""
        found = self.state.glob("*/*/history/*.json")
        return sorted(str(path.relative_to(self.state)) for path in found)

    def verified(self) -> tuple[int, list[str]]:
        """Return what `gate verify` says of all runs of the release."""
        done = self.gate.run("verify", *self.asked)
        return done.returncode, [line.partition(": ")[2] for line in done.stdout.splitlines()]


@pytest.fixture
def deployment(platform: Sandbox, tmp_path: pathlib.Path) -> Deployment:
    """Return a deployment of which nothing is known yet, with checks of its own."""
    features = tmp_path / "features"
    features.mkdir()
    shutil.copytree(POLICY, tmp_path / "policy")
    lines = [
        f"{check},{phase},{when},team,critical,no,rollback,"
        for check, (phase, when) in ROWS.items()
    ]
    (features / "catalogue.csv").write_text("\n".join([",".join(COLUMNS), *lines, ""]))
    scenarios = "".join(SCENARIO.format(check=check) for check in ROWS)
    (features / "team.feature").write_text(f"Feature: A team's own\n{scenarios}")
    gate = ForkedGate(tmp_path, platform.state.path)
    found = Deployment(gate, tmp_path / "there.yaml", tmp_path / "state")
    whole = yaml.safe_load(platform.state.environment.read_text())
    data = {key: whole[key] for key in DESCRIBED} | {
        "state": {"url": str(found.state)},
        "checks": str(tmp_path),
    }
    # Without the section of its cluster nobody else tells how many stand behind an edge.
    data["services"]["api"]["replicas"] = NORMAL_REPLICAS
    for region in data["regions"].values():
        for key in set(region) - {"services", "prometheus", "labels"}:
            del region[key]
    found.environment.write_text(yaml.safe_dump(data))
    return found


def api_is_wrong(data: dict[str, Any]) -> None:
    data["services"]["api"]["health"]["liveness"]["path"] = "/nothing-is-here"


def api_path(deployment: Deployment) -> str:
    data = yaml.safe_load(deployment.environment.read_text())
    path: str = data["services"]["api"]["health"]["liveness"]["path"]
    return path


def sentences(verdict: dict[str, Any]) -> str:
    return " ".join(reason["sentence"] for reason in verdict["reasons"])


def not_asked(verdict: dict[str, Any]) -> dict[str, list[str]]:
    return {one["what"]: one["checks"] for one in verdict["not_asked"]}


def test_a_check_alone_that_stops_a_phase_is_remembered(deployment: Deployment) -> None:
    path = api_path(deployment)
    assert deployment.ask("phase", "1")[0] == 0
    assert deployment.ask("phase", "1", "--only", "TEAM-ONE-1")[1]["decision"] == "HOLD"
    assert len(deployment.records()) == 2
    deployment.change(api_is_wrong)
    code, alone = deployment.ask("phase", "1", "--only", "TEAM-ONE-1", "--region", "eu")
    assert (code, alone["decision"]) == (10, "STOP")
    deployment.change(lambda data: data["services"]["api"]["health"]["liveness"].update(path=path))
    code, then = deployment.ask("phase", "2")
    assert (code, then["decision"]) == (20, "HOLD")
    assert f"1.1 was STOP (run {alone['run']}) in eu." in sentences(then)
    assert deployment.verified()[1][1] == "HOLD of v1.2.0 on local, verified"


def test_a_phase_builds_on_the_phase_before(deployment: Deployment) -> None:
    code, early = deployment.ask("phase", "2")
    assert (code, early["decision"], early["counts"]) == (20, "HOLD", {"PASS": 2})
    assert "1.1 was never asked in eu, us" in sentences(early)
    assert "gate phase 1 --env" in sentences(early)
    code, first = deployment.ask("phase", "1")
    assert (code, first["decision"], first["follows"]) == (0, "GO", "phase 2")
    assert deployment.ask("phase", "2.1")[0] == 0
    # The first run of phase 2 ended as HOLD: two records of each of the three runs.
    assert deployment.records() == [f"local/v1.2.0/history/{n:06d}.json" for n in range(1, 7)]
    # The last that was said of phase 2 as a whole is HOLD.
    assert deployment.verified() == (
        20,
        [f"{one} of v1.2.0 on local, verified" for one in ("HOLD", "GO", "GO")],
    )


def test_a_red_phase_stops_says_what_to_undo_and_holds_the_next_one(
    deployment: Deployment,
) -> None:
    assert deployment.ask("phase", "1")[0] == 0
    deployment.change(api_is_wrong)
    code, red = deployment.ask("phase", "1.1", "--region", "us")
    assert (code, red["decision"]) == (10, "STOP")
    assert any(said.startswith("To undo phase 1") for said in red["sentences"])
    _, held = deployment.ask("phase", "2", "--region", "us")
    assert "1.1 was STOP (run " in sentences(held)


def test_a_new_attempt_inherits_nothing(deployment: Deployment) -> None:
    assert deployment.ask("phase", "1")[0] == 0
    assert deployment.ask("phase", "2")[0] == 0
    path = api_path(deployment)
    deployment.change(api_is_wrong)
    code, red = deployment.ask("phase", "2", "--region", "us")
    assert (code, red["decision"]) == (10, "ROLLBACK")
    deployment.change(lambda data: data["services"]["api"]["health"]["liveness"].update(path=path))
    code, held = deployment.ask("phase", "2")
    assert (code, held["decision"]) == (20, "HOLD")
    assert "1.1 was GO before phase 2 was ROLLBACK" in sentences(held)
    assert " in us. Run " in sentences(held)
    assert deployment.ask("phase", "1")[0] == 0
    assert deployment.ask("phase", "2")[0] == 0
    assert deployment.ask("baseline")[0] == 0
    assert "before the baseline of" in sentences(deployment.ask("phase", "2")[1])


def test_a_history_that_takes_nothing_holds_although_all_is_green(deployment: Deployment) -> None:
    deployment.state.write_text("a file where a folder should be")
    code, verdict = deployment.ask("phase", "1")
    assert (code, verdict["decision"], verdict["counts"]) == (20, "HOLD", {"PASS": 2})
    assert "this run is not in the history" in sentences(verdict)
    assert deployment.gate.run("explain").stdout.startswith("HOLD")


def test_regions_that_one_prometheus_cannot_tell_apart_are_held_together_but_not_alone(
    deployment: Deployment,
) -> None:
    def alike(data: dict[str, Any]) -> None:
        data["regions"]["us"]["labels"] = data["regions"]["eu"]["labels"]

    deployment.change(alike)
    code, held = deployment.ask("phase", "1")
    assert (code, held["decision"], held["counts"]) == (20, "HOLD", {"PASS": 2})
    assert "eu and us have one Prometheus" in sentences(held)
    assert deployment.ask("phase", "1", "--region", "us")[0] == 0


def test_what_must_be_asked_and_is_not_holds_and_what_was_not_asked_is_shown(
    deployment: Deployment,
) -> None:
    code, verdict = deployment.ask("phase", "1")
    assert (code, [*not_asked(verdict)]) == (0, [OTHERS])
    deployment.change(lambda data: data.update(policy={"must_ask": ["kubernetes"]}))
    code, held = deployment.ask("phase", "1")
    assert (code, held["decision"]) == (20, "HOLD")
    assert "policy.must_ask names kubernetes" in sentences(held)


def test_a_forged_go_is_no_go(deployment: Deployment) -> None:
    deployment.change(api_is_wrong)
    assert deployment.ask("phase", "1")[0] == 10
    record = deployment.state / deployment.records()[-1]
    record.write_text(record.read_text().replace("STOP", "GO"))
    _, verdict = deployment.ask("phase", "2")
    assert "whether phase 1 is GO is unknown" in sentences(verdict)
    assert "does not match its digest" in sentences(verdict)


@cases(
    "sent records says",
    {
        "interrupted": (signal.SIGTERM, 2, "1.1 was HOLD (run "),
        "killed, and never ended": (signal.SIGKILL, 1, "and has not ended (run "),
    },
)
def test_a_phase_that_was_begun_and_stopped_is_not_go(
    deployment: Deployment, sent: signal.Signals, records: int, says: str
) -> None:
    out = deployment.gate.out
    with deployment.gate.start("phase", "1", *deployment.asked) as process:
        eventually("the checks have begun", lambda: [*out.glob("*-phase-1-*/pytest.log")])
        process.send_signal(sent)
        process.communicate(timeout=60)
    assert process.returncode == (20 if sent == signal.SIGTERM else -sent)
    assert len(deployment.records()) == records
    assert says in sentences(deployment.ask("phase", "2")[1])


@pytest.fixture
def object_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the address of an S3 with the bucket `state`."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket="state")
    yield f"http://{host}:{port}"
    server.stop()


def test_a_state_in_an_object_store_serves_as_well(
    deployment: Deployment, object_store: str
) -> None:
    there = {"url": "s3://state/gate", "endpoint": object_store}
    deployment.change(lambda data: data.update(state=there))
    code, taken = deployment.ask("baseline")
    assert code == 0
    assert taken["address"].startswith("s3://state/gate/local/v1.2.0/baseline/")
    assert deployment.ask("phase", "1")[0] == 0
    assert deployment.ask("phase", "2")[0] == 0
    assert deployment.verified() == (0, ["GO of v1.2.0 on local, verified"] * 2)


def test_the_countdown_is_no_go_when_red_and_says_what_it_does_not_ask(
    deployment: Deployment,
) -> None:
    code, green = deployment.ask("pre-deploy", "--at", "T-7d")
    assert [*not_asked(green)] == [OTHERS, "T-2h"]
    assert not_asked(green)["T-2h"] == ["TEAM-T2-1"]
    assert (code, green["decision"], green["counts"]) == (0, "GO", {"PASS": 2})
    deployment.change(api_is_wrong)
    code, red = deployment.ask("pre-deploy")
    assert (code, red["decision"], red["counts"]) == (10, "NO_GO", {"FAIL": 4})
    assert deployment.records() == []


def test_a_baseline_that_would_lack_something_is_not_kept(deployment: Deployment) -> None:
    def away(data: dict[str, Any]) -> None:
        data["regions"]["us"]["prometheus"] = "http://127.0.0.1:9"

    deployment.change(away)
    done = deployment.gate.run("baseline", *deployment.asked)
    assert done.returncode == 20
    assert "traffic: Prometheus of us:" in done.stderr
    assert deployment.records() == []


def test_the_regions_runs_are_joined_to_one_verdict(deployment: Deployment) -> None:
    runs = [deployment.ask("phase", "1", "--region", region)[1]["run"] for region in ("eu", "us")]
    joined = deployment.gate.run("join", *runs, "--output", "json")
    assert joined.returncode == 0, joined.stdout
    assert json.loads(joined.stdout)["regions"] == {"eu": "GO", "us": "GO"}
    alone = deployment.gate.run("join", runs[0])
    assert alone.returncode == 20
    assert "no run of us was given" in alone.stdout
    assert deployment.gate.run("join", "nothing").returncode == 64


def test_a_live_release_whose_file_is_broken_is_not_go_in_the_last_window(
    deployment: Deployment,
) -> None:
    """It may have been a hotfix, which owes what the countdown did not ask."""
    features = deployment.environment.parent / "features"
    with (features / "team.feature").open("a") as file:
        file.write(SCENARIO.format(check="TEAM-DAY-1"))
    with (features / "catalogue.csv").open("a") as file:
        file.write("TEAM-DAY-1,post-deploy,24h,team,critical,no,rollback,\n")
    broken = deployment.environment.parent / "releases" / "v1.2.0" / "release.yaml"
    broken.parent.mkdir(parents=True)
    broken.write_text("kind: [")
    deployment.change(lambda data: data.update(releases={"folder": "releases"}))
    code, verdict = deployment.ask("post-deploy", "--window", "24h")
    assert (code, verdict["decision"], verdict["counts"]) == (20, "HOLD", {"PASS": 2})
    assert "whether this release defers anything is unknown" in sentences(verdict)


SIGNED = """
  @T7-DOCS-6
  Scenario: Training materials are prepared
    When the signed statements of the release are read
    Then "T7-DOCS-6" is signed as the policy asks
"""


@pytest.fixture
def signing(deployment: Deployment, platform: Sandbox) -> Deployment:
    """Return the deployment with six people who may sign, of whom nobody has, and an item that asks."""
    there = platform.state.path
    features = deployment.environment.parent / "features"
    with (features / "team.feature").open("a") as file:
        file.write(SIGNED)
    with (features / "catalogue.csv").open("a") as file:
        file.write("T7-DOCS-6,pre-deploy,T-7d,product,critical,no,hold,environment:statements\n")
    deployment.change(
        lambda data: data.update(
            statements={"approvers": str(there / "people" / "approvers.yaml")},
            releases={"folder": str(there / "releases")},
        )
    )
    return deployment


def by(deployment: Deployment, who: str, *arguments: str) -> tuple[int, str]:
    """Have somebody sign; return the code and what is said."""
    key = deployment.gate.state / "people" / who
    done = deployment.gate.run(*arguments, "--key", str(key), "--yes")
    return done.returncode, done.stdout + done.stderr


def test_a_waived_item_lets_the_countdown_go_on_and_is_shown_as_that(signing: Deployment) -> None:
    code, missing = signing.ask("pre-deploy", "--at", "T-7d")
    assert (code, missing["decision"]) == (20, "HOLD")
    waive = ("waive", "T7-DOCS-6", *signing.asked)
    terms = ("--reason", "slides follow", "--ticket", "UH-1201", "--until", "2d")
    assert by(signing, "paul.moreau", *waive, "--as", "product-manager", *terms)[0] == 20
    assert signing.ask("pre-deploy", "--at", "T-7d")[0] == 20
    assert by(signing, "emil.haas", *waive, "--as", "engineering-manager")[0] == 0
    code, waived = signing.ask("pre-deploy", "--at", "T-7d")
    assert (code, waived["decision"]) == (0, "GO")
    assert waived["counts"] == {"PASS": 2, "WAIVED": 2}
    assert signing.gate.run("explain").stdout.count("WAIVED T7-DOCS-6 in eu, us") == 1
    assert "people    WAIVED T7-DOCS-6" in signing.gate.run("status").stdout
    attest = ("attest", "--all", "--at", "T-7d", *signing.asked, "--as", "product-manager")
    assert by(signing, "paul.moreau", *attest)[0] == 0
    code, signed = signing.ask("pre-deploy", "--at", "T-7d")
    assert (code, signed["counts"]) == (0, {"PASS": 4})
    assert {one["name"] for one in signed["statements"]} == {"Paul Moreau"}


def test_the_next_phase_accepts_a_hold_that_people_decided_and_nothing_else(
    signing: Deployment,
) -> None:
    signing.change(lambda data: data.update(policy={"must_ask": ["kubernetes"]}))
    _, held = signing.ask("phase", "1")
    signing.change(lambda data: data.pop("policy"))
    assert signing.ask("phase", "2")[0] == 20
    decide = ("decide", "proceed", held["run"], "--as", "release-manager")
    code, said = by(signing, "rosa.keller", *decide, "--reason", "the cluster is well")
    assert code == 20
    assert said.count("OVERRIDDEN") == 2
    code, after = signing.ask("phase", "2")
    assert (code, after["decision"]) == (0, "GO")
    assert f"the cluster is well (run {held['run']})" in " ".join(after["sentences"])
