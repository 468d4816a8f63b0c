from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys

import pytest

from bench import Figure
from bench.load import Measured, NotMeasuredError, Seen, read_hey, read_wrk
from bench.load_sender import Order, Result, sent
from load._engine._null_server import Manners
from tests.checkout import ROOT
from tests.load.wires import null_server

WRK = """Running 1s test @ http://127.0.0.1:18404/
  1 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.43ms    4.38ms  43.87ms   95.47%
  Latency Distribution
     50%   61.00us
     75%    1.19ms
     90%    3.24ms
     99%   28.14ms
  54451 requests in 1.00s, 9.61MB read
Requests/sec:  54222.51
Transfer/sec:      9.57MB
"""
HEY = """
Summary:
  Total:\t2.0114 secs
  Requests/sec:\t183.9480

Latency distribution:
  50% in 0.0005 secs
  99% in 0.0399 secs
"""
RESULT = Result(
    rps=9_990.0, sent=1_000, failed=0, late=1, dropped=0, slowest_second_rps=9_900.0, p50_ms=0.5,
    p99_ms=2.0, p999_ms=5.0, cpu_share=0.2, early_rss_mb=50.0, rss_mb=50.0,
    peak_rss_mb=51.0,
)  # fmt: skip
MEASURED = Measured(
    rounds=(
        {"ours": 60_000, "wrk": 100_000, "hey": 30_000, "fast_http_user": 6_000},
        {"ours": 50_000, "wrk": 100_000, "hey": 50_000, "fast_http_user": 5_000},
    ),
    open_loop=RESULT,
    wrk_p50_ms=0.05,
    mix=RESULT,
    tls=RESULT,
    stalled_p99_s={"ours": 0.9, "fast_http_user": 0.01, "hey": None},
)


def test_what_wrk_and_hey_say_is_read() -> None:
    seen = read_wrk(WRK)
    assert (seen.rps, seen.p50_ms) == (54222.51, 0.061)
    assert seen.p99_s == pytest.approx(0.02814)
    assert read_hey(HEY) == Seen(rps=183.948, p50_ms=0.5, p99_s=0.0399)
    for read in (read_wrk, read_hey):
        with pytest.raises(NotMeasuredError, match="usage"):
            read("usage: …")


def test_the_record_has_the_promised_keys() -> None:
    record = MEASURED.record()
    assert record == {
        "closed_loop_rps": 55_000,
        "vs_fast_http_user": 10,
        "vs_hey": 1.5,
        "vs_wrk": 0.55,
        "open_loop": {
            "target_rps": 10_000, "achieved_rps": 9_990, "late_ratio": 0.001, "dropped": 0,
            "p50_ms": 0.5, "p99_ms": 2.0, "p999_ms": 5.0,
        },
        "mix_rps": 9_990,
        "tls_rps": 9_990,
        "coordinated_omission": {
            "ours_p99_s": 0.9, "fast_http_user_p99_s": 0.01, "hey_p99_s": None,
        },
    }  # fmt: skip


def test_what_was_not_measured_keeps_no_bound() -> None:
    rounds = tuple({**one, "hey": None} for one in MEASURED.rounds)
    without = dataclasses.replace(MEASURED, rounds=rounds)
    assert without.record()["vs_hey"] is None
    (figure,) = (one for one in without.figures() if one.name == "against hey")
    assert not figure.kept
    assert figure.line() == "NONE against hey: not measured (at least 1.5 x)"
    assert figure.record()["value"] is None
    lines = {
        1.5: "ok   speed: 1.5 x (at least 1.5 x)",
        1.49: "LOW  speed: 1.49 x (at least 1.5 x)",
        math.nan: "NONE speed: not measured (at least 1.5 x)",
        20_000: "ok   speed: 20,000 x (at least 1.5 x)",
    }
    speeds = {one: Figure("speed", one, 1.5, "x", at_least=True).line() for one in lines}
    assert speeds == lines


def test_a_closed_loop_ends_with_its_number_of_requests_and_counts_failures() -> None:
    with null_server(Manners(bad_every=2)) as port:
        result = sent(Order(20, f"http://127.0.0.1:{port}", connections=4, requests=500))
    assert result.sent >= 500
    assert result.failed == pytest.approx(result.sent / 2, abs=1)
    assert result.p50_ms <= result.p99_ms <= result.p999_ms


def test_the_mix_is_the_load_tests_own_and_is_answered_and_checked() -> None:
    order = '{"seconds": 0.5, "connections": 4, "mix": true}'
    command = [sys.executable, "-m", "bench.load_sender", order]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["sent"] > 0
    assert result["failed"] == 0
