"""The user journey, walked once in every region; each IV-FLOW check judges its own step of it."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import pathlib
import threading
from collections.abc import Callable, Iterator

import probes
from checks import failures
from checks.availability import Availability, Reading
from checks.check import Check
from checks.platform import NotDescribedError, Platform
from checks.vendor_outage import Outage, VendorOutages, read_with
from checks.writer_lease import LeaseHeldError, writer_lease
from environments.settings import Synthetic
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.http import HttpAnswer
from probes.observation import FailureKind, Observation
from smoke.journal import NAME, Journal, left_over
from smoke.journey import Journey, StepTaken
from smoke.patient_api import Patient, PatientApi
from smoke.synthetic import TAG_PREFIX, RemovalError, SyntheticRecords

LEASE_WAIT_SECONDS = 30.0


@dataclasses.dataclass(frozen=True, slots=True)
class Walked:
    """One region's journey: the steps of its last walk, and what its reachability decided."""

    steps: tuple[StepTaken, ...]
    reading: Reading[HttpAnswer] | None
    broke_at: str | None
    """The step whose server was away: in the last walk, or before that one got further."""
    row: Judgement | None
    """Whether the booking arrived in the database."""
    row_observation: Observation[probes.postgres.RecordFound] | None = None
    outage: Outage | None = None
    """The vendor's outage that may be why the last step broke."""

    def outage_behind(self, name: str) -> Outage | None:
        """Return the outage that a step's failures have to be read with."""
        return self.outage if self.steps[-1].name == name else None


class Journeys:
    """All regions' journeys of one run, walked when the first check asks."""

    def __init__(
        self,
        platform: Platform,
        availability: Availability,
        run_dir: pathlib.Path,
        tell_problem: Callable[[str], None],
    ) -> None:
        self._platform = platform
        self._availability = availability
        self._outages = VendorOutages(platform)
        self._run_dir = run_dir
        self._tell_problem = tell_problem
        self._lock = threading.Lock()
        self._walked: dict[str, Walked] | None = None
        self._held: str | None = None

    def judge(self, check: Check, name: str) -> None:
        """Judge one step of the journey in every region."""
        with self._lock:
            if self._walked is None:
                # Noted before it can break: a walk that did is not tried again by the next check.
                self._walked = {}
                self._walked = self._walk_all()
        for region in self._platform.regions:
            if self._held is not None:
                check.judge(region, _held(name, self._held))
                continue
            if region in self._walked:
                self._judge_region(check, region, name, self._walked[region])

    def _judge_region(self, check: Check, region: str, name: str, walked: Walked) -> None:
        reading, outage = walked.reading, walked.outage_behind(name)
        if reading is not None and walked.broke_at == name:
            check.judge(region, *read_with(outage, reading.judgements))
        step = next((step for step in walked.steps if step.name == name), None)
        if step is None:
            check.judge(region, _blocked(name, walked.steps[-1].name))
            return
        for observation in step.observations:
            check.observe(region, observation)
        for asked in outage.observations if outage is not None else ():
            check.observe(region, asked)
        check.judge(region, *read_with(outage, step.judgements))
        if name == "booking" and walked.row is not None:
            if walked.row_observation is not None:
                check.observe(region, walked.row_observation)
            check.judge(region, walked.row)

    def _walk_all(self) -> dict[str, Walked]:
        settings = self._platform.environment.settings
        synthetic = settings.synthetic
        if synthetic is None:
            raise NotDescribedError("the environment lacks the section synthetic; add it")
        key = "|".join(
            sorted(region.services[synthetic.service] for region in settings.regions.values())
        )
        try:
            with writer_lease(key, self._platform.run_id, LEASE_WAIT_SECONDS):
                self._clean_left_overs(synthetic)
                return self._platform.each_region(lambda region: self._walk(region, synthetic))
        except LeaseHeldError as exc:
            self._held = str(exc)
            return {}

    def _walk(self, region: str, synthetic: Synthetic) -> Walked:
        tag = f"{TAG_PREFIX}{self._platform.run_id}-{region}"
        with self._records(region, synthetic, tag):
            walks: list[tuple[StepTaken, ...]] = []
            broke_at: list[str] = []

            def once() -> Observation[HttpAnswer]:
                steps = tuple(self._journey(region, synthetic, tag).walk())
                walks.append(steps)
                if not steps[-1].judgements:
                    broke_at.append(steps[-1].name)
                return steps[-1].observations[-1]

            subject = "the patient's journey"
            reading = self._availability.reach(region, synthetic.service, subject, once)
            steps = walks[-1]
            last = steps[-1]
            broken = last.name if not last.judgements else next(iter(broke_at), None)
            outage = self._outages.behind(region, last.name) if _may_be_a_vendors(last) else None
            row, observed = self._row_of_booking(steps)
            return Walked(steps, reading if broken else None, broken, row, observed, outage)

    def _journey(self, region: str, synthetic: Synthetic, tag: str) -> Journey:
        patient = Patient.made_up(tag, synthetic.email_domain)
        api = PatientApi(self._platform.service(region, synthetic.service), patient)
        return Journey(api, synthetic.provider_id, self._platform.call_deadline)

    def _row_of_booking(
        self, steps: tuple[StepTaken, ...]
    ) -> tuple[Judgement | None, Observation[probes.postgres.RecordFound] | None]:
        """Look for the booking in the database: an answer 201 alone proves no appointment."""
        section = self._platform.environment.settings.postgres
        target = self._platform.postgres()
        booked = next((step for step in steps if step.name == "booking" and step.record_id), None)
        if section is None or section.created_record is None or target is None or booked is None:
            return None, None
        observed = probes.postgres.record_exists(
            target,
            section.created_record.table,
            section.created_record.id_column,
            booked.record_id,
            deadline=self._platform.call_deadline(),
        )
        return _row_judgement(observed), observed

    @contextlib.contextmanager
    def _records(self, region: str, synthetic: Synthetic, tag: str) -> Iterator[None]:
        """Journal that records will exist, and remove them whatever happens inside."""
        journal = Journal(self._run_dir / NAME, self._platform.environment.settings.name)
        journal.intend(region, tag)
        try:
            yield
        finally:
            self._remove(region, synthetic, tag, journal)

    def _remove(self, region: str, synthetic: Synthetic, tag: str, journal: Journal) -> None:
        records = self._synthetic(region, synthetic)
        try:
            records.remove(tag, self._platform.call_deadline())
        except RemovalError as exc:
            self._tell_problem(
                f"synthetic records were left in {region}: {exc}; the next run removes them"
            )
        else:
            journal.removed(region, tag)

    def _clean_left_overs(self, synthetic: Synthetic) -> None:
        """Remove what earlier runs left: journalled by this checkout, or tagged and old."""
        name = self._platform.environment.settings.name
        journals = sorted(self._run_dir.parent.glob(f"*/{NAME}"))
        for path, region, tag in left_over(journals, name):
            if region in self._platform.regions:
                self._remove(region, synthetic, tag, Journal(pathlib.Path(path), name))
        for region in self._platform.regions:
            records = self._synthetic(region, synthetic)
            # An unreachable region has nothing that could be listed; its journey will say so.
            with contextlib.suppress(RemovalError):
                for tag in records.stale_tags(
                    dt.datetime.now(dt.UTC), self._platform.call_deadline()
                ):
                    records.remove(tag, self._platform.call_deadline())

    def _synthetic(self, region: str, synthetic: Synthetic) -> SyntheticRecords:
        token = self._platform.environment.secret(synthetic.token)
        return SyntheticRecords(self._platform.service(region, synthetic.service), token)


def _may_be_a_vendors(step: StepTaken) -> bool:
    """Return whether the platform answered badly or too late: what it does when a vendor is down."""
    last = step.observations[-1]
    late = last.failure is not None and last.failure.kind is FailureKind.TIMEOUT
    return not step.passed and (last.value is not None or late)


def _row_judgement(observed: Observation[probes.postgres.RecordFound]) -> Judgement:
    subject = "the booking in the database"
    if observed.failure is not None or observed.value is None:
        return failures.instrument_error(subject, failures.failure_of(observed))
    found = observed.value.found
    return Judgement(
        outcome=Outcome.PASS if found else Outcome.FAIL,
        rule="row exists",
        subject=subject,
        sentence=f"{subject} {'is' if found else 'is not'} there",
        observed="present" if found else "absent",
        target="present",
        clears="" if found else "a booking that arrives in the database",
    )


def _blocked(name: str, broken: str) -> Judgement:
    return Judgement(
        outcome=Outcome.INCONCLUSIVE,
        rule="blocked",
        subject=name,
        sentence=f"{name} could not be tried: blocked by the broken step “{broken}”",
        clears=f"a working {broken}",
        data={"blocked_by": broken},
    )


def _held(name: str, holder: str) -> Judgement:
    return Judgement(
        outcome=Outcome.ERROR,
        rule="lease",
        subject=name,
        sentence=f"{name} could not be tried: one run at a time writes synthetic records, and {holder}",
        clears="that run ending",
    )
