"""The gates that measure: ask, show the run as it goes on, print the verdict."""

from __future__ import annotations

import argparse
import json
import pathlib
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import IO, Any

from gates.cli.streams import teller
from gates.cli.view import PlainView, view_for
from gates.decide.outcome import EXIT_OUR_FAILURE, EXIT_USAGE
from gates.decide.scope import (
    Gate,
    Phase,
    PostDeploy,
    PostRollback,
    PreDeploy,
    Rollout,
    Watch,
)
from gates.decide.times import ROLLED_BACK
from gates.decide.verdict import Verdict
from gates.run.runner import Callbacks, Question, Runner
from gates.run.runs import UnknownRunError, UnreadableRunError, find
from reports.causes import checks_in, listed
from reports.verdict import read
from steps.kit.request import EVENTS


def gate_of(arguments: argparse.Namespace, command: str) -> Gate:
    """Return the gate that a command line asks."""
    if command == PostDeploy.name:
        return PostDeploy(arguments.window)
    if command == Watch.name:
        return Watch(arguments.window)
    if command == Rollout.name:
        return Rollout(arguments.day)
    if command == PostRollback.name:
        at = arguments.at if arguments.at in ROLLED_BACK else ROLLED_BACK[0]
        return PostRollback(tuple(dict.fromkeys(arguments.method)), at)
    if command == PreDeploy.name:
        return PreDeploy(arguments.at)
    phase: Phase = arguments.phase
    return phase


def run(arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str]) -> int:
    """Run a gate; the exit code is the verdict's."""
    gate = gate_of(arguments, arguments.command)
    try:
        arguments.resumed = _resumed(arguments)
    except (UnknownRunError, UnreadableRunError) as exc:
        stderr.write(f"gate: {exc}\n")
        return EXIT_USAGE
    return show(answer(gate, arguments, stderr), arguments.output, stdout)


def answer(gate: Gate, arguments: argparse.Namespace, stderr: IO[str]) -> Verdict:
    """Run a gate as the command line says and show how it goes."""
    question = Question(
        gate=gate,
        env=arguments.env,
        release=arguments.release,
        regions=tuple(arguments.region),
        switched_at=arguments.switched_at,
        debug=arguments.debug,
        resumed=getattr(arguments, "resumed", None),
        only=tuple(dict.fromkeys(arguments.only)),
    )
    shown = _Shown(stderr)
    with _interruptible(shown.note) as interrupted:
        callbacks = Callbacks(shown.note, shown.begins, shown.event, interrupted)
        try:
            return Runner(question, callbacks).run()
        finally:
            shown.ends()


def _resumed(arguments: argparse.Namespace) -> pathlib.Path | None:
    """Return the events of the watch to go on with; raises UnknownRunError for a run that is none."""
    named = getattr(arguments, "resume", None)
    if named is None:
        return None
    run = find(named)
    before = run.record()
    same = {"gate": Watch.name, "asked_as": arguments.env}
    if arguments.release is not None:
        same["release"] = f"v{arguments.release.removeprefix('v')}"
    if any(before.get(key) != value for key, value in same.items()):
        what = " ".join(filter(None, (arguments.release, "on", arguments.env)))
        raise UnknownRunError(
            f"--resume: {run.id} is not a watch of {what}; gate status names the last runs."
        )
    if before.get("state") not in ("interrupted", "incomplete"):
        raise UnknownRunError(f"--resume: {run.id} was not stopped; begin a new watch.")
    return run.path / EVENTS


def show(verdict: Verdict, output: str, stdout: IO[str]) -> int:
    """Print a verdict as text or json and return its exit code."""
    if output == "json":
        stdout.write(json.dumps(verdict.record(), indent=1, allow_nan=False) + "\n")
    else:
        # Imported late: rich takes a tenth of a second, and the checks need not wait for it.
        from rich.console import Console  # noqa: PLC0415 - see above

        from reports import terminal  # noqa: PLC0415 - see above

        terminal.print_verdict(read(verdict.record()), Console(file=stdout))
    return EXIT_OUR_FAILURE if verdict.exit_code is None else verdict.exit_code


@contextmanager
def _interruptible(tell: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C, SIGTERM and a closed terminal into an orderly end; yield what knows of one.

    The runner stops the child then, and keeps the evidence.
    """
    noted: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        noted.append(number)
        if len(noted) == 1:
            # A signal may come while a line is being written; then that line is all there is to see.
            with suppress(RuntimeError):
                tell("stopping: the checks end, synthetic records are removed, evidence is kept")

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, note) for number in signals}
    try:
        yield lambda: bool(noted)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Shown:
    """The live view, once it is known what there is to show."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._view: PlainView | None = None

    def note(self, text: str) -> None:
        """Show what is going on before and after the checks."""
        if self._view is None:
            teller(self._stream)(text)
        else:
            self._view.note(text)

    def begins(self, checks: int, regions: tuple[str, ...]) -> None:
        """Open the view."""
        self._view = view_for(self._stream, checks, regions)
        self._view.__enter__()
        self._view.note(f"asking {checks_in(checks)} in {listed(regions)}")

    def event(self, event: dict[str, Any]) -> None:
        """Hand an event on."""
        if self._view is not None:
            self._view.event(event)

    def ends(self) -> None:
        """Close the view."""
        if self._view is not None:
            self._view.__exit__(None, None, None)
            self._view = None
