"""Figures of Redis: what the gate asks of a server with a million keys, and how little that server feels."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

import redis as redis_py
from pydantic import SecretStr

from bench.figure import Figure
from probes import redis
from probes.observation import Deadline, Observation
from probes.redis import RedisTarget
from probes.redis import keys as redis_keys
from sandbox.core import binaries
from sandbox.systems.data.redis_server import GATE, gate_line
from tests.probes.servers import closed_port, wait_until

KEYS = 1_000_000
FLAGS = ("new_ui", "analytics", "triage")
SLOW_MICROSECONDS = 10_000
_PATIENCE_SECONDS = 120.0
_HOST = "127.0.0.1"


def figures() -> Iterator[Figure]:
    """Yield seconds of each question, and the commands over 10 ms in the server's SLOWLOG."""
    with _server() as (admin, gate):
        _fill(admin)
        admin.slowlog_reset()
        names = [f"feature:{flag}{part}" for flag in FLAGS for part in ("", ":percentage")]
        yield _timed("flags read by name", 1, redis_keys.texts(gate, names, deadline=_deadline()))
        found = redis_keys.key_names(gate, "feature:*", deadline=_deadline())
        yield _timed("flags found among a million keys", 30, found)
        counted = redis.count_keys(gate, "session:*", deadline=_deadline())
        yield _timed("a million sessions counted", 30, counted)
        if counted.value is None or counted.value.count != KEYS:
            raise RuntimeError("the count of the sessions is not what was put there")
        yield Figure("commands over 10 ms in SLOWLOG", float(len(_slow(admin))), 0, "commands")


def _slow(admin: redis_py.Redis) -> list[Any]:
    """Return what the server itself calls slow, but for the benchmark's own orders."""
    logged: list[Any] = admin.slowlog_get(128)
    return [one for one in logged if one["duration"] >= SLOW_MICROSECONDS]


def _timed(name: str, bound_seconds: float, observed: Observation[Any]) -> Figure:
    if observed.failure is not None:
        raise RuntimeError(f"{name}: {observed.failure.detail}")
    return Figure(name, observed.elapsed_seconds, bound_seconds, "s")


def _deadline() -> Deadline:
    return Deadline.after(_PATIENCE_SECONDS)


def _fill(admin: redis_py.Redis) -> None:
    """Put a million sessions there, and the flags among them."""
    for first in range(0, KEYS, 20_000):
        numbers = range(first, first + 20_000)
        admin.mset(
            {f"session:{hashlib.sha256(b'%d' % number).hexdigest()}": b"x" for number in numbers}
        )
    admin.mset({f"feature:{flag}": "false" for flag in FLAGS})


@contextlib.contextmanager
def _server() -> Iterator[tuple[redis_py.Redis, RedisTarget]]:
    """Run a Redis of its own; yield its administrator and the gate's user under the operators' line."""
    binary = binaries.find_redis(lambda _said: None)
    password, port = secrets.token_urlsafe(16), closed_port()
    digest = hashlib.sha256(password.encode()).hexdigest()
    with tempfile.TemporaryDirectory(prefix="bench-redis-") as folder:
        line = gate_line(digest, binary.version_numbers)
        access = pathlib.Path(folder) / "users.acl"
        access.write_text(f"user default on #{digest} ~* &* +@all\n{line}", encoding="utf-8")
        options = {"port": str(port), "bind": _HOST, "save": "", "aclfile": str(access)}
        flags = [word for name, value in options.items() for word in (f"--{name}", value)]
        process = subprocess.Popen(  # noqa: S603 - the platform's own Redis
            [binary.path, *flags], cwd=folder, env={**os.environ, **binary.environment},
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        with contextlib.suppress(OSError):
            # SLOWLOG counts the time on the wall. A busy machine's other work is not Redis's slowness.
            os.sched_setscheduler(process.pid, os.SCHED_RR, os.sched_param(1))
        try:
            with redis_py.Redis(_HOST, port, password=password) as admin:
                wait_until(lambda: _answers(admin), "Redis answers", _PATIENCE_SECONDS)
                admin.config_set("slowlog-log-slower-than", SLOW_MICROSECONDS)
                yield admin, RedisTarget(_HOST, port, 0, GATE, SecretStr(password), tls=False)
        finally:
            process.terminate()
            process.wait(10)


def _answers(admin: redis_py.Redis) -> bool:
    with contextlib.suppress(redis_py.exceptions.ConnectionError):
        return bool(admin.ping())
    return False
