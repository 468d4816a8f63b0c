"""Confirmation: an unavailability counts once it lasted, and only if the gate itself has network."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from checks import failures
from checks.failures import Cause
from checks.platform import Platform
from checks.vantage import witness
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.http import HttpAnswer
from probes.observation import Facts, Observation

SERVER_ERROR = 500

V = TypeVar("V", bound=Facts)


@dataclasses.dataclass(frozen=True, slots=True)
class Reading(Generic[V]):
    """What a service gave: its last observation, and what its reachability alone decides."""

    observation: Observation[V]
    judgements: tuple[Judgement, ...] = ()
    """Empty when it answered at once."""

    @property
    def decided(self) -> bool:
        """Whether nothing is left to judge: it was unavailable, wrong, or out of our reach."""
        return any(judgement.outcome is not Outcome.PASS for judgement in self.judgements)


class Clocks:
    """One clock for each (region, service), started by the first unavailability, shared by all checks."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def down_for_seconds(self, region: str, service: str) -> float:
        """Return how long a service has been down, starting its clock if it was not."""
        with self._lock:
            return time.monotonic() - self._since.setdefault((region, service), time.monotonic())

    def up(self, region: str, *services: str) -> None:
        """Stop the clocks of what answers."""
        with self._lock:
            for service in services:
                self._since.pop((region, service), None)


class Availability:
    """Reads services of a platform, confirming every absence."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._clocks = Clocks()

    def reach(
        self, region: str, service: str, subject: str, probe: Callable[[], Observation[V]]
    ) -> Reading[V]:
        """Probe until the service answers or its absence is confirmed.

        `service` keys the clock; a 5xx answer keys one of its own, since the service did answer and
        only what stands behind this `subject` is away.
        """
        behind = f"{service}: {subject}"
        observation = probe()
        away = _absence(observation)
        if away is None:
            self._clocks.up(region, service, behind)
            return Reading(observation, _wrong_or_ours(subject, observation))
        key = service if observation.value is None else behind
        while (
            down_for := self._clocks.down_for_seconds(region, key)
        ) < self._platform.confirm_seconds:
            if self._platform.deadline.remaining_seconds() <= 0:
                return Reading(observation, (_unconfirmed(subject, away),))
            left = self._platform.confirm_seconds - down_for
            time.sleep(min(self._platform.poll_seconds, left))
            observation = probe()
            away = _absence(observation)
            if away is None:
                self._clocks.up(region, service, behind)
                back = self._recovered(subject, down_for)
                return Reading(observation, (back, *_wrong_or_ours(subject, observation)))
        return Reading(observation, (self._confirmed(region, subject, observation, away),))

    def _recovered(self, subject: str, down_seconds: float) -> Judgement:
        hold = self._platform.policy.availability.on_recovery == "hold"
        return Judgement(
            outcome=Outcome.INCONCLUSIVE if hold else Outcome.PASS,
            rule="available",
            subject=subject,
            sentence=f"{subject} was away and came back within {down_seconds + 0.1:.1f} s",
            observed=down_seconds,
            target=0,
            unit="s",
            clears="a run in which it is never away" if hold else "",
        )

    def _confirmed(
        self, region: str, subject: str, observation: Observation[V], away: str
    ) -> Judgement:
        answered = observation.value is not None
        seen = f"{subject} itself" if answered else witness(self._platform, region)
        confirm = self._platform.confirm_seconds
        if seen is None:
            sentence = (
                f"{subject}: {away}, and nothing else answers the gate either: "
                "it has no network here; no verdict about the platform"
            )
            return _away(
                Outcome.ERROR, subject, sentence, away, "run the gate where it has network"
            )
        sentence = f"{subject}: {away}, for {confirm:g} s and more, while {seen} answers"
        return _away(Outcome.FAIL, subject, sentence, away, f"{subject} answering")


def _absence(observation: Observation[V]) -> str | None:
    """Return in words why the subject is unavailable, or None when it is not."""
    if observation.failure is not None:
        away = failures.cause(observation.failure) is Cause.UNAVAILABLE
        return observation.failure.kind.value if away else None
    value = observation.value
    if isinstance(value, HttpAnswer) and value.status >= SERVER_ERROR:
        return f"status {value.status}"
    return None


def _wrong_or_ours(subject: str, observation: Observation[V]) -> tuple[Judgement, ...]:
    failure = observation.failure
    if failure is None:
        return ()
    if failures.cause(failure) is Cause.WRONG:
        return (failures.subject_wrong(subject, failure),)
    return (failures.our_error(subject, failure),)


def _unconfirmed(subject: str, away: str) -> Judgement:
    sentence = f"{subject}: {away}; the run's deadline came before that could be confirmed"
    return _away(Outcome.INCONCLUSIVE, subject, sentence, away, "a run with time left")


def _away(outcome: Outcome, subject: str, sentence: str, away: str, clears: str) -> Judgement:
    return Judgement(
        outcome=outcome,
        rule="available",
        subject=subject,
        sentence=sentence,
        observed=away,
        target="an answer",
        clears=clears,
    )
