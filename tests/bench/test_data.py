"""What the gate's reads cost others: each window is held against its quiet neighbours."""

from __future__ import annotations

import pytest

from bench.data import compared

QUIET, READS = False, True


def test_a_window_with_reads_is_compared_with_the_quiet_ones_beside_it() -> None:
    found = compared([(QUIET, 1.0), (READS, 1.65), (QUIET, 2.0), (READS, 2.2), (QUIET, 2.0)])
    assert found.pairs == 2
    assert found.longer_percent == pytest.approx(10)
    assert found.quiet == 2.0
    assert found.noise_percent == pytest.approx(50)


def test_a_machine_that_gets_slower_all_the_time_or_a_missing_window_is_not_the_reads_fault() -> (
    None
):
    windows = [(bool(number % 2), 1 + number / 100) for number in range(21)]
    assert compared(windows).longer_percent == pytest.approx(0, abs=1e-9)
    found = compared(
        [(QUIET, 1.0), (READS, 5.0), (READS, 1.1), (QUIET, 1.0), (READS, 1.1), (QUIET, 1.0)]
    )
    assert found.pairs == 1
    assert found.longer_percent == pytest.approx(10)
