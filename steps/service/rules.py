"""What Postgres, Redis, a vendor, a try, a FHIR server and a booking have to answer the gate."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import probes
from gates.decide.judgement import Judgement, contains_all, equals, harmless
from gates.decide.outcome import Outcome
from probes.http import HttpAnswer, NotJsonError
from settings.service import (
    WORDS_FOR_ILL,
    ExternalServices,
    Fhir,
    HealthEndpoint,
    IntegrationTry,
    Vendor,
)
from steps.kit.expect import expect, measured
from steps.service.health_rules import object_of, service_healthy, services_of

OK, SERVER_ERROR = 200, 500
_MOST_NAMED = 5
_REFUSALS = (401, 403)
_MEGABYTE = 1024 * 1024
_PAGE = "The answer is a page for people (a login or the web application?)."


def not_asked(subject: str, section: str) -> Judgement:
    """Return that a server could not be asked for want of a login."""
    sentence = (
        f"{subject} was not asked: the environment has no section {section} with the gate's login"
    )
    clears = f"the section {section} in the environment; docs/platform-contract.md says how"
    return expect(None, subject, sentence, clears, rule="asked")


def database_serves(found: probes.postgres.ServerState) -> Judgement:
    """Judge that the server behind the address takes writes."""
    problem = "it is a standby and takes no writes" if found.in_recovery else ""
    return _serves("the database", problem, "the primary behind that address")


def redis_serves(found: probes.redis.RedisFacts) -> Judgement:
    """Judge that Redis takes writes."""
    clears = "a primary with free memory and disk behind that address"
    return _serves("Redis", _problem_of_redis(found), clears)


def _serves(subject: str, problem: str, clears: str) -> Judgement:
    return expect(
        not problem,
        subject,
        f"{subject} answers the gate{', but ' + problem if problem else ''}",
        clears,
        **measured("answers", problem or "answers", "answers"),
    )


def _problem_of_redis(found: probes.redis.RedisFacts) -> str:
    """Say why a Redis that answers can't serve the platform; empty when it can."""
    if found.loading:
        return "it is loading its data"
    if found.role != "master":
        stale = ", and its link to the primary is down: its data are old"
        return "it is a replica, which takes no writes" + ("" if found.primary_is_linked else stale)
    if found.out_of_memory:
        used, most = found.used_memory_bytes / _MEGABYTE, found.max_memory_bytes / _MEGABYTE
        return (
            f"it is out of memory ({used:.1f} of {most:.1f} MB, {found.policy}) and refuses writes"
        )
    return "it can't write its append-only file and refuses writes" if found.append_failed else ""


def redis_keeps(found: probes.redis.RedisFacts) -> Iterator[Judgement]:
    """Yield the doubt that a failed snapshot leaves; it decides nothing."""
    if found.save_failed:
        sentence = (
            "Redis answers the gate, but its last snapshot failed: it refuses writes, unless "
            "stop-writes-on-bgsave-error is off"
        )
        yield expect(None, "Redis", sentence, "a snapshot that succeeds (BGSAVE)")


class Seen(enum.Enum):
    """How a vendor looks from where the gate runs."""

    UP = "answers the gate"
    DOWN = "fails for the gate too"
    UNKNOWN = "could not be asked by the gate"


_GOOD = {Seen.UP: True, Seen.DOWN: False, Seen.UNKNOWN: None}


def whom_to_call(vendor: Vendor, now: dt.datetime) -> str:
    """Return whom to call, and until when they owe an answer."""
    owed = now + dt.timedelta(minutes=vendor.sla_minutes)
    return (
        f"call {vendor.support_contact}; they owe an answer within {vendor.sla_minutes} min, "
        f"by {owed:%H:%M} UTC"
    )


def _contact(vendor: Vendor) -> dict[str, Any]:
    return {"support_contact": vendor.support_contact, "sla_minutes": vendor.sla_minutes}


def vendor_up(
    vendor: Vendor, endpoint: HealthEndpoint, body: Mapping[str, Any], now: dt.datetime
) -> Judgement:
    """Judge a vendor by what the platform reports of its services."""
    services = services_of(endpoint, body)
    states = [service_healthy(endpoint, services, name) for name in vendor.services]
    red = [state.subject for state in states if state.outcome is not Outcome.PASS]
    called = f"{vendor.name} is not up ({', '.join(red)}): {whom_to_call(vendor, now)}"
    return expect(
        not red,
        vendor.name,
        called if red else f"{vendor.name} is up",
        f"{vendor.name} healthy again",
        **measured("vendor up", "down" if red else "up", "up"),
        data=_contact(vendor),
    )


def vendor_answers(vendor: Vendor, seen: Seen, now: dt.datetime) -> Judgement:
    """Judge a vendor by what it answers the gate itself."""
    sentence = f"{vendor.name} {seen.value}"
    if seen is Seen.DOWN:
        sentence += f": {whom_to_call(vendor, now)}"
    if seen is Seen.UNKNOWN:
        sentence += f" ({vendor.address}): open the way there, or leave its address out"
    return expect(
        _GOOD[seen],
        f"{vendor.name} itself",
        sentence,
        f"{vendor.name} answering the gate",
        **measured("vendor answers", seen.value, Seen.UP.value),
        data=_contact(vendor),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Outage:
    """One vendor that the platform reports down, alone, and that a broken step needs."""

    vendor: Vendor
    reported_by: str
    """Service and path of the platform's own report."""
    read_at: dt.datetime
    seen: Seen
    decider: str
    """Who decides when the gate can't tell vendor and release apart."""

    def read_with(self, found: Judgement) -> Judgement:
        """Return a step's FAIL as this outage leaves it: INCONCLUSIVE, or FAIL with the vendor up."""
        if found.outcome is not Outcome.FAIL:
            return found
        name, data = self.vendor.name, self._data(found)
        if self.seen is Seen.UP:
            sentence = (
                f"{found.sentence}. {self.reported_by} reports {name} down, but {name} answers the "
                "gate: look at the release's own way to it (address, credential, network)"
            )
            return dataclasses.replace(found, sentence=sentence, data=data)
        return dataclasses.replace(
            found,
            outcome=Outcome.INCONCLUSIVE,
            rule="blocked by a vendor",
            sentence=f"{found.sentence}. Blocked by {name}, {self._why()}",
            clears=f"{name} up again, then a run in which this works",
            data=data,
        )

    def _why(self) -> str:
        """Return who says so, what else it may be, whom to call, and who decides."""
        called = whom_to_call(self.vendor, self.read_at)
        said = f"the only vendor that {self.reported_by} reports down"
        if self.seen is Seen.DOWN:
            return f"{said}, and which fails for the gate too: {called}"
        return (
            f"{said}. Either {self.vendor.name} is down ({called}), or this release has lost its way to "
            f"it (address, credential): {self.decider} decides which"
        )

    def _data(self, found: Judgement) -> dict[str, Any]:
        return {
            **found.data,
            "vendor": self.vendor.name,
            **_contact(self.vendor),
            "reported_by": self.reported_by,
            "seen_by_the_gate": self.seen.value,
            "failed_rule": found.rule,
        }


def read_with(outage: Outage | None, judgements: Iterable[Judgement]) -> tuple[Judgement, ...]:
    """Return judgements as an outage leaves them, unchanged without one."""
    return tuple(one if outage is None else outage.read_with(one) for one in judgements)


def reported_down(
    endpoint: HealthEndpoint, section: ExternalServices, answer: HttpAnswer | None
) -> frozenset[str]:
    """Return the services that a report says are not healthy; none when it is not a whole report."""
    cached = answer is not None and answer.from_cache is not None
    services = services_of(endpoint, {} if cached else object_of(answer))
    field = endpoint.status_field or "status"
    said = (services.get(name) for name in section.expected)
    if not all(isinstance(one, Mapping) and isinstance(one.get(field), str) for one in said):
        return frozenset()
    return frozenset(
        name
        for name in section.expected
        if service_healthy(endpoint, services, name).outcome is not Outcome.PASS
    )


def behind(vendor: Vendor) -> Judgement:
    """Name a vendor behind a failed try: it may be the reason, and is then to be called."""
    sentence = (
        f"{vendor.name} is behind it: if its own health is red too, call "
        f"{vendor.support_contact}; they owe an answer within {vendor.sla_minutes} min"
    )
    clears = "this try working again"
    return expect(False, vendor.name, sentence, clears, rule="vendor behind", data=_contact(vendor))


def try_worked(
    subject: str, answer: HttpAnswer, tried: IntegrationTry, *, unavailable: bool
) -> list[Judgement]:
    """Judge a try's answer; of one that says it is unavailable, what it tells of the parts at least."""
    found = [] if unavailable else [equals(f"{subject} status", answer.status, OK)]
    if not tried.expect:
        return found if unavailable else [*found, *_of_itself(subject, answer)]
    try:
        body = answer.json()
    except NotJsonError as exc:
        return found if unavailable else [*found, _no_json(subject, str(exc))]
    said = {path: _at(body, path) for path in tried.expect}
    fields = [
        equals(f"{subject} {path}", said[path], word)
        for path, word in tried.expect.items()
        if said[path] is not None or not unavailable
    ]
    return [*found, *fields]


def _of_itself(subject: str, answer: HttpAnswer) -> Iterator[Judgement]:
    """Judge an answer of which no word is expected: it may not be a page, nor say that the try failed."""
    # What has no such route often answers 200 with a page.
    if "html" in answer.content_type.lower() or answer.body.lstrip().startswith(b"<"):
        yield _no_json(subject, _PAGE)
        return
    try:
        body = answer.json()
    except NotJsonError:
        return
    said = _says_failed(body) if isinstance(body, Mapping) else None
    if said is not None and answer.status == OK:
        sentence = f"{subject} answers {OK}, but by its field {said} the try failed"
        clears = "the try working; or integrations.tries with the words to expect"
        yield expect(None, f"{subject} {said}", sentence, clears)


def _says_failed(body: Mapping[str, Any]) -> str | None:
    """Return the field by which an answer says that something failed; None where none does."""
    failed = {
        **{name: body.get(name) is False for name in ("success", "ok")},
        **{name: bool(body.get(name)) for name in ("error", "errors")},
        **{name: str(body.get(name)).lower() in WORDS_FOR_ILL for name in ("status", "result")},
    }
    return next((name for name, so in failed.items() if so), None)


def _at(body: Any, path: str) -> object:
    """Return the value at a dotted path; None where there is none."""
    for name in path.split("."):
        body = body.get(name) if isinstance(body, Mapping) else None
    return body


def _no_json(subject: str, why: str) -> Judgement:
    clears = "a JSON object as the environment describes it"
    return expect(False, subject, f"{subject}: {why}", clears, rule="answers")


def states_capabilities(subject: str, answer: HttpAnswer, section: Fhir) -> Iterator[Judgement]:
    """Judge a CapabilityStatement: valid, of the wanted version, with the wanted resources."""
    try:
        stated = probes.fhir.capability(answer)
    except probes.fhir.NotACapabilityStatementError as exc:
        valid = "a valid CapabilityStatement"
        yield expect(
            False, subject, f"{subject}: {exc}", valid, rule="capability statement", target=valid
        )
        return
    yield _version(subject, stated.fhir_version, section.version)
    yield contains_all(f"{subject} resources", stated.interactions, tuple(section.resources))
    for resource, wanted in section.resources.items():
        offered = stated.interactions.get(resource)
        if offered is not None:
            yield contains_all(f"{subject} {resource} interactions", offered, wanted)


def keeps_offering(
    subject: str, answer: HttpAnswer, before: probes.fhir.Capability
) -> Judgement | None:
    """Judge that nothing is lost that the release before offered; None where it states nothing now."""
    try:
        now = probes.fhir.capability(answer)
    except probes.fhir.NotACapabilityStatementError:
        return None  # which is judged by `states_capabilities`
    lost = sorted(before.offers - now.offers)
    if before.fhir_version != now.fhir_version:
        lost.insert(
            0, f"FHIR {before.fhir_version} (it is {harmless(now.fhir_version, '4.0')} now)"
        )
    more = f"; and {len(lost) - _MOST_NAMED} more" if len(lost) > _MOST_NAMED else ""
    return expect(
        not lost,
        f"{subject} since the release before",
        f"{subject} no longer offers {'; '.join(lost[:_MOST_NAMED])}{more}"
        if lost
        else f"{subject} offers all {len(before.offers)} things that the release before did",
        "what clients of the release before use offered again, or fhir.previous replaced once nobody "
        "uses it",
        **measured("nothing lost", len(lost), 0),
        data={"findings": lost},
    )


def _version(subject: str, found: str, wanted: str) -> Judgement:
    right, shown = found == wanted or found.startswith(f"{wanted}."), harmless(found, wanted)
    sentence = f"{subject} is of FHIR version {shown}"
    return expect(
        right,
        f"{subject} version",
        sentence if right else f"{sentence}, wanted {wanted}",
        f"a server of FHIR {wanted}",
        **measured("version", shown, wanted),
    )


def refused(subject: str, answer: HttpAnswer) -> list[Judgement]:
    """Judge that a stranger is refused."""
    good, wanted = answer.status in _REFUSALS, "401 or 403"
    open_to_all = "" if good else f", wanted {wanted}: it may be open to everybody"
    sentence = f"{subject} is answered with {answer.status}{open_to_all}"
    clears = "a FHIR server that asks for a login"
    status = answer.status
    judged = expect(good, subject, sentence, clears, **measured("refused", status, wanted))
    return [judged]


def row_exists(*, found: bool) -> Judgement:
    """Judge that a booking is in the database: an answer 201 alone proves no appointment."""
    subject = "the booking in the database"
    return expect(
        found,
        subject,
        f"{subject} {'is' if found else 'is not'} there",
        "a booking that arrives in the database",
        **measured("row exists", "present" if found else "absent", "present"),
    )
