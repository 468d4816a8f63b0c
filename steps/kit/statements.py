"""Signed statements of a release: received into a chain of the environment's state, read back and judged.

The gate that receives an envelope notes when, and the approvers file in force: a signature is judged by
that, and never by the time that its signer claims (gates/decide/statements.py, ADR 0043).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import getpass
import os
import pathlib
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import probes
from environments.loader import Loaded, shown
from environments.release_file import Bound, read_release
from environments.store import DamagedRecordError, Store, StoreError, digest_of, store_of
from environments.yaml_file import ConfigurationError, parse, read_bytes, yaml_of
from gates.decide import schedule
from gates.decide import statements as rules
from gates.decide.declared import declared, unclear
from gates.decide.kept import MalformedError
from gates.decide.release import Release
from gates.decide.statements import (
    Absent,
    Around,
    Count,
    Kind,
    Ledger,
    Overridden,
    Receipt,
    Statement,
    Subject,
    Waiver,
)
from probes.formats import NotJsonError
from probes.formats import parse as parse_json
from probes.observation import utc_now
from reports.words import GATE
from settings.policy import Policy
from settings.statements import Approvers, Key, StatementRule
from steps.kit.chain import Chain

if TYPE_CHECKING:
    from probes.signatures import Envelope, PublicKey
    from steps.kit.platform import Platform

SCHEMA = 1
FOLDER = "statements"
_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)
_ACTORS = ("GITHUB_ACTOR", "GITLAB_USER_EMAIL", "GITLAB_USER_LOGIN", "BUILD_USER_EMAIL")
"""What CI servers call whoever started a job."""


@dataclasses.dataclass(frozen=True, slots=True)
class Books:
    """Where the statements of a release are kept, and by what they are judged."""

    chain: Chain
    subject: Subject
    approvers: Approvers
    text: str
    """The approvers file, as it is now."""
    release: Bound

    @classmethod
    def of(cls, loaded: Loaded, release: Release) -> Books:
        """Open them; raises ConfigurationError."""
        text, approvers = _approvers_of(loaded)
        bound = read_release(loaded, release)
        digest = bound.digest.removeprefix("sha256:")
        subject = Subject(loaded.settings.name, release.tag, digest, bound.file.commit)
        return cls(chain_of(store_of(loaded), subject), subject, approvers, text, bound)

    def ledger(self, now: dt.datetime) -> Ledger:
        """Return what counts; of a chain that was changed, nothing. Raises StoreError."""
        return _ledger(self.chain, self.subject, self.approvers, now)


def _ledger(chain: Chain, subject: Subject, approvers: Approvers, now: dt.datetime) -> Ledger:
    try:
        receipts = tuple(map(_receipt, chain.records()))
    except DamagedRecordError as exc:
        return Ledger((), (Absent(str(exc).removesuffix(".")),))
    wrong = rules.in_order(receipts)
    if wrong:
        return Ledger((), (Absent(str(chain.damaged(wrong)).removesuffix(".")),))
    return rules.ledger(receipts, subject, approvers, now)


def ledger_then(loaded: Loaded, subject: Subject, at: dt.datetime) -> Ledger:
    """Return what counted of a release at a time; raises ConfigurationError, StoreError."""
    _, approvers = _approvers_of(loaded)
    return _ledger(chain_of(store_of(loaded), subject), subject, approvers, at)


def chain_of(store: Store, subject: Subject) -> Chain:
    """Return the chain of receipts of a release in an environment."""
    whose = {"environment": subject.environment, "release": subject.release}
    folder = f"{subject.environment}/{subject.release}/{FOLDER}"
    return Chain(store, folder, {"schema": SCHEMA, **whose})


def _approvers_of(loaded: Loaded) -> tuple[str, Approvers]:
    section = loaded.settings.statements
    if section is None:
        raise ConfigurationError("the environment lacks the section statements; add it.")
    return read_approvers(loaded.path.parent / section.approvers)


def receive(chain: Chain, envelope: Mapping[str, Any], approvers: str) -> int:
    """Add an envelope, with the approvers file as it is now; return its number. Raises StoreError."""

    def record(_: object) -> dict[str, Any]:
        at = utc_now().isoformat(timespec="milliseconds")
        return {"received_at": at, "approvers": approvers, "envelope": envelope}

    return int(chain.append(record)["number"])


def read_approvers(path: pathlib.Path) -> tuple[str, Approvers]:
    """Return an approvers file and what it says; raises ConfigurationError."""
    where = shown(path)
    content = read_bytes(path, where)
    approvers = parse(Approvers, yaml_of(content, where), where)
    keys_of(approvers, where=where)
    return content.decode(), approvers


def keys_of(
    approvers: Approvers, role: str = "", *, where: str = "approvers"
) -> tuple[tuple[str, Key, PublicKey], ...]:
    """Return the keys of those with a role, or of all, by name; raises ConfigurationError."""
    found = []
    for name, person in approvers.people.items():
        for key in person.keys if role in ("", *person.roles) else ():
            try:
                found.append((name, key, probes.signatures.PublicKey.parse(key.key)))
            except probes.signatures.MalformedError as exc:
                raise ConfigurationError(f"{where}: people.{name}.keys: {exc}.") from None
    return tuple(found)


@functools.lru_cache(maxsize=64)
def _known(text: str) -> tuple[Approvers, tuple[tuple[str, Key, PublicKey], ...]]:
    """Return what an approvers file says, and its keys; raises ConfigurationError."""
    approvers = parse(Approvers, yaml_of(text.encode(), "approvers"), "approvers")
    return approvers, keys_of(approvers)


def _receipt(record: Mapping[str, Any]) -> Receipt:
    """Read and verify one record of the chain; whatever is in it, this says what."""
    number, digest = record["number"], digest_of(record)
    try:
        received = _moment(record["received_at"])
        approvers, keys = _known(record["approvers"])
    except (KeyError, TypeError, ValueError, AttributeError, ConfigurationError):
        problem = "holds no time of receipt, or no approvers file, that can be read"
        return Receipt(number, digest, _NEVER, None, None, problem=problem)
    try:
        envelope, statement = _opened(record.get("envelope"))
    except (probes.signatures.MalformedError, NotJsonError, MalformedError) as exc:
        return Receipt(number, digest, received, approvers, None, problem=f"can't be read: {exc}")
    signers = probes.signatures.verify(envelope, [one for _, _, one in keys], rules.NAMESPACE)
    lines = {public.fingerprint: key.key for _, key, public in keys}
    found = {lines[one]: one for one in signers}
    return Receipt(number, digest, received, approvers, statement, found)


def _moment(text: str) -> dt.datetime:
    """Read a time with its zone; raises TypeError and ValueError."""
    at = dt.datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without its zone")
    return at


def _opened(held: object) -> tuple[Envelope, Statement]:
    """Return an envelope and the statement in it; raises as its readers do."""
    envelope = probes.signatures.Envelope.of(held)
    if envelope.payload_type != rules.PAYLOAD_TYPE:
        raise MalformedError("its payload is of another type")
    return envelope, Statement.from_in_toto(parse_json(envelope.payload))


def runner() -> str:
    """Return who runs the gate, as CI or this machine says; empty where nobody can be told."""
    for name in _ACTORS:
        if os.environ.get(name):
            return rules.spelled(os.environ[name])
    try:
        return rules.spelled(getpass.getuser())
    except (KeyError, OSError):
        return ""


@dataclasses.dataclass(frozen=True, slots=True)
class Asking:
    """The statements of one run: read once for all of its checks."""

    books: Books
    ledger: Ledger
    around: Around
    items: Mapping[str, StatementRule]

    def count(self, item: str) -> Count:
        """Return whether an item is signed as the policy asks; ConfigurationError for one without a rule."""
        if item not in self.items:
            raise ConfigurationError(f"the policy lacks statements.items.{item}; add it.")
        return rules.count(item, self.items[item], self.ledger, self.around)


def asking(loaded: Loaded, policy: Policy, release: Release, phase: int | None = None) -> Asking:
    """Read the statements of a release; a phase is about now, and what comes before about the planned start.

    Raises ConfigurationError, StoreError.
    """
    books = Books.of(loaded, release)
    return _asking(loaded, policy, books, books.ledger(utc_now()), phase)


def _asking(
    loaded: Loaded, policy: Policy, books: Books, ledger: Ledger, phase: int | None
) -> Asking:
    # Imported late: the gate that starts the checks seldom needs it, and its library takes time.
    from steps.kit.release import authors  # noqa: PLC0415 - see above

    now, release = utc_now(), books.release
    around = Around(
        now=now,
        major=release.file.kind == "major",
        emergency=_is_emergency(loaded, now if phase else max(now, release.file.planned_start)),
        authors=authors(loaded, release) if ledger.signed else frozenset(),
        runner=runner(),
    )
    return Asking(books, ledger, around, policy.statements.items)


def by_people(
    loaded: Loaded, policy: Policy, release: Release
) -> tuple[tuple[Waiver, ...], Mapping[str, Overridden]]:
    """Return what people waived, and what they decided of runs; nothing where that can't be read."""
    if loaded.settings.statements is None:
        return (), {}
    try:
        books = Books.of(loaded, release)
        ledger = books.ledger(utc_now())
    except (ConfigurationError, StoreError):
        return (), {}
    if all(one.statement.kind is Kind.ATTEST for one in ledger.signed):
        return (), {}  # so the gate seldom has to ask who wrote the release
    found = _asking(loaded, policy, books, ledger, None)
    waive, decide = policy.statements.waivers, policy.statements.decide
    return (
        rules.waivers(found.ledger, waive, found.around) if waive is not None else (),
        rules.decisions(found.ledger, decide, found.around) if decide is not None else {},
    )


def words_against(loaded: Loaded, policy: Policy, release: Release) -> tuple[str, ...]:
    """Return which triggers people fired, and what keeps from telling it; nothing where none can be fired."""
    if loaded.settings.statements is None or policy.statements.declare is None:
        return ()
    try:
        found = Books.of(loaded, release).ledger(utc_now())
    except (ConfigurationError, StoreError) as exc:
        return (f"whether somebody declared a trigger is not known: {exc}",)
    stands = declared(found, policy.statements.declare).values()
    return (*(f"{one}; it stands until it is withdrawn" for one in stands), *unclear(found))


def _is_emergency(loaded: Loaded, at: dt.datetime) -> bool:
    """Tell whether a time is outside of the deployment windows; without any, it is."""
    described = loaded.settings.deployment
    every = described.windows if described is not None else ()
    windows = [schedule.WeeklyWindow(one.opens, one.closes) for one in every]
    return schedule.time_left(windows, at) is None


def command(platform: Platform, item: str) -> str:
    """Return the command that signs an item."""
    environment = shlex.quote(platform.asked_as or platform.environment.settings.name)
    rule = platform.policy.statements.items[item]
    as_role = f" --as {rule.roles[0]}"
    return f"{GATE} attest {item} --env {environment} --release {platform.release.tag}{as_role}"
