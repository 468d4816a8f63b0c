"""Figures of the stores: what the gate's reads take, and how little a busy server feels of them.

Postgres counts 5 million rows and their references while pgbench works at half its own maximum; Redis
is asked with a million keys.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import os
import pathlib
import re
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import redis as redis_py
from pydantic import SecretStr

from bench import Figure
from gates.load import load_policy
from probes.observation import Deadline, Observation
from probes.postgres import PostgresTarget, rows
from probes.postgres.rows import Limits, Link, TableToCount
from probes.redis import RedisTarget
from probes.redis import keys as redis_keys
from sandbox.core import binaries
from sandbox.systems.data import postgres
from sandbox.systems.data.redis_server import GATE, gate_line
from settings.data import CountPolicy
from steps.data.reads import paced
from tests.probes.real_servers import running
from tests.probes.servers import closed_port, wait_until

ROWS = 5_000_000
PGBENCH_SECONDS = 15
COMPARED_SECONDS = 240
WINDOW_SECONDS = 4.0
CLIENTS = 4
_SEED = f"""
CREATE TABLE parents (id int PRIMARY KEY);
INSERT INTO parents SELECT generate_series(1, 100000);
CREATE TABLE records (id int PRIMARY KEY, parent_id int NOT NULL, tag text, filler text);
INSERT INTO records
SELECT n, 1 + n % 100000, NULL, repeat('x', 60) FROM generate_series(1, {ROWS}) AS n;
CREATE ROLE reader LOGIN;
GRANT SELECT (id, parent_id, tag, ctid) ON records TO reader;
GRANT SELECT (id, ctid) ON parents TO reader;
"""  # noqa: S608 - a number of ours


@dataclass(frozen=True, slots=True)
class Server:
    """A throwaway Postgres without passwords, on this machine alone."""

    programs: pathlib.Path
    folder: pathlib.Path
    port: int

    @property
    def address(self) -> tuple[str, ...]:
        """Return the options by which its programs find it."""
        return ("--host=127.0.0.1", f"--port={self.port}", "--username=postgres")

    def run(self, program: str, *arguments: str) -> str:
        """Run one of its programs to its end; return what it printed."""
        done = subprocess.run(  # noqa: S603 - our own arguments
            (str(self.programs / program), *arguments),
            user=postgres.ordinary_user(),
            cwd=self.folder,
            env={"LC_ALL": "C", "PATH": os.defpath},
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def pgbench(self, *arguments: str, seconds: int = PGBENCH_SECONDS) -> str:
        """Let pgbench work for a while."""
        load = (f"--client={CLIENTS}", f"--time={seconds}", "--no-vacuum")
        return self.run("pgbench", *self.address, *load, *arguments, "postgres")


@dataclass(frozen=True, slots=True)
class Window:
    """A few seconds with or without the gate's reads."""

    begins: float
    ends: float
    with_reads: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """What the reads cost others."""

    quiet: float
    """p95 in milliseconds while nobody reads."""
    pairs: int
    longer_percent: float
    noise_percent: float
    """By how much it differs by itself from one quiet window to the next."""


@dataclass(frozen=True, slots=True)
class Read:
    """One read of the gate."""

    seconds: float
    answered: bool


def figures() -> Iterator[Figure]:
    """Yield the gate's longest read against its timeout, what it missed, and what it cost others."""
    with _server() as server:
        _seed(server)
        most = float(re.findall(r"tps = ([0-9.]+)", server.pgbench())[0])
        reads: list[Read] = []
        compared = _compared(server, most / 2, reads)
        sys.stderr.write(
            f"pgbench: {most:.0f}/s at most; p95 {compared.quiet:.2f} ms, {compared.pairs} times beside "
            f"reads; without them it differs by {compared.noise_percent:.1f} % from one time to the next\n"
        )
        timeout = _policy().statement_timeout
        longest = max(read.seconds for read in reads)
        yield Figure(f"longest of {len(reads)} reads of 5 million rows", longest, timeout, "s")
        unanswered = sum(not read.answered for read in reads)
        yield Figure("of these reads, without an answer", float(unanswered), 0, "reads")
        yield Figure("pgbench at half its maximum, p95 longer by", compared.longer_percent, 10, "%")
        yield from _exact(server)


def _compared(server: Server, rate: float, reads: list[Read]) -> Compared:
    """Compare pgbench's p95 by itself and beside the reads, in windows of one run that take turns."""
    windows: list[Window] = []
    over = threading.Event()
    reader = threading.Thread(target=_take_turns, args=(server, reads, windows, over))
    reader.start()
    try:
        logged = _transactions(server, rate)
    finally:
        over.set()
        reader.join()
    found: list[tuple[bool, float]] = []
    for window in windows:
        inside = [took for at, took in logged if window.begins <= at < window.ends]
        if len(inside) > rate:
            p95 = statistics.quantiles(inside, n=20)[-1] / 1000
            found.append((window.with_reads, p95))
    return compared(found)


def compared(windows: Sequence[tuple[bool, float]]) -> Compared:
    """Compare each window with reads with the quiet ones right before and after it.

    This machine is faster in one minute than in the next: neighbours share what it does by itself, and
    the median leaves out the moments in which it stalls.
    """
    triples = list(zip(windows, windows[1:], windows[2:], strict=False))
    ratios = [
        2 * beside / (before + after)
        for (first, before), (reads, beside), (last, after) in triples
        if reads and not first and not last
    ]
    quiet = [p95 for with_reads, p95 in windows if not with_reads]
    return Compared(
        quiet=statistics.median(quiet),
        pairs=len(ratios),
        longer_percent=(statistics.median(ratios) - 1) * 100,
        noise_percent=100
        * statistics.median(abs(after / before - 1) for before, after in itertools.pairwise(quiet)),
    )


def _take_turns(
    server: Server, taken: list[Read], windows: list[Window], over: threading.Event
) -> None:
    """Read at the gate's own pace in every other window, and note how long each read took."""
    with_reads = False
    while not over.is_set():
        begins = time.time()
        ends = begins + WINDOW_SECONDS
        while with_reads and time.time() < ends and not over.is_set():
            taken.extend(
                paced(read, _policy().large_reads, lambda _: True, over.wait)
                for read in _reads(server, _limits())
            )
        over.wait(max(0, ends - time.time()))
        windows.append(Window(begins, time.time(), with_reads))
        with_reads = not with_reads


def _policy() -> CountPolicy:
    policy = load_policy().data
    if policy is None:
        raise RuntimeError("gates/policy has no section data")
    return policy.counts


def _exact(server: Server) -> Iterator[Figure]:
    """Yield what counting all of it would take: the reads that the limits spare everybody."""
    everything = Limits(exact_rows=10 * ROWS, exact_megabytes=100_000, sampled_blocks=1600)
    timeout = _policy().statement_timeout
    for read in _reads(server, everything):
        yield Figure("one read of all 5 million rows", read().seconds, timeout + 0.2, "s")


def _reads(server: Server, limits: Limits) -> tuple[Callable[[], Read], ...]:
    target = PostgresTarget(
        "127.0.0.1", server.port, "postgres", "reader", SecretStr(""), sslmode="disable"
    )
    table = TableToCount("records", "id", "tag")
    link = Link("records", "parent_id", "parents", "id")
    seconds = _policy().statement_timeout
    asks = (
        functools.partial(rows.counted, target, table),
        functools.partial(rows.orphans, target, link),
    )
    return tuple(functools.partial(_read, ask, limits, seconds) for ask in asks)


def _read(ask: Callable[..., Observation[Any]], limits: Limits, seconds: float) -> Read:
    begun = time.perf_counter()
    answered = ask(limits, deadline=Deadline.after(seconds)).value is not None
    return Read(time.perf_counter() - begun, answered)


def _limits() -> Limits:
    counts = _policy()
    return Limits(counts.exact_up_to_rows, counts.exact_up_to_mb, counts.sampled_blocks)


def _transactions(server: Server, rate: float) -> list[tuple[float, float]]:
    """Let pgbench work at a rate; return when each transaction ended and its microseconds."""
    # What was written before is on disk then: no checkpoint falls into this measurement.
    with _connected(server) as connection:
        connection.execute(b"CHECKPOINT")
    server.pgbench(f"--rate={rate:.1f}", "--log", seconds=COMPARED_SECONDS)
    lines = [
        line.split()
        for file in server.folder.glob("pgbench_log.*")
        for line in file.read_text().splitlines()
    ]
    return [(int(one[4]) + int(one[5]) / 1_000_000, float(one[2])) for one in lines]


def _seed(server: Server) -> None:
    with _connected(server) as connection:
        connection.execute(_SEED.encode())
        connection.execute(b"VACUUM ANALYZE records")
    server.run("pgbench", "--initialize", "--scale=10", "--quiet", *server.address, "postgres")


def _connected(server: Server) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host="127.0.0.1", port=server.port, user="postgres", dbname="postgres", autocommit=True
    )


@contextlib.contextmanager
def _server() -> Iterator[Server]:
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir="/var/tmp"))
    user = postgres.ordinary_user()
    if user is not None:
        shutil.chown(folder, user)
    server = Server(postgres.programs(), folder, closed_port())
    try:
        data = folder / "data"
        server.run("initdb", f"--pgdata={data}", "--username=postgres", "--auth=trust", "--no-sync")
        settings = (
            "-c fsync=off -c unix_socket_directories= -c max_wal_size=4GB -c shared_buffers=256MB"
        )
        options = f"-p {server.port} {settings}"
        server.run(
            "pg_ctl", "start", "-w", "-D", str(data), "-l", str(folder / "log"), "-o", options
        )
        try:
            yield server
        finally:
            server.run("pg_ctl", "stop", "-m", "immediate", "-D", str(data))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


KEYS = 1_000_000
FLAGS = ("new_ui", "analytics", "triage")
SLOW_MICROSECONDS = 10_000
_PATIENCE_SECONDS = 120.0
_HOST = "127.0.0.1"


def redis_figures() -> Iterator[Figure]:
    """Yield seconds of each question, and the commands over 10 ms in the server's SLOWLOG."""
    with _redis() as (admin, gate):
        _fill(admin)
        admin.slowlog_reset()
        names = [f"feature:{flag}{part}" for flag in FLAGS for part in ("", ":percentage")]
        yield _asked("flags read by name", 1, redis_keys.texts(gate, names, deadline=_deadline()))
        found = redis_keys.key_names(gate, "feature:*", deadline=_deadline())
        yield _asked("flags found among a million keys", 30, found)
        yield Figure("commands over 10 ms in SLOWLOG", float(len(_slow(admin))), 0, "commands")


def _slow(admin: redis_py.Redis) -> list[Any]:
    """Return what the server itself calls slow, but for the benchmark's own orders."""
    logged: list[Any] = admin.slowlog_get(128)
    return [one for one in logged if one["duration"] >= SLOW_MICROSECONDS]


def _asked(name: str, bound_seconds: float, observed: Observation[Any]) -> Figure:
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
def _redis() -> Iterator[tuple[redis_py.Redis, RedisTarget]]:
    """Run a Redis of its own; yield its administrator and the gate's user under the operators' line."""
    binary = binaries.find_redis(lambda _said: None)
    password, port = secrets.token_urlsafe(16), closed_port()
    digest = hashlib.sha256(password.encode()).hexdigest()
    with tempfile.TemporaryDirectory(prefix="bench-redis-") as name:
        folder = pathlib.Path(name)
        line = gate_line(digest, binary.version_numbers)
        access = f"user default on #{digest} ~* &* +@all\n{line}"
        (folder / "users.acl").write_text(access, encoding="utf-8")
        flags = f"--port {port} --bind {_HOST} --aclfile users.acl --save".split()
        argv = [binary.path, *flags, ""]
        with running(argv, folder=folder, environment=binary.environment) as process:
            with contextlib.suppress(OSError):
                # SLOWLOG counts the time on the wall. Other work of a busy machine is not Redis's slowness.
                os.sched_setscheduler(process.pid, os.SCHED_RR, os.sched_param(1))
            with redis_py.Redis(_HOST, port, password=password) as admin:
                wait_until(lambda: _answers(admin), "Redis answers", _PATIENCE_SECONDS)
                admin.config_set("slowlog-log-slower-than", SLOW_MICROSECONDS)
                yield admin, RedisTarget(_HOST, port, 0, GATE, SecretStr(password), tls=False)


def _answers(admin: redis_py.Redis) -> bool:
    with contextlib.suppress(redis_py.exceptions.ConnectionError):
        return bool(admin.ping())
    return False
