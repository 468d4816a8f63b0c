"""An interpolated quantile is marked as one in everything that people and machines read."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from gates.decide.verdict import Verdict
from reports import explanation, figures, summary, terminal
from tests.reports import verdicts
from tests.reports.test_terminal import drawn

RENDERERS: dict[str, Callable[[Verdict], str]] = {
    "verdict.json": lambda verdict: json.dumps(verdict.record()),
    "explain": explanation.render,
    "explain as JSON": lambda verdict: json.dumps(explanation.as_json(verdict)),
    "summary": summary.render,
    "plain lines": terminal.plain,
    "terminal": lambda verdict: drawn(verdict, 200),
}


@pytest.mark.parametrize("render", RENDERERS.values(), ids=RENDERERS)
def test_a_quantile_that_did_not_decide_is_marked(render: Callable[[Verdict], str]) -> None:
    assert "142 ms (interpolated)" in render(verdicts.between_bounds())


@pytest.mark.parametrize("name", ["verdict.json", "explain", "summary", "plain lines", "terminal"])
def test_a_quantile_that_decided_for_a_go_is_marked(name: str) -> None:
    assert "interpolated" in RENDERERS[name](verdicts.interpolated())


@pytest.mark.parametrize("render", RENDERERS.values(), ids=RENDERERS)
def test_a_counted_objective_is_not_marked(render: Callable[[Verdict], str]) -> None:
    assert "interpolated" not in render(verdicts.go())


def test_a_quantile_shows_both_bounds_around_its_target() -> None:
    verdict = verdicts.between_bounds()
    (reason,) = verdict.reasons
    assert reason.judgement is not None
    found = [(fact.label, fact.text) for fact in figures.facts(reason.judgement)]
    assert found[:4] == [
        ("measured", "p95 142 ms, interpolated"),
        ("wanted", "p95 below 150 ms, which no bucket bound marks"),
        ("counted", "17.5 % (700 of 4,000 events) over 50 ms, 95 % bounds 16.5 % and 18.5 %"),
        ("counted", "0.5 % (20 of 4,000 events) over 200 ms, 95 % bounds 0.332 % and 0.726 %"),
    ]


def test_its_key_figure_is_the_proof_at_the_lower_bound() -> None:
    figure = figures.key_figures(verdicts.interpolated())[0]
    assert figure.text == (
        "p95 41 ms (interpolated); 1.52 % over 50 ms, proved at most 1.88 %, budget 5 %, "
        "4,000 samples"
    )


@pytest.mark.parametrize("lost", ["quantile", "samples", "budget", "over_bounds"])
def test_a_damaged_quantile_is_shown_as_far_as_it_goes(lost: str) -> None:
    verdict = verdicts.between_bounds()
    for reason in verdict.reasons:
        assert reason.judgement is not None
        del reason.judgement.data[lost]  # type: ignore[attr-defined]  # damaged
    assert "142 ms" in explanation.render(verdict)
