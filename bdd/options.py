"""Command line options of every pytest run; known before pytest looks for conftest.py (pyproject.toml)."""

from __future__ import annotations

import os
import pathlib
import sys
from collections.abc import Generator

import pytest

from environments import loader
from gates.load import ROOT

SETTINGS = ROOT / "pyproject.toml"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the gate's options."""
    group = parser.getgroup("gate", "deployment gate")
    group.addoption("--env", default="local", help=f"environment: {', '.join(loader.names())}")
    group.addoption("--release", help="release under test, like v1.2.0; required except on local")
    group.addoption("--region", action="append", help="only this region; may be repeated")
    group.addoption(
        "--switched-at", help="when traffic went to the release, like 2026-01-31T22:00Z"
    )
    group.addoption("--environment-file", type=pathlib.Path, help="an environment's file, by path")
    group.addoption("--run-dir", type=pathlib.Path, help="folder for this run's evidence")
    group.addoption("--manifest", type=pathlib.Path, help="JSON file naming the checks to run")
    group.addoption("--phase", type=int, help="phase of the deployment that is asked about, 1 to 7")
    group.addoption("--watch", type=float, metavar="SECONDS", help="how long triggers are watched")
    group.addoption("--restored", help="after a rollback: the version that has to serve")
    group.addoption("--resume", type=pathlib.Path, help="events of a watch to go on with")
    group.addoption(
        "--checks",
        type=pathlib.Path,
        help="folder with features/ and policy/ of another platform; default: what --env says",
    )
    group.addoption(
        "--dry",
        action="store_true",
        help="ask and write nothing: only what is not described is found",
    )
    group.addoption("--parent", type=int, help="process to end with")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    """Start again with this checkout's settings where `--env FILE` led pytest to others.

    pytest looks for its settings before any plugin is loaded, and takes FILE for tests to collect.
    """
    given = early_config.invocation_params
    if given.dir == ROOT and "--env" in given.args and early_config.inipath != SETTINGS:
        place = ["-c", str(SETTINGS), "--rootdir", str(ROOT)]
        line = [sys.executable, "-m", "pytest", *map(str, given.args), *place]
        os.execv(sys.executable, line)  # noqa: S606 - the same command; its output is not captured yet
    return (yield)
