"""What a probe brings back: an observation, never a judgement.

Every probe takes a `Deadline` and returns an `Observation`: a value, or the failure that kept it from
one. The caller judges. Library errors never leave a probe; each module maps its library's errors to a
`FailureKind` in one place, and a test proves that the mapping is complete.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import hashlib
import math
import pathlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, Generic, Protocol, TypeAlias, TypeVar

import yaml


class FailureKind(enum.StrEnum):
    """Why a probe has no value."""

    NAME_NOT_RESOLVED = "name not resolved"
    NO_ROUTE = "no route"
    REFUSED = "connection refused"
    TIMEOUT = "timeout"
    CONNECTION_LOST = "connection lost"
    CERTIFICATE_UNTRUSTED = "certificate not trusted"
    CERTIFICATE_INVALID = "certificate expired or for another host"
    TLS_FAILED = "TLS handshake failed"
    PROTOCOL = "not the expected protocol"
    TOO_LARGE = "answer too large"
    CREDENTIAL_REFUSED = "credential refused"
    FORBIDDEN = "not permitted"
    NOT_READ_ONLY = "login may write"
    SERVER_BUSY = "server refuses for now"
    SERVER_ERROR = "server error"
    QUERY_REJECTED = "query rejected"
    UNUSABLE_ANSWER = "unusable answer"
    OUR_FAULT = "the gate's own fault"


_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_WRITTEN = pathlib.Path(__file__).with_name("failures.yaml").read_bytes()
WORDS: Final[Mapping[str, Mapping[str, Any]]] = yaml.load(_WRITTEN, _LOADER)  # noqa: S506 - a safe one
"""What failures mean, by system and kind."""


def failures_of(system: str, *, key: str = "") -> Mapping[FailureKind, str]:
    """Return what each kind of failure means at a system; `key` names its authority's file."""
    words = WORDS[system].items()
    return {FailureKind[kind.upper()]: text.replace("{key}", key) for kind, text in words}


def kinds_of(system: str) -> Mapping[Any, FailureKind]:
    """Return what a system's own codes mean."""
    kinds = WORDS["codes"][system].items()
    return {code: FailureKind[kind.upper()] for kind, codes in kinds for code in codes}


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no value; `detail` is a sentence of ours and never the server's own text."""

    kind: FailureKind
    detail: str
    phase: str | None = None


class Facts(Protocol):
    """A probe's value: what of it may be kept as evidence."""

    def facts(self) -> Mapping[str, object]:
        """Return JSON values that hold neither secrets nor patients' data."""
        ...


EVERYTHING = ("*",)


class Shown:
    """A value of which evidence shows the fields that `KEPT` names (ADR 0011), and no other."""

    __slots__ = ()
    KEPT: ClassVar[tuple[str, ...]]
    """EVERYTHING: none of its fields is private."""

    def facts(self) -> Mapping[str, object]:
        """Return these fields as JSON values."""
        names = self.KEPT if self.KEPT is not EVERYTHING else tuple(type(self).__match_args__)  # type: ignore[attr-defined]  # every dataclass has them
        return {name: _json(getattr(self, name)) for name in names}


def _json(value: object) -> object:
    if isinstance(value, Shown):
        return value.facts()
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {name: _json(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_json(one) for one in value]
    # JSON has neither NaN nor infinities.
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


class FoundError(Exception):
    """A failure whose kind and sentence are known already."""

    def __init__(self, kind: FailureKind, detail: str, phase: str | None = None) -> None:
        super().__init__(detail)
        self.failure = Failure(kind, detail, phase)


def unusable(sentence: str) -> FoundError:
    """Return what to raise of an answer that is none; the sentence shows nothing of what it holds."""
    return FoundError(FailureKind.UNUSABLE_ANSWER, sentence)


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """What was read whole, None where nothing has that name; evidence shows its size and digest.

    So whoever keeps it can prove that it was this one.
    """

    content: bytes | None = dataclasses.field(repr=False)

    def facts(self) -> Mapping[str, object]:
        """Return size and digest."""
        if self.content is None:
            return {"present": False}
        digest = hashlib.sha256(self.content).hexdigest()
        return {"present": True, "size_bytes": len(self.content), "sha256": digest}


V = TypeVar("V", bound=Facts)
Kinds: TypeAlias = Mapping[type[BaseException], FailureKind]
"""What a library's exceptions mean; of several that fit, the nearest class decides."""
T_co = TypeVar("T_co", bound=Facts, covariant=True)


@dataclasses.dataclass(frozen=True, slots=True)
class Observation(Generic[T_co]):
    """One measurement: what was asked, when, how long each phase took, and what came back."""

    probe: str
    """`http`, `postgres`, `redis` or `prometheus`."""
    target: str
    """What was asked, without secrets: a method and URL, `postgres://host:port/database`, a query."""
    started_at: dt.datetime
    elapsed_seconds: float
    phases: Mapping[str, float | None]
    """Seconds by phase, in order; None for a phase that never ran."""
    value: T_co | None
    failure: Failure | None
    attempts: int = 1
    """2 when a broken transport was tried once more."""

    def record(self) -> dict[str, object]:
        """Return the evidence of this observation as JSON values."""
        failure = self.failure
        return {
            "probe": self.probe,
            "target": self.target,
            "started_at": self.started_at.isoformat(timespec="milliseconds"),
            "elapsed_seconds": round(self.elapsed_seconds, 6),
            "phases": {
                name: None if seconds is None else round(seconds, 6)
                for name, seconds in self.phases.items()
            },
            "facts": None if self.value is None else dict(self.value.facts()),
            "failure": None if failure is None else _json(dataclasses.asdict(failure)),
            "attempts": self.attempts,
        }

    def brought(self) -> T_co:
        """Return the value; raises FoundError with the failure that stands in its place."""
        if self.value is None:
            missing = Failure(FailureKind.OUR_FAULT, f"The probe {self.probe} brought nothing.")
            raise FoundError(*dataclasses.astuple(self.failure or missing))
        return self.value


@dataclasses.dataclass(frozen=True, slots=True)
class Deadline:
    """A point on the monotonic clock; the caller owns it, probes spend what remains."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline that many seconds from now."""
        return cls(time.monotonic() + seconds)

    def remaining_seconds(self) -> float:
        """Return the seconds left, never negative."""
        return max(0.0, self.at - time.monotonic())

    def sooner(self, seconds: float) -> Deadline:
        """Return this deadline or the one `seconds` from now, whichever comes first."""
        return Deadline(min(self.at, time.monotonic() + seconds))


def observed(
    probe: str,
    target: str,
    ask: Callable[[PhaseClock], V],
    explain: Callable[[Exception], Failure | None] = lambda _: None,
    phases: Sequence[str] = (),
) -> Observation[V]:
    """Return what `ask` brings, timed, or the failure that kept it from that.

    `explain` returns what an exception means, None for one that is not a failure of the target: it is
    raised. A failure without a phase is of the one that ran.
    """
    started_at, started = utc_now(), time.monotonic()
    clock = PhaseClock(*phases)
    value, failure = None, None
    try:
        value = ask(clock)
    except Exception as exc:
        failure = exc.failure if isinstance(exc, FoundError) else explain(exc)
        if failure is None:
            raise
        if failure.phase is None:
            failure = dataclasses.replace(failure, phase=clock.current)
    clock.stop()
    return Observation(
        probe=probe,
        target=target,
        started_at=started_at,
        elapsed_seconds=time.monotonic() - started,
        phases=clock.seconds(),
        value=value,
        failure=failure,
        attempts=clock.attempts,
    )


def explained(
    subject: str,
    kind_of_any: Callable[[Exception], FailureKind | None],
    sentences: Mapping[FailureKind, str],
) -> Callable[[Exception], Failure | None]:
    """Return what says of an exception why `subject` gave no value; who has no word for it blames us."""

    def explain(exc: Exception) -> Failure | None:
        kind = kind_of_any(exc)
        if kind is None:
            return None
        sentence = sentences.get(kind, sentences[FailureKind.OUR_FAULT])
        return Failure(kind, f"{subject}: {sentence}.")

    return explain


def kind_of(exc: BaseException, kinds: Kinds) -> FailureKind | None:
    """Return the kind of the nearest class that an exception is of; None: of none of them."""
    return next((kinds[one] for one in type(exc).__mro__ if one in kinds), None)


def utc_now() -> dt.datetime:
    """Return the wall clock with its zone; the one place where probes read it."""
    return dt.datetime.now(dt.UTC)


class PhaseClock:
    """A stopwatch with named laps; `current` is the phase in which a failure happened."""

    def __init__(self, *names: str) -> None:
        self.current: str | None = None
        self.attempts = 1
        self._seconds: dict[str, float | None] = dict.fromkeys(names)
        self._since = time.monotonic()

    def enter(self, name: str) -> None:
        """End the running phase and begin `name`; entering a phase again adds to it."""
        self.stop()
        self.current = name

    def adopt(self, phases: Mapping[str, float | None], attempts: int = 1) -> None:
        """Take over what the exchange below has measured of itself."""
        self._seconds, self.attempts = dict(phases), attempts

    def again(self) -> None:
        """Begin a further attempt: only what it measures counts."""
        self._seconds, self.current = dict.fromkeys(self._seconds), None
        self.attempts += 1

    def stop(self) -> None:
        """End the running phase."""
        now = time.monotonic()
        if self.current is not None:
            before = self._seconds[self.current] or 0.0
            self._seconds[self.current] = before + now - self._since
        self._since = now

    def seconds(self) -> Mapping[str, float | None]:
        """Return the seconds by phase in order; None for a phase that never ran."""
        return dict(self._seconds)


_STOPPED = threading.Event()


class Stopped(KeyboardInterrupt):
    """A wait was ended because the run was; it unwinds as Ctrl-C does, in whatever thread waited."""


def stop() -> bool:
    """End every wait of this process, now and from now on; return whether that is new."""
    first = not _STOPPED.is_set()
    _STOPPED.set()
    return first


def begin() -> None:
    """Let waits wait: a new run begins."""
    _STOPPED.clear()


def pause(seconds: float) -> None:
    """Wait; raises Stopped as soon as the run is stopped."""
    if _STOPPED.wait(max(0.0, seconds)):
        raise Stopped
