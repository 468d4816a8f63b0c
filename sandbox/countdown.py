"""The countdown, played: at each of its times the gate is asked, and then six people sign what they owe."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from environments.store import Folder, Store
from gates.decide.statements import Subject
from gates.decide.times import COUNTDOWN
from gates.load import load_catalogue
from sandbox.core import SandboxError
from sandbox.core.layout import RELEASE
from sandbox.deployment import take_baseline
from sandbox.systems.statements import people

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sandbox.core.state import StateDirectory

_GATE_SECONDS = 300.0
_MOST_NAMED = 6


def play(
    state: StateDirectory,
    say: Callable[[str], None],
    ask: Callable[[str], dict[str, Any]],
    asked_at: Collection[str] = COUNTDOWN,
) -> str:
    """Play T-7d to T-2h, from nothing signed on; return the last decision. Raises SandboxError.

    `ask` returns the gate's verdict at a time of the countdown; it is asked at these.
    """
    take_baseline(state)
    shutil.rmtree(state.gate / "local" / f"v{RELEASE}" / "statements", ignore_errors=True)
    for at in COUNTDOWN:
        if at in asked_at:
            before = ask(at)
            say(f"{at}: {before['decision']}, {_open(before)}")
        for who, items in _signed(state, at).items():
            say(f"{at}: {people.PEOPLE[who][0]} signs {', '.join(items)}")
    last = ask(COUNTDOWN[-1])
    say(f"{COUNTDOWN[-1]}, all signed: {last['decision']}, {_open(last)}")
    return str(last["decision"])


def _open(verdict: dict[str, Any]) -> str:
    open_ = list(dict.fromkeys(one["check"] for one in verdict["reasons"] if one["check"]))
    if not open_:
        return "nothing is open"
    named, more = ", ".join(open_[:_MOST_NAMED]), len(open_) - _MOST_NAMED
    return f"{len(open_)} open: {named}{f' and {more} more' if more > 0 else ''}"


def _signed(state: StateDirectory, at: str) -> dict[str, list[str]]:
    """Have each of them sign what is due at a time; return what, by who."""
    due = {row.id for row in load_catalogue() if row.phase == "pre-deploy" and row.due == at}
    file = state.path / "releases" / f"v{RELEASE}" / "release.yaml"
    content = file.read_bytes()
    digest, commit = hashlib.sha256(content).hexdigest(), json.loads(content)["commit"]
    subject = Subject("local", f"v{RELEASE}", digest, commit)
    store = Store(Folder(state.gate))
    return people.sign_everything(state.path / "people", store, subject, only=due)


def verdict_of(state: StateDirectory, at: str) -> dict[str, Any]:
    """Return the verdict of the gate of this checkout."""
    scope = ("--env", str(state.environment), "--release", f"v{RELEASE}", "--output", "json")
    done = subprocess.run(  # noqa: S603 - the gate of this checkout
        [Path(sys.executable).with_name("gate"), "pre-deploy", "--at", at, *scope],
        capture_output=True,
        text=True,
        timeout=_GATE_SECONDS,
        check=False,
    )
    try:
        verdict: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise SandboxError(f"the gate gave no verdict at {at}: {done.stderr.strip()}") from None
    return verdict
