"""A HOLD that people decided: the verdict again, with who decided what. It stays a HOLD, and no GO."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil

from environments.loader import Loaded
from gates.decide.statements import Overridden
from gates.decide.verdict import Verdict
from gates.load import Checks
from gates.run import verdict
from gates.run.bundle import Sealing
from gates.run.runs import MANIFEST, Run
from steps.kit.request import EVENTS, new_run_id


def overridden(
    held: Run, decided: Overridden, loaded: Loaded, out: pathlib.Path
) -> tuple[Verdict, str | None]:
    """Write a run that shows a HOLD as people decided it, with the lines of the first.

    Return its verdict, and why its bundle is not in the state, or None. Raises UnreadableRunError, OSError.
    """
    shown = dataclasses.replace(held.verdict(), run=new_run_id("decide"), overridden=decided)
    folder = out / shown.run
    folder.mkdir(parents=True)
    for name in (EVENTS, MANIFEST):
        if (held.path / name).is_file():
            shutil.copyfile(held.path / name, folder / name)
    verdict.keep(folder, shown)
    return shown, Sealing(Checks.of(loaded.checks), loaded).seal(folder, shown)
