"""Figures of the evidence: what a bundle adds to a run, and how long a year of them takes to verify."""

from __future__ import annotations

import dataclasses
import io
import json
import pathlib
import shutil
import tempfile
import time
from collections.abc import Iterator

from bench import Figure
from environments.yaml_file import ConfigurationError
from gates.cli.main import main
from gates.decide.scope import Gate, Phase, PostDeploy, PreDeploy
from gates.decide.times import COUNTDOWN, WINDOWS
from gates.decide.verdict import Verdict
from gates.load import Checks
from gates.run.bundle import Sealing
from tests.gates.run.sealed import Clinic, signing_clinic

RELEASES = 52
GATES: tuple[Gate, ...] = (
    *(PreDeploy(at) for at in COUNTDOWN),
    *(Phase(number) for number in range(1, 8)),
    *(PostDeploy(window) for window in WINDOWS),
)
"""What one deployment asks."""


def figures() -> Iterator[Figure]:
    """Yield what sealing takes, and `gate verify` of a year of weekly releases."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        at = signing_clinic(pathlib.Path(folder))
        templates = [one for number, gate in enumerate(GATES) for one in _asked(at, number, gate)]
        for path in templates:
            shutil.move(path, at.folder / "templates" / path.name)
        shutil.rmtree(at.state)
        took = [one for week in range(RELEASES) for one in _released(at, week)]
        slowest = sorted(took)[-len(took) // 20]
        yield Figure("bundle, signed: digests and state, 95th percentile", slowest * 1000, 50, "ms")
        began, said = time.monotonic(), io.StringIO()
        code = main(["verify", str(at.out), "--env", str(at.file)], said, said)
        seconds = time.monotonic() - began
        if code != 0 or said.getvalue().count(": GO of ") != len(took):
            raise SystemExit(said.getvalue())
        name = f"verify a year of weekly releases, {len(took)} runs"
        yield Figure(name, seconds, 5, "s")


def _asked(at: Clinic, number: int, gate: Gate) -> Iterator[pathlib.Path]:
    """Yield the run of a gate, where anything applies."""
    (at.folder / "templates").mkdir(exist_ok=True)
    try:
        yield at.run(number, gate=gate)
    except ConfigurationError:
        return


def _released(at: Clinic, week: int) -> Iterator[float]:
    """Leave the runs of one release, as many as there are templates; yield what each bundle took."""
    sealing = Sealing(Checks(), at.loaded)
    for template in sorted((at.folder / "templates").iterdir()):
        run = f"{template.name[:-6]}{week:06x}"
        folder = at.out / run
        shutil.copytree(template, folder)
        record = json.loads((folder / "verdict.json").read_bytes())
        verdict = dataclasses.replace(Verdict.from_record(record), run=run, release=f"v1.{week}.0")
        (folder / "verdict.json").write_text(json.dumps(verdict.record()))
        (folder / "bundle.json").unlink()
        began = time.monotonic()
        untold = sealing.seal(folder, verdict)
        yield time.monotonic() - began
        if untold:
            raise SystemExit(untold)
