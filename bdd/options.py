"""Command line options of every pytest run, and the plugins' shared stash."""

from __future__ import annotations

import pathlib

import pytest

from environments import loader


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
    group.addoption(
        "--checks",
        type=pathlib.Path,
        help="folder with features/ and policy/ of another platform; default: what --env says",
    )
    group.addoption("--parent", type=int, help="process to end with")
