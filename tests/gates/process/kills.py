"""Kills a run at a moment and says which promises it then broke.

A run that somebody ends is never GO, keeps what it had recorded, leaves no process, and no synthetic
record that its journal does not name.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from environments.loader import load_file
from smoke.synthetic import NAME, left_over
from tests.faults.runs import with_traffic
from tests.gates.process.gates import Gate
from tests.sandbox.platforms import Sandbox, eventually

POST_DEPLOY = ("post-deploy", "--env", "local")
HOLD = 20
GONE_SECONDS = 60.0
END_SECONDS = 120.0
_STARTED = b'"check_started"'


@dataclass(frozen=True, slots=True)
class Kill:
    """A signal to the gate or to its pytest child, at a moment of the run."""

    victim: str
    """`gate` or `child`."""
    signal: signal.Signals
    lines: int
    """Sent once the run has so many events; at 0 once it has a verdict that says incomplete, below 0
    whether it has one or not."""
    delay_seconds: float = 0.0
    """How long after that."""
    in_journey: bool = False
    """Rather than at a count of events: once its synthetic records are announced."""

    def __str__(self) -> str:
        if self.in_journey:
            return f"{self.signal.name} to the {self.victim} in its journey"
        later = f" and {self.delay_seconds:.2f} s" if self.delay_seconds else ""
        when = f"after {self.lines} events" if self.lines >= 0 else "while it starts"
        return f"{self.signal.name} to the {self.victim} {when}{later}"


@dataclass(frozen=True, slots=True)
class Killed:
    """What a killed run left."""

    gate: Gate
    kill: Kill
    code: int
    run: pathlib.Path | None
    before: bytes
    """The events when the signal was sent."""
    said: str

    @property
    def verdict(self) -> dict[str, Any]:
        """Return the verdict on disk."""
        if self.run is None:
            return {}
        verdict: dict[str, Any] = json.loads((self.run / "verdict.json").read_text())
        return verdict

    @property
    def after(self) -> bytes:
        """Return the events on disk."""
        return _bytes(self.run / "events.jsonl") if self.run else b""

    @property
    def was_over(self) -> bool:
        """Return whether every check had ended before the signal: then it may well be GO."""
        return self._all_ended(self.before)

    @property
    def went_on(self) -> bool:
        """Return whether the checks went on to their end without the gate.

        One more may have started before they heard that they are to stop.
        """
        started = (self.after.count(_STARTED) - self.before.count(_STARTED)) > 1
        return started and self.kill.victim == "gate" and self._all_ended(self.after)

    def _all_ended(self, events: bytes) -> bool:
        if self.run is None or not (self.run / "manifest.json").exists():
            return False
        checks = json.loads((self.run / "manifest.json").read_text())["checks"]
        return events.count(b'"check_finished"') >= len(checks)


def without_traffic(platform: Sandbox, file: pathlib.Path, **also: str) -> tuple[str, ...]:
    """Return what asks as POST_DEPLOY does, but waits for samples that nobody sends."""
    return "post-deploy", "--env", str(with_traffic(platform, file, 0, **also))


def kill(gate: Gate, kill: Kill, asked: Sequence[str] = POST_DEPLOY) -> Killed:
    """Start a run, kill it at its moment, and wait until nothing of it is left."""
    known = set(gate.runs())
    with gate.start(*asked) as process:
        run = _run_at(gate, process, kill, known)
        victims = [process.pid] if kill.victim == "gate" else _victims(process, run)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(kill.delay_seconds)
        run = run or next(iter(set(gate.runs()) - known), None)
        sessions = {process.pid, *(processes_naming(run) if run else ())}
        before = _bytes(run / "events.jsonl") if run else b""
        for victim in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, kill.signal)
        out, err = process.communicate(timeout=END_SECONDS)
    run = run or next(iter(set(gate.runs()) - known), None)
    eventually(f"nothing is left of {run}", lambda: not left_of(run, sessions), GONE_SECONDS)
    return Killed(gate, kill, process.returncode, run, before, out + err)


def broken_promises(killed: Killed, platform: Sandbox) -> list[str]:
    """Return a sentence for everything that must not be, and is."""
    return [
        *_wrong_code(killed),
        *_wrong_verdict(killed),
        *_untold(killed),
        *_lost(killed, platform),
        *_not_shown(killed),
    ]


def _wrong_code(killed: Killed) -> Iterator[str]:
    sent, code = killed.kill.signal, killed.code
    if killed.was_over:
        allowed = {-sent, 0, HOLD}
    elif sent == signal.SIGKILL and killed.kill.victim == "gate":
        allowed = {-sent}
    elif killed.run is None:
        # Before the gate listens, a signal ends it as it would end anything.
        allowed = {-sent, HOLD}
    else:
        allowed = {HOLD}
    if code not in allowed:
        yield f"it ended with {code}, not with one of {sorted(allowed)}: {killed.said[-500:]}"


def _wrong_verdict(killed: Killed) -> Iterator[str]:
    if killed.run is None:
        return
    state, decision = killed.verdict["state"], killed.verdict["decision"]
    if killed.was_over:
        # A child that is killed on its way out has brought everything, and is HOLD all the same.
        held = "complete" if killed.kill.victim == "child" else "interrupted"
        good = {("complete", "GO"), (held, "HOLD"), ("incomplete", None)}
    elif killed.code < 0:
        good = {("incomplete", None)}
    else:
        caught = killed.kill.victim == "gate"
        good = {("interrupted" if caught else "complete", "HOLD")}
        if caught and not (killed.run / "manifest.json").exists():
            good.add(("interrupted", None))  # nothing had been asked yet
    if (state, decision) not in good:
        yield f"its verdict is {state} with {decision}"
    if killed.went_on:
        yield "its checks went on to their end without it"


def _untold(killed: Killed) -> Iterator[str]:
    if killed.was_over or killed.run is None or killed.kill.signal != signal.SIGKILL:
        return
    of_the_gate = killed.kill.victim == "gate"
    told = killed.gate.run("explain", killed.run.name).stdout if of_the_gate else killed.said
    if ("killed" if of_the_gate else "killed by SIGKILL") not in told:
        yield f"nobody is told that it was killed: {told[-500:]}"


def _lost(killed: Killed, platform: Sandbox) -> Iterator[str]:
    if killed.run is None:
        return
    if not killed.after.startswith(killed.before):
        yield "lines that were recorded are gone"
    if killed.code == HOLD:
        kept = {
            check["id"]
            for check in killed.verdict["checks"]
            if any(region["outcome"] for region in check["regions"].values())
        }
        yield from (f"{check} ended and is not in the verdict" for check in _ended(killed) - kept)
    unknown = records(platform, killed.run) - journalled(killed.run)
    yield from (f"no journal names {tag}, which is on the platform" for tag in unknown)


def _not_shown(killed: Killed) -> Iterator[str]:
    """Yield what Allure lacks of an interrupted run: there is every check, those that never came too."""
    counts = killed.verdict.get("counts")
    if not counts or killed.run is None or killed.kill.victim != "gate" or killed.code != HOLD:
        return
    files = (killed.run / "allure-results").glob("*-result.json")
    shown = [json.loads(file.read_text())["status"] for file in files]
    if (shown.count("passed"), len(shown)) != (counts.get("PASS", 0), sum(counts.values()) + 1):
        yield f"Allure shows {sorted(shown)} of {counts}"


def _ended(killed: Killed) -> set[str]:
    """Return the checks whose results were recorded before the signal."""
    *lines, _torn = killed.before.split(b"\n")
    events = [json.loads(line) for line in lines if line]
    return {event["check"] for event in events if event["event"] == "check_finished"}


def journalled(run: pathlib.Path) -> set[str]:
    """Return the tags of records that a run announced and did not see removed."""
    path = run / NAME
    return {tag for _, _, tag in left_over([path], "local")} if path.exists() else set()


def records(platform: Sandbox, run: pathlib.Path) -> set[str]:
    """Return the tags of a run's synthetic records that are on the platform."""
    loaded = load_file(platform.state.environment)
    synthetic = loaded.settings.synthetic
    assert synthetic is not None
    token = loaded.secret(synthetic.token).get_secret_value()
    found = set()
    for region in loaded.settings.regions.values():
        url = f"{region.services['api']}/v1/synthetic/records"
        answer = httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=5)
        found |= {record["tag"] for record in answer.json()["records"]}
    return {tag for tag in found if run.name in tag}


def processes_naming(path: pathlib.Path) -> list[int]:
    """Return the processes that name a path on their command line."""
    return [pid for pid, folder in _processes() if str(path).encode() in _bytes(folder / "cmdline")]


def _run_at(
    gate: Gate, process: subprocess.Popen[str], kill: Kill, known: set[pathlib.Path]
) -> pathlib.Path | None:
    """Wait until a new run has its moment and return its folder; None while it may have none."""
    if kill.lines < 0:
        return None
    new: list[pathlib.Path] = []

    def come() -> bool:
        new[:] = set(gate.runs()) - known
        if process.poll() is not None:
            return True
        if not new or not (new[0] / "verdict.json").exists():
            return False
        if kill.in_journey:
            return bool(journalled(new[0]))
        return _bytes(new[0] / "events.jsonl").count(b"\n") >= kill.lines

    eventually(str(kill), come, END_SECONDS)
    return new[0]


def _victims(process: subprocess.Popen[str], run: pathlib.Path | None) -> list[int]:
    assert run is not None
    found: list[int] = []

    def there() -> bool:
        found[:] = processes_naming(run)
        return bool(found) or process.poll() is not None

    eventually("the child runs", there, END_SECONDS)
    return found


def left_of(run: pathlib.Path | None, sessions: set[int]) -> list[int]:
    """Return the processes that name a run, or live in one of these sessions."""
    named = processes_naming(run) if run else []
    return named + [pid for pid, folder in _processes() if _session(folder) in sessions]


def _processes() -> Iterator[tuple[int, pathlib.Path]]:
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        yield int(folder.name), folder


def _session(folder: pathlib.Path) -> int | None:
    """Return the session of a process that still lives."""
    fields = _bytes(folder / "stat").rpartition(b")")[2].split()
    return int(fields[3]) if fields and fields[0] != b"Z" else None


def _bytes(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
