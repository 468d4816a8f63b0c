"""The state of an environment: immutable JSON records with their digest, in a folder or an object store.

A record is added once and never changed; whoever reads one proves that it is whole.
"""

from __future__ import annotations

import abc
import contextlib
import errno
import hashlib
import json
import os
import pathlib
import secrets
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from environments.loader import PROJECT, Loaded

DEFAULT = PROJECT / ".gate-state"
"""Where an environment without `state` keeps it: good for one machine."""
CONNECT_SECONDS = 5
READ_SECONDS = 10

T = TypeVar("T")


class StoreError(Exception):
    """The state could not be read or added to; the text says where, why and what to do."""


class DamagedRecordError(StoreError):
    """A record is there and is not what was once written."""


class TakenError(StoreError):
    """There is a record under this key already."""


class Store:
    """The state of one environment."""

    def __init__(self, place: Place) -> None:
        self._place = place

    @property
    def url(self) -> str:
        """Where it is."""
        return self._place.url

    def add(self, key: str, record: Mapping[str, Any]) -> str:
        """Add a record and prove that it can be read; return its address. Raises StoreError."""
        data = {"sha256": digest_of(record), "record": record}
        text = json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
        self._try("added to", key, lambda: self._place.create(key, text.encode()))
        if self.read(key) != json.loads(text)["record"]:
            raise DamagedRecordError(f"{self._at(key)} does not hold what was just written there.")
        return self._at(key)

    def read(self, key: str) -> dict[str, Any]:
        """Return a record; raises DamagedRecordError unless it is whole, StoreError if unreadable."""
        data = self._try("read", key, lambda: self._place.read(key))
        try:
            held = json.loads(data)
            record: dict[str, Any] = held["record"]
            whole = held["sha256"] == digest_of(record) and isinstance(record, dict)
        except (ValueError, KeyError, TypeError, RecursionError):
            whole = False
        if not whole:
            raise DamagedRecordError(
                f"{self._at(key)} is damaged: it does not match its digest. Find out who changed it, "
                "move it elsewhere, then ask again: what is asked again adds a new record."
            )
        return record

    def newest_first(self, folder: str) -> list[str]:
        """Return the keys of a folder's records, the newest run first; raises StoreError."""
        names = self._try("read", folder, lambda: self._place.names(folder))
        found = sorted((name for name in names if name.endswith(".json")), reverse=True)
        return [f"{folder}/{name}" for name in found]

    def _try(self, done: str, key: str, call: Callable[[], T]) -> T:
        """Call; whatever a file system or a client library raises becomes one sentence."""
        try:
            return call()
        except FileExistsError as exc:
            raise TakenError(
                f"{self._at(key)} cannot be {done}: there is a record already. Run again."
            ) from exc
        except Exception as exc:
            why = exc.strerror if isinstance(exc, OSError) and exc.strerror else type(exc).__name__
            raise StoreError(
                f"{self._at(key)} cannot be {done}: {why}. Fix the environment's state.url or the "
                "rights there, then run again."
            ) from exc

    def _at(self, key: str) -> str:
        return f"{self.url}/{key}"


def store_of(loaded: Loaded) -> Store:
    """Return the state of an environment, in this checkout where it names none."""
    section = loaded.settings.state
    if section is None:
        return Store(Folder(DEFAULT))
    if "://" in section.url:
        return Store(Objects(section.url, section.endpoint))
    return Store(Folder(loaded.path.parent / section.url))


class Place(abc.ABC):
    """Bytes by key; every method may raise whatever its medium raises."""

    url: str

    @abc.abstractmethod
    def create(self, key: str, data: bytes) -> None:
        """Keep data under a key that nobody has used; a key in use is refused."""

    @abc.abstractmethod
    def read(self, key: str) -> bytes:
        """Return the data of a key."""

    @abc.abstractmethod
    def names(self, folder: str) -> list[str]:
        """Return the names in a folder; none where there is no such folder."""


class Folder(Place):
    """A folder of this machine, or one that it has mounted."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self.url = str(path)

    def create(self, key: str, data: bytes) -> None:
        """Write beside, then link: the record appears whole, on disk, and only if there is none."""
        path = self._own(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with beside.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.link(beside, path)
        finally:
            beside.unlink(missing_ok=True)

    def read(self, key: str) -> bytes:
        """Read the file."""
        return self._own(key).read_bytes()

    def names(self, folder: str) -> list[str]:
        """List the folder."""
        with contextlib.suppress(FileNotFoundError):
            return [path.name for path in self._own(folder).iterdir()]
        return []

    def _own(self, key: str) -> pathlib.Path:
        """Return the path of a key; raises OSError where a link leads to what another folder keeps."""
        path = self._path
        for part in pathlib.PurePath(key).parts:
            path /= part
            if path.is_symlink():
                raise OSError(
                    errno.ELOOP, f"{path.name} is a symbolic link, records are real files"
                )
        return path


class Objects(Place):
    """An object store, through fsspec and its driver for the address."""

    def __init__(self, url: str, endpoint: str | None) -> None:
        self.url = url
        self._endpoint = endpoint
        self._opened: tuple[Any, str] | None = None

    def _key(self, key: str) -> tuple[Any, str]:
        if self._opened is None:
            # Imported late: a driver takes a second, and most environments need none.
            from fsspec.core import url_to_fs  # noqa: PLC0415 - see above

            try:
                self._opened = url_to_fs(self.url, **self._options())
            except (ValueError, ImportError) as exc:
                why = "nothing is installed that opens such an address; use a folder or s3://"
                raise OSError(errno.EPROTONOSUPPORT, why) from exc
        file_system, root = self._opened
        return file_system, f"{root}/{key}"

    def _options(self) -> dict[str, Any]:
        if not self.url.startswith("s3://"):
            return {}
        retries = {"max_attempts": 1}
        times = {"connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS}
        client = {} if self._endpoint is None else {"endpoint_url": self._endpoint}
        return {
            "client_kwargs": client,
            "config_kwargs": {**times, "retries": retries},
            "use_listings_cache": False,
        }

    def create(self, key: str, data: bytes) -> None:
        """Put the object unless there is one."""
        file_system, path = self._key(key)
        file_system.pipe_file(path, data, mode="create")

    def read(self, key: str) -> bytes:
        """Get the object."""
        file_system, path = self._key(key)
        data: bytes = file_system.cat_file(path)
        return data

    def names(self, folder: str) -> list[str]:
        """List the prefix."""
        file_system, path = self._key(folder)
        try:
            found: list[str] = file_system.ls(path, detail=False)
        except FileNotFoundError:
            return []
        return [name.rpartition("/")[2] for name in found]


def digest_of(record: object) -> str:
    """Return the SHA-256 of a record, whatever the order of its keys."""
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
