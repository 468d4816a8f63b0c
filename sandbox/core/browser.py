"""Where the browser comes from that walks through the platform's site: the PATH, else a Debian package."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.core import SandboxError, binaries

if TYPE_CHECKING:
    from sandbox.core.binaries import Say

_SHELL, _WHOLE = "chromium-headless-shell", "chromium"
_ON_PATH = {
    # The one without windows comes first: of a page's processor time it takes half.
    _SHELL: (_SHELL, "chrome-headless-shell"),
    _WHOLE: (_WHOLE, "chromium-browser", "google-chrome", "google-chrome-stable"),
}
"""By Debian's package, in the order in which they are taken."""
_WITH = ("chromium-common", "fonts-dejavu-core")
_SWITCH = "UH_BROWSER"
"""`none`: there is to be no browser, and the environment says so by leaving the section out."""
_FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig><dir>/usr/share/fonts</dir><dir>{tree}/usr/share/fonts</dir>
<cachedir prefix="xdg">fontconfig</cachedir></fontconfig>
"""


def find(say: Say) -> None:
    """Have a browser on this machine, fetched on first use; where there is none, say what is left out."""
    if os.environ.get(_SWITCH) == "none":
        say(f"{_SWITCH}=none: the environment has no section browser, so nothing is checked in one")
        return
    refused = binaries.cache_directory() / f".no-{_SHELL}"
    if _program(_SHELL) is not None or (refused.exists() and path() is not None):
        return
    why = _fetched(_SHELL, say)
    if not why:
        return
    if _program(_WHOLE) is None and (none := _fetched(_WHOLE, say)):
        say(
            f"there is no browser ({none}): the environment has no section browser, so nothing is checked "
            "in one; put chromium on the PATH and bring the platform up again"
        )
        return
    refused.parent.mkdir(parents=True, exist_ok=True)
    refused.touch()
    say(
        f"{path()} is taken; {_SHELL} would need half the processor time, and can't be fetched ({why}); "
        f"remove {refused} to try again"
    )


def path() -> str | None:
    """Return the browser's program; None where there is none, or is to be none."""
    if os.environ.get(_SWITCH) == "none":
        return None
    return next(filter(None, map(_program, _ON_PATH)), None)


def _program(package: str) -> str | None:
    """Return what starts this kind of browser: a program on the PATH, else the unpacked package."""
    installed = next(filter(None, map(shutil.which, _ON_PATH[package])), None)
    starter = binaries.cache_directory() / package / f"start-{package}"
    return installed or (str(starter) if starter.exists() else None)


def _fetched(package: str, say: Say) -> str:
    """Fetch and unpack a package; return why it is not to be had, nothing where it is."""
    if not binaries.available():
        return "this is not Debian with apt-get"
    say(f"fetching the Debian package {package} into the cache (first use only)")
    try:
        _write_starter(binaries.unpack(package, (package, *_WITH)), package)
    except (SandboxError, OSError, subprocess.SubprocessError) as exc:
        return str(exc)
    return ""


def _write_starter(tree: Path, package: str) -> None:
    """Write the script that starts the unpacked browser with its own libraries and fonts.

    Raises SubprocessError where it does not run on this machine.
    """
    fonts = tree / "fonts.conf"
    fonts.write_text(_FONTS.format(tree=tree), encoding="utf-8")
    libraries = binaries.library_path(tree)
    lines = [
        "#!/bin/sh",
        f"export LD_LIBRARY_PATH={shlex.quote(libraries)} FONTCONFIG_FILE={shlex.quote(str(fonts))}",
        f'exec {shlex.quote(str(tree / "usr/lib/chromium" / package))} "$@"',
    ]
    work = tree / f"start-{package}.{os.getpid()}"
    work.write_text("\n".join(lines) + "\n", encoding="utf-8")
    work.chmod(0o755)
    subprocess.run([work, "--version"], check=True, capture_output=True, timeout=30)  # noqa: S603 - it alone
    work.rename(tree / f"start-{package}")
