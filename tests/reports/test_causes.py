"""Causes: what is told once, of how many checks and regions, and whom to call."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterable, Iterator

from gates.decide.fold import MISSING, Reason
from gates.decide.judgement import Judgement
from gates.decide.outcome import Decision, Outcome, worst_decision
from gates.decide.verdict import Failed, Observed
from reports.causes import Cause, causes
from steps.kit.expect import expect
from tests.reports import verdicts
from tests.tables import cases

OWNERS = {"prometheus": "sre", "api": "platform", "kubernetes": "infrastructure"}
Found = tuple[Reason, Observed | None]


def instrument(
    check: str, region: str, probe: str, host: str, kind: str = "connection refused"
) -> Found:
    detail = f"{host} said so."
    judgement = Judgement(Outcome.ERROR, "instrument", "it", f"it: {kind}. {detail}", kind)
    return a_reason(check, region, judgement), an_observation(probe, host, kind, detail)


def unavailable(
    check: str, region: str, path: str, seconds: float = 2, outcome: Outcome = Outcome.FAIL
) -> Found:
    said, kind = f"api {path}: timeout for {seconds} s", "timeout"
    judgement = Judgement(outcome, "available", f"api {path}", said, kind)
    target = f"GET http://api.{region}.example{path}"
    return a_reason(check, region, judgement), an_observation("http", target, kind, "slow.")


def undecided(check: str, region: str, sentence: str, **data: object) -> Found:
    judgement = expect(None, "it", sentence, "more", data=data)
    return a_reason(check, region, judgement), None


def missing(check: str, region: str) -> Found:
    said = f"the check did not run in {region}; every required check runs exactly once"
    return Reason(check, region, MISSING, Decision.HOLD, said, f"{check}'s", None), None


def a_reason(check: str, region: str, judgement: Judgement) -> Reason:
    outcome, sentence = judgement.outcome.value, judgement.sentence
    return Reason(check, region, outcome, Decision.HOLD, sentence, f"{check}'s", judgement)


def an_observation(probe: str, target: str, kind: str, detail: str) -> Observed:
    return Observed(probe, target, verdicts.AT, 0.1, {}, None, Failed(kind, detail, None), 1)


def causes_of(found: Iterable[Found]) -> tuple[Cause, ...]:
    """Return the causes; a reason is known by its identity, as two may be equal."""
    seen = {id(reason): observed for reason, observed in found}

    def observed(reason: Reason) -> Iterator[Observed]:
        yield from filter(None, [seen[id(reason)]])

    return causes([reason for reason, _ in found], observed, OWNERS)


def everywhere(made: Callable[[str, str], Found], *checks: str) -> list[Found]:
    return [made(check, region) for region in verdicts.REGIONS for check in checks]


CASES = {
    "one Prometheus of both regions is down": everywhere(
        lambda check, region: instrument(check, region, "prometheus", "prom:9090"), "A", "B", "C"
    ),
    "each region's cluster refuses the gate": everywhere(
        lambda check, region: instrument(check, region, "kubernetes", f"k8s.{region}:6443"), "A"
    ),
    "a login is refused": everywhere(
        lambda check, region: instrument(check, region, "redis", "redis", "credential refused"), "A"
    ),
    "primary and standby are two causes": everywhere(
        lambda check, region: instrument(check, region, "postgres", f"{check}:5432"), "A", "B"
    ),
    "a query that is refused says nothing of the instrument": everywhere(
        lambda check, region: instrument(
            check, region, "prometheus", f"prom:9090 of {check}", "query rejected"
        ),
        *("A", "B"),
    ),
    "a service is down, asked by several checks": [
        *everywhere(lambda check, region: unavailable(check, region, "/health"), "A", "B"),
        *everywhere(lambda check, region: undecided(check, region, "x", blocked_by="login"), "C"),
    ],
    "one check's service, for another time in each region": [
        unavailable("A", "eu", "/health", 2.0),
        unavailable("A", "us", "/health", 2.1),
    ],
    "the gate has no network": [
        unavailable("A", "eu", "/health", outcome=Outcome.ERROR),
        instrument("B", "eu", "prometheus", "prom:9090"),
        undecided("C", "eu", "blocked", blocked_by="login"),
        instrument("B", "us", "prometheus", "prom:9090"),
    ],
    "too few events": [
        undecided("A", "eu", "41 of 59", events_short=18),
        undecided("B", "us", "20 of 2,995", events_short=2975),
    ],
    "checks that did not run": [
        *everywhere(missing, "A", "B"),
        missing("C", "us"),
    ],
    "one sentence of several checks, another in each region": everywhere(
        lambda check, region: undecided(check, region, f"{region} can't be scraped"), "A", "B"
    ),
}


@cases("found", CASES)
def test_a_cause_is_told_once_with_whom_to_call(
    found: list[Found], said: Callable[..., None]
) -> None:
    said(
        [
            [
                f"{', '.join(one.checks)} in {', '.join(one.regions)}: {one.sentence} ({cause.owner})"
                for one in cause.findings()
            ]
            for cause in causes_of(found)
        ]
    )


def test_no_finding_is_lost_and_none_is_told_better_than_it_is() -> None:
    """Whatever comes together: each reason is in one cause, each cause shows its worst decision."""
    every = [one for found in CASES.values() for one in found]
    chance = random.Random(13)  # noqa: S311 - the same cases in each run
    for _ in range(300):
        some = [
            (dataclasses.replace(reason, decision=chance.choice(list(Decision))), observed)
            for reason, observed in chance.sample(every, chance.randint(0, len(every)))
        ]
        found = causes_of(some)
        told = [id(reason) for cause in found for reason in cause.reasons]
        assert sorted(told) == sorted(id(reason) for reason, _ in some)
        for cause in found:
            worst = worst_decision(one.decision for one in cause.reasons)
            assert worst_decision(one.decision for one in cause.findings()) is worst
            assert {check for one in cause.findings() for check in one.checks} == set(cause.checks)
