"""Starts the real `gate` command of this checkout, in a folder of its own."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.faults.forked import FORKER

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
COPIED = (
    "bdd",
    "environments",
    "features",
    "gates",
    "probes",
    "reports",
    "settings",
    "smoke",
    "steps",
)
START = "from gates.cli.main import run; run()"


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate, started in a folder that keeps its runs, against one platform."""

    folder: pathlib.Path
    state: pathlib.Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self, *arguments: str, python: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """Start a command without waiting, in a session of its own."""
        self.folder.mkdir(parents=True, exist_ok=True)
        own = {"SANDBOX_STATE": str(self.state), "GATE_OUT": str(self.out)}
        return subprocess.Popen(
            [sys.executable, *python, "-c", START, *arguments],
            cwd=self.folder,
            env={**os.environ, **own, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(
        self, *arguments: str, python: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        with self.start(*arguments, python=python) as process:
            out, err = process.communicate(timeout=400)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def runs(self) -> list[pathlib.Path]:
        """Return the folders of the gate's runs, oldest first."""
        return sorted(self.out.glob("*-post-deploy-*"))

    @property
    def out(self) -> pathlib.Path:
        """Where it keeps its runs."""
        return self.folder / "out"

    def verdict(self, run: pathlib.Path | None = None) -> dict[str, Any]:
        """Return the verdict on disk of a run, the newest unless one is named."""
        path = (run or self.runs()[-1]) / "verdict.json"
        verdict: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return verdict


@dataclass(frozen=True, slots=True)
class ForkedGate(Gate):
    """A gate forked where every library is loaded: a tenth of a start's work.

    How it starts is what the others prove.
    """

    def run(
        self, *arguments: str, python: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        assert not python
        own = {"SANDBOX_STATE": str(self.state), **self.environment}
        return FORKER.gate(arguments, self.folder, self.out, own)


def checks_of_its_own(folder: pathlib.Path, only: str = "") -> pathlib.Path:
    """Copy the gate's checks and policy, as a platform's own, so that a test may change them.

    Or only the checks whose names begin so.
    """
    shutil.copytree(CHECKOUT / "features", folder / "features")
    shutil.copytree(CHECKOUT / "gates" / "policy", folder / "policy")
    catalogue = folder / "features" / "catalogue.csv"
    columns, *rows = catalogue.read_text().splitlines()
    catalogue.write_text("\n".join([columns, *(one for one in rows if one.startswith(only)), ""]))
    for feature in (folder / "features").glob("*/*.feature"):
        if f"@{only}" not in feature.read_text():
            feature.unlink()
    return folder


def copy_of_checkout(folder: pathlib.Path) -> pathlib.Path:
    """Copy the product's files, so that a test may damage them; the interpreter stays the same."""
    for name in COPIED:
        shutil.copytree(CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("out"))
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(CHECKOUT / name, folder / name)
    return folder
