"""Passes over the API's operations: one of a kind in each region and run, shared by all that judge it."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import threading
from collections.abc import Callable, Mapping
from typing import Literal

import yaml
from pydantic import SecretStr

import probes
from gates.decide.judgement import Judgement, equals
from gates.decide.outcome import Outcome
from probes import http
from probes.contract import Answers, Described, Finding, Order, document
from probes.http import HttpAnswer, HttpTarget, NotJsonError
from probes.observation import FailureKind, Observation
from settings.contract import BOOKED, EMAIL, IN_A_WEEK, PASSWORD, Contract
from settings.service import Synthetic
from smoke.journey import CREATED, OK, Patient, PatientApi, in_a_week
from steps.contract import rules
from steps.kit.availability import usable
from steps.kit.expect import unable
from steps.kit.failures import failure_of, instrument_error
from steps.kit.leases import LeaseHeldError
from steps.kit.platform import NotDescribedError
from steps.kit.records import Records
from steps.kit.run import Run

Mode = Literal["read", "full"]
SUBJECT = "the API's contract"
MAX_DOCUMENT_BYTES = 8 * 1_048_576
_REST_SECONDS = 30.0
"""A pass may take longer than its budget by this: it starts, and asks again what failed."""
_LEAST_SECONDS = 5.0
_DESCRIBED_SECONDS = 60.0


@dataclasses.dataclass(frozen=True, slots=True)
class Login:
    """As whom a pass asks."""

    token: SecretStr | None = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    secrets: tuple[SecretStr, ...] = ()
    known: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What placeholders of the environment's values stand for."""


class CannotAskError(Exception):
    """A pass can't be made in a region; it holds the judgement that says why."""

    def __init__(self, *judgements: Judgement) -> None:
        super().__init__("a pass could not be made")
        self.judgements = judgements


@dataclasses.dataclass(frozen=True, slots=True)
class Tried:
    """A pass in one region: its answers, or why there are none."""

    answers: Answers | None
    judgements: tuple[Judgement, ...] = ()
    observation: Observation[Answers] | None = None

    @property
    def found(self) -> list[tuple[str, Finding]]:
        """Return the broken promises by name."""
        return rules.by_name(self.answers.findings, words()) if self.answers is not None else []


@functools.cache
def words() -> dict[str, str]:
    """Return the name of each kind of broken promise, with places for its detail and status."""
    text = pathlib.Path(__file__).with_name("words.yaml").read_text(encoding="utf-8")
    found: dict[str, str] = yaml.safe_load(text)
    return found


class Passes:
    """The passes of one run."""

    def __init__(self, run: Run) -> None:
        self._run, self._platform = run, run.platform
        self._lock = threading.Lock()
        self._made: dict[Mode, Mapping[str, Tried]] = {}
        self._described: dict[bytes, Observation[Described]] = {}
        self.section = run.platform.section(Contract)

    def of(self, mode: Mode) -> Mapping[str, Tried]:
        """Return the pass of a kind in each region, made at the first time.

        Raises NotDescribedError for one that writes where nothing may be written.
        """
        if mode == "full" and not self.section.writes:
            raise NotDescribedError("contract.writes is false here, so nothing but reads is sent")
        with self._lock:
            if mode not in self._made:
                self._made[mode] = {}
                self._made[mode] = self._all(mode)
        return self._made[mode]

    def described(self, content: bytes) -> Observation[Described]:
        """Return what a document describes; the same bytes are read once, whoever serves them."""
        with self._lock:
            found = self._described.get(content)
            if found is None or found.value is None:
                deadline = self._platform.deadline.sooner(_DESCRIBED_SECONDS)
                found = self._described[content] = probes.contract.describe(
                    content, deadline=deadline
                )
        return found

    def document(self, region: str) -> bytes:
        """Return the document as a region serves it; raises CannotAskError."""
        section, platform = self.section, self._platform
        subject = f"the API's document {section.path}"
        target = platform.service(region, section.service)

        def judge(answer: HttpAnswer) -> tuple[Judgement, ...]:
            unusable = usable(subject, answer)
            return unusable or (equals(f"{subject} status", answer.status, OK),)

        found = self._run.availability.reach(
            region, section.service, subject, lambda: self._get(target, section.path), judge
        )
        answer = found.observation.value
        if found.decided or answer is None:
            raise CannotAskError(*(_told(one, subject) for one in found.judgements))
        return answer.body

    def whole(self, region: str) -> bytes:
        """Return the document with its parts on the same server as one file; raises CannotAskError.

        The parts of a hostile document are bounded as the document is: by size, number and time.
        """
        section = self.section
        target = self._platform.service(region, section.service)
        server = "/".join(target.base_url.split("/")[:3])

        def fetch(address: str) -> bytes:
            path = address.removeprefix(server)
            found = self._get(dataclasses.replace(target, base_url=server), path)
            answer = found.value
            if answer is None or answer.status != OK:
                why = failure_of(found).detail if answer is None else f"answers {answer.status}"
                said = f"Its part {path} can't be read: {why}"
                raise CannotAskError(rules.untested(SUBJECT, said))
            return answer.body

        content = self.document(region)
        address = target.base_url.rstrip("/") + section.path
        try:
            return document.bundled(content, address, fetch)
        except document.Unfit:
            return content  # what is wrong with it, the process says that reads it

    def _get(self, target: HttpTarget, path: str) -> Observation[HttpAnswer]:
        return http.request(
            target,
            "GET",
            path,
            deadline=self._platform.call_deadline(),
            headers=self._platform.bearer(self.section.token),
            max_bytes=MAX_DOCUMENT_BYTES,
        )

    def _all(self, mode: Mode) -> Mapping[str, Tried]:
        synthetic = self._platform.environment.settings.synthetic
        if synthetic is None or not self.section.writes:
            token = self._platform.secret(self.section.token)
            return self._platform.each_region(
                lambda region: self._try(
                    mode, region, lambda: Login(token, known={IN_A_WEEK: in_a_week()})
                )
            )
        records = Records(self._run, synthetic)

        def tagged(region: str) -> Tried:
            with records.tagged(region, f"contract-{mode}") as tag:
                return self._try(mode, region, lambda: self._signed_in(region, synthetic, tag))

        try:
            with records.writing():
                return self._platform.each_region(tagged)
        except LeaseHeldError as exc:
            sentence = f"{SUBJECT} could not be tested: one run at a time writes, and {exc}"
            held = unable(SUBJECT, sentence, "that run ending", rule="lease")
            return dict.fromkeys(self._platform.regions, Tried(None, (held,)))

    def _try(self, mode: Mode, region: str, login: Callable[[], Login]) -> Tried:
        try:
            order = self._order(mode, region, self.whole(region), login())
        except CannotAskError as exc:
            return Tried(None, exc.judgements)
        deadline = self._platform.deadline.sooner(order.budget_seconds + _REST_SECONDS)
        observed = probes.contract.tested(order, deadline=deadline)
        if observed.value is None:
            return Tried(None, (_unmade(observed),), observed)
        down = rules.unreachable(SUBJECT, observed.value)
        return Tried(None if down else observed.value, (down,) if down else (), observed)

    def _order(self, mode: Mode, region: str, content: bytes, login: Login) -> Order:
        section, synthetic = self.section, self._platform.environment.settings.synthetic
        target = self._platform.service(region, section.service)
        left = self._platform.deadline.remaining_seconds() - _REST_SECONDS
        return Order(
            base_url=target.base_url,
            content=content,
            mode=mode,
            headers=login.headers,
            token=login.token,
            secrets=login.secrets,
            values=_given(section.values, login),
            bodies={operation: _given(body, login) for operation, body in section.bodies.items()},
            leave_out=tuple(section.leave_out),
            email_fields=section.email_fields,
            email_domain=synthetic.email_domain if synthetic else "",
            budget_seconds=max(_LEAST_SECONDS, min(section.budget, left)),
            requests_per_second=section.requests_per_second,
            ca_file=target.ca_file,
        )

    def _signed_in(self, region: str, synthetic: Synthetic, tag: str) -> Login:
        """Return the login of the token, or else of a new synthetic patient; raises CannotAskError."""
        tagged = {"X-Synthetic-Tag": tag}
        if self.section.token is not None:
            token = self._platform.secret(self.section.token)
            return Login(token, tagged, known={IN_A_WEEK: in_a_week()})
        patient = Patient.made_up(tag, synthetic.email_domain)
        api = PatientApi(self._platform.service(region, synthetic.service), patient)
        _taken("registration", api.register(self._platform.call_deadline()), CREATED)
        answer = _taken("login", api.login(self._platform.call_deadline()), OK)
        signed_in = SecretStr(_text(answer, "token", "login"))
        password = patient.password.get_secret_value()
        known = {IN_A_WEEK: in_a_week(), EMAIL: patient.email, PASSWORD: password}
        if BOOKED in self.section.values.values():
            deadline = self._platform.call_deadline()
            booked = api.book(signed_in, synthetic.provider_id, deadline)
            known[BOOKED] = _text(_taken("booking", booked, CREATED), "id", "booking")
        return Login(signed_in, tagged, (patient.password,), known)


def _given(values: Mapping[str, str], login: Login) -> dict[str, str]:
    return {name: login.known.get(value, value) for name, value in values.items()}


def _taken(step: str, observed: Observation[HttpAnswer], status: int) -> HttpAnswer:
    answer = observed.value
    if answer is None:
        raise CannotAskError(
            instrument_error(f"{step} of a synthetic patient", failure_of(observed))
        )
    if answer.status != status:
        raise _no_login(step, f"it answers {answer.status}")
    return answer


def _text(answer: HttpAnswer, field: str, step: str) -> str:
    try:
        body = answer.json()
    except NotJsonError:
        body = None
    found = body.get(field) if isinstance(body, Mapping) else None
    if not isinstance(found, str) or not found:
        raise _no_login(step, f"it answers no {field}")
    return found


def _no_login(step: str, why: str) -> CannotAskError:
    subject = f"{step} of a synthetic patient"
    sentence = f"{SUBJECT} could not be tested: {subject} fails, {why}"
    return CannotAskError(unable(subject, sentence, f"a working {step}, or contract.token"))


def _told(judgement: Judgement, subject: str) -> Judgement:
    """Return what kept a document from being read: an outage breaks no contract."""
    if judgement.outcome is not Outcome.FAIL:
        return judgement
    return rules.outage(judgement, subject)


def _unmade(observed: Observation[Answers]) -> Judgement:
    failure = failure_of(observed)
    if failure.kind is FailureKind.UNUSABLE_ANSWER:
        return rules.untested(SUBJECT, failure.detail)
    return instrument_error(SUBJECT, failure)
