"""Figures of the load engine: what one process sends to a server that does nothing, beside others."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import trustme

from bench import Figure
from bench.load_sender import Order, Result
from load._generator import null_server
from sandbox.core import SandboxError, binaries

_SPARE_SECONDS = 60.0
_FAST_HTTP = """
import json, sys
from locust import FastHttpUser, constant, constant_throughput, events, task

class Caller(FastHttpUser):
    wait_time = WAIT

    @task
    def home(self):
        self.client.get("/")

@events.quitting.add_listener
def tell(environment, **_):
    total = environment.stats.total
    # Whole seconds alone: neither its start nor its end count against it.
    inner = [count for _, count in sorted(total.num_reqs_per_sec.items())][1:-1]
    p99 = total.get_response_time_percentile(0.99)
    print(json.dumps({"rps": sum(inner) / max(1, len(inner)), "p99_s": p99 / 1000}))
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a generator says of itself."""

    rps: float
    p50_ms: float
    p99_s: float


class NotMeasuredError(Exception):
    """A generator is not to be had here; the text says why."""


def _program(name: str) -> tuple[str, dict[str, str]]:
    """Return a generator and its environment: on the PATH, else a Debian package of its own name.

    Raises NotMeasuredError.
    """
    if found := shutil.which(name):
        return found, dict(os.environ)
    if not binaries.available():
        raise NotMeasuredError(f"{name} is not on the PATH and this is not Debian")
    try:
        tree = binaries.unpack(name, (name,))
        libraries = {"LD_LIBRARY_PATH": binaries.library_path(tree)}
    except (SandboxError, OSError) as exc:
        said = f"{name} is neither on the PATH nor to be had as a package: {exc}"
        raise NotMeasuredError(said) from exc
    return str(tree / "usr" / "bin" / name), {**os.environ, **libraries}


def _ran(command: list[str], seconds: float, environment: dict[str, str] | None = None) -> str:
    try:
        return subprocess.run(  # noqa: S603 - generators, at our own server
            command,
            check=True, capture_output=True, text=True, timeout=seconds + _SPARE_SECONDS,
            env=environment,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError) as exc:
        raise NotMeasuredError(f"{pathlib.Path(command[0]).name} failed: {exc}") from exc


def wrk(url: str, *, connections: int, seconds: int) -> Seen:
    """Let wrk ask from one thread as fast as it can; raises NotMeasuredError."""
    program, environment = _program("wrk")
    flags = ["-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    return read_wrk(_ran([program, *flags, url], seconds, environment))


def read_wrk(said: str) -> Seen:
    """Read what wrk prints; raises NotMeasuredError."""
    return Seen(
        rps=float(_found(r"Requests/sec:\s+([\d.]+)", said)),
        p50_ms=_milliseconds(_found(r"50%\s+([\d.]+[mu]?s)", said)),
        p99_s=_milliseconds(_found(r"99%\s+([\d.]+[mu]?s)", said)) / 1000,
    )


def hey(url: str, *, connections: int, seconds: int, each_rps: int = 0) -> Seen:
    """Let hey ask: as fast as it can, or so often a second from each connection."""
    program, environment = _program("hey")
    limited = ["-q", str(each_rps)] if each_rps else []
    flags = ["-z", f"{seconds}s", "-c", str(connections), *limited]
    return read_hey(_ran([program, *flags, url], seconds, environment))


def read_hey(said: str) -> Seen:
    """Read what hey prints; raises NotMeasuredError."""
    return Seen(
        rps=float(_found(r"Requests/sec:\s+([\d.]+)", said)),
        p50_ms=float(_found(r"50% in ([\d.]+) secs", said)) * 1000,
        p99_s=float(_found(r"99% in ([\d.]+) secs", said)),
    )


def fast_http_user(url: str, *, users: int, seconds: int, each_rps: int = 0) -> Seen:
    """Let Locust's own FastHttpUser ask, headless, in one process, without a wait or so often a second."""
    wait = f"constant_throughput({each_rps})" if each_rps else "constant(0)"
    script = _FAST_HTTP.replace("WAIT", wait)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        file = pathlib.Path(folder) / "fast_http.py"
        file.write_text(script, encoding="utf-8")
        said = _ran(
            [
                sys.executable, "-m", "locust", "-f", str(file), "--headless", "--host", url,
                "-u", str(users), "-r", str(users), "-t", f"{seconds}s", "--only-summary",
                "--loglevel", "CRITICAL",
            ],
            seconds,
        )  # fmt: skip
    told = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    return Seen(rps=told["rps"], p50_ms=0.0, p99_s=told["p99_s"])


def _found(pattern: str, said: str) -> str:
    found = re.search(pattern, said)
    if found is None:
        raise NotMeasuredError(f"no {pattern} in what it said: {said[:200]!r}")
    return found[1]


def _milliseconds(words: str) -> float:
    for unit, factor in (("us", 0.001), ("ms", 1.0), ("s", 1000.0)):
        if words.endswith(unit):
            return float(words.removesuffix(unit)) * factor
    raise NotMeasuredError(f"{words} is not a time")


CONNECTIONS = 64
ROUNDS = 5
ROUND_SECONDS = 4
TARGET_RPS = 10_000.0
OPEN_SECONDS = 30.0
FULL_OPEN_SECONDS = 300.0
MEMORY_SECONDS = 600.0
MANY_REQUESTS = 10_000_000
STALL_SECONDS = 1.0
STALL_EVERY_SECONDS = 10.0
_STALLED_RPS = 200
_STALLED_CALLERS = 10
_PATIENCE_SECONDS = 60.0


By = Mapping[str, float | None]
"""A number of each generator, `ours` among them; None where this machine lacks it."""


@dataclass(frozen=True, slots=True)
class Measured:
    """All that was measured."""

    rounds: tuple[By, ...]
    """Requests a second of everybody's closed loop, one after the other, on the same server."""
    open_loop: Result
    wrk_p50_ms: float | None
    mix: Result
    tls: Result
    stalled_p99_s: By
    """What each says of the 99th percentile at a server that stands still for a second in ten."""
    memory: Result | None = None
    many: Result | None = None

    def median(self, theirs: str = "") -> float | None:
        """Return the median over the rounds of our rate, or of how often it is theirs."""
        values = [
            one["ours"] / over
            for one in self.rounds
            for over in (one[theirs] if theirs else 1,)
            if one["ours"] and over
        ]
        return statistics.median(values) if len(values) == len(self.rounds) else None

    def record(self) -> dict[str, object]:
        """Return it as JSON values."""
        loop = self.open_loop
        return {
            "closed_loop_rps": self.median(),
            **{f"vs_{name}": self.median(name) for name in ("fast_http_user", "hey", "wrk")},
            "open_loop": {
                "target_rps": TARGET_RPS,
                "achieved_rps": loop.rps,
                "late_ratio": loop.late / loop.sent,
                "dropped": loop.dropped,
                "p50_ms": loop.p50_ms,
                "p99_ms": loop.p99_ms,
                "p999_ms": loop.p999_ms,
            },
            "mix_rps": self.mix.rps,
            "tls_rps": self.tls.rps,
            "coordinated_omission": {f"{k}_p99_s": v for k, v in self.stalled_p99_s.items()},
        }

    def figures(self) -> Iterator[Figure]:
        """Yield each figure with its bound."""
        loop, stalled = self.open_loop, self.stalled_p99_s["ours"]
        over_wrk = None if self.wrk_p50_ms is None else loop.p50_ms - self.wrk_p50_ms
        held, slowest = loop.rps / TARGET_RPS * 100, loop.slowest_second_rps / TARGET_RPS * 100
        yield _least("closed loop, one process", self.median(), 20_000, "rps")
        yield _least("against FastHttpUser", self.median("fast_http_user"), 6, "x")
        yield _least("against hey", self.median("hey"), 1.5, "x")
        yield _least("against wrk", self.median("wrk"), 0.5, "x")
        yield _least("open loop at 10,000 rps, of it sent", held, 99.5, "%")
        yield _least("in its slowest second", slowest, 95, "%")
        yield _most("of it late", loop.late / loop.sent * 100, 0.1, "%")
        yield _most("of it dropped", loop.dropped, 0, "requests")
        yield _most("its p50 above wrk's", over_wrk, 1, "ms")
        yield _most("its processor", loop.cpu_share * 100, 80, "% of a core")
        yield _least("mix with bodies and checks", self.mix.rps, 10_000, "rps")
        yield _most("of the mix, failed", self.mix.failed, 0, "requests")
        yield _least("by TLS", self.tls.rps, 6_000, "rps")
        yield _least("p99 at a server that stalls 1 s in 10", stalled, 0.85, "s")
        yield _most("and no more than that", stalled, 1.0, "s")
        if self.memory is not None:
            grown = self.memory.rss_mb / self.memory.early_rss_mb
            yield _most("memory after 10 minutes against after one", grown, 1.05, "x")
        if self.many is not None:
            short = max(0, MANY_REQUESTS - self.many.sent)
            yield _most("memory in a run of ten million", self.many.peak_rss_mb, 200, "MB")
            yield _most("of ten million, not sent", short, 0, "requests")


def _least(name: str, value: float | None, bound: float, unit: str) -> Figure:
    """Return a figure that is not kept where it was not measured."""
    return Figure(name, math.nan if value is None else value, bound, unit, at_least=True)


def _most(name: str, value: float | None, bound: float, unit: str) -> Figure:
    return dataclasses.replace(_least(name, value, bound, unit), at_least=False)


def main(*, output: str, full: bool) -> int:
    """Measure and print; 0 when every figure keeps its bound."""
    measured = measure(full=full)
    figures = list(measured.figures())
    lines = sys.stderr if output == "json" else sys.stdout
    lines.writelines(f"{figure.line()}\n" for figure in figures)
    if output == "json":
        sys.stdout.write(json.dumps(measured.record()) + "\n")
    return 0 if all(figure.kept for figure in figures) else 1


def figures() -> Iterator[Figure]:
    """Yield the figures of the short measurement."""
    yield from measure(full=False).figures()


def measure(*, full: bool) -> Measured:
    """Measure everything: about three minutes, 20 if full."""
    with null_server() as url:
        rounds = tuple(_round(url) for _ in range(ROUNDS))
        at_rest = _others(wrk, url, connections=1, seconds=2)
        seconds = FULL_OPEN_SECONDS if full else OPEN_SECONDS
        open_loop = _sent(Order(seconds, url, rps=TARGET_RPS))
        memory = _sent(Order(MEMORY_SECONDS, url, rps=TARGET_RPS)) if full else None
        many = _sent(_many(url)) if full else None
    return Measured(
        rounds=rounds,
        open_loop=open_loop,
        wrk_p50_ms=None if at_rest is None else at_rest.p50_ms,
        mix=_sent(Order(ROUND_SECONDS * 2, connections=CONNECTIONS, mix=True)),
        tls=_by_tls(),
        stalled_p99_s=_stalled_p99s(),
        memory=memory,
        many=many,
    )


def _round(url: str) -> By:
    at_most = {"connections": CONNECTIONS, "seconds": ROUND_SECONDS}
    users = {"users": CONNECTIONS, "seconds": ROUND_SECONDS + 2}
    told = {
        "ours": _sent(Order(ROUND_SECONDS, url, connections=CONNECTIONS)).rps,
        "wrk": _rps(_others(wrk, url, **at_most)),
        "hey": _rps(_others(hey, url, **at_most)),
        "fast_http_user": _rps(_others(fast_http_user, url, **users)),
    }
    _say(f"closed loop, requests/s: {told}")
    return told


def _rps(seen: Seen | None) -> float | None:
    return None if seen is None else seen.rps


def _many(url: str) -> Order:
    return Order(MEMORY_SECONDS, url, connections=CONNECTIONS, requests=MANY_REQUESTS)


def _by_tls() -> Result:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        authority = trustme.CA()
        trusted, own = pathlib.Path(folder) / "authority.pem", pathlib.Path(folder) / "server.pem"
        authority.cert_pem.write_to_path(trusted)
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(own)
        with null_server((), "--certificate", str(own)) as url:
            order = Order(ROUND_SECONDS, url, connections=CONNECTIONS, authority=str(trusted))
            return _sent(order)


def _stalled_p99s() -> By:
    """Let all three ask the same server at the same time: they see the same stalls."""
    seconds = int(STALL_EVERY_SECONDS * 2)
    manners = (f"--stall-every-seconds={STALL_EVERY_SECONDS}", f"--stall-seconds={STALL_SECONDS}")
    times = {"seconds": seconds, "each_rps": _STALLED_RPS // _STALLED_CALLERS}
    with null_server((), *manners) as url, ThreadPoolExecutor() as at_once:
        ours = at_once.submit(_sent, Order(seconds, url, rps=_STALLED_RPS))
        fast = at_once.submit(_others, fast_http_user, url, users=_STALLED_CALLERS, **times)
        theirs = _others(hey, url, connections=_STALLED_CALLERS, **times)
        seen = {"fast_http_user": fast.result(), "hey": theirs}
        p99s = {name: None if one is None else one.p99_s for name, one in seen.items()}
        return {"ours": ours.result().p99_ms / 1000, **p99s}


def _others(ask: Callable[..., Seen], url: str, **how: int) -> Seen | None:
    try:
        return ask(url, **how)
    except NotMeasuredError as exc:
        _say(f"{ask.__name__} was not measured: {exc}")
        return None


def _sent(order: Order) -> Result:
    """Send from a process of its own."""
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "bench.load_sender", json.dumps(dataclasses.asdict(order))],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=order.seconds + _PATIENCE_SECONDS,
    )
    return Result(**json.loads(done.stdout))


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
