"""`gate doctor` from outside: what it prints, how it ends, and that nothing keeps it waiting."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import pathlib
import re
import time
from collections.abc import Mapping
from typing import Any

import pytest

from environments.loader import FOLDER, load_file
from gates.cli.main import main
from gates.doctor.look import examine_scenarios, subject_of
from gates.load import load_catalogue
from steps.kit.findings import Level
from tests.sandbox.platforms import Sandbox, eventually


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a call of the command ended."""

    code: int
    out: str
    err: str

    def findings(self) -> list[Mapping[str, Any]]:
        """Return the findings of --output json."""
        found: list[Mapping[str, Any]] = json.loads(self.out)["findings"]
        return found

    def bad(self, system: str) -> list[Mapping[str, Any]]:
        """Return what is BAD about a system."""
        return [one for one in self.findings() if one["level"] == "BAD" and one["system"] == system]


def doctor(*arguments: object) -> Ended:
    """Call the command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(err):  # argparse knows the process's own alone
        code = main(["doctor", *map(str, arguments)], out, err)
    return Ended(code, out.getvalue(), err.getvalue())


def remedied(platform: Sandbox, faults: Mapping[str, tuple[str, str]]) -> Ended:
    """Apply faults, which the fixture reverts, and look until each is said with its remedy.

    What a metric shows is there once Prometheus has scraped it.
    """
    for fault in faults:
        assert platform.ask({"do": "fault", "action": "apply", "name": fault})["changed"]
    looks: list[Ended] = []

    def said(system: str, words: str) -> bool:
        found = [" ".join((one["sentence"], *one["remedy"])) for one in looks[-1].bad(system)]
        return any(all(word in one for word in words.split(" & ")) for one in found)

    def looked() -> bool:
        looks.append(doctor("--env", platform.state.environment, "--output", "json"))
        missing[:] = [fault for fault, expected in faults.items() if not said(*expected)]
        return not missing

    missing = list(faults)
    eventually(missing, looked)
    assert looks[-1].code == 20
    return looks[-1]


def test_an_unedited_file_is_78_and_lists_every_mark() -> None:
    ended = doctor("--env", "prod")
    marks = (FOLDER / "prod.yaml").read_text(encoding="utf-8").count('"EDIT-ME')
    assert (ended.code, ended.out) == (78, "")
    assert len(ended.err.splitlines()) == marks > 5
    assert all("still says EDIT-ME; replace it: " in line for line in ended.err.splitlines())


def test_a_missing_secret_is_78_and_wrong_usage_64(
    edited: pathlib.Path, request: pytest.FixtureRequest
) -> None:
    ended = doctor("--env", edited)
    assert ended.code == 78
    assert "postgres.password = env:GATE_POSTGRES_PASSWORD: the variable" in ended.err
    request.getfixturevalue("secrets")
    for arguments, words in (
        (("--env", "prdo"), "--env prdo: there is no such environment; choose dev, local, prod"),
        (
            ("--env", edited, "--release", "latest"),
            "“latest” is not a release; write it like v1.2.0",
        ),
        (
            ("--env", edited, "--region", "moon"),
            "--region moon: there is no such region; choose eu-central",
        ),
    ):
        ended = doctor(*arguments)
        assert (ended.code, ended.out) == (64, "")
        assert words in ended.err


@pytest.fixture
def edited(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return prod.yaml as an operator would leave it, with names that nobody has."""
    numbers = iter(range(100))
    text = (FOLDER / "prod.yaml").read_text(encoding="utf-8")
    text = re.sub(r'"EDIT-ME: true or false[^"]*"', "false", text)
    text = re.sub(r'"EDIT-ME: time, such as ([^"]+)"', r'"\1"', text)
    text = re.sub(r'"EDIT-ME: address[^"]+"', lambda _: f"https://{next(numbers)}.invalid", text)
    text = re.sub(r'"EDIT-ME: [^"]+"', lambda _: f"{next(numbers)}.invalid", text)
    text = text.replace("unifiedhealth.io", "unifiedhealth.invalid")
    text = text.replace("checkip.amazonaws.com", "outside.invalid")
    text = re.sub(r"host: [0-9.]+(?=[,}])", lambda _: f"host: {next(numbers)}.invalid", text)
    path = tmp_path / "prod.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (FOLDER / "prod.yaml").read_text(encoding="utf-8")
    for name in re.findall(r"env:(GATE_[A-Z0-9_]+)", text):
        monkeypatch.setenv(name, "sentinel-secret")


@pytest.fixture
def scenarios_untried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what takes seconds of a processor and is the same in every call."""
    monkeypatch.setattr("gates.doctor.look.examine_scenarios", lambda *_: [])


@pytest.mark.usefixtures("secrets")
class TestWithoutNetwork:
    @pytest.mark.usefixtures("scenarios_untried")
    def test_it_says_soon_what_is_not_reachable_and_that_nothing_is(
        self, edited: pathlib.Path
    ) -> None:
        began = time.monotonic()
        ended = doctor("--env", edited, "--release", "v1.2.0")
        assert time.monotonic() - began < 12
        assert ended.code == 20
        for where in ("api .*eu-central", "api .*us-east", "Prometheus .*eu-central", "Postgres"):
            assert re.search(rf"BAD +{where}.*(name not resolved|timeout)", ended.out)
        assert f"{edited}: postgres.host: an address that answers from here" in ended.out
        assert "Nothing at all answered this machine: it has no network" in ended.out
        assert "sentinel" not in ended.out + ended.err

    def test_machines_read_the_same(self, edited: pathlib.Path) -> None:
        ended = doctor("--env", edited, "--output", "json")
        record = json.loads(ended.out)
        assert (record["schema"], record["environment"], record["release"]) == (1, "prod", None)
        assert (record["exit_code"], ended.code) == (20, 20)
        assert not any(one["reached"] for one in ended.bad("api"))
        assert [one["level"] for one in ended.findings() if one["system"] == "scenarios"] == ["OK"]


NEW = "http_server_request_duration_seconds"
MANY = {
    "metric-renamed": (
        "metrics IV-PERF-1",
        f"renamed {NEW}? & request_duration.name: {NEW}",
    ),
    "gate-can-write": ("Postgres", "the login release_gate can write: & REVOKE "),
    "html-instead-of-json": ("api", ".path: a path that answers with JSON"),
    "aws-down-images": ("AWS", "aws.endpoint_url: an address that answers"),
    "dns-blocked": ("DNS", "dns.resolvers"),
    "tls-refused-in-one-region": ("TLS", "certificates.addresses."),
    "fhir-down": ("FHIR", "regions.eu.services.fhir"),
    "alertmanager-unreachable": ("Alertmanager", "monitoring.alertmanager.url"),
    "grafana-down": ("Grafana", "monitoring.grafana.url"),
    "pagerduty-down": ("PagerDuty", "people.pagerduty.url"),
    "slack-down": ("Slack", "people.slack.url"),
    "backups-unreadable": ("backups", "data.backups."),
    "release-repository-missing": ("repository", "data.migrations.repository"),
}
"""Faults of systems of their own, with the system and the words of its finding."""
OTHERS = {
    "other-bucket-bounds": (
        "metrics IV-PERF-2",
        "policy declares: & the bounds 0.5 (sec",
    ),
    "dns-server-lame": ("DNS", "a server that answers for"),
    "fhir-html": ("FHIR", "fhir.path: the path of the server's"),
    "pg-restore-missing": ("backups", "data.backups.pg_restore"),
}
"""Faults that do not go together with those."""


@pytest.mark.usefixtures("scenarios_untried")
class TestLocalPlatform:
    def test_a_healthy_platform_is_0(self, whole_platform: Sandbox) -> None:
        # Another test's fault may still be in the newest scrape.
        looks: list[Ended] = []

        def well() -> bool:
            looks.append(doctor("--env", whole_platform.state.environment))
            return looks[-1].code == 0

        eventually("the doctor finds nothing bad", well)
        ended = looks[-1]
        assert ended.out.endswith("0 BAD. The gate can decide about local.\n")
        assert "\x1b" not in ended.out
        for what in (
            r"api +us +/health/db answers: status healthy",
            r"Prometheus +eu +all 2 targets of up",
            r"metrics IV-PERF-3 +us +http_requests_total: its label status is there",
            r"synthetic +eu +the token lists synthetic records",
            r"Postgres +- +the login release_gate works and can't write",
            r"Postgres +- +a booking can be looked up in appointments.id",
            r"Redis +- +version .*, master",
            r"traffic +- +.* can bring 180 requests/s more",
            r"AWS +- +repository .* can be read",
            r"AWS +- +bucket .* can be read",
            r"AWS +- +secret .* can be read",
            r"DNS +- +.* answers for ",
            r"TLS +us +.* shows a certificate at ",
            r"FHIR +eu +states FHIR 4",
            r"Alertmanager +- +has its",
            r"Grafana +- +the dashboard “.*” is there",
            r"Grafana +- +the token can only read",
            r"alert rules +- +the release's file",
            r"PagerDuty +- +the schedule .* can be read",
            r"Slack +- +the app's token lists channels",
            r"backups +- +.* can be listed",
            r"repository +- +.*v1.2.0.* can be read",
            r"evidence +- +the store can be read",
        ):
            assert re.search(rf"OK +{what}", ended.out), what
        for whose in (r"AWS +- .*the user or role of the gate", r"PagerDuty +- .*the key"):
            assert re.search(rf"WARN +{whose} can only read\n +→ ", ended.out), whose

    def test_all_that_its_scenarios_need_is_described(self, whole_platform: Sandbox) -> None:
        subject = subject_of(load_file(whole_platform.state.environment), None, ())
        (finding,) = examine_scenarios(subject, load_catalogue())
        assert finding.level is Level.OK, finding.sentence

    def test_one_region_alone_and_a_release_that_nobody_runs(self, whole_platform: Sandbox) -> None:
        asked = ("--env", whole_platform.state.environment, "--region", "eu")
        ended = doctor(*asked, "--release", "v9.9.9", "--output", "json")
        assert {one["region"] for one in ended.findings()} == {None, "eu"}
        assert ended.code == 20
        assert any(
            'version="9.9.9"; there is: 1.1.0, 1.2.0' in one["sentence"]
            for one in ended.bad("metrics IV-PERF-3")
        )

    @pytest.mark.parametrize("faults", [MANY, OTHERS], ids=["many", "others"])
    def test_what_the_gate_could_not_read_comes_with_its_key(
        self, whole_platform: Sandbox, faults: Mapping[str, tuple[str, str]]
    ) -> None:
        remedied(whole_platform, faults)

    def test_a_stopped_prometheus_is_one_finding_in_each_region(
        self, whole_platform: Sandbox
    ) -> None:
        expected = {"prometheus-down": ("Prometheus", "regions.eu.prometheus: ")}
        ended = remedied(whole_platform, expected)
        assert [one["region"] for one in ended.bad("Prometheus")] == ["eu", "us"]
        assert not any(one["system"].startswith("metrics") for one in ended.findings())
