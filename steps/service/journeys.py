"""The user journey, walked once in every region; each IV-FLOW check judges its own step of it."""

from __future__ import annotations

import dataclasses
import threading

from pytest_bdd import parsers

import probes
from gates.decide.judgement import Judgement
from gates.decide.release import Release
from probes.http import HttpAnswer
from probes.observation import FailureKind, Observation
from settings.service import Synthetic
from smoke.journey import Journey, Patient, PatientApi, StepTaken
from steps.kit import failures
from steps.kit.asked import Asked
from steps.kit.check import Check
from steps.kit.expect import expect, unable
from steps.kit.leases import LeaseHeldError
from steps.kit.records import Records
from steps.kit.run import Run
from steps.kit.sentence import then, when
from steps.service import rules
from steps.service.external import Asks, outage_behind


@dataclasses.dataclass(frozen=True, slots=True)
class Walked:
    """One region's journey: the steps of its last walk, and what confirming a broken one decided."""

    steps: tuple[StepTaken, ...]
    broke_at: str | None
    """The step that was bad: in the last walk, or before that one got through."""
    confirmed: tuple[Judgement, ...]
    """What is to be said of that step, in place of its own judgements if it broke in the last walk."""
    row_observation: Observation[probes.postgres.RecordFound] | None = None
    outage: rules.Outage | None = None
    """The vendor's outage that may be why that step broke."""
    asks: Asks = ()
    """What was asked about the vendor."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Walk:
    """One walk through a region."""

    steps: tuple[StepTaken, ...]
    row_observation: Observation[probes.postgres.RecordFound] | None = None

    @property
    def broken(self) -> StepTaken | None:
        """Return the first step that did not pass."""
        return next((step for step in self.steps if not step.passed), None)


class Journeys:
    """All regions' journeys of one run, walked when the first check asks."""

    def __init__(self, run: Run) -> None:
        self._run, self._platform = run, run.platform
        self._lock = threading.Lock()
        self._walked: dict[str, Walked] | None = None
        self.held: str | None = None
        """Who holds the right to write synthetic records, if somebody else does."""

    def walked(self) -> dict[str, Walked]:
        """Return every region's journey; raises NotDescribedError without the section synthetic."""
        with self._lock:
            if self._walked is None:
                # Noted before it can break: a walk that did is not tried again by the next check.
                self._walked = {}
                self._walked = self._walk_all()
        return self._walked

    def _walk_all(self) -> dict[str, Walked]:
        synthetic = self._platform.section(Synthetic)
        records = Records(self._run, synthetic)
        try:
            with records.writing():
                return self._platform.each_region(
                    lambda region: self._walk(region, synthetic, records)
                )
        except LeaseHeldError as exc:
            self.held = str(exc)
            return {}

    def _walk(self, region: str, synthetic: Synthetic, records: Records) -> Walked:
        with records.tagged(region) as tag:
            walks: list[_Walk] = []

            def once() -> Observation[HttpAnswer]:
                walks.append(self._walk_once(region, synthetic, tag))
                return (walks[-1].broken or walks[-1].steps[-1]).observations[-1]

            reading = self._run.availability.reach(
                region,
                synthetic.service,
                "the patient's journey",
                once,
                lambda _: walks[-1].broken.judgements if walks[-1].broken else (),
                confirm=True,
            )
            return self._walked_by(region, walks, reading.judgements)

    def _walk_once(self, region: str, synthetic: Synthetic, tag: str) -> _Walk:
        """Walk the journey and look for its booking: an answer 201 alone proves no appointment."""
        steps = tuple(self._journey(region, synthetic, tag).walk())
        booked = next((step for step in steps if step.name == "booking" and step.record_id), None)
        observed = self._row_of(booked) if booked is not None and booked.judgements else None
        if booked is None or observed is None:
            return _Walk(steps)
        judgements = (*booked.judgements, _row_judgement(observed))
        with_row = dataclasses.replace(booked, judgements=judgements)
        return _Walk(tuple(with_row if step is booked else step for step in steps), observed)

    def _walked_by(
        self, region: str, walks: list[_Walk], confirmed: tuple[Judgement, ...]
    ) -> Walked:
        """Return the last walk; what confirming says of a step that is broken in it replaces its own word."""
        last = walks[-1]
        broken = last.broken
        was_bad = next((walk.broken for walk in walks if walk.broken), None)
        if broken is None or was_bad is None:
            name = None if was_bad is None else was_bad.name
            return Walked(last.steps, name, confirmed, last.row_observation)
        steps = tuple(
            dataclasses.replace(step, judgements=()) if step is broken else step
            for step in last.steps
        )
        found = _may_be_a_vendors(broken) and outage_behind(self._platform, region, broken.name)
        outage, asks = found or (None, ())
        return Walked(steps, broken.name, confirmed, last.row_observation, outage, asks)

    def _journey(self, region: str, synthetic: Synthetic, tag: str) -> Journey:
        patient = Patient.made_up(tag, synthetic.email_domain)
        api = PatientApi(self._platform.service(region, synthetic.service), patient)
        since, serves = synthetic.call_address_since, self._platform.serving
        return Journey(
            api,
            synthetic.provider_id,
            self._platform.call_deadline,
            call_address=since is None or Release.parse(since) <= serves,
        )

    def _row_of(self, booked: StepTaken) -> Observation[probes.postgres.RecordFound] | None:
        """Look for the booking in the database; None where the environment does not say where."""
        section = self._platform.environment.settings.postgres
        target = self._platform.postgres()
        if section is None or section.created_record is None or target is None:
            return None
        return probes.postgres.record_exists(
            target,
            section.created_record.table,
            section.created_record.id_column,
            booked.record_id,
            deadline=self._platform.call_deadline(),
        )


def _may_be_a_vendors(step: StepTaken) -> bool:
    """Return whether the platform answered badly or too late: what it does when a vendor is down."""
    last = step.observations[-1]
    late = last.failure is not None and last.failure.kind is FailureKind.TIMEOUT
    return not step.passed and (last.value is not None or late)


def _row_judgement(observed: Observation[probes.postgres.RecordFound]) -> Judgement:
    if observed.failure is not None or observed.value is None:
        failure = failures.failure_of(observed)
        return failures.instrument_error("the booking in the database", failure)
    return rules.row_exists(found=observed.value.found)


@when("a synthetic patient walks the journey in every region", target_fixture="journeys")
def walk(run: Run) -> Journeys:
    journeys = run.shared(Journeys)
    journeys.walked()
    return journeys


@then(parsers.parse("the {name} succeeds"))
def succeeds(asked: Asked, journeys: Journeys, name: str) -> None:
    if journeys.held is not None:
        why = f"one run at a time writes synthetic records, and {journeys.held}"
        sentence = f"{name} could not be tried: {why}"
        asked.judge(unable(name, sentence, "that run ending", rule="lease"))
    for region, walked in journeys.walked().items():
        _judge_region(asked.check, region, name, walked)


def _judge_region(check: Check, region: str, name: str, walked: Walked) -> None:
    broke = walked.broke_at == name
    if broke:
        check.judge(region, *rules.read_with(walked.outage, walked.confirmed))
    step = next((step for step in walked.steps if step.name == name), None)
    if step is None:
        broken = walked.steps[-1].name
        sentence = f"{name} could not be tried: blocked by the broken step “{broken}”"
        data = {"blocked_by": broken}
        check.judge(
            region, expect(None, name, sentence, f"a working {broken}", rule="blocked", data=data)
        )
        return
    row = walked.row_observation if name == "booking" else None
    for observed in (*step.observations, *(walked.asks if broke else ())):
        check.observe(region, observed)
    check.judge(region, *step.judgements)
    if row is not None:
        check.observe(region, row)
