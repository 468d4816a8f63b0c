"""One writer of synthetic records at a time: a lease that dies with its holder."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import tempfile
import time
from collections.abc import Iterator

from probes.observation import pause

POLL_SECONDS = 0.2


class LeaseHeldError(Exception):
    """Another run holds the lease; the text names it and its age."""


@contextlib.contextmanager
def writer_lease(platform_key: str, run_id: str, wait_seconds: float) -> Iterator[None]:
    """Hold the lease of a platform's synthetic records; raises LeaseHeldError after `wait_seconds`.

    The kernel frees the lock when its process ends, however it ends. It excludes the runs of this
    machine; runs elsewhere are kept apart by their tags, and a janitor leaves young records alone.
    """
    file = os.open(_path(platform_key), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _acquire(file, wait_seconds)
        os.ftruncate(file, 0)
        os.pwrite(
            file, json.dumps({"run": run_id, "pid": os.getpid(), "at": time.time()}).encode(), 0
        )
        yield
        os.ftruncate(file, 0)
    finally:
        os.close(file)


def _acquire(file: int, wait_seconds: float) -> None:
    give_up_at = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= give_up_at:
                raise LeaseHeldError(_holder(file)) from None
            pause(POLL_SECONDS)
        else:
            return


def _holder(file: int) -> str:
    try:
        holder = json.loads(os.pread(file, 4096, 0))
        age = time.time() - holder["at"]
        return f"run {holder['run']} (process {holder['pid']}) has held it for {age:.0f} s"
    except (ValueError, KeyError, TypeError):
        return "another run holds it"


def _path(platform_key: str) -> pathlib.Path:
    folder = pathlib.Path(tempfile.gettempdir()) / f"deployment-gate-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{hashlib.sha256(platform_key.encode()).hexdigest()[:16]}.lease"
