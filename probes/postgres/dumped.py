"""How many rows of each table a backup holds, and some of their keys, to find them again in a database.

Nothing else of a row is kept, and no key leaves the process but as a question to the database itself.
"""

from __future__ import annotations

import dataclasses
import heapq
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Final

from probes import files
from probes.observation import Deadline, Observation
from probes.postgres.backup import Reading

Wanted = Mapping[str, tuple[str, str | None]]
"""By `schema.table`: the column of its keys, and the one that tells synthetic rows, if any."""


@dataclasses.dataclass(slots=True)
class DumpedTable:
    """The rows of one table in a backup; its keys are private."""

    rows: int = 0
    """Synthetic ones left out."""
    synthetic: int = 0
    sample: list[tuple[int, bytes]] = dataclasses.field(default_factory=list, repr=False)
    """A heap of the keys whose checksums are the smallest, so the same ones at each reading."""

    def add(self, key: bytes) -> None:
        """Count a row."""
        self.rows += 1
        # What COPY writes with a backslash would have to be undone first; other keys are as good.
        if b"\\" not in key:
            add = heapq.heappush if len(self.sample) < SAMPLED_KEYS else heapq.heappushpop
            add(self.sample, (-zlib.crc32(key), key))

    @property
    def keys(self) -> list[str]:
        """Return the sampled keys."""
        return [key.decode("utf-8", "replace") for _, key in self.sample]


@dataclasses.dataclass(frozen=True, slots=True)
class Dumped:
    """What a backup holds of some tables."""

    sha256: str
    """Of the file."""
    tables: Mapping[str, DumpedTable]
    """By `schema.table`; one that is not among them is not in the backup, or not as COPY."""

    def facts(self) -> Mapping[str, object]:
        """Return digest and numbers of rows."""
        return {
            "sha256": self.sha256,
            "rows": {name: one.rows for name, one in self.tables.items()},
        }


SAMPLED_KEYS: Final = 200
_COPY: Final = re.compile(rb"COPY (\S.*?) \((.*)\) FROM stdin;\n")
_COLUMN: Final = re.compile(rb'"(?:[^"]|"")+"|[^", ]+')
_END_OF_COPY, _NULL = b"\\.\n", b"\\N"


def dumped(
    address: str, program: str, tables: Wanted, *, deadline: Deadline
) -> Observation[Dumped]:
    """Count a backup's rows of these tables.

    All of the backup is read, line by line, and nothing is kept but numbers and some keys.
    """

    def ask() -> Dumped:
        found: dict[str, DumpedTable] = {}

        argv = (program, "--data-only", "--file=-")
        reading = Reading(address, argv, deadline, lambda lines: take(lines, tables, found))
        ended = reading.run()
        if ended != 0 or reading.sha256 is None:
            raise files.our_fault(
                f"{program} does not read {address} to its end; see what D1.1-1 says"
            )
        return Dumped(reading.sha256, found)

    return files.observed("backup", address, ask)


def take(lines: Iterable[bytes], tables: Wanted, found: dict[str, DumpedTable]) -> None:
    """Count into `found` what pg_restore writes of these tables."""
    lines = iter(lines)
    for line in lines:
        head = _COPY.fullmatch(line)
        if head is not None:
            _take_rows(lines, _unquoted(head[1]), head[2], tables, found)


def _take_rows(
    lines: Iterable[bytes],
    name: str,
    columns: bytes,
    tables: Wanted,
    found: dict[str, DumpedTable],
) -> None:
    """Take one COPY to its end: a row of it may look like anything, the beginning of another one too."""
    names = [_unquoted(one) for one in _COLUMN.findall(columns)]
    key, synthetic = tables.get(name, ("", None))
    table = found.setdefault(name, DumpedTable()) if key in names else None
    for line in lines:
        if line == _END_OF_COPY:
            return
        if table is not None:
            values = line.rstrip(b"\n").split(b"\t")
            if synthetic in names and values[names.index(synthetic)] != _NULL:
                table.synthetic += 1
            else:
                table.add(values[names.index(key)])


def _unquoted(name: bytes) -> str:
    return name.decode("utf-8", "replace").replace('"', "")
