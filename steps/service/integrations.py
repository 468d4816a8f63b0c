"""The platform's own tries of its external services: payment and notifications, in test mode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import SecretStr

from gates.decide.judgement import Judgement, equals
from gates.decide.outcome import Outcome
from probes import http
from probes.http import HttpAnswer, NotJsonError
from settings.service import WORDS_FOR_ILL, Integrations, IntegrationTry
from steps.kit.availability import Availability
from steps.kit.check import Check
from steps.kit.expect import expect
from steps.kit.platform import NotDescribedError, Platform

_OK = 200
_PAGE = "The answer is a page for people (a login or the web application?)."


class Tries:
    """The tries that the environment describes, as one check makes them."""

    def __init__(self, platform: Platform, availability: Availability, check: Check) -> None:
        """Raise NotDescribedError where the environment describes none."""
        section = platform.environment.settings.integrations
        if section is None:
            raise NotDescribedError("the environment lacks the section integrations; add it")
        self._platform = platform
        self._availability = availability
        self._check = check
        self._section: Integrations = section

    def judge(self, name: str) -> None:
        """Make one try in every region and judge its answer; NotDescribedError for an unknown one."""
        if name not in self._section.tries:
            raise NotDescribedError(f"the environment lacks integrations.tries.{name}; add it")
        tried = self._section.tries[name]
        self._platform.each_region(lambda region: self._judge_region(region, name, tried))

    def _judge_region(self, region: str, name: str, tried: IntegrationTry) -> None:
        subject = f"{name} try {tried.path}"
        target = self._platform.service(region, self._section.service)
        reading = self._availability.reach(
            region,
            self._section.service,
            subject,
            lambda: http.request(
                target,
                "POST",
                tried.path,
                deadline=self._platform.call_deadline(),
                json={},
                headers=self._headers(),
            ),
        )
        self._check.observe(region, reading.observation)
        found = list(reading.judgements)
        answer = reading.observation.value
        if answer is not None:
            found += _of(subject, answer, tried.expect, unavailable=reading.decided)
        if any(one.outcome is Outcome.FAIL for one in found):
            found += self._who_owes(tried)
        self._check.judge(region, *found)

    def _headers(self) -> Mapping[str, SecretStr]:
        token = self._platform.secret(self._section.token)
        if token is None:
            return {}
        return {"Authorization": SecretStr(f"Bearer {token.get_secret_value()}")}

    def _who_owes(self, tried: IntegrationTry) -> list[Judgement]:
        """Name the vendors behind a failed try: they may be the reason, and are then to be called."""
        external = self._platform.environment.settings.external
        vendors = external.vendors if external is not None else ()
        behind = [one for one in vendors if set(one.services) & set(tried.needs)]
        return [
            Judgement(
                outcome=Outcome.FAIL,
                rule="vendor behind",
                subject=one.name,
                sentence=(
                    f"{one.name} stands behind it: if its own health is red too, call "
                    f"{one.support_contact}; they owe an answer within {one.sla_minutes} min"
                ),
                clears="this try working again",
                data={"support_contact": one.support_contact, "sla_minutes": one.sla_minutes},
            )
            for one in behind
        ]


def _of(
    subject: str, answer: HttpAnswer, expect: Mapping[str, str], *, unavailable: bool
) -> list[Judgement]:
    """Judge an answer; of one that says it is unavailable, what it tells of the parts at least."""
    found = [] if unavailable else [equals(f"{subject} status", answer.status, _OK)]
    if not expect:
        return found if unavailable else [*found, *_of_itself(subject, answer)]
    try:
        body = answer.json()
    except NotJsonError as exc:
        return found if unavailable else [*found, _no_json(subject, str(exc))]
    said = {path: _field(body, path) for path in expect}
    fields = [
        equals(f"{subject} {path}", said[path], word)
        for path, word in expect.items()
        if said[path] is not None or not unavailable
    ]
    return [*found, *fields]


def _of_itself(subject: str, answer: HttpAnswer) -> Iterator[Judgement]:
    """Judge an answer of which no word is expected: it may not be a page, nor say that the try failed."""
    if _is_page(answer):
        yield _no_json(subject, _PAGE)
        return
    try:
        body = answer.json()
    except NotJsonError:
        return
    said = _says_failed(body) if isinstance(body, Mapping) else None
    if said is not None and answer.status == _OK:
        yield expect(
            None,
            f"{subject} {said}",
            f"{subject} answers {_OK}, but by its field {said} the try failed",
            "the try working; or integrations.tries with the words to expect",
        )


def _says_failed(body: Mapping[str, Any]) -> str | None:
    """Return the field by which an answer says that something failed; None where none does."""
    failed = {
        **{name: body.get(name) is False for name in ("success", "ok")},
        **{name: bool(body.get(name)) for name in ("error", "errors")},
        **{name: str(body.get(name)).lower() in WORDS_FOR_ILL for name in ("status", "result")},
    }
    return next((name for name, so in failed.items() if so), None)


def _is_page(answer: HttpAnswer) -> bool:
    """Return whether an answer is for people: what has no such route often answers 200 with a page."""
    return "html" in answer.content_type.lower() or answer.body.lstrip().startswith(b"<")


def _field(body: Any, path: str) -> object:
    """Return the value at a dotted path; None where there is none."""
    for name in path.split("."):
        body = body.get(name) if isinstance(body, Mapping) else None
    return body


def _no_json(subject: str, why: str) -> Judgement:
    return Judgement(
        outcome=Outcome.FAIL,
        rule="answers",
        subject=subject,
        sentence=f"{subject}: {why}",
        clears="a JSON object as the environment describes it",
    )
