"""Figures of counting: 5 million rows and their references, while pgbench works at half its own maximum."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
from pydantic import SecretStr

from bench.figure import Figure
from gates.load import load_policy
from probes import rows
from probes.observation import Deadline
from probes.postgres import PostgresTarget
from probes.rows import Limits, Link, TableToCount
from sandbox import postgres

ROWS = 5_000_000
PGBENCH_SECONDS = 10
ROUNDS = 5
CLIENTS = 4
READ_EVERY_SECONDS = 1.0
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

    def pgbench(self, *arguments: str) -> str:
        """Let pgbench work for a while."""
        where = ("--host=127.0.0.1", f"--port={self.port}", "--username=postgres")
        load = (f"--client={CLIENTS}", f"--time={PGBENCH_SECONDS}", "--no-vacuum")
        return self.run("pgbench", *where, *load, *arguments, "postgres")


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
        quiet, busy = _compared(server, most / 2, reads)
        sys.stderr.write(
            f"pgbench: {most:.0f}/s at most; p95 {quiet:.2f} ms, meanwhile {busy:.2f} ms\n"
        )
        timeout = _timeout_seconds()
        longest = max(read.seconds for read in reads)
        yield Figure(f"longest of {len(reads)} reads of 5 million rows", longest, timeout, "s")
        unanswered = sum(not read.answered for read in reads)
        yield Figure("of these reads, without an answer", float(unanswered), 0, "reads")
        yield Figure(
            "pgbench at half its maximum, p95 longer by", (busy / quiet - 1) * 100, 10, "%"
        )
        yield from _exact(server)


def _compared(server: Server, rate: float, reads: list[Read]) -> tuple[float, float]:
    """Return pgbench's p95 by itself and beside the reads: medians of rounds that take turns."""
    quiet, busy = [], []
    for _ in range(ROUNDS):
        quiet.append(_p95_milliseconds(server, rate))
        with _reading(server, reads):
            busy.append(_p95_milliseconds(server, rate))
    return statistics.median(quiet), statistics.median(busy)


def _exact(server: Server) -> Iterator[Figure]:
    """Yield what counting all of it would take: the reads that the limits spare everybody."""
    everything = Limits(exact_rows=10 * ROWS, exact_megabytes=100_000, sampled_blocks=1600)
    timeout = _timeout_seconds()
    for read in _reads(server, everything):
        begun = time.perf_counter()
        read()
        yield Figure(
            "one read of all 5 million rows", time.perf_counter() - begun, timeout + 0.2, "s"
        )


def _timeout_seconds() -> float:
    policy = load_policy().data
    return policy.counts.statement_timeout if policy is not None else 0.0


def _reads(server: Server, limits: Limits) -> tuple[Callable[[], bool], ...]:
    target = PostgresTarget(
        "127.0.0.1", server.port, "postgres", "reader", SecretStr(""), sslmode="disable"
    )
    table = TableToCount("records", "id", "tag")
    link = Link("records", "parent_id", "parents", "id")
    seconds = _timeout_seconds()
    return (
        lambda: (
            rows.counted(target, table, limits, deadline=Deadline.after(seconds)).value is not None
        ),
        lambda: (
            rows.orphans(target, link, limits, deadline=Deadline.after(seconds)).value is not None
        ),
    )


@contextlib.contextmanager
def _reading(server: Server, taken: list[Read]) -> Iterator[None]:
    """Read as the gate does, once a second, and note how long each read took."""
    policy = load_policy().data
    if policy is None:
        raise RuntimeError("gates/policy has no section data")
    counts = policy.counts
    limits = Limits(counts.exact_up_to_rows, counts.exact_up_to_mb, counts.sampled_blocks)
    over = threading.Event()

    def read_on() -> None:
        while not over.is_set():
            for read in _reads(server, limits):
                begun = time.perf_counter()
                answered = read()
                taken.append(Read(time.perf_counter() - begun, answered))
            over.wait(READ_EVERY_SECONDS)

    reader = threading.Thread(target=read_on)
    reader.start()
    try:
        yield
    finally:
        over.set()
        reader.join()


def _p95_milliseconds(server: Server, rate: float) -> float:
    # What was written before is on disk then: no checkpoint falls into this measurement alone.
    with _connected(server) as connection:
        connection.execute(b"CHECKPOINT")
    for old in server.folder.glob("pgbench_log.*"):
        old.unlink()
    server.pgbench(f"--rate={rate:.1f}", "--log")
    microseconds = [
        float(line.split()[2])
        for file in server.folder.glob("pgbench_log.*")
        for line in file.read_text().splitlines()
    ]
    return statistics.quantiles(microseconds, n=20)[-1] / 1000


def _seed(server: Server) -> None:
    with _connected(server) as connection:
        connection.execute(_SEED.encode())
        connection.execute(b"VACUUM ANALYZE records")
    initialise = (
        "--initialize",
        "--scale=10",
        "--quiet",
        "--host=127.0.0.1",
        "--username=postgres",
    )
    server.run("pgbench", *initialise, f"--port={server.port}", "postgres")


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
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = Server(postgres.programs(), folder, free.getsockname()[1])
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
