"""Confirmation: an absence or a wrong answer counts once it lasted, and only if the gate has network."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from gates.decide.judgement import REFUSALS, TOO_MANY_REQUESTS, Judgement, from_cache, refuses_asker
from gates.decide.outcome import Outcome
from probes import http
from probes.http import HttpAnswer
from probes.observation import Facts, Observation, pause
from settings.environment import Environment
from steps.kit import failures
from steps.kit.asked import Asked, Unread
from steps.kit.expect import expect
from steps.kit.failures import Cause
from steps.kit.platform import Platform

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


@dataclasses.dataclass(frozen=True, slots=True)
class _Found(Generic[V]):
    """One ask: what came back and what is wrong with it."""

    observation: Observation[V]
    began: float
    """By the monotonic clock."""
    away: str | None
    """Why the subject is unavailable, in words."""
    judgements: tuple[Judgement, ...]

    @property
    def bad(self) -> str:
        """What would be a FAIL if it lasted, in words; empty where nothing would."""
        failed = [one.sentence for one in self.judgements if one.outcome is Outcome.FAIL]
        return self.away or "; ".join(failed)


class Availability:
    """Reads services of a platform, confirming what is bad."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._bad_since: dict[tuple[str, str], float] = {}
        """By region and service, when it was first asked in vain: shared by all checks."""

    def reach(
        self,
        region: str,
        service: str,
        subject: str,
        probe: Callable[[], Observation[V]],
        judge: Callable[[V], Sequence[Judgement]] | None = None,
        *,
        confirm: bool = False,
    ) -> Reading[V]:
        """Probe until the service answers as it should or what is bad about it is confirmed.

        `service` keys the clock; an answer keys one of its own, since the service did answer and only
        what stands behind this `subject` is bad. `judge` says what is wrong with an answer (by default
        what refuses the gate or comes out of a cache decides nothing); with `confirm`, where that means a
        rollback, it is confirmed as an absence is, and else it FAILs at once.
        """

        def ask() -> _Found[V]:
            began = time.monotonic()
            observation = probe()
            away = absence(observation)
            found = () if away is not None else self._of(subject, observation, judge)
            return _Found(observation, began, away, found)

        behind = f"{service}: {subject}"
        found = ask()
        if found.away is None and not (found.bad and confirm):
            self._up(region, service, behind)
            return Reading(found.observation, found.judgements)
        key = service if found.observation.value is None else behind
        since = self._bad_since.setdefault((region, key), found.began)
        asked = 1
        while (left := since + self._platform.confirm_seconds - time.monotonic()) > 0:
            if self._platform.deadline.remaining_seconds() <= 0:
                why = "the run's deadline came before that could be confirmed"
                return Reading(found.observation, (_undecided(subject, found.bad, why),))
            pause(min(self._platform.poll_seconds, left))
            before, found, asked = found.bad, self._past_throttling(ask), asked + 1
            if not found.bad:
                self._up(region, service, behind)
                seconds = time.monotonic() - since
                return Reading(found.observation, self._ended(subject, before, found, seconds))
        times = "once" if asked == 1 else f"{asked} times"
        lasted = f"for {time.monotonic() - since:.1f} s (asked {times})"
        return Reading(found.observation, self._confirmed(region, subject, found, lasted))

    def read(
        self,
        here: Asked,
        service: str,
        subject: str,
        probe: Callable[[], Observation[V]],
        judge: Callable[[V], Sequence[Judgement]] | None = None,
    ) -> V:
        """Return what a region's service answers, kept and judged so far as `reach` does.

        Raises Unread where its reachability, or `judge`, decides already.
        """
        found = self.reach(here.region, service, subject, probe, judge)
        here.keep(found.observation)
        here.judge(*found.judgements)
        if found.decided or found.observation.value is None:
            raise Unread(subject)
        return found.observation.value

    def _up(self, region: str, *services: str) -> None:
        for service in services:
            self._bad_since.pop((region, service), None)

    def _past_throttling(self, ask: Callable[[], _Found[V]]) -> _Found[V]:
        """Ask again while the gate is throttled (429), as often as it may, for `confirm_for` at most.

        What was bad before a 429 is still bad until an answer says otherwise.
        """
        end = time.monotonic() + min(
            self._platform.confirm_seconds, self._platform.deadline.remaining_seconds()
        )
        while True:
            found = ask()
            answer = found.observation.value
            if not isinstance(answer, HttpAnswer) or answer.status != TOO_MANY_REQUESTS:
                return found
            wait = max(answer.retry_after_seconds or 0.0, self._platform.poll_seconds)
            if time.monotonic() + wait > end:
                return found
            pause(wait)

    def intermittent(self, subject: str, words: str, bad: int, asked: int) -> Judgement:
        """Return what some bad answers among good ones say: one is a recovery, more are none."""
        sentence = f"{bad} of {asked} answers of {subject} were bad ({words}); the others were good"
        return self._recovery(subject, sentence, hold=bad > 1)

    def _ended(
        self, subject: str, before: str, found: _Found[V], seconds: float
    ) -> tuple[Judgement, ...]:
        """Return what a bad answer means that was followed by another one."""
        if any(one.outcome is not Outcome.PASS for one in found.judgements):
            why = "then the gate got no usable answer, so that could not be confirmed"
            return (_undecided(subject, before, why), *found.judgements)
        sentence = f"{subject}: {before}; {seconds:.1f} s after the first ask it answered again"
        return (self._recovery(subject, sentence), *found.judgements)

    def _recovery(self, subject: str, sentence: str, *, hold: bool = False) -> Judgement:
        hold = hold or self._platform.policy.availability.on_recovery == "hold"
        clears, wanted = "a run in which every answer is good", "every answer good"
        good = None if hold else True
        return expect(good, subject, sentence, clears, rule="available", target=wanted)

    def _confirmed(
        self, region: str, subject: str, found: _Found[V], lasted: str
    ) -> tuple[Judgement, ...]:
        if found.away is None:
            return tuple(
                dataclasses.replace(one, sentence=f"{one.sentence}, {lasted}")
                if one.outcome is Outcome.FAIL
                else one
                for one in found.judgements
            )
        # An answer came over the network, so it needs no witness that the gate has one.
        answered = found.observation.value is not None
        seen = "" if answered else witness(self._platform, region)
        if seen is None:
            sentence = (
                f"{subject}: {found.away}, and nothing else answers the gate either: "
                "it has no network here; no verdict about the platform"
            )
            clears = "run the gate where it has network"
            return (_away(Outcome.ERROR, subject, sentence, found.away, clears),)
        sentence = f"{subject}: {found.away} {lasted}" + (f", while {seen} answers" if seen else "")
        return (_away(Outcome.FAIL, subject, sentence, found.away, f"{subject} answering"),)

    @staticmethod
    def _of(
        subject: str, observation: Observation[V], judge: Callable[[V], Sequence[Judgement]] | None
    ) -> tuple[Judgement, ...]:
        """Judge one observation that is not an absence."""
        if observation.failure is not None:
            wrong = failures.cause(observation.failure) is Cause.WRONG
            of = failures.subject_wrong if wrong else failures.our_error
            return (of(subject, observation.failure),)
        if observation.value is None:
            return ()
        return tuple((judge or (lambda value: usable(subject, value)))(observation.value))


def usable(subject: str, answer: object) -> tuple[Judgement, ...]:
    """Judge whether an answer speaks for the service: not one that refuses the gate, nor a cache's."""
    if not isinstance(answer, HttpAnswer):
        return ()
    if answer.status in REFUSALS:
        return (refuses_asker(subject, answer.status),)
    return () if answer.from_cache is None else (from_cache(subject, answer.from_cache),)


def absence(observation: Observation[V]) -> str | None:
    """Return in words why the subject is unavailable, or None when it is not."""
    if observation.failure is not None:
        away = failures.cause(observation.failure) is Cause.UNAVAILABLE
        return observation.failure.kind.value if away else None
    value = observation.value
    if not isinstance(value, HttpAnswer) or value.status in REFUSALS:
        return None
    return f"status {value.status}" if value.status >= SERVER_ERROR else None


def _undecided(subject: str, words: str, why: str) -> Judgement:
    sentence = f"{subject}: {words}; {why}"
    return _away(Outcome.INCONCLUSIVE, subject, sentence, "bad", "a run with time left")


def _away(outcome: Outcome, subject: str, sentence: str, away: str, clears: str) -> Judgement:
    return Judgement(outcome, "available", subject, sentence, away, "an answer", clears=clears)


def witness(platform: Platform, region: str) -> str | None:
    """Return what else answers the gate right now, or None when nothing does.

    Asked are the services of the other regions, Prometheus and the vantage controls. Any HTTP
    answer will do: it proves that the gate has network. A gate without must not roll anything back.
    """
    settings = platform.environment.settings

    def answers(url: str, path: str) -> bool:
        target = http.HttpTarget(url, settings.ca_file)
        answer = http.request(target, "GET", path, deadline=platform.call_deadline())
        return answer.value is not None

    others = dict(_others(settings, region))
    if not others:
        return None
    with concurrent.futures.ThreadPoolExecutor(len(others)) as pool:
        asked = {name: pool.submit(answers, *where) for name, where in others.items()}
        return next((name for name, answer in asked.items() if answer.result()), None)


def _others(settings: Environment, region: str) -> Iterator[tuple[str, tuple[str, str]]]:
    for other, described in settings.regions.items():
        for service, address in described.services.items() if other != region else ():
            yield f"{service} in {other}", (address, "/")
    for address in {described.prometheus for described in settings.regions.values()}:
        yield "Prometheus", (address, "/-/ready")
    for number, address in enumerate(settings.vantage_controls, start=1):
        yield f"vantage control {number}", (address, "/")
