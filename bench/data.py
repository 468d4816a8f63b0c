"""Figures of counting: 5 million rows and their references, while pgbench works at half its own maximum."""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import psycopg
from pydantic import SecretStr

from bench.figure import Figure
from gates.load import load_policy
from probes.observation import Deadline
from probes.postgres import PostgresTarget, rows
from probes.postgres.rows import Limits, Link, TableToCount
from sandbox.systems.data import postgres
from settings.data import CountPolicy
from steps.data.reads import paced
from tests.probes.servers import closed_port

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
        where = ("--host=127.0.0.1", f"--port={self.port}", "--username=postgres")
        load = (f"--client={CLIENTS}", f"--time={seconds}", "--no-vacuum")
        return self.run("pgbench", *where, *load, *arguments, "postgres")


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
                paced(_timed(read), _policy().large_reads, lambda _: True, over.wait)
                for read in _reads(server, _limits())
            )
        over.wait(max(0, ends - time.time()))
        windows.append(Window(begins, time.time(), with_reads))
        with_reads = not with_reads


def _timed(read: Callable[[], bool]) -> Callable[[], Read]:
    def timed() -> Read:
        begun = time.perf_counter()
        answered = read()
        return Read(time.perf_counter() - begun, answered)

    return timed


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
        begun = time.perf_counter()
        read()
        yield Figure(
            "one read of all 5 million rows", time.perf_counter() - begun, timeout + 0.2, "s"
        )


def _reads(server: Server, limits: Limits) -> tuple[Callable[[], bool], ...]:
    target = PostgresTarget(
        "127.0.0.1", server.port, "postgres", "reader", SecretStr(""), sslmode="disable"
    )
    table = TableToCount("records", "id", "tag")
    link = Link("records", "parent_id", "parents", "id")
    seconds = _policy().statement_timeout
    return (
        lambda: (
            rows.counted(target, table, limits, deadline=Deadline.after(seconds)).value is not None
        ),
        lambda: (
            rows.orphans(target, link, limits, deadline=Deadline.after(seconds)).value is not None
        ),
    )


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
