"""`gate explain [RUN]`: why a run ended as it did. `gate join RUN…`: one verdict of the regions' runs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import IO

from gates.cli import asking
from gates.cli.streams import teller
from gates.decide.outcome import EXIT_OUR_FAILURE, EXIT_USAGE
from gates.load import OUT
from gates.run import runs
from gates.run.bundle import Sealing
from gates.run.join import Joined, NotJoinedError, join
from reports import explanation


def run(arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str]) -> int:
    """Explain a run or join several; return 64 for an unknown run, 70 for one that cannot be read.

    Else 0 for an explanation, which is not a verdict, and the verdict's own code for what was joined.
    """
    tell = teller(stderr, f"gate {arguments.command}")
    try:
        if arguments.command == "join":
            return _join(arguments, stdout, tell)
        return _explain(arguments, stdout)
    except runs.UnknownRunError as exc:
        tell(str(exc))
        return EXIT_USAGE
    except NotJoinedError as exc:
        tell(f"{exc}.")
        return EXIT_USAGE
    except runs.UnreadableRunError as exc:
        tell(str(exc))
        return EXIT_OUR_FAILURE


def _explain(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    found = runs.find(arguments.run, arguments.out or OUT)
    verdict = found.verdict()
    measured = None if verdict.complete else found.measured()
    if arguments.output == "json":
        said = explanation.as_json(verdict, measured)
        stdout.write(f"{json.dumps(said, indent=2, ensure_ascii=False)}\n")
    else:
        stdout.write(explanation.render(verdict, measured))
    return 0


def _join(arguments: argparse.Namespace, stdout: IO[str], tell: Callable[[str], None]) -> int:
    out = arguments.out or OUT
    found = [runs.find(name, out) for name in arguments.run]
    try:
        verdict = join([Joined(one.path, one.verdict()) for one in found], out)
    except NotJoinedError:
        raise
    except (KeyError, TypeError, ValueError) as exc:
        raise runs.UnreadableRunError(
            f"a run's verdict lacks what joining needs ({type(exc).__name__} at {exc}); "
            "run the gate there again."
        ) from exc
    untold = Sealing.elsewhere(verdict).seal(out / verdict.run, verdict)
    if untold is not None:
        tell(untold)
    return asking.show(verdict, arguments.output, stdout)
