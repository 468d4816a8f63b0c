"""Where the platform's browser comes from: the PATH, an unpacked package, or nowhere, and then it says so."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sandbox.core import SandboxError, binaries, browser


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Leave this machine without a browser; return where unpacked packages would lie."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("UH_BROWSER", raising=False)
    return binaries.cache_directory() / "chromium"


def found() -> tuple[str | None, list[str]]:
    """Return the browser, and what was said while it was looked for."""
    said: list[str] = []
    browser.find(said.append)
    return browser.path(), said


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('#!/bin/sh\necho "$LD_LIBRARY_PATH $FONTCONFIG_FILE $1"\n')
    path.chmod(0o755)
    return path


def test_the_one_on_the_path_is_taken_and_nothing_is_said(bare: Path, tmp_path: Path) -> None:
    there = program(tmp_path / "bin" / "chromium")
    assert found() == (str(there), [])
    assert not bare.exists()


def test_none_is_wanted(bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin" / "chromium")
    monkeypatch.setenv("UH_BROWSER", "none")
    path, said = found()
    assert (path, bare.exists()) == (None, False)
    assert said == [
        "UH_BROWSER=none: the environment has no section browser, so nothing is checked in one"
    ]


def test_the_unpacked_one_starts_with_its_own_libraries_and_fonts(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(bare / "usr/lib/chromium/chromium")
    (bare / "usr/lib/chromium/libEGL.so").touch()
    monkeypatch.setattr(binaries, "available", lambda: True)
    path, said = found()
    assert path == str(bare / "start-chromium")
    assert said == ["fetching the Debian package chromium into the cache (first use only)"]
    told = subprocess.check_output(
        [path, "--headless"], text=True, env={**os.environ, "PATH": "/bin"}
    )
    assert told.split() == [f"{bare}/usr/lib/chromium", f"{bare}/fonts.conf", "--headless"]
    assert found() == (path, []), "the next platform finds it at once"


def test_where_no_package_can_be_fetched_it_says_what_is_left_out(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, said = found()
    assert path is None
    assert " ".join(said) == (
        "there is no browser (this is not Debian with apt-get): the environment has no section browser, "
        "so nothing is checked in one; put chromium on the PATH and bring the platform up again"
    )

    def refused(*_: object) -> Path:
        raise SandboxError("apt-get failed: no network")

    monkeypatch.setattr(binaries, "available", lambda: True)
    monkeypatch.setattr(binaries, "unpack", refused)
    assert "apt-get failed: no network" in found()[1][-1]
    assert not bare.exists()
