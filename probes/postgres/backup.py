"""A backup made by `pg_dump --format=custom`: its table of contents, and whether it can be read to its end.

`pg_restore` does both, from a pipe and into nothing: no database is asked and no row leaves the process.
Names of tables are read from the bytes themselves, as its print does not tell where a name ends.
The table of contents stands at the beginning, so it alone does not show that the end is missing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
import os
import re
import subprocess
import threading
from collections.abc import Callable
from typing import IO, Any, Final

from probes import files
from probes.observation import EVERYTHING, Deadline, Observation, Shown

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
class Contents(Shown):
    """What a backup holds."""

    KEPT = EVERYTHING  # names of tables, and of no row

    tables: tuple[str, ...]
    """`schema.table` of every table whose rows it holds."""
    listed: bool
    """Whether pg_restore could read the table of contents."""
    whole: bool | None = None
    """Whether every block could be read; None when that was not asked."""
    sha256: str | None = None
    """Of the file, where it was read to its end."""
    ends: bool | None = None
    """Whether it ends as a dump does; None where all of it was to be read."""
    database: str | None = None
    created_at: dt.datetime | None = None
    """When the dump began, by the clock on the wall where it was made: its time zone is not kept."""


def table_of_contents(data: bytes) -> Contents:
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

    def toc(self) -> Contents:
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
        return Contents(tables, listed=True, database=database or "", created_at=created_at)

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


_TOO_OLD: Final = re.compile(
    rb"unsupported version|not support compression|compression not supported in this"
)
"""What a pg_restore says of a sound backup by a newer pg_dump, or one built with more libraries."""
_OWN_WORDS: Final = re.compile(rb"^\S*pg_restore\S*: ", re.MULTILINE)
_REFUSED: Final = 1
"""How pg_restore ends when it can't go on with a backup; a shell, a linker or a kill end otherwise."""
_END: Final = bytes(5)
"""How a dump ends, in tar as well: a block of data of length 0, written as a sign and four bytes."""
_CHUNK_BYTES: Final = 256 * 1024
_MOST_TOC_BYTES: Final = 64 * 1024 * 1024
"""A table of contents holds every definition of the database, and no row."""
_STOP_SECONDS: Final = 2


def contents(
    address: str, program: str, *, whole: bool, deadline: Deadline
) -> Observation[Contents]:
    """Read a backup's table of contents, and with `whole` every block of it, to throw it away."""

    def ask() -> Contents:
        listing = Reading(address, (program, "--list"), deadline)
        if listing.run() != 0:
            return Contents((), listed=False)
        listed = _listed(address, bytes(listing.head))
        if not whole:
            # What a killed pg_dump leaves has its table of contents, and breaks off somewhere.
            ends = files.last_bytes(address, len(_END), deadline) == _END
            return dataclasses.replace(listed, ends=ends)
        reading = Reading(address, (program, "--file=/dev/null"), deadline)
        ended = reading.run()
        return dataclasses.replace(listed, whole=ended == 0, sha256=reading.sha256)

    return files.observed("backup", address, ask)


def _listed(address: str, head: bytes) -> Contents:
    try:
        return table_of_contents(head)
    except NotAnArchiveError as exc:
        raise files.our_fault(
            f"pg_restore reads the table of contents of {address}, the gate does not ({exc}); make it "
            "with pg_dump --format=custom of PostgreSQL 10 to 18"
        ) from exc


@dataclasses.dataclass
class Reading:
    """One run of pg_restore over a file that is fed to it; `take` reads what it writes."""

    address: str
    argv: tuple[str, ...]
    deadline: Deadline
    take: Callable[[IO[bytes]], None] | None = None

    def __post_init__(self) -> None:
        self._digest = hashlib.sha256()
        self._fed = False
        self._broke: Exception | None = None
        self.head = bytearray()
        """The beginning of what was fed, 64 MB at most; the table of contents stands there."""

    @property
    def sha256(self) -> str | None:
        """The file's digest, if all of it was fed."""
        return self._digest.hexdigest() if self._fed else None

    def run(self) -> int:
        """Return how the program ended; raises OSError, TimeoutError and the store's."""
        with files.open_stream(self.address, self.deadline) as stream:
            process = self._start()
            feeder = threading.Thread(target=self._feed, args=(stream, process.stdin), daemon=True)
            feeder.start()
            # From here on the pipe is the feeder's to close.
            process.stdin = None
            out, process.stdout = process.stdout, None
            taker = threading.Thread(target=self._taken, args=(out,), daemon=True)
            taker.start()
            try:
                _, said = process.communicate(timeout=self.deadline.remaining_seconds())
            except subprocess.TimeoutExpired as exc:
                process.kill()
                process.communicate()
                raise TimeoutError("the backup could not be read in time") from exc
            finally:
                feeder.join(_STOP_SECONDS)
                taker.join(_STOP_SECONDS)
        if taker.is_alive():
            raise TimeoutError("what the backup holds could not be taken in time")
        if self._broke is not None:
            # Half a file from a store that broke off says nothing of the backup.
            raise self._broke
        if process.returncode != 0:
            self._blame(process.returncode, said)
        return process.returncode

    def _blame(self, code: int, said: bytes) -> None:
        """Raise the gate's own fault where a program that failed says nothing of the backup itself."""
        program = self.argv[0]
        if _TOO_OLD.search(said):
            raise files.our_fault(
                f"{program} here is older than the pg_dump that wrote it, or built without its "
                "compression; install the version of the server"
            )
        if code != _REFUSED or not _OWN_WORDS.search(said):
            raise files.our_fault(
                f"{program} does not work here: it ended with {code} and no word on the backup; run it "
                "with --list by hand to see why"
            )

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603 - the program is the environment's, no shell reads it
                self.argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if self.take else subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={"LC_ALL": "C", "TZ": "UTC", "PATH": os.environ.get("PATH", os.defpath)},
            )
        except OSError as exc:
            raise files.our_fault(f"{self.argv[0]} can't be run here; install it") from exc

    def _taken(self, out: IO[Any] | None) -> None:
        if out is None or self.take is None:
            return
        try:
            with out:
                self.take(out)
        except Exception as exc:  # noqa: BLE001 - of what is half taken nothing may be believed
            self._broke = exc

    def _feed(self, stream: IO[bytes], pipe: IO[Any] | None) -> None:
        if pipe is None:
            return
        # A program that has seen enough closes the pipe; how it ended says what it thought of the file.
        with contextlib.suppress(OSError, ValueError), pipe:
            while chunk := self._read(stream):
                self._digest.update(chunk)
                self.head += chunk[: _MOST_TOC_BYTES - len(self.head)]
                pipe.write(chunk)
            self._fed = self._broke is None

    def _read(self, stream: IO[bytes]) -> bytes:
        """Return the next bytes; none at the end, and none of a store that breaks off, which is kept."""
        try:
            return stream.read(_CHUNK_BYTES)
        except Exception as exc:  # noqa: BLE001 - stores raise their clients' own exceptions
            self._broke = exc
            return b""
