"""Writes samples into a Prometheus, or a VictoriaMetrics, by the remote write protocol (version 1)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

import httpx

Labels = tuple[tuple[str, str], ...]
_CHUNK = 65_536


def write(url: str, series: Mapping[Labels, Sequence[tuple[float, float]]]) -> None:
    """Write the samples of each series; raises httpx.HTTPError where they are not taken."""
    body = _snappy(b"".join(_field(1, _series(*one)) for one in series.items()))
    headers = {
        "Content-Encoding": "snappy",
        "Content-Type": "application/x-protobuf",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }
    answer = httpx.post(f"{url}/api/v1/write", content=body, headers=headers, timeout=30)
    answer.raise_for_status()


def _series(labels: Labels, samples: Iterable[tuple[float, float]]) -> bytes:
    parts = [_field(1, _field(1, k.encode()) + _field(2, v.encode())) for k, v in sorted(labels)]
    for at, value in samples:
        moment = b"\x10" + _varint(round(at * 1000))
        parts.append(_field(2, b"\x09" + struct.pack("<d", value) + moment))
    return b"".join(parts)


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits at a time
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _snappy(data: bytes) -> bytes:
    """Return it in Snappy's block format, as literals: nothing is gained by compressing here."""
    chunks = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
    literals = [b"\xf4" + struct.pack("<H", len(chunk) - 1) + chunk for chunk in chunks]
    return _varint(len(data)) + b"".join(literals)
