"""Free ports for one platform, reserved for as long as its supervisor lives.

Ports lie below the kernel's range for outgoing connections, so that nobody takes one by chance while a
stopped server or a refusing link leaves it unbound. A block is reserved by an abstract unix socket:
it excludes every other platform on this network namespace and vanishes with the process that holds it.
"""

from __future__ import annotations

import contextlib
import random
import socket
from dataclasses import dataclass
from pathlib import Path

from sandbox.core.errors import SandboxError

_BLOCK_SIZE = 96
_LOWEST, _HIGHEST = 15_000, 32_000
_RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")


@dataclass(frozen=True, slots=True)
class Reservation:
    """A block of free ports; closing it gives the block back."""

    ports: dict[str, int]
    guard: socket.socket

    def close(self) -> None:
        """Give the block back."""
        self.guard.close()


def reserve(names: tuple[str, ...]) -> Reservation:
    """Reserve one free loopback port for each name; raises SandboxError when there is no room."""
    starts = list(range(_LOWEST, _top() - _BLOCK_SIZE, _BLOCK_SIZE))
    random.shuffle(starts)
    for start in starts:
        guard = _guard(start)
        if guard is None:
            continue
        free = [port for port in range(start, start + _BLOCK_SIZE) if _is_free(port)]
        if len(free) >= len(names):
            return Reservation(ports=dict(zip(names, free, strict=False)), guard=guard)
        guard.close()
    raise SandboxError(
        f"no {len(names)} free ports between {_LOWEST} and {_top()} on 127.0.0.1: "
        "end other platforms (`sandbox down`) or programs that listen there."
    )


def _top() -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return max(
            _LOWEST + 50 * _BLOCK_SIZE, min(_HIGHEST, int(_RANGE_FILE.read_text().split()[0]))
        )
    return _HIGHEST


def _guard(start: int) -> socket.socket | None:
    guard = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        guard.bind(f"\0health-gate-ports-{start}")
    except OSError:
        guard.close()
        return None
    return guard


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
