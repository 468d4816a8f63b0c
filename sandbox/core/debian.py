"""Programs out of Debian packages without installing them: no root, no service, nothing outside the cache."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.core.child import last_line
from sandbox.core.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIBRARY_PREFIXES = ("lib", "lua")
_NEVER = frozenset(
    {"libc6", "libc-bin"}
)  # another libc beside the loader of this machine ends badly
_APT_TIMEOUT_SECONDS = 180.0


def cache_directory() -> Path:
    """Return where unpacked packages are kept between platforms."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    return Path(base) / "health-gate" / "debian"


def available() -> bool:
    """Tell whether this machine has Debian's tools at all."""
    return all(shutil.which(tool) for tool in ("apt-get", "apt-cache", "dpkg", "dpkg-query"))


def unpack(bundle: str, packages: tuple[str, ...]) -> Path:
    """Return the tree with these packages and their libraries unpacked, fetched on first use.

    The tree appears whole or not at all; two first runs wait for one another.
    Raises SandboxError when the packages cannot be fetched.
    """
    tree = cache_directory() / bundle
    if tree.is_dir():
        return tree
    with _locked(tree.with_name(f".{bundle}.lock")), _workshop(cache_directory()) as work:
        if not tree.is_dir():
            _fetch(packages, work)
            (work / "tree").rename(tree)
    return tree


def library_path(tree: Path) -> str:
    """Return the LD_LIBRARY_PATH under which programs of the tree find its libraries."""
    folders = {
        library.parent for library in tree.glob("**/*.so*") if "lua" not in library.parent.parts
    }
    return os.pathsep.join(sorted(str(folder) for folder in folders))


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _workshop(directory: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=directory) as work:
        for name in ("lists/partial", "cache/archives/partial", "debs", "tree"):
            (Path(work) / name).mkdir(parents=True)
        yield Path(work)


def _fetch(packages: tuple[str, ...], work: Path) -> None:
    _apt(work, "apt-get", "update", "-q")
    closure = _apt(
        work, "apt-cache", "depends", "--recurse", "--important", "--no-pre-depends", *packages
    )
    _apt(work, "apt-get", "download", "-q", *packages, *_missing_libraries(closure))
    for package in sorted((work / "debs").glob("*.deb")):
        _run(work, "dpkg", "-x", str(package), str(work / "tree"))


def _missing_libraries(closure: str) -> list[str]:
    """Pick the libraries out of `apt-cache depends` that this machine lacks."""
    named = {line for line in closure.splitlines() if line.startswith(_LIBRARY_PREFIXES)}
    listing = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${Package}\n"],  # noqa: S607 - Debian's own tool
        check=False, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return sorted(named - _NEVER - set(listing.split()))


def _apt(work: Path, tool: str, *arguments: str) -> str:
    private = {
        "Dir::State::lists": f"{work}/lists",
        "Dir::Cache": f"{work}/cache",
        "APT::Sandbox::User": "root",  # the private folders are closed to apt's own user
        "Acquire::Retries": "1",
        "Acquire::http::Timeout": "20",
    }
    options = [part for key, value in private.items() for part in ("-o", f"{key}={value}")]
    return _run(work, tool, *options, *arguments)


def _run(work: Path, tool: str, *arguments: str) -> str:
    log = work / "log"
    try:
        with log.open("w") as errors:
            return subprocess.run(  # noqa: S603 - Debian's own tools
                [tool, *arguments],
                check=True,
                cwd=work / "debs",
                env={**os.environ, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                timeout=_APT_TIMEOUT_SECONDS,
            ).stdout
    except (OSError, subprocess.SubprocessError) as exc:
        raise SandboxError(f"{tool} failed: {last_line(log)}") from exc
