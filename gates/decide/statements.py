"""What people signed, and whether it counts: pure rules over receipts that were read and verified.

A signature is judged by the approvers file in force when the gate first received it, and by the present
one: neither the time that its signer claims nor an approvers file that only a receipt holds proves
anything. What does not count is as if absent, and is said with its reason.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AwareDatetime, PlainSerializer

from gates.decide.history import CLOCKS_DIFFER
from gates.decide.kept import Kept, MalformedError
from gates.decide.outcome import Outcome

if TYPE_CHECKING:
    from settings.statements import (
        Approvers,
        DecidePolicy,
        Person,
        StatementRule,
        WaiverPolicy,
    )

PAYLOAD_TYPE = "application/vnd.in-toto+json"
IN_TOTO = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:deployment-gate:statement:v1"
NAMESPACE = "gate-statement"
WAIVABLE = (Outcome.FAIL.value, Outcome.INCONCLUSIVE.value)
"""An instrument that is broken, and what did not run, say nothing that people could answer for."""
Moment = Annotated[AwareDatetime, PlainSerializer(lambda at: at.isoformat(timespec="milliseconds"))]


class Kind(enum.StrEnum):
    """What a statement is for."""

    ATTEST = "attest"
    """Items are done, or approved."""
    WAIVE = "waive"
    """An item may pass although it is not good."""
    PROCEED = "proceed"
    ROLLBACK = "rollback"
    """What follows a run that could not decide."""
    DECLARE = "declare"
    """A rollback trigger fires, by what somebody knows."""
    WITHDRAW = "withdraw"
    """It does not, after all."""


@dataclasses.dataclass(frozen=True, slots=True)
class Subject(Kept):
    """To which release, in which environment, a statement belongs."""

    environment: str
    release: str
    """v1.2.0."""
    digest: str
    """SHA-256 of release.yaml."""
    commit: str


@dataclasses.dataclass(frozen=True, slots=True)
class Link(Kept):
    """Evidence that was signed with a statement."""

    uri: str
    sha256: str


@dataclasses.dataclass(frozen=True, slots=True)
class Signer:
    """Who signs, as what."""

    person: str
    name: str
    role: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Statement(Kept):
    """What somebody signed."""

    kind: Kind
    subject: Subject
    person: str
    """By their name in the approvers file."""
    name: str
    """As printed."""
    role: str
    items: Mapping[str, str]
    """By check, what is said of it; of a waiver, what was found; of a decision, none."""
    signed_at: Moment
    expires_at: Moment
    reason: str = ""
    ticket: str = ""
    run: str = ""
    """Of a decision: the run that it closes."""
    run_digest: str = ""
    """SHA-256 of that run's verdict."""
    evidence: tuple[Link, ...] = ()
    supersedes: tuple[str, ...] = ()
    """Digests of the receipts that it takes the place of."""

    def in_toto(self) -> dict[str, Any]:
        """Return it as an in-toto statement; its subjects are release file and commit."""
        predicate = self.record()
        subject = predicate.pop("subject")
        predicate |= {name: subject[name] for name in ("environment", "release")}
        return {
            "_type": IN_TOTO,
            "subject": [
                {"name": "release.yaml", "digest": {"sha256": subject["digest"]}},
                {"name": "commit", "digest": {"gitCommit": subject["commit"]}},
            ],
            "predicateType": PREDICATE,
            "predicate": predicate,
        }

    def payload(self) -> bytes:
        """Return what is signed."""
        return json.dumps(self.in_toto(), separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def from_in_toto(cls, held: object) -> Statement:
        """Read what `in_toto` writes, and nothing else; raises MalformedError."""
        try:
            predicate = dict(held["predicate"])  # type: ignore[index]  # whatever JSON holds
            release, commit = (one["digest"] for one in held["subject"])  # type: ignore[index]  # as above
            whose = {name: predicate.pop(name) for name in ("environment", "release")}
            subject = {**whose, "digest": release["sha256"], "commit": commit["gitCommit"]}
        except (KeyError, TypeError, ValueError):
            raise MalformedError("it is not a statement of this gate") from None
        statement = cls.from_record({**predicate, "subject": subject})
        if statement.in_toto() != held:
            raise MalformedError("it holds more than a statement, or writes it otherwise")
        return statement


@dataclasses.dataclass(frozen=True, slots=True)
class Waiver(Kept):
    """One item that may pass although it is not good, until some time."""

    check: str
    found: Outcome
    """What it was when it was waived; what is worse is not."""
    until: Moment
    reason: str
    ticket: str
    by: tuple[str, ...]

    def __str__(self) -> str:
        return f"waived until {_at(self.until)} by {' and '.join(self.by)}: {self.reason} ({self.ticket})"


@dataclasses.dataclass(frozen=True, slots=True)
class Overridden(Kept):
    """What people decided of a run that could not decide; it is not GO."""

    run: str
    sha256: str
    """Of that run's verdict."""
    decision: Kind
    reason: str
    by: tuple[str, ...]
    at: Moment

    def __str__(self) -> str:
        said = "go on" if self.decision is Kind.PROCEED else "roll back"
        return f"{' and '.join(self.by)} decided at {_at(self.at)} to {said}: {self.reason}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Signature(Kept):
    """One signature that counts for an item."""

    check: str
    person: str
    name: str
    role: str
    signed_at: str
    received_at: str
    receipt: int
    sha256: str
    """Of the receipt."""
    key: str
    """Its fingerprint."""


@dataclasses.dataclass(frozen=True, slots=True)
class Receipt:
    """One record of the chain, read: when the gate received what, by which approvers file."""

    number: int
    digest: str
    received_at: dt.datetime
    approvers: Approvers | None
    """In force then; None where the record holds none that can be read."""
    statement: Statement | None
    """None where the envelope holds none that can be read."""
    signers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Keys whose signature is valid, as the approvers file has them, with their fingerprints."""
    problem: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Signed:
    """A statement that counts, until a rule says otherwise."""

    statement: Statement
    number: int
    digest: str
    received_at: dt.datetime
    fingerprint: str
    """Of the key that signed."""
    accounts: frozenset[str]
    """Of the signer, in one spelling."""

    @property
    def since(self) -> dt.datetime:
        """When it was signed: as its signer says, and never later than it was received."""
        return min(self.statement.signed_at, self.received_at)


@dataclasses.dataclass(frozen=True, slots=True)
class Absent:
    """A receipt that does not count, with the reason."""

    why: str
    number: int = 0
    """0: the whole chain."""
    who: str = ""
    items: tuple[str, ...] = ()
    """None where it can't be told what it was about: then it concerns every item."""
    kind: Kind | None = None
    """None where that can't be told either."""

    def __str__(self) -> str:
        if not self.number:
            return self.why
        return f"receipt {self.number}{self.who and f' of {self.who}'} {self.why}"


@dataclasses.dataclass(frozen=True, slots=True)
class Ledger:
    """What was signed of one release: what counts, and what does not."""

    signed: tuple[Signed, ...]
    absent: tuple[Absent, ...]
    replaced: frozenset[tuple[str, str]] = frozenset()
    """By digest and person: what they took back by a newer statement, also if that has expired since."""

    def about(self, item: str) -> tuple[str, ...]:
        """Return why what was received about an item does not count."""
        return tuple(str(one) for one in self.absent if item in one.items or not one.items)


@dataclasses.dataclass(frozen=True, slots=True)
class Around:
    """What a rule has to know besides the statements."""

    now: dt.datetime
    major: bool = False
    emergency: bool = False
    """Whether the deployment is outside of its windows."""
    authors: frozenset[str] | None = frozenset()
    """Of the release's commits, in one spelling; none where the environment has no source, None where
    it can't be read."""
    runner: str = ""
    """Who runs the gate, in one spelling; empty where nobody can be told."""


@dataclasses.dataclass(frozen=True, slots=True)
class Count:
    """Whether enough people signed an item."""

    good: bool
    signed: tuple[Signed, ...]
    absent: tuple[str, ...]
    """Why others do not count."""
    needed: bool = True


def attested(
    subject: Subject,
    signer: Signer,
    items: Mapping[str, StatementRule],
    now: dt.datetime,
    **more: Any,
) -> Statement:
    """Return what somebody signs who answers for items by their rules; `more` are its other fields."""
    longest = max(rule.max_age for rule in items.values())
    return Statement(
        kind=Kind.ATTEST,
        subject=subject,
        person=signer.person,
        name=signer.name,
        role=signer.role,
        items={item: rule.meaning for item, rule in items.items()},
        signed_at=now,
        expires_at=now + dt.timedelta(seconds=longest),
        **more,
    )


def ledger(
    receipts: Iterable[Receipt], subject: Subject, present: Approvers, now: dt.datetime
) -> Ledger:
    """Return which receipts count for a release now."""
    signed: list[Signed] = []
    absent: list[Absent] = []
    replaced: set[tuple[str, str]] = set()
    for receipt in receipts:
        found = _counted(receipt, subject, present, now)
        if isinstance(found, Signed):
            said = found.statement
            replaced.update((digest, said.person) for digest in said.supersedes)
            # Of each person the newest word on a run alone counts, whatever it is worth by now.
            replaced.update(
                (one.digest, said.person) for one in signed if _decided_before(one.statement, said)
            )
            if now >= said.expires_at:
                found = f"expired at {_at(said.expires_at)}"
        if isinstance(found, Signed):
            signed.append(found)
        else:
            statement = receipt.statement
            who = "" if statement is None else statement.person
            items = () if statement is None else (*statement.items, statement.run)
            kind = None if statement is None else statement.kind
            absent.append(Absent(found, receipt.number, who, tuple(filter(None, items)), kind))
    return Ledger(tuple(signed), tuple(absent), frozenset(replaced))


def _decided_before(one: Statement, newer: Statement) -> bool:
    decided = {one.kind, newer.kind} <= {Kind.PROCEED, Kind.ROLLBACK}
    return decided and (one.person, one.run_digest) == (newer.person, newer.run_digest)


def count(item: str, rule: StatementRule, found: Ledger, around: Around) -> Count:
    """Return whether an item is signed as its rule asks."""
    if not _needed(rule, around):
        return Count(good=True, signed=(), absent=(), needed=False)
    latest: dict[str, Signed] = {}
    said = list(found.about(item))
    for one in found.signed:
        if one.statement.kind is Kind.ATTEST and item in one.statement.items:
            why = _against(item, rule, one, around)
            if why:
                said.append(_told(one, why))
            else:
                latest[one.statement.person] = one
    return Count(len(latest) >= rule.people, tuple(latest.values()), tuple(said))


def waivers(found: Ledger, policy: WaiverPolicy, around: Around) -> tuple[Waiver, ...]:
    """Return what enough people agreed to let pass; of several for one item, the one that allows most."""
    valid = agreed_waivers(found, policy, around)
    ranked = sorted(valid, key=lambda one: (list(Outcome).index(one.found), one.until))
    return tuple({one.check: one for one in ranked}.values())


def agreed_waivers(found: Ledger, policy: WaiverPolicy, around: Around) -> list[Waiver]:
    """Return every waiver that enough people agreed to, and have not taken back by a newer one."""
    agreed: dict[tuple[str, str, str, str, dt.datetime], dict[str, Signed]] = {}
    for one in found.signed:
        said = one.statement
        counts = said.kind is Kind.WAIVE and (one.digest, said.person) not in found.replaced
        for item, outcome in said.items.items() if counts else ():
            if not against_waiver(item, outcome, one, policy, around):
                terms = (item, outcome, said.reason, said.ticket, said.expires_at)
                agreed.setdefault(terms, {})[said.person] = one
    return [
        Waiver(item, Outcome(outcome), until, reason, ticket, tuple(map(by, signed.values())))
        for (item, outcome, reason, ticket, until), signed in agreed.items()
        if len(signed) >= policy.people
    ]


def against_waiver(
    item: str, outcome: str, one: Signed, policy: WaiverPolicy, around: Around
) -> str:
    """Return why somebody's waiver of an item does not count, or nothing."""
    statement = one.statement
    if statement.role not in policy.roles:
        return f"is signed as {statement.role}; {' or '.join(policy.roles)} has to sign"
    if not statement.reason or not statement.ticket:
        return "has no reason or no ticket"
    if statement.expires_at - one.since > dt.timedelta(seconds=policy.longest):
        return f"is for longer than {_days(dt.timedelta(seconds=policy.longest))}"
    return never_waived(item, outcome, policy) or self_signed(one, around)


def never_waived(item: str, outcome: str, policy: WaiverPolicy) -> str:
    """Return why nobody may waive what was found of an item, or nothing."""
    if any(item == one or (one[-1] == "*" and item.startswith(one[:-1])) for one in policy.never):
        return (
            "is of data, security or availability, which nobody waives (statements.waivers.never)"
        )
    if outcome not in WAIVABLE:
        return f"was {outcome}; only {' and '.join(WAIVABLE)} can be waived"
    return ""


def decisions(found: Ledger, policy: DecidePolicy, around: Around) -> dict[str, Overridden]:
    """Return what enough people decided of runs that were on hold, by the digest of the run's verdict.

    Of each person the newest word alone counts, whatever it is worth, and of several decisions the last.
    """
    last: dict[str, Overridden] = {}
    agreed: dict[tuple[str, str, Kind, str], list[Signed]] = collections.defaultdict(list)
    for one in found.signed:
        said = one.statement
        decides = said.kind in (Kind.PROCEED, Kind.ROLLBACK) and said.run_digest
        taken_back = (one.digest, said.person) in found.replaced
        if not decides or taken_back or against_decision(one, policy, around):
            continue
        people = agreed[said.run_digest, said.run, said.kind, said.reason]
        people.append(one)
        if len(people) >= policy.people:
            names, digest = tuple(map(by, people)), said.run_digest
            last[digest] = Overridden(
                said.run, digest, said.kind, said.reason, names, one.received_at
            )
    return last


def against_decision(one: Signed, policy: DecidePolicy, around: Around) -> str:
    """Return why somebody's decision does not count, or nothing."""
    if one.statement.role not in policy.roles:
        return f"is signed as {one.statement.role}; {' or '.join(policy.roles)} has to sign"
    return self_signed(one, around) if one.statement.reason else "has no reason"


def by(one: Signed) -> str:
    """Return who signed, as what."""
    return f"{one.statement.name} as {one.statement.role}"


def self_signed(one: Signed, around: Around) -> str:
    """Return why somebody may not sign for what is their own, or nothing."""
    if around.runner and around.runner in one.accounts:
        return "is of who runs the gate; another one has to sign, or another one to run it"
    if around.authors is None:
        return "may be of who wrote the release: its commits can't be read"
    if around.authors and around.authors <= one.accounts:
        return "is of the only author of the release's commits; another one has to sign"
    return ""


def spelled(account: str) -> str:
    """Return an account in the one spelling in which accounts are compared."""
    return account.strip().casefold()


def _told(one: Signed, why: str) -> str:
    return f"receipt {one.number} of {one.statement.person} {why}"


def _needed(rule: StatementRule, around: Around) -> bool:
    if rule.needed == "always":
        return True
    return ("major" in rule.needed and around.major) or (
        "emergency" in rule.needed and around.emergency
    )


def _against(item: str, rule: StatementRule, one: Signed, around: Around) -> str:
    """Return why a statement that counts does not count for this item, or nothing."""
    statement = one.statement
    if statement.role not in rule.roles:
        return f"is signed as {statement.role}; {' or '.join(rule.roles)} has to sign"
    if statement.items[item] != rule.meaning:
        return "is signed under another wording than the policy has now"
    age = around.now - one.since
    if age > dt.timedelta(seconds=rule.max_age):
        return f"is {_days(age)} old, at the most {_days(dt.timedelta(seconds=rule.max_age))}"
    if rule.file is not None and rule.file not in (link.sha256 for link in statement.evidence):
        return "was signed without the file that the policy pins, or with another version of it"
    return self_signed(one, around) if rule.others else ""


def _counted(
    receipt: Receipt, subject: Subject, present: Approvers, now: dt.datetime
) -> Signed | str:
    """Return a receipt as signed, or why it does not count."""
    statement, then = receipt.statement, receipt.approvers
    if receipt.problem or statement is None or then is None:
        return receipt.problem or "can't be read"
    why = _misplaced(statement, subject) or _mistimed(receipt, statement, now)
    if why:
        return why
    person, today = then.people.get(statement.person), present.people.get(statement.person)
    if person is None or today is None:
        when = "when it was received" if person is None else "now"
        return f"is of somebody who is not among the approvers {when}"
    key = _key(receipt, person)
    if key is None:
        return "is not signed by them, or was changed since"
    why = _unfit(key, person, today, receipt) or _role(statement.role, person, today)
    if why:
        return why
    accounts = frozenset(map(spelled, (*person.accounts, *today.accounts)))
    return Signed(
        statement=statement,
        number=receipt.number,
        digest=receipt.digest,
        received_at=receipt.received_at,
        fingerprint=receipt.signers[key],
        accounts=accounts,
    )


def _misplaced(statement: Statement, subject: Subject) -> str:
    """Return to what else a statement belongs, or nothing."""
    theirs = statement.subject
    if theirs.environment != subject.environment:
        return f"was signed for the environment {theirs.environment}"
    if theirs.release != subject.release:
        return f"was signed for the release {theirs.release}"
    if theirs.commit != subject.commit:
        return f"was signed for the commit {theirs.commit[:12]}"
    if theirs.digest != subject.digest:
        return "was signed for another version of release.yaml"
    return ""


def _mistimed(receipt: Receipt, statement: Statement, now: dt.datetime) -> str:
    """Return what is wrong with a statement's times, or nothing."""
    if receipt.received_at - now > CLOCKS_DIFFER:
        return (
            f"was received at {_at(receipt.received_at)}, which is still to come: a clock was wrong"
        )
    if statement.signed_at - receipt.received_at > CLOCKS_DIFFER:
        return f"claims to be signed at {_at(statement.signed_at)}, after it was received"
    return ""


def _key(receipt: Receipt, person: Person) -> str | None:
    """Return the key of a person that signed a receipt, or None."""
    return next((one.key for one in person.keys if one.key in receipt.signers), None)


def _unfit(key: str, then: Person, today: Person, receipt: Receipt) -> str:
    """Return why a key did not count when its signature was received, or nothing."""
    at = receipt.received_at
    before = next(one for one in then.keys if one.key == key)
    now = next((one for one in today.keys if one.key == key), None)
    if now is None:
        return "is signed by a key that is no longer among theirs"
    revoked = [one.revoked_from for one in (before, now) if one.revoked_from is not None]
    if revoked and min(revoked) <= at:
        return f"is signed by a key that is revoked from {_at(min(revoked))} on"
    if not before.counts_at(at) or not now.counts_at(at):
        return f"is signed by a key that was not valid at {_at(at)}"
    return ""


def _role(role: str, then: Person, today: Person) -> str:
    if role in then.roles and role in today.roles:
        return ""
    return f"is signed as {role}, which is not a role of theirs"


def _at(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def _days(age: dt.timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} d"  # noqa: PLR2004 - two days


def in_order(receipts: Sequence[Receipt]) -> str:
    """Return what is impossible about the order of receipts, or nothing: time only goes on."""
    for before, one in itertools.pairwise(receipts):
        if before.received_at - one.received_at > CLOCKS_DIFFER:
            return f"receipt {one.number} was received before receipt {before.number}"
    return ""
