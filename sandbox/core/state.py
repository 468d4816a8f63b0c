"""The state directory of one platform: where its files lie, who runs it, and the lock of `up` and `down`."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.core import CHECKOUT, PACKAGE, SandboxError, processes

if TYPE_CHECKING:
    from collections.abc import Iterator


_LOCK_WAIT_SECONDS = 120.0
_LOCK_POLL_SECONDS = 0.05
_RUNTIME_PREFIX = "health-gate-"
_FOLDERS = (
    *("secrets", "release", "releases", "people", "evidence"),
    *("backups", "backups-apart", "gate-state"),
)
"""What a platform keeps here while it runs."""


def default_directory() -> Path:
    """Return `$SANDBOX_STATE`, or `.sandbox` in the checkout; of an installed gate, where it is called."""
    named = os.environ.get("SANDBOX_STATE")
    return (
        Path(named).absolute()
        if named
        else (Path.cwd() if "." in PACKAGE else CHECKOUT) / ".sandbox"
    )


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


@dataclass(frozen=True, slots=True)
class Record:
    """What state.json says: the supervisor, its children, and where its files and ports are."""

    supervisor: processes.ProcessIdentity
    runtime: Path
    control: Path
    """The unix socket on which the supervisor takes orders."""
    children: tuple[processes.ProcessIdentity, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON data."""
        return {
            "schema": 1,
            "supervisor": _identity_json(self.supervisor),
            "runtime": str(self.runtime),
            "control": str(self.control),
            "children": [_identity_json(child) for child in self.children],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Record:
        """Read a record; raises KeyError, TypeError or ValueError for anything else."""
        return cls(
            supervisor=processes.ProcessIdentity(**data["supervisor"]),
            runtime=Path(data["runtime"]),
            control=Path(data["control"]),
            children=tuple(processes.ProcessIdentity(**child) for child in data["children"]),
        )


def _identity_json(process: processes.ProcessIdentity) -> dict[str, int]:
    return {"pid": process.pid, "started": process.started}


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """Paths of one platform; several platforms live in several state directories."""

    path: Path

    @property
    def environment(self) -> Path:
        """The environment file that the gate reads."""
        return self.path / "environment.yaml"

    @property
    def secrets(self) -> Path:
        """One file per password, 0600."""
        return self.path / "secrets"

    @property
    def gate(self) -> Path:
        """What the gate keeps of the deployment of this platform: baseline and history."""
        return self.path / "gate-state"

    @property
    def supervisor_log(self) -> Path:
        """What the supervisor itself has to say."""
        return self.path / "supervisor.log"

    @property
    def _record(self) -> Path:
        return self.path / "state.json"

    def create(self) -> None:
        """Make the directory, for its owner only; raises SandboxError."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
        except OSError as exc:
            raise SandboxError(
                f"cannot use the state directory {self.path} ({exc.strerror}): "
                "make it writable or name another one in SANDBOX_STATE."
            ) from exc

    def read(self) -> Record | None:
        """Return what the last `up` noted; None when nothing (readable) was noted."""
        try:
            return Record.from_json(json.loads(self._record.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, record: Record) -> None:
        """Note who runs and where."""
        write_private(self._record, json.dumps(record.to_json(), indent=2))

    def running(self) -> Record | None:
        """Return the record of the platform that runs now; None when none does."""
        record = self.read()
        return record if record and processes.is_running(record.supervisor) else None

    @contextlib.contextmanager
    def locked(self) -> Iterator[int]:
        """Hold the lock of `up` and `down`; yields its descriptor, which a daemon may inherit.

        Raises SandboxError when another command holds it for two minutes.
        """
        self.create()
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._acquire(descriptor)
            yield descriptor
        finally:
            os.close(descriptor)

    def _acquire(self, descriptor: int) -> None:
        deadline = time.monotonic() + _LOCK_WAIT_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise SandboxError(
                        f"another `sandbox up` or `down` has held {self.path}/lock for "
                        f"{_LOCK_WAIT_SECONDS:.0f} s: wait for it or end it."
                    ) from None
                time.sleep(_LOCK_POLL_SECONDS)
            else:
                return

    def clean(self) -> None:
        """Remove what a platform left behind, processes first; only its logs stay."""
        record = self.read()
        if record is not None:
            _end_leftovers(record)
            remove_runtime(record.runtime)
        for name in ("state.json", "environment.yaml"):
            (self.path / name).unlink(missing_ok=True)
        for name in _FOLDERS:
            # A fault may have put a link, or the folder itself aside.
            for path in self.path.glob(f"{name}*"):
                if path.is_symlink():
                    path.unlink()
                shutil.rmtree(path, ignore_errors=True)


def _end_leftovers(record: Record) -> None:
    for process in record.children:
        processes.send(process, signal.SIGKILL)
    deadline = time.monotonic() + 5.0
    while any(map(processes.is_running, record.children)) and time.monotonic() < deadline:
        time.sleep(0.02)


def remove_runtime(runtime: Path) -> None:
    """Remove a runtime directory; anything that does not carry our prefix is left alone."""
    if runtime.name.startswith(_RUNTIME_PREFIX):
        shutil.rmtree(runtime, ignore_errors=True)


def create_runtime() -> Path:
    """Make a runtime directory with a short path that every user may pass through.

    Short, because a unix socket's path holds 108 bytes; passable, because the database's files in it
    belong to an ordinary user when root starts the platform. Raises SandboxError.
    """
    for parent in (Path("/tmp"), Path("/var/tmp")):  # noqa: S108 - mkdtemp below is exclusive
        if os.access(parent, os.W_OK | os.X_OK):
            runtime = Path(tempfile.mkdtemp(prefix=_RUNTIME_PREFIX, dir=parent))
            runtime.chmod(0o711)
            return runtime
    raise SandboxError("neither /tmp nor /var/tmp is writable: the platform needs one of them.")


LEASE_FILE = "traffic-lease.json"
"""The lease under which the load generator sends: extended by whoever needs samples, never cut short."""


def extend_lease(state: StateDirectory, requests_per_second: float, seconds: float) -> None:
    """Let traffic flow for so long from now; raises SandboxError when the platform does not run."""
    record = state.running()
    if record is None:
        raise SandboxError("the platform is not running: `sandbox up` brings it up.")
    grant_lease(record.runtime, requests_per_second, seconds)


def grant_lease(runtime: Path, requests_per_second: float, seconds: float) -> None:
    """Write the lease of the platform with this runtime directory."""
    path = runtime / LEASE_FILE
    now = time.time()
    rate, until = _held_lease(path, now)
    lease = {"rps": max(rate, requests_per_second), "until": max(until, now + seconds)}
    write_private(path, json.dumps(lease))


def _held_lease(path: Path, now: float) -> tuple[float, float]:
    """Return rate and end of the lease that others hold; nothing when it has run out."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        rate, until = float(held["rps"]), float(held["until"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0, 0.0
    return (rate, until) if until > now else (0.0, 0.0)
