"""What the doctor says: one finding per thing checked, with the remedy ready to paste."""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

from environments.loader import shown
from gates.decide.plain_text import plain
from probes.observation import Deadline, Facts, Failure, FailureKind, Observation
from settings.environment import Environment
from steps.kit.failures import failure_of
from steps.kit.platform import Platform

P = ParamSpec("P")
V = TypeVar("V", bound=Facts)


class Level(enum.StrEnum):
    """How a finding stands; the declaration's order is the order of badness."""

    OK = "OK"
    WARN = "WARN"
    """Should be fixed, yet the gate can decide."""
    BAD = "BAD"
    """The gate could not decide with this."""


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One thing checked: what is found, and what fixes it."""

    system: str
    region: str | None
    """None for what all regions share."""
    level: Level
    sentence: str
    remedy: tuple[str, ...] = ()
    """Lines of SQL, of Redis, of the environment file, or words where a person has to act."""
    reached: bool = True
    """False when nothing answered."""

    def __post_init__(self) -> None:
        """Make sentence and remedy plain: they may quote what a server said."""
        object.__setattr__(self, "sentence", plain(self.sentence))
        object.__setattr__(self, "remedy", tuple(map(plain, self.remedy)))

    def record(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        return {**dataclasses.asdict(self), "level": self.level.value, "remedy": list(self.remedy)}


@dataclasses.dataclass(frozen=True, slots=True)
class Subject:
    """What is examined: the platform as the gate would see it."""

    platform: Platform
    release_known: bool
    """Without --release, labels that hold the release are left out of every selector."""

    @property
    def settings(self) -> Environment:
        """Return the environment's settings."""
        return self.platform.environment.settings

    @property
    def file(self) -> str:
        """Return the environment file as people know it."""
        return shown(self.platform.environment.path)

    @property
    def objectives(self) -> str:
        """Return the file of objectives as people know it; a platform may have its own."""
        return f"{self.platform.policy_folder}/objectives.yaml"

    def deadline(self) -> Deadline:
        """Return the deadline of one call."""
        return self.platform.call_deadline()

    def labels(self, region: str, own: dict[str, str]) -> dict[str, str]:
        """Return the labels that select a region's series."""
        if self.release_known:
            return self.platform.labels(region, own)
        merged = {**own, **self.settings.regions[region].labels}
        return {name: value for name, value in merged.items() if "{release}" not in value}

    def key(self, key: str, value: str) -> str:
        """Return the line of the environment file that fixes something."""
        return f"{self.file}: {key}: {value}"


@dataclasses.dataclass(frozen=True, slots=True)
class Keys:
    """The keys of the environment file that decide whether a system is reached."""

    address: str = ""
    authority: str = ""
    credential: str = ""


class UnreadError(Exception):
    """A system could not be read; carries the finding that says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.sentence)
        self.finding = finding


@dataclasses.dataclass(frozen=True, slots=True)
class System:
    """One system under examination, in one region or for all of them, and how its findings are said."""

    subject: Subject
    name: str
    region: str | None = None
    keys: Keys = Keys()

    def ok(self, sentence: str) -> Finding:
        """Return that something is as the checks need it."""
        return Finding(self.name, self.region, Level.OK, sentence)

    def warn(self, sentence: str, *remedy: str) -> Finding:
        """Return what should be fixed, yet the gate can decide."""
        return Finding(self.name, self.region, Level.WARN, sentence, remedy)

    def bad(self, sentence: str, *remedy: str) -> Finding:
        """Return what keeps the gate from deciding."""
        return Finding(self.name, self.region, Level.BAD, sentence, remedy)

    def not_proved(self, whose: str, look: str) -> Finding:
        """Return that nobody told what an account may do; `look` says where a person can see it."""
        return self.warn(f"it is not proved that {whose} can only read", look)

    def unread(self, failure: Failure) -> Finding:
        """Return the finding of a system that could not be asked, with what may fix it."""
        sentence = f"{failure.kind.value}: {failure.detail}"
        found = self.bad(sentence, *_remedy(self.subject, failure.kind, self.keys))
        return dataclasses.replace(found, reached=failure.kind not in _NOBODY_ANSWERED)

    def read(
        self, observed: Observation[V], unread: Callable[[Failure], Finding] | None = None
    ) -> V:
        """Return what was observed; raises UnreadError, by default with the finding of `unread`."""
        if observed.value is None:
            raise UnreadError((unread or self.unread)(failure_of(observed)))
        return observed.value


def examination(look: Callable[P, Iterator[Finding]]) -> Callable[P, list[Finding]]:
    """Let an examination yield its findings, and end with that of what it could not read."""

    def ended(*given: P.args, **named: P.kwargs) -> Iterator[Finding]:
        try:
            yield from look(*given, **named)
        except UnreadError as exc:
            yield exc.finding

    @functools.wraps(look)
    def findings(*given: P.args, **named: P.kwargs) -> list[Finding]:
        return list(ended(*given, **named))

    return findings


_NOBODY_ANSWERED = frozenset(
    {
        *(FailureKind.NAME_NOT_RESOLVED, FailureKind.NO_ROUTE, FailureKind.REFUSED),
        *(FailureKind.TIMEOUT, FailureKind.CONNECTION_LOST),
    }
)


def _remedy(subject: Subject, kind: FailureKind, keys: Keys) -> tuple[str, ...]:
    if kind in _NOBODY_ANSWERED:
        words = "an address that answers from here; or run the gate where this one does"
        return (subject.key(keys.address, words),)
    if kind is FailureKind.CERTIFICATE_UNTRUSTED:
        words = "PATH of the file of the authority that signed it, if that is your own"
        chain = "or serve the whole chain: the server's certificate, then its intermediate ones"
        return (subject.key(keys.authority, words), chain)
    if kind is FailureKind.CERTIFICATE_INVALID:
        words = "the name that the certificate is made out to; or renew the certificate"
        return (subject.key(keys.address, words),)
    if kind in {FailureKind.CREDENTIAL_REFUSED, FailureKind.FORBIDDEN}:
        return (f"renew the secret behind {keys.credential} of {subject.file}",)
    if kind is FailureKind.SERVER_BUSY:
        return ("wait until it serves again, then look once more",)
    return (subject.key(keys.address, "scheme, host and port of the right server"),)
