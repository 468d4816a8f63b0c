"""Two versions that serve at once, compared by what a Prometheus says of both: advice, and never more."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gates.decide.outcome import Meaning
from gates.load import load_catalogue
from settings.rollback import TriggersPolicy
from settings.source import Changes
from tests.gates.decide.values import an_objective
from tests.steps import scenarios
from tests.steps.platforms import a_platform, a_policy
from tests.steps.scripted_prometheus import ONE, TARGET, ScriptedPrometheus
from tests.tables import cases

OBJECTIVE = an_objective(check="IV-PERF-3", look_back="1s", wait_for_samples="1s")
SECTION = {"job": "api", "scrape_interval": "100ms", "target_labels": {"version": "{release}"}}
CHANGES = Changes.model_fields
BOTH = {"version": "{release}"}
RELEASE = {
    "schema": 1,
    "version": "v1.2.0",
    "previous": "v1.1.0",
    "kind": "standard",
    "commit": "0" * 40,
    "images": {"api": f"sha256:{'0' * 64}"},
    "changes": {field.alias or name: name == "code" for name, field in CHANGES.items()},
    "planned_start": "2026-01-31T22:00:00Z",
}
OLD = {**TARGET, "version": "1.1.0", "instance": "pod-0"}
Compared = Callable[..., str]


def growing(each_second: int) -> Callable[[float], str]:
    return lambda ago: str(100_000 - round(each_second * ago))


def serve(prometheus: ScriptedPrometheus, bad: Mapping[str, int]) -> None:
    """Let each of these versions answer a thousand requests a second, so many of them badly."""
    prometheus.answers["count(up{"] = ONE
    prometheus.samples['"up|'] = tuple(
        ({**one, "__name__": "up"}, lambda _: "1") for one in (TARGET, OLD)
    )
    for target in (TARGET, OLD):
        version = target["version"]
        if version in bad:
            prometheus.samples[f'version="{version}"'] = (
                ({**target, "status": "200"}, growing(1000 - bad[version])),
                ({**target, "status": "500"}, growing(bad[version])),
            )


@pytest.fixture
def compared(tmp_path: pathlib.Path, prometheus: ScriptedPrometheus) -> Compared:
    """Return what watches for a second, and what was found of both versions."""

    def compared(
        release: Mapping[str, object] = RELEASE,
        labels: Mapping[str, str] = BOTH,
        objective: str = "IV-PERF-3",
    ) -> str:
        file = tmp_path / "releases" / "v1.2.0" / "release.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(release))
        requests = {"name": "requests", "status_label": "status", "labels": labels}
        triggers = TriggersPolicy.model_validate({"every": "250ms", "gap": "750ms"})
        platform = a_platform(
            tmp_path,
            {"eu": "http://eu"},
            prometheus_at=prometheus.url,
            prometheus=SECTION,
            metrics={"requests_total": requests},
            canary={"objectives": [objective]},
            policy=a_policy().model_copy(update={"objectives": (OBJECTIVE,), "triggers": triggers}),
        )
        watched = dataclasses.replace(platform, watch_seconds=1.0)
        (found,) = scenarios.told(scenarios.judged("CANARY-1", watched))
        return found

    return compared


@cases(
    "bad said",
    {
        "the new one is worse": ({"1.2.0": 50, "1.1.0": 5}, "FAIL: {}: it is worse while both"),
        "both are alike": ({"1.2.0": 5, "1.1.0": 5}, "PASS: {}: it is not proved to be worse"),
        "the new one is better": ({"1.2.0": 5, "1.1.0": 50}, "PASS: {}: it is not proved to be"),
        "the old one serves nobody": ({"1.2.0": 50}, "PASS: {}: nothing to compare: they did not"),
    },
)
def test_versions_that_serve_at_once_are_compared(
    compared: Compared, prometheus: ScriptedPrometheus, bad: Mapping[str, int], said: str
) -> None:
    serve(prometheus, bad)
    assert compared().startswith(said.format("Error rate, v1.2.0 against v1.1.0"))


@cases(
    "how said",
    {
        "labels without the version": ({"labels": {}}, "has no {release} to tell versions apart"),
        "a release that nobody described": (
            {"release": {**RELEASE, "version": "v1.3.0"}},
            "version = v1.3.0: must be v1.2.0",
        ),
        "an objective that the policy lacks": (
            {"objective": "IV-PERF-9"},
            "no objective for IV-PERF-9",
        ),
    },
)
def test_what_cannot_be_compared_says_why(
    compared: Compared, prometheus: ScriptedPrometheus, how: dict[str, Any], said: str
) -> None:
    serve(prometheus, {"1.2.0": 50, "1.1.0": 5})
    found = compared(**how)
    assert found.startswith("INCONCLUSIVE: ")
    assert said in found


def test_after_the_cutover_nothing_is_left_to_compare(
    compared: Compared, prometheus: ScriptedPrometheus
) -> None:
    serve(prometheus, {"1.2.0": 50})
    prometheus.answers["count(up{"] = ()
    assert compared().startswith("PASS: ")
    assert "they did not serve at the same time" in compared()


def test_an_instrument_that_is_away_compares_nothing(
    compared: Compared, prometheus: ScriptedPrometheus
) -> None:
    prometheus.ready = 503
    assert "nothing to compare: Prometheus" in compared()


def test_it_is_advice_and_asked_only_where_the_environment_wants_it() -> None:
    (row,) = (one for one in load_catalogue() if one.id == "CANARY-1")
    assert (row.on_fail, row.applies_if) == (Meaning.ADVISORY, "environment:canary")
