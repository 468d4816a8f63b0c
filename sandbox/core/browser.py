"""Where the browser comes from that walks through the platform's site: the PATH, else a Debian package."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.core import SandboxError, binaries

if TYPE_CHECKING:
    from sandbox.core.binaries import Say

_ON_PATH = (
    *("chromium-headless-shell", "chromium", "chromium-browser"),
    *("google-chrome", "google-chrome-stable"),
)
_BUNDLE = "chromium"
_PACKAGES = ("chromium", "chromium-common", "fonts-dejavu-core")
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
    if path() is not None:
        return
    why = "this is not Debian with apt-get"
    if binaries.available():
        say("fetching the Debian package chromium into the cache (first use only)")
        try:
            _write_starter(binaries.unpack(_BUNDLE, _PACKAGES))
        except (SandboxError, OSError) as exc:
            why = str(exc)
        else:
            return
    say(
        f"there is no browser ({why}): the environment has no section browser, so nothing is checked "
        "in one; put chromium on the PATH and bring the platform up again"
    )


def path() -> str | None:
    """Return the browser's program; None where there is none, or is to be none."""
    if os.environ.get(_SWITCH) == "none":
        return None
    installed = next((found for name in _ON_PATH if (found := shutil.which(name))), None)
    starter = binaries.cache_directory() / _BUNDLE / "start-chromium"
    return installed or (str(starter) if starter.exists() else None)


def _write_starter(tree: Path) -> None:
    """Write the script that starts the unpacked browser with its own libraries and fonts."""
    fonts = tree / "fonts.conf"
    fonts.write_text(_FONTS.format(tree=tree), encoding="utf-8")
    libraries = binaries.library_path(tree)
    lines = [
        "#!/bin/sh",
        f"export LD_LIBRARY_PATH={shlex.quote(libraries)} FONTCONFIG_FILE={shlex.quote(str(fonts))}",
        f'exec {shlex.quote(str(tree / "usr/lib/chromium/chromium"))} "$@"',
    ]
    work = tree / f"start-chromium.{os.getpid()}"
    work.write_text("\n".join(lines) + "\n", encoding="utf-8")
    work.chmod(0o755)
    work.rename(tree / "start-chromium")
