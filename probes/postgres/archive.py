"""The table of contents of a `pg_dump` archive, custom or tar, as its bytes tell it.

`pg_restore --list` prints names with blanks bare, and turns a newline in one into a blank, so its lines
do not tell where a name ends. The format is that of PostgreSQL's pg_backup_archiver.c: an integer is a
sign byte and `int_size` bytes, the lowest first; a text is its length and its bytes, -1 for none.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Final

_MAGIC: Final = b"PGDMP"
_OLDEST, _TABLE_AM, _COMPRESSION_BYTE, _RELKIND = (1, 12), (1, 14), (1, 15), (1, 16)
"""Of PostgreSQL 9.0, 12, 16 and 17: what a version added to the format."""
_CUSTOM: Final = 1
_TAR_BLOCK: Final = 512
_TAR_SIZE: Final = slice(124, 136)
_MOST_ENTRIES: Final = 1_000_000


class NotAnArchiveError(ValueError):
    """The bytes are no table of contents that this module can read."""


@dataclasses.dataclass(frozen=True, slots=True)
class Toc:
    """What the head of an archive says of it."""

    database: str
    created_at: dt.datetime
    """By the clock on the wall where it was made: its time zone is not kept."""
    tables: tuple[str, ...]
    """`schema.table` of every table whose rows it holds."""


def toc(data: bytes) -> Toc:
    """Return the table of contents at the beginning of an archive; raises NotAnArchiveError."""
    if not data.startswith(_MAGIC):
        data = _first_of_tar(data)
    try:
        return _Reader(data).toc()
    except (IndexError, ValueError, OverflowError) as exc:
        raise NotAnArchiveError(str(exc)) from exc


def _first_of_tar(data: bytes) -> bytes:
    """Return `toc.dat`, which pg_dump writes first into a tar."""
    if not data.startswith(b"toc.dat\0") or len(data) < _TAR_BLOCK:
        raise NotAnArchiveError("neither a custom archive nor a tar of one")
    try:
        size = int(data[_TAR_SIZE].strip(b" \0"), 8)
    except ValueError as exc:
        raise NotAnArchiveError("a damaged tar") from exc
    return data[_TAR_BLOCK : _TAR_BLOCK + size]


class _Reader:
    """Reads one value after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = len(_MAGIC)
        self._version = (self._byte(), self._byte())
        self._byte()  # revision
        self._int_size, self._offset_size, self._format = (self._byte() for _ in range(3))

    def toc(self) -> Toc:
        """Return all of it; raises IndexError, ValueError or OverflowError where it breaks off or lies."""
        if not self._data.startswith(_MAGIC) or self._version < _OLDEST:
            raise ValueError(f"archive format {self._version} is not supported")
        self._byte() if self._version >= _COMPRESSION_BYTE else self._integer()
        second, minute, hour, day, month, year, _ = (self._integer() for _ in range(7))
        created_at = dt.datetime(
            year + 1900, month + 1, day, hour, minute, min(second, 59), tzinfo=dt.UTC
        )
        database, _, _ = (self._text() for _ in range(3))
        count = self._integer()
        if not 0 <= count <= _MOST_ENTRIES:
            raise ValueError(f"{count} entries")
        entries = [self._entry() for _ in range(count)]
        tables = tuple(name for kind, name in entries if kind == "TABLE DATA")
        return Toc(database or "", created_at, tables)

    def _entry(self) -> tuple[str | None, str]:
        """Return what an entry describes, and its name with its schema."""
        self._integer(), self._integer()  # its number; whether it has data
        _, _, tag, kind = (self._text() for _ in range(4))
        self._integer()  # section
        _, _, _, schema, _ = (self._text() for _ in range(5))
        if self._version >= _TABLE_AM:
            self._text()
        if self._version >= _RELKIND:
            self._integer()
        self._text(), self._text()  # owner; whether it has oids
        while self._text() is not None:
            pass  # what it depends on
        self._take(1 + self._offset_size) if self._format == _CUSTOM else self._text()
        return kind, f"{schema}.{tag}"

    def _take(self, count: int) -> bytes:
        end = self._at + count
        if count < 0 or end > len(self._data):
            raise IndexError("the table of contents breaks off")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def _byte(self) -> int:
        return self._take(1)[0]

    def _integer(self) -> int:
        sign = self._byte()
        value = int.from_bytes(self._take(self._int_size), "little")
        return -value if sign else value

    def _text(self) -> str | None:
        length = self._integer()
        return None if length < 0 else self._take(length).decode("utf-8", "replace")
