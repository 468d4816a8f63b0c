"""Prometheus in the versions that are proved: the machine's own, else built from the Go module proxy."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import tempfile

from sandbox.core import binaries
from sandbox.core.debian import cache_directory
from sandbox.core.errors import SandboxError

RELEASES = {
    "2.42": ("2.42.0", "v0.42.0"),
    "2.53": ("2.53.3", "v0.53.3"),
    "3.5": ("3.5.1", "v0.305.1"),
}
"""A release of each version, and what the Go module calls it."""
_MODULE = "github.com/prometheus/prometheus"
_BUILD_SECONDS = 3600


def program(version: str) -> pathlib.Path:
    """Return a Prometheus of this version, built on first use; raises SandboxError."""
    try:
        own = binaries.find_prometheus(print)
    except SandboxError:
        own = None
    if own and own.version_numbers == tuple(map(int, version.split("."))):
        return pathlib.Path(own.path)
    release, module = RELEASES[version]
    kept = cache_directory().with_name("prometheus") / release
    if not kept.exists():
        if not shutil.which("go"):
            raise SandboxError("it is built with Go, and go is not on the PATH")
        _build(release, f"{_MODULE}@{module}", kept)
    return kept


def _build(release: str, module: str, kept: pathlib.Path) -> None:
    """Build it with what its own go.mod and go.sum name, but for the clouds that it could discover.

    Their libraries are most of the work, and nothing here is discovered but by files.
    """
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as work:
        module_folder = json.loads(_run(work, "go", "mod", "download", "-json", module))["Dir"]
        _run(work, "cp", "-r", "--no-preserve=mode", module_folder, "source")
        source = pathlib.Path(work) / "source"
        (source / "plugins" / "plugins.go").unlink()
        named = f"-ldflags=-s -w -X github.com/prometheus/common/version.Version={release}"
        flags = ["-p=2", "-trimpath", "-tags=netgo,stringlabels", named, "-o=../prometheus"]
        _run(str(source), "nice", "-n", "10", "go", "build", *flags, "./cmd/prometheus")
        (pathlib.Path(work) / "prometheus").rename(kept)


def _run(folder: str, *command: str) -> str:
    try:
        return subprocess.run(  # noqa: S603 - Go's own tool, and cp
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=_BUILD_SECONDS
        ).stdout
    except (OSError, subprocess.SubprocessError) as exc:
        said = (getattr(exc, "stderr", "") or str(exc)).strip()
        raise SandboxError(f"{' '.join(command[:5])}: {said.splitlines()[-1]}") from exc
