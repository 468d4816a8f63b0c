"""A synthetic patient's journeys through the pages, in every region's site and every engine that is there."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator
from typing import TypeAlias

from pytest_bdd import parsers

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome, worst_outcome
from gates.decide.suite import Attachment, Finding, Kind, Tested
from probes.observation import Observation
from settings.delivery import Frontend
from settings.service import Synthetic
from smoke.journey import Patient
from smoke.pages import Pages
from smoke.walks import WALKS, Walk
from steps.browser import journey_rules as rules
from steps.browser.reading import Engine, engines
from steps.kit.asked import Asked
from steps.kit.availability import Reading
from steps.kit.expect import unable
from steps.kit.leases import LeaseHeldError
from steps.kit.records import Records
from steps.kit.run import Run
from steps.kit.sentence import then, when
from steps.kit.suites import attach, hand_over

_SITE = "web site"
_OPENED = "/#/login"
Visited: TypeAlias = "probes.browser.Visited[None]"


@dataclasses.dataclass(frozen=True, slots=True)
class Taken:
    """A walk in one region and one engine."""

    region: str
    engine: Engine
    reading: Reading[Visited] | None = None
    """None where the engine is not there."""

    @property
    def visited(self) -> Visited | None:
        """Return what was seen, of a page that was reached."""
        return self.reading.observation.value if self.reading is not None else None


@dataclasses.dataclass(slots=True)
class Journey:
    """One walk, in all regions and engines."""

    name: str
    walk: Walk
    taken: list[Taken] = dataclasses.field(default_factory=list)
    held: str = ""
    """Who else is writing synthetic records, so that nothing was walked."""


@when(parsers.parse("a synthetic patient {walk} in a browser"), target_fixture="journey")
def take(run: Run, walk: str) -> Journey:
    journey = Journey(walk, WALKS[walk])
    walking = _Walking(run, journey.name, journey.walk)
    asked = list(engines(run))
    try:
        with walking.writing():
            for engine in asked:
                by_region = run.platform.each_region(functools.partial(walking.take, engine))
                journey.taken += by_region.values()
    except LeaseHeldError as exc:
        journey.held = str(exc)
    return journey


@dataclasses.dataclass(frozen=True)
class _Walking:
    """How a walk is taken."""

    run: Run
    name: str
    walk: Walk

    def writing(self) -> contextlib.AbstractContextManager[object]:
        """Hold the right to write synthetic records where the walk makes any; raises LeaseHeldError."""
        return self._records.writing() if self.walk.makes_records else contextlib.nullcontext()

    def take(self, engine: Engine, region: str) -> Taken:
        """Walk in one region; a site that is not reached is asked again until that is confirmed."""
        browser = engine.browser
        if browser is None:
            return Taken(region, engine)

        def judge(visited: Visited) -> tuple[Judgement, ...]:
            return (rules.walked(self.name, engine.name, visited, must_hold=engine.must_hold),)

        return Taken(
            region,
            engine,
            self.run.availability.reach(
                region, _SITE, f"{_SITE} in a browser", lambda: self._once(region, browser), judge
            ),
        )

    def _once(
        self, region: str, browser: probes.browser.Browser
    ) -> Observation[probes.browser.Visited[None]]:
        if not self.walk.makes_records:
            return self._visit(region, browser, "")
        with self._records.tagged(region, "browser") as tag:
            return self._visit(region, browser, tag)

    def _visit(
        self, region: str, browser: probes.browser.Browser, tag: str
    ) -> Observation[probes.browser.Visited[None]]:
        platform, walk = self.run.platform, self.walk
        synthetic, site = platform.section(Synthetic), platform.section(Frontend).address(region)
        patient = Patient.made_up(tag, synthetic.email_domain)
        replies = (probes.browser.Reply(*answer) for answer in walk.answered.items())
        look = probes.browser.Look(
            site=site,
            path=_OPENED,
            headers={"X-Synthetic-Tag": tag} if tag else {},
            options=walk.options,
            scripts=walk.scripts,
            replies=tuple(replies),
            private=(patient.password,),
            keep=True,
        )
        step = platform.policy.browser.step_within
        return probes.browser.visit(
            browser,
            look,
            lambda page: walk.do(
                Pages(page, site, step_seconds=step), patient, synthetic.provider_id
            ),
            seconds=platform.policy.browser.walk_within,
            deadline=platform.deadline,
        )

    @property
    def _records(self) -> Records:
        return Records(self.run, self.run.platform.section(Synthetic))


@then("the walk comes to its end in every region")
def walked_through(asked: Asked, journey: Journey) -> None:
    if journey.held:
        why = f"one run at a time writes synthetic records, and {journey.held}"
        subject = f"a patient who {journey.name}"
        sentence = f"{subject} could not be tried: {why}"
        asked.judge(unable(subject, sentence, "that run ending", rule="lease"))
    for one in journey.taken:
        here = dataclasses.replace(asked, regions=(one.region,))
        if one.reading is None:
            # An engine that the policy does not ask for is named in the evidence alone.
            here.judge(*[rules.not_run(journey.name, one.engine.name)] * one.engine.must_hold)
            continue
        here.keep(one.reading.observation)
        here.judge(*one.reading.judgements)


@then("nothing happens on the way that the policy forbids")
def nothing_else(run: Run, asked: Asked, journey: Journey) -> None:
    policy, expected = run.platform.policy.browser, journey.walk.expected
    found: dict[int, list[Judgement]] = {}
    for number, one in enumerate(journey.taken):
        here = dataclasses.replace(asked, regions=(one.region,))
        found[number] = list(one.reading.judgements) if one.reading is not None else []
        # The gate's measures of a page are Chromium's.
        if one.visited is not None and one.engine.name == "chromium":
            happened = list(rules.happened(journey.name, policy, one.visited.events, expected))
            here.judge(*happened)
            found[number] += happened
    _hand_over(run, asked, journey, found)


def _hand_over(run: Run, asked: Asked, journey: Journey, found: dict[int, list[Judgement]]) -> None:
    seen = [one.visited for one in journey.taken if one.visited is not None]
    hand_over(
        run,
        asked,
        Kind.BROWSER,
        tests=[_tested(journey, one, found[n]) for n, one in enumerate(journey.taken)],
        tools={name: version for name, _, version in (one.browser.partition(" ") for one in seen)},
        counts={"journeys": len(seen), "requests": sum(one.requests for one in seen)},
        findings=[
            Finding(
                rule=judgement.rule,
                where=journey.taken[n].region,
                sentence=judgement.sentence,
                outcome=judgement.outcome,
            )
            for n, judgements in found.items()
            for judgement in judgements
            if judgement.outcome is not Outcome.PASS
        ],
        attachments=[kept for one in journey.taken for kept in _kept(run, asked, one)],
    )


def _tested(journey: Journey, one: Taken, found: list[Judgement]) -> Tested:
    name = f"a patient {journey.name}, {one.region}, {one.engine.name}"
    if one.reading is None:
        why = "not run, because Playwright's own build is not installed here"
        left_open = Outcome.INCONCLUSIVE if one.engine.must_hold else Outcome.NOT_APPLICABLE
        return Tested(name=name, outcome=left_open, sentence=why)
    worst = worst_outcome(judgement.outcome for judgement in found)
    sentence = next(judgement.sentence for judgement in found if judgement.outcome is worst)
    seconds = round(one.reading.observation.elapsed_seconds, 3)
    return Tested(name=name, outcome=worst, seconds=seconds, sentence=sentence)


def _kept(run: Run, asked: Asked, one: Taken) -> Iterator[Attachment]:
    """Keep picture and trace of a page that was wrong."""
    name = f"{asked.check.id} {one.region} {one.engine.name}"
    if one.visited is not None and one.visited.picture:
        yield attach(run, name, one.visited.picture, "image/png", "png")
    if one.visited is not None and one.visited.trace:
        kind = "application/vnd.allure.playwright-trace"
        yield attach(run, name, one.visited.trace, kind, "zip")
