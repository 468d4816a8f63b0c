"""Packages that one proof alone needs: fetched by hash on first use, and kept beside Debian's."""

from __future__ import annotations

import hashlib
import pathlib
import subprocess
import sys
import tempfile

from sandbox.core.debian import cache_directory

INSTALL_SECONDS = 300


def installed(lock: pathlib.Path) -> pathlib.Path:
    """Return the folder with a lock's packages."""
    version = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    kept = cache_directory().with_name("prove") / version
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as work:
            uv = pathlib.Path(sys.executable).with_name("uv")
            target = ["--target", f"{work}/packages", "--require-hashes", "-r", str(lock)]
            subprocess.run(  # noqa: S603 - uv of this checkout, packages of the lock
                [uv, "pip", "install", "--quiet", "--python", sys.executable, *target],
                check=True,
                timeout=INSTALL_SECONDS,
            )
            (pathlib.Path(work) / "packages").rename(kept)
    return kept
