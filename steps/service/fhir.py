"""The FHIR server: what its CapabilityStatement says, and that it keeps patients' data to itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import probes
from gates.decide.judgement import Judgement, contains_all, equals, harmless
from gates.decide.outcome import Outcome
from probes.http import HttpAnswer
from settings.service import Fhir
from steps.kit.availability import Availability, Reading
from steps.kit.check import Check
from steps.kit.platform import NotDescribedError, Platform

_OK = 200
_REFUSALS = (401, 403)


class FhirServer:
    """The FHIR server of every region, as one check looks at it."""

    def __init__(self, platform: Platform, availability: Availability, check: Check) -> None:
        """Raise NotDescribedError where the environment says nothing of it."""
        section = platform.environment.settings.fhir
        if section is None:
            raise NotDescribedError("the environment lacks the section fhir; add it")
        self._platform = platform
        self._availability = availability
        self._check = check
        self._section: Fhir = section

    def states_capabilities(self) -> None:
        """Judge the CapabilityStatement: valid, of the wanted version, with the wanted resources."""
        self._platform.each_region(self._judge_statement)

    def refuses_strangers(self) -> None:
        """Judge, where the environment names one, that a protected path asks for a login."""
        path = self._section.protected_path
        if path is not None:
            self._platform.each_region(lambda region: self._judge_refusal(region, path))

    def _judge_statement(self, region: str) -> None:
        subject = f"FHIR {self._section.path}"
        reading = self._read(region, subject, self._section.path)
        answer = reading.observation.value
        if answer is None or reading.decided:
            return
        self._check.judge(region, equals(f"{subject} status", answer.status, _OK))
        if answer.status == _OK:
            self._check.judge(region, *self._of(subject, answer))

    def _judge_refusal(self, region: str, path: str) -> None:
        subject = "FHIR record without a login"
        # Here a refusal is what is asked for.
        self._read(region, subject, path, lambda answer: [_refused(subject, answer.status)])

    def _read(
        self,
        region: str,
        subject: str,
        path: str,
        judge: Callable[[HttpAnswer], Sequence[Judgement]] | None = None,
    ) -> Reading[HttpAnswer]:
        target = self._platform.service(region, self._section.service)
        reading = self._availability.reach(
            region,
            self._section.service,
            subject,
            lambda: probes.http.request(
                target,
                "GET",
                path,
                deadline=self._platform.call_deadline(),
                headers={"Accept": probes.fhir.ACCEPT},
                max_bytes=probes.fhir.MAX_BYTES,
            ),
            judge,
        )
        self._check.observe(region, reading.observation)
        self._check.judge(region, *reading.judgements)
        return reading

    def _of(self, subject: str, answer: HttpAnswer) -> Iterator[Judgement]:
        try:
            stated = probes.fhir.capability(answer)
        except probes.fhir.NotACapabilityStatementError as exc:
            yield _no_statement(subject, str(exc))
            return
        yield _version(subject, stated.fhir_version, self._section.version)
        yield contains_all(
            f"{subject} resources", stated.interactions, tuple(self._section.resources)
        )
        for resource, wanted in self._section.resources.items():
            offered = stated.interactions.get(resource)
            if offered is not None:
                yield contains_all(f"{subject} {resource} interactions", offered, wanted)


def _version(subject: str, found: str, wanted: str) -> Judgement:
    right = found == wanted or found.startswith(f"{wanted}.")
    sentence = f"{subject} is of FHIR version {harmless(found, wanted)}"
    return Judgement(
        outcome=Outcome.PASS if right else Outcome.FAIL,
        rule="version",
        subject=f"{subject} version",
        sentence=sentence if right else f"{sentence}, wanted {wanted}",
        observed=harmless(found, wanted),
        target=wanted,
        clears="" if right else f"a server of FHIR {wanted}",
    )


def _refused(subject: str, status: int) -> Judgement:
    refused = status in _REFUSALS
    sentence = f"{subject} is answered with {status}"
    return Judgement(
        outcome=Outcome.PASS if refused else Outcome.FAIL,
        rule="refused",
        subject=subject,
        sentence=sentence
        if refused
        else f"{sentence}, wanted 401 or 403: it may be open to everybody",
        observed=status,
        target="401 or 403",
        clears="" if refused else "a FHIR server that asks for a login",
    )


def _no_statement(subject: str, why: str) -> Judgement:
    return Judgement(
        outcome=Outcome.FAIL,
        rule="capability statement",
        subject=subject,
        sentence=f"{subject}: {why}",
        target="a valid CapabilityStatement",
        clears="a valid CapabilityStatement",
    )
