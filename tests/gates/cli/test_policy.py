"""`gate check-policy` and `gate rules`, with files of their own."""

from __future__ import annotations

import io
import json
import pathlib
from typing import Any

import yaml

from gates.cli.main import main
from tests.golden import Said
from tests.steps.platforms import NOWHERE, a_platform
from tests.steps.replay.test_fixtures import SHOWN, policy

METRICS = {"requests_total": {"name": "r", "status_label": "status"}}


def ask(folder: pathlib.Path, command: str, *words: str) -> tuple[int, str, str]:
    prometheus = {"job": "api", "scrape_interval": "15s"}
    a_platform(folder, {"eu": NOWHERE.format(9)}, prometheus=prometheus, metrics=METRICS)
    stdout, stderr = io.StringIO(), io.StringIO()
    line = [command, "--env", str(folder / "environment.yaml"), *words]
    return main(line, stdout, stderr), stdout.getvalue(), stderr.getvalue()


def check(folder: pathlib.Path, other: dict[str, Any], shown: Any, *words: str) -> Any:
    (folder / "fixtures").mkdir(exist_ok=True)
    (folder / "fixtures" / "all.yaml").write_text(yaml.safe_dump({"fixtures": shown}))
    (folder / "other.yaml").write_text(yaml.safe_dump(other))
    return ask(folder, "check-policy", "--policy", str(folder / "other.yaml"), *words)


def test_each_thing_that_is_wrong_is_one_sentence(tmp_path: pathlib.Path, said: Said) -> None:
    said(check(tmp_path, policy(rollback={"budget": "3%", "for": "5m"}), SHOWN))


def test_a_rule_that_is_refused_is_shown_no_series(tmp_path: pathlib.Path, said: Said) -> None:
    said(check(tmp_path, policy(metric="requests", rollback=None), SHOWN))


def test_missing_fixtures_are_warned_of(tmp_path: pathlib.Path) -> None:
    code, out, _ = check(tmp_path, policy(), SHOWN[:1], "--output", "json")
    assert (code, json.loads(out)["warned"]) == (
        0,
        [
            "TRIG-1 has no fixture that expects quiet",
            "IV-PERF-3 has no fixture that expects fail or pass",
        ],
    )


def test_the_gates_own_policy_says_what_its_fixtures_expect() -> None:
    out = io.StringIO()
    assert main(["check-policy"], out, out) == 0, out.getvalue()
    assert "0 bad, 0 warned" in out.getvalue()


def test_rules_are_written_without_a_platform(tmp_path: pathlib.Path) -> None:
    code, out, _ = ask(tmp_path, "rules", "--region", "eu")
    found = yaml.safe_load(out)["groups"]
    assert (code, [one["name"] for one in found]) == (0, ["gate-clinic-eu"])
    assert "# IV-PERF-1 (API p95 response time under 200 ms) has no rule" in out


def test_a_region_that_is_not_there_is_wrong_usage(tmp_path: pathlib.Path) -> None:
    assert ask(tmp_path, "rules", "--region", "mars")[0] == 64
