"""What must hold of the fold for any results whatever, and a second opinion on all small ones."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.decide.catalogue import Row
from gates.decide.fold import RegionResult, Stage, fold
from gates.decide.outcome import Decision, Meaning, Outcome
from gates.decide.statements import Waiver
from tests.gates.decide.values import PROPERTY, a_judgement, a_result, a_row, a_waiver

REGIONS = ("eu", "us")
CHECKS = ("IV-A-1", "IV-A-2", "IV-A-3")
BADNESS = ("GO", "HOLD", "NO_GO", "STOP", "ROLLBACK")

outcomes = st.sampled_from(Outcome)
judgements = st.builds(a_judgement, outcomes, st.none() | st.sampled_from(Meaning))
results = st.builds(
    RegionResult,
    st.sampled_from(CHECKS),
    st.sampled_from(REGIONS),
    st.lists(judgements, max_size=3).map(tuple),
)
manifests = st.tuples(*(st.sampled_from(Meaning) for _ in CHECKS)).map(
    lambda meanings: [a_row(check, m) for check, m in zip(CHECKS, meanings, strict=True)]
)
runs = st.lists(results, max_size=9)
stages = st.sampled_from(Stage)


def complete_run(draw_outcomes: Sequence[Outcome]) -> list[RegionResult]:
    places = itertools.product(CHECKS, REGIONS)
    return [
        a_result(outcome, check=check, region=region)
        for (check, region), outcome in zip(places, draw_outcomes, strict=True)
    ]


complete_runs = st.lists(
    st.sampled_from([Outcome.PASS, Outcome.PASS, Outcome.PASS, *Outcome]), min_size=6, max_size=6
).map(complete_run)
any_runs = runs | complete_runs


def badness(decision: Decision) -> int:
    return BADNESS.index(decision.value)


@PROPERTY
@given(manifests, any_runs, stages, results)
def test_adding_a_result_that_is_not_good_never_improves_the_decision(
    rows: list[Row], run: list[RegionResult], stage: Stage, more: RegionResult
) -> None:
    before = fold(rows, REGIONS, run, stage)
    after = fold(rows, REGIONS, [*run, more], stage)
    bad = more.outcome in (Outcome.FAIL, Outcome.ERROR, Outcome.INCONCLUSIVE)
    ran = any(
        (one.check, one.region) == (more.check, more.region) and one.judgements for one in run
    )
    if bad or ran:
        assert badness(after.decision) >= badness(before.decision)


@PROPERTY
@given(manifests, any_runs, stages)
def test_the_order_of_results_rows_and_regions_changes_nothing(
    rows: list[Row], run: list[RegionResult], stage: Stage
) -> None:
    one = fold(rows, REGIONS, run, stage)
    other = fold(rows[::-1], REGIONS[::-1], run[::-1], stage)
    assert (one.decision, one.by_region) == (other.decision, other.by_region)
    assert sorted(map(repr, one.reasons)) == sorted(map(repr, other.reasons))


@PROPERTY
@given(manifests, complete_runs, stages, st.data())
def test_removing_a_required_result_never_turns_anything_into_go(
    rows: list[Row], run: list[RegionResult], stage: Stage, data: st.DataObject
) -> None:
    lost = data.draw(st.sampled_from(run))
    row = next(row for row in rows if row.id == lost.check)
    after = fold(rows, REGIONS, [one for one in run if one is not lost], stage)
    if row.on_fail is not Meaning.ADVISORY:
        assert after.decision is not Decision.GO


@PROPERTY
@given(manifests, any_runs, stages, st.data())
def test_what_an_advisory_check_found_changes_no_decision(
    rows: list[Row], run: list[RegionResult], stage: Stage, data: st.DataObject
) -> None:
    advisory = {row.id for row in rows if row.on_fail is Meaning.ADVISORY}
    without = [one for one in run if one.check not in advisory]
    other = [*without, *(one for one in data.draw(runs) if one.check in advisory)]
    assert (
        fold(rows, REGIONS, run, stage).by_region
        == fold(rows, REGIONS, without, stage).by_region
        == fold(rows, REGIONS, other, stage).by_region
    )


@PROPERTY
@given(manifests, any_runs, stages)
def test_go_means_that_every_required_check_ran_once_everywhere_and_was_good(
    rows: list[Row], run: list[RegionResult], stage: Stage
) -> None:
    if fold(rows, REGIONS, run, stage).decision is not Decision.GO:
        return
    required = {row.id for row in rows if row.on_fail is not Meaning.ADVISORY}
    found = sorted((one.check, one.region) for one in run if one.check in required)
    assert found == sorted(itertools.product(required, REGIONS))
    good = {one.outcome for one in run if one.check in required}
    assert good <= {Outcome.PASS, Outcome.NOT_APPLICABLE}
    passed = {one.region for one in run if one.check in required and one.outcome is Outcome.PASS}
    assert passed == set(REGIONS)


@PROPERTY
@given(manifests, any_runs, stages, st.lists(st.text(max_size=5), min_size=1, max_size=2))
def test_a_problem_of_the_run_never_improves_a_decision_and_never_leaves_go(
    rows: list[Row], run: list[RegionResult], stage: Stage, problems: list[str]
) -> None:
    before = fold(rows, REGIONS, run, stage).decision
    after = fold(rows, REGIONS, run, stage, problems).decision
    assert badness(after) >= max(1, badness(before))


waivers = st.lists(
    st.tuples(st.sampled_from(CHECKS), st.sampled_from((Outcome.FAIL, Outcome.INCONCLUSIVE))),
    max_size=3,
).map(lambda given: tuple(a_waiver(check, found) for check, found in given))


@PROPERTY
@given(manifests, any_runs, stages, waivers)
def test_a_waiver_lets_pass_what_it_was_given_for_and_nothing_else(
    rows: list[Row], run: list[RegionResult], stage: Stage, given_: tuple[Waiver, ...]
) -> None:
    """Nothing that stops or rolls back, broke, or did not run once; and each region has a pass."""
    before, after = fold(rows, REGIONS, run, stage), fold(rows, REGIONS, run, stage, (), given_)
    assert badness(after.decision) <= badness(before.decision)
    if before.decision in (Decision.STOP, Decision.ROLLBACK):
        assert after.decision is before.decision
    gone = {repr(one) for one in before.reasons} - {repr(one) for one in after.reasons}
    allowed = {(one.check, outcome) for one in given_ for outcome in ("INCONCLUSIVE", one.found)}
    reasons = [one for one in before.reasons if repr(one) in gone]
    assert {(one.check, one.outcome) for one in reasons} <= allowed
    assert len(after.waived) == len(reasons)
    if after.decision is Decision.GO:
        passed = {one.region for one in run if one.outcome is Outcome.PASS}
        assert passed == set(REGIONS)


# --- the second opinion: another style (strings and sets), every small case -----------------------


def oracle(meaning_of: dict[str, str], ran: dict[str, list[str]], stage: str) -> str:
    """Decide from the design's sentences: one region, one outcome word for each run of a check."""
    required = {check for check, meaning in meaning_of.items() if meaning != "advisory"}
    fails = {check for check in required if "FAIL" in ran.get(check, [])}
    if fails and stage == "before the deployment":
        return "NO_GO"
    if stage != "rolled back" and any(meaning_of[check] in {"rollback", "stop"} for check in fails):
        return "STOP" if stage == "deploying, nothing is live" else "ROLLBACK"
    for check in required:
        if ran.get(check, []) not in (["PASS"], ["NOT_APPLICABLE"]):
            return "HOLD"
    return "GO" if any(ran[check] == ["PASS"] for check in required) else "HOLD"


RUNS_OF_A_CHECK = [
    *([outcome] for outcome in Outcome),
    [],
    [Outcome.PASS, Outcome.PASS],
    [Outcome.PASS, Outcome.FAIL],
]


@pytest.mark.parametrize("stage", Stage, ids=str)
@pytest.mark.parametrize("meanings", list(itertools.product(Meaning, repeat=2)), ids=str)
def test_agrees_with_a_second_opinion_on_every_case_of_two_checks(
    meanings: tuple[Meaning, ...], stage: Stage
) -> None:
    checks = CHECKS[: len(meanings)]
    rows = [a_row(check, meaning) for check, meaning in zip(checks, meanings, strict=True)]
    words = {row.id: row.on_fail.value for row in rows}
    differing = []
    for runs_of in itertools.product(RUNS_OF_A_CHECK, repeat=len(rows)):
        ran = dict(zip(checks, runs_of, strict=True))
        found = [a_result(one, check=check) for check, many in ran.items() for one in many]
        decision = fold(rows, ("eu",), found, stage).decision.value
        expected = oracle(words, {c: [o.value for o in many] for c, many in ran.items()}, stage)
        if decision != expected:
            differing.append((ran, decision, expected))
    assert differing == []


_OFTEN_GOOD = st.sampled_from([Outcome.PASS, Outcome.PASS, *Outcome])
_PLACES = list(itertools.product(CHECKS, REGIONS))
often = st.fixed_dictionaries(
    {place: st.just([Outcome.PASS]) | st.lists(_OFTEN_GOOD, max_size=3) for place in _PLACES}
)
"""By check and region: the outcomes of however many times it ran."""
CASES = (manifests, often, stages, st.randoms(use_true_random=False))


def agrees_with_the_second_opinion(
    rows: list[Row],
    ran: dict[tuple[str, str], list[Outcome]],
    stage: Stage,
    chance: random.Random,
) -> None:
    """Hold a run, in whatever order, against the second opinion, region by region."""
    found = [
        a_result(outcome, check=check, region=region)
        for (check, region), outcomes in ran.items()
        for outcome in outcomes
    ]
    words = {row.id: row.on_fail.value for row in rows}
    chance.shuffle(found)
    chance.shuffle(rows)
    by_region = {
        region: oracle(words, {c: [o.value for o in ran[c, region]] for c in CHECKS}, stage)
        for region in REGIONS
    }
    folded = fold(rows, REGIONS, found, stage)
    assert folded.by_region == by_region, (rows, ran, stage)
    assert folded.decision.value == max(by_region.values(), key=BADNESS.index)


@PROPERTY
@given(*CASES)
def test_agrees_with_the_second_opinion_region_by_region(
    rows: list[Row],
    ran: dict[tuple[str, str], list[Outcome]],
    stage: Stage,
    chance: random.Random,
) -> None:
    """`./harness prove fold` tries it for as long as it is given."""
    agrees_with_the_second_opinion(rows, ran, stage, chance)
