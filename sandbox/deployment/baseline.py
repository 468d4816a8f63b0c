"""The countdown's last task: the gate's baseline, which the operator takes before phase 1."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.core.errors import SandboxError
from sandbox.core.layout import RELEASE

if TYPE_CHECKING:
    from sandbox.core.state import StateDirectory

_SECONDS = 120.0


def take(state: StateDirectory) -> bool:
    """Have the gate take a baseline where there is none; False where there is. Raises SandboxError.

    Without one nothing that phase 2 did to the data could be told, and no phase would end in GO.
    """
    if any(state.gate.glob(f"*/v{RELEASE}/baseline/*.json")):
        return False
    arguments = ("baseline", "--env", str(state.environment), "--release", f"v{RELEASE}")
    done = subprocess.run(  # noqa: S603 - the gate of this checkout
        [Path(sys.executable).with_name("gate"), *arguments],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        raise SandboxError(
            f"the gate could not take the baseline, so phase 1 does not begin: {done.stderr.strip()}"
        )
    return True
