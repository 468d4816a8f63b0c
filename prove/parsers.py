"""Proof of what reads what people, runners and other tools hand over: refused or read, soon, never a pass."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime as dt
import json
import pathlib
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from types import FrameType

from environments.yaml_file import ConfigurationError, parse, yaml_of
from gates.run import opened, refold
from gates.run.bundle import NAME, NAMESPACE
from probes import signatures
from probes.calendar import program
from prove import Cases
from prove.broken import broken
from reports import load_words, verdict
from settings.source import ReleaseFile
from settings.statements import Approvers
from steps.kit.statements import keys_of
from tests.gates.run.sealed import BEGAN, Clinic, signing_clinic
from tests.gates.run.tampered import FAILED
from tests.load import runs

PROMISE = (
    "no statement, bundle, signature, verdict, line, release, approvers file, calendar or load report "
    "breaks its reader, keeps it for 2 s, or passes once it was changed"
)
AT_LEAST = 100_000
_MOST_SECONDS = 2.0
_END_SECONDS = 20
_CALENDAR = b"""BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:-//filing//EN\r
BEGIN:VEVENT\r
UID:a\r
DTSTAMP:20260101T000000Z\r
DTSTART;TZID=Europe/Berlin:20260131T210000\r
DURATION:PT3H\r
RRULE:FREQ=WEEKLY;COUNT=9\r
EXDATE;TZID=Europe/Berlin:20260207T210000\r
SUMMARY:Audit\r
END:VEVENT\r
BEGIN:VEVENT\r
UID:b\r
DTSTAMP:20260101T000000Z\r
DTSTART;VALUE=DATE:20260131\r
STATUS:CANCELLED\r
SUMMARY:Filing\r
END:VEVENT\r
END:VCALENDAR\r
"""
_RELEASE = b"""schema: 1
version: v1.2.0
previous: v1.1.0
kind: standard
commit: "5555555555555555555555555555555555555555"
images: {api: "sha256:0000000000000000000000000000000000000000000000000000000000000000"}
changes: {code: true, schema: true, flags: true, dns: false,
          configuration: true, assets: true, alert_rules: false}
planned_start: 2026-12-05T22:00:00+00:00
tickets: [UH-1, UH-2]
"""
_STRANGE = (UnicodeDecodeError, json.JSONDecodeError, RecursionError)
Reader = Callable[[bytes], bool]
"""Reads a file; tells whether what it says would let a release go on. Raises what its caller expects."""


@dataclasses.dataclass(frozen=True, slots=True)
class Parser:
    """A reader, a file that is whole, and how it refuses others."""

    name: str
    whole: bytes
    read: Reader
    refuses: tuple[type[Exception], ...]
    share: int = 10
    """How often it is tried, as a weight: YAML takes a hundred times as long as JSON."""


def refused_or_read(seed: int) -> Cases:
    """Yield broken files, each read by its reader."""
    chance = random.Random(seed)  # noqa: S311 - cases, no secrets
    with tempfile.TemporaryDirectory(prefix="prove-") as folder:
        parsers = tuple(_parsers(signing_clinic(pathlib.Path(folder))))
        while True:
            (one,) = chance.choices(parsers, [each.share for each in parsers])
            content = broken(chance, one.whole)
            yield _wrong(one, content) if content != one.whole else None


def _wrong(one: Parser, content: bytes) -> str | None:
    """Return what is wrong with how a file was read."""
    begun, passed = time.process_time(), False
    try:
        with ended():
            passed = one.read(content)
    except one.refuses:
        pass
    except Exception as exc:  # noqa: BLE001 - any other exception is what this proof looks for
        return f"{one.name}: {type(exc).__name__}: {exc}: {content[:2000]!r}"
    if time.process_time() - begun > _MOST_SECONDS:
        return f"{one.name}: took more than 2 s: {content[:2000]!r}"
    return f"{one.name}: passes, and was changed: {content[:2000]!r}" if passed else None


@contextlib.contextmanager
def ended() -> Iterator[None]:
    """End what hangs, as a finding."""

    def over(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError("it did not end")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(_END_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _parsers(at: Clinic) -> Iterator[Parser]:
    """Yield every reader with a file of a run that is ROLLBACK, so that no GO can be right."""
    run = at.run(found=FAILED)
    sealed, approvers = (run / NAME).read_bytes(), (at.folder / "approvers.yaml").read_bytes()
    (key,) = (one for *_, one in keys_of(parse(Approvers, json.loads(approvers), "")))
    envelope = signatures.Envelope.of(json.loads(sealed))
    (signature,) = envelope.signatures
    about = opened.parsed(sealed).about
    question = refold.Question(about["requirements"], tuple(about["regions"]), held=False)

    def signed(one: signatures.Envelope) -> bool:
        same = (one.payload_type, one.payload) == (envelope.payload_type, envelope.payload)
        return not same and bool(signatures.verify(one, [key], NAMESPACE))

    def with_signature(blob: bytes) -> bool:
        changed = dataclasses.replace(signature, blob=blob)
        one = dataclasses.replace(envelope, signatures=(changed,))
        return bool(signatures.verify(one, [key], NAMESPACE))

    def lines(data: bytes) -> bool:
        return refold.opinion(question, refold.measured([data])).decision == "GO"

    refused = (signatures.MalformedError,)
    yield Parser("DSSE", sealed, lambda d: signed(signatures.Envelope.parse(d)), refused)
    yield Parser("bundle", sealed, _bundle(signed), (opened.NotABundleError, *refused))
    yield Parser("SSHSIG", signature.blob, with_signature, refused)
    yield Parser("lines", (run / "events.jsonl").read_bytes(), lines, ())
    whole = (run / "verdict.json").read_bytes()
    yield Parser("verdict", whole, _verdict, (verdict.DamagedVerdictError, *_STRANGE))
    yield Parser("approvers.yaml", approvers, _approvers, (ConfigurationError,), share=1)
    line = json.loads(approvers)["people"]["ci"]["keys"][0]["key"].encode()
    yield Parser("public key", line, _public, (*refused, UnicodeDecodeError))
    yield Parser("release.yaml", _RELEASE, _release, (ConfigurationError,), share=1)
    yield Parser("iCalendar", _CALENDAR, _calendar, (Exception,))
    report = json.dumps(runs.concluded(runs.failed_run())).encode()
    yield Parser("load report", report, _load, (ValueError, *_STRANGE), share=2)


def _bundle(signed: Callable[[signatures.Envelope], bool]) -> Reader:
    return lambda data: signed(signatures.Envelope.of(opened.parsed(data).envelope))


def _verdict(data: bytes) -> bool:
    record = json.loads(data)
    return isinstance(record, dict) and verdict.read(record).is_go


def _approvers(data: bytes) -> bool:
    keys_of(parse(Approvers, yaml_of(data, "approvers.yaml"), "approvers.yaml"))
    return False


def _release(data: bytes) -> bool:
    parse(ReleaseFile, yaml_of(data, "release.yaml"), "release.yaml")
    return False


def _public(data: bytes) -> bool:
    signatures.PublicKey.parse(data.decode())
    return False


def _calendar(data: bytes) -> bool:
    order = {"file": base64.b64encode(data).decode(), "time_zone": "Europe/Berlin"}
    until = (BEGAN + dt.timedelta(days=1)).isoformat()
    program.read({**order, "since": BEGAN.isoformat(), "until": until, "now": until})
    return False


def _load(data: bytes) -> bool:
    record = load_words.checked(json.loads(data))
    return bool(record["result"] == "PASS")
