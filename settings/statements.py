"""Who may sign what: the approvers of an environment, what policy asks of a statement, a runner's key."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from settings.sections import (
    CheckId,
    HttpUrl,
    Name,
    Seconds,
    SecretReference,
    Section,
    Text,
    doubled,
)

RUNNER = "runner"
"""The role of the gate's own keys: they sign runs, and never a statement of a person."""
MOST_PEOPLE = 5
_YEAR = 366 * 86_400.0
_DAY = 86_400.0
Pinned = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PersonId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9._-]{0,62}$")]


def _public_key(line: str) -> str:
    parts = line.split()
    try:
        whole = len(base64.b64decode(parts[1], validate=True)) > 0
    except (IndexError, ValueError):
        whole = False
    if not whole or "PRIVATE" in line:
        raise ValueError("must be a public SSH key as in id_ed25519.pub, ssh-ed25519 AAAA…")
    return " ".join(parts[:2])


class Key(Section):
    """A public key of somebody, and when it counts."""

    key: Annotated[str, AfterValidator(_public_key)]
    """The line of its .pub file: Ed25519, ECDSA (nistp256, nistp384), RSA from 2048 bits, or of a
    security key (sk-)."""
    valid_from: AwareDatetime
    """What the gate received before does not count."""
    valid_until: AwareDatetime | None = None
    """What it received from then on does not count."""
    revoked_from: AwareDatetime | None = None
    """Since when it may be in the wrong hands: what the gate received from then on does not count."""

    def _refusals(self) -> Iterator[str]:
        if self.valid_until is not None and self.valid_until <= self.valid_from:
            yield "valid_until must lie behind valid_from"

    def counts_at(self, at: dt.datetime) -> bool:
        """Tell whether it is valid at a moment, whatever is known of it since."""
        return self.valid_from <= at and (self.valid_until is None or at < self.valid_until)


class Person(Section):
    """Somebody who may sign."""

    name: Text
    """As printed beside what they sign."""
    roles: tuple[Name, ...] = Field(min_length=1)
    """What they may sign for, such as qa-lead."""
    accounts: tuple[Text, ...] = ()
    """Mail addresses of their commits, and their logins at forge and CI: whoever alone wrote a release,
    or runs the gate, does not approve it."""
    keys: tuple[Key, ...] = Field(min_length=1)
    """One who leaves keeps the entry, with valid_until: what they signed before counts."""

    def _refusals(self) -> Iterator[str]:
        if RUNNER in self.roles and len(self.roles) > 1:
            yield f"the role {RUNNER} is a machine's and stands alone"


class Approvers(Section):
    """The file environments/ENV/approvers.yaml."""

    schema_version: Literal[1] = Field(alias="schema")
    """Version of this format."""
    people: dict[PersonId, Person] = Field(min_length=1)
    """By a name that stays theirs, such as anna.schmidt."""

    def _refusals(self) -> Iterator[str]:
        people = self.people.values()
        for what, of_each in (
            ("a key", [{one.key for one in person.keys} for person in people]),
            ("a name", [{" ".join(person.name.casefold().split())} for person in people]),
            ("an account", [{one.casefold() for one in person.accounts} for person in people]),
        ):
            # Two entries of one person would be two people where policy asks for two.
            if doubled([one for own in of_each for one in own]):
                yield f"two people share {what}; one person has one entry, with all their keys"


class Statements(Section):
    """Where those who may sign are named, and what they sign about."""

    approvers: Text
    """A file, relative to this one, that is changed by review alone: it is what every signature is
    judged by. environments/prod/approvers.yaml shows its form."""
    documents: dict[Text, HttpUrl] = Field(default_factory=dict)
    """Where the documents are that the runbook relates to, by the names that policy gives them."""


class StatementRule(Section):
    """What policy asks of one item that somebody signs."""

    roles: tuple[Name, ...] = Field(min_length=1)
    """Any of these may sign."""
    meaning: Text
    """What is signed, as one sentence: a signature under another wording does not count."""
    people: Annotated[int, Field(ge=1, le=MOST_PEOPLE)] = 1
    """How many different people."""
    max_age: Annotated[Seconds, Field(gt=0, le=_YEAR)]
    """Since it was signed; older ones do not count."""
    others: bool = False
    """Whether neither the only author of the release's commits nor who runs the gate may sign."""
    needed: Literal["always", "major", "emergency", "major or emergency"] = "always"
    """Emergency: outside of the deployment windows."""
    file: Pinned | None = None
    """SHA-256 of a file that has to be signed with it, as --evidence."""

    def _refusals(self) -> Iterator[str]:
        if RUNNER in self.roles:
            yield f"the role {RUNNER} signs runs and no statement"


class WaiverPolicy(Section):
    """When people may let one item pass that is not good."""

    roles: tuple[Name, ...] = Field(min_length=1)
    """Any of these may sign."""
    people: Annotated[int, Field(ge=2, le=MOST_PEOPLE)] = 2
    """Different people, all for the same reason, ticket and time."""
    longest: Annotated[Seconds, Field(gt=0, le=30 * _DAY)] = 7 * _DAY
    """From its signature to its end."""
    never: tuple[Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9.-]*\*?$")], ...] = Field(min_length=1)
    """Ids of checks of data, security and availability, such as D2.*: nobody waives these."""


class DecidePolicy(Section):
    """Who closes a HOLD."""

    roles: tuple[Name, ...] = Field(min_length=1)
    """Any of these may sign."""
    people: Annotated[int, Field(ge=1, le=MOST_PEOPLE)] = 1
    """How many different people."""


class DeclarePolicy(Section):
    """Who fires a rollback trigger by their word, and who takes it back."""

    roles: tuple[Name, ...] = Field(min_length=1)
    """Any of these may declare; one is enough."""
    withdrawn_by: tuple[Name, ...] = Field(min_length=1)
    """Any of these may take it back."""
    withdrawals: Annotated[int, Field(ge=1, le=MOST_PEOPLE)] = 2
    """How many different people take it back."""


class RunbookPolicy(Section):
    """The documents by which this platform is deployed."""

    documents: tuple[Text, ...] = ()
    """Which the runbook names as related; each needs an address in `statements.documents`."""


class StatementsPolicy(Section):
    """What people sign, and what it takes."""

    items: dict[CheckId, StatementRule] = Field(default_factory=dict)
    """By check."""
    runbook: RunbookPolicy = RunbookPolicy()
    waivers: WaiverPolicy | None = None
    """Without it nothing can be waived."""
    decide: DecidePolicy | None = None
    """Without it nobody can close a HOLD."""
    declare: DeclarePolicy | None = None
    """Without it nobody can fire a trigger."""


class Signing(Section):
    """The key of the machine that runs the gate."""

    key: SecretReference
    """A private SSH key without a passphrase, as `ssh-keygen -t ed25519` makes it. Its public key stands in
    the approvers' file, with the role runner."""
