"""Where the platform's browser comes from: the PATH, an unpacked package, or nowhere, and then it says so."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sandbox.core import SandboxError, binaries, browser

SHELL, WHOLE = "chromium-headless-shell", "chromium"
FETCHING = "fetching the Debian package {} into the cache (first use only)"


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Leave this machine without a browser; return where unpacked packages would lie."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("UH_BROWSER", raising=False)
    return binaries.cache_directory()


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch, cache: Path) -> list[str]:
    """Let this be Debian that has these packages; return which were asked for beside them."""
    asked: list[str] = []

    def unpack(bundle: str, packages: tuple[str, ...]) -> Path:
        asked.append(bundle)
        if not (cache / bundle).exists():
            raise SandboxError("apt-get failed: no network")
        assert packages == (bundle, "chromium-common", "fonts-dejavu-core")
        return cache / bundle

    monkeypatch.setattr(binaries, "available", lambda: True)
    monkeypatch.setattr(binaries, "unpack", unpack)
    return asked


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


def test_the_one_on_the_path_is_taken_and_nothing_is_said(
    cache: Path, tmp_path: Path, fetched: list[str]
) -> None:
    program(tmp_path / "bin" / WHOLE)
    there = program(tmp_path / "bin" / SHELL)
    assert (found(), fetched) == ((str(there), []), [])
    assert not cache.exists()


def test_none_is_wanted(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin" / WHOLE)
    monkeypatch.setenv("UH_BROWSER", "none")
    path, said = found()
    assert (path, cache.exists()) == (None, False)
    assert said == [
        "UH_BROWSER=none: the environment has no section browser, so nothing is checked in one"
    ]


@pytest.mark.usefixtures("fetched")
@pytest.mark.parametrize("package", [SHELL, WHOLE])
def test_the_unpacked_one_starts_with_its_own_libraries_and_fonts(
    cache: Path, package: str
) -> None:
    tree = cache / package
    program(tree / "usr/lib/chromium" / package)
    (tree / "usr/lib/chromium/libEGL.so").touch()
    path, said = found()
    assert path == str(tree / f"start-{package}")
    wanted = [SHELL] if package == SHELL else [SHELL, WHOLE]
    assert [one for one in said if "first use" in one] == [FETCHING.format(one) for one in wanted]
    told = subprocess.check_output(
        [path, "--headless"], text=True, env={**os.environ, "PATH": "/bin"}
    )
    assert told.split() == [f"{tree}/usr/lib/chromium", f"{tree}/fonts.conf", "--headless"]
    assert found() == (path, []), "the next platform finds it at once"


def test_the_one_without_windows_is_fetched_although_the_other_is_there(
    cache: Path, tmp_path: Path, fetched: list[str]
) -> None:
    there = str(program(tmp_path / "bin" / WHOLE))
    path, (_, said) = found()
    assert path == there
    assert said == (
        f"{there} is taken; {SHELL} would need half the processor time, and can't be fetched (apt-get "
        f"failed: no network); remove {cache}/.no-{SHELL} to try again"
    )
    assert (found(), fetched) == ((there, []), [SHELL]), "not tried at every start"
    (cache / f".no-{SHELL}").unlink()
    program(cache / SHELL / "usr/lib/chromium" / SHELL)
    assert found() == (f"{cache}/{SHELL}/start-{SHELL}", [FETCHING.format(SHELL)])


@pytest.mark.usefixtures("fetched")
def test_an_unpacked_one_that_does_not_run_here_is_not_taken(cache: Path, tmp_path: Path) -> None:
    there = program(tmp_path / "bin" / WHOLE)
    program(cache / SHELL / "usr/lib/chromium" / SHELL).write_text("#!/bin/sh\nexit 127\n")
    path, said = found()
    assert path == str(there)
    assert "returned non-zero exit status 127" in said[-1]


def test_where_no_package_can_be_fetched_it_says_what_is_left_out(
    cache: Path, monkeypatch: pytest.MonkeyPatch
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
    assert not cache.exists()
