"""Verdicts as metrics: a textfile for node_exporter, or anything that reads OpenMetrics."""

from __future__ import annotations

import collections
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping

from gates.decide.outcome import Decision
from gates.decide.verdict import Verdict
from reports import words

_ABOUT = {
    "gate_run_decision": "1 for the decision of the newest run, 0 for the others; no verdict is a HOLD",
    "gate_run_started_timestamp_seconds": "When the newest run began",
    "gate_run_duration_seconds": "How long it took",
    "gate_run_overridden": "1 where people decided a HOLD, by what they decided",
    "gate_run_results": "Its results, one for each check and region, by outcome; MISSING was not measured",
    "gate_run_not_asked_checks": "Checks that its decision says nothing of",
}


def openmetrics(verdicts: Iterable[Verdict]) -> str:
    """Return the metrics of each environment's newest run, all of them gauges."""
    samples: dict[str, list[str]] = collections.defaultdict(list)
    for verdict in verdicts:
        about = {
            "environment": verdict.environment,
            "release": verdict.release or "",
            "gate": words.gate_name(verdict),
            "window": verdict.window or "",
        }
        for name, labels, value in _samples(verdict):
            samples[name].append(f"{name}{{{_labels(about | labels)}}} {value}")
    lines = []
    for name, found in samples.items():
        lines += [f"# TYPE {name} gauge", f"# HELP {name} {_ABOUT[name]}.", *found]
    return "\n".join([*lines, "# EOF", ""])


def _samples(verdict: Verdict) -> Iterator[tuple[str, dict[str, str], float]]:
    overall = verdict.decision if verdict.complete and verdict.decision else Decision.HOLD
    for region, decided in {"": overall, **verdict.regions}.items():
        for decision in Decision:
            labels = {"region": region, "decision": decision.value}
            yield "gate_run_decision", labels, int(decision is decided)
    began = dt.datetime.fromisoformat(verdict.started_at).timestamp()
    yield "gate_run_started_timestamp_seconds", {}, began
    if verdict.elapsed_seconds is not None:
        yield "gate_run_duration_seconds", {}, verdict.elapsed_seconds
    if verdict.overridden is not None:
        labels = {"decision": verdict.overridden.decision.value}
        yield "gate_run_overridden", labels, 1
    for outcome, number in verdict.counts.items():
        yield "gate_run_results", {"outcome": outcome}, number
    yield "gate_run_not_asked_checks", {}, sum(len(one.checks) for one in verdict.not_asked)


def _labels(labels: Mapping[str, str]) -> str:
    escaped = {
        name: words.one_line(value).replace("\\", r"\\").replace('"', r"\"")
        for name, value in labels.items()
    }
    return ",".join(f'{name}="{value}"' for name, value in escaped.items())
