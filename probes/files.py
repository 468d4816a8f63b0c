"""Files of other tools: by path or address (`s3://…`) through fsspec, and the evidence that they leave.

The machine's own credentials are used; an address holds none. What evidence says is the caller's.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import fnmatch
import functools
import os
import pathlib
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import IO, Any, Final

from pydantic import SecretStr

from probes import api, http, observation
from probes.observation import (
    Deadline,
    Document,
    Failure,
    FailureKind,
    FoundError,
    Observation,
    PhaseClock,
    V,
)

MAX_BYTES: Final = 8 * 1024 * 1024
MAX_ENTRIES: Final = 10_000


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One file of a listing."""

    name: str
    address: str
    """Where it can be opened."""
    size: int
    modified_at: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder that match a pattern, the newest first."""

    entries: tuple[Entry, ...]

    def facts(self) -> Mapping[str, object]:
        """Return name, size and time of the newest ones."""
        newest = self.entries[:20]
        shown = [
            {"name": one.name, "size": one.size, "at": one.modified_at.isoformat()}
            for one in newest
        ]
        return {"count": len(self.entries), "newest": shown}


@dataclasses.dataclass(frozen=True, slots=True)
class Content:
    """A whole file; what it says is private."""

    data: bytes = dataclasses.field(repr=False)
    modified_at: dt.datetime

    def facts(self) -> Mapping[str, object]:
        """Return size and time."""
        return {"size": len(self.data), "modified_at": self.modified_at.isoformat()}


def listing(location: str, pattern: str, *, deadline: Deadline) -> Observation[Listing]:
    """List the files of a folder whose names match, without those of folders below it."""

    def ask() -> Listing:
        filesystem, path = _filesystem(location, deadline)
        found = [one for one in filesystem.ls(path, detail=True) if one["type"] == "file"]
        if len(found) > MAX_ENTRIES:
            raise our_fault(
                f"{location} holds more than {MAX_ENTRIES:,} files; name a folder with fewer, or move "
                "old backups away"
            )
        entries = [_entry(filesystem, one) for one in found]
        matching = [one for one in entries if fnmatch.fnmatchcase(one.name, pattern)]
        return Listing(tuple(sorted(matching, key=lambda one: one.modified_at, reverse=True)))

    return observed("files", f"{location}/{pattern}", ask)


def content(location: str, *, deadline: Deadline) -> Observation[Content]:
    """Read a whole file of at most 8 MB."""

    def ask() -> Content:
        filesystem, path = _filesystem(location, deadline)
        about = filesystem.info(path)
        with filesystem.open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise OSError("too large")
        return Content(data, _modified_at(filesystem, about))

    return observed("files", location, ask)


def open_stream(location: str, deadline: Deadline) -> IO[bytes]:
    """Open a file for reading from its beginning; raises OSError and what the store's client raises."""
    filesystem, path = _filesystem(location, deadline)
    stream: IO[bytes] = filesystem.open(path, "rb")
    return stream


def last_bytes(location: str, count: int, deadline: Deadline) -> bytes:
    """Return how a file ends; raises as open_stream does."""
    filesystem, path = _filesystem(location, deadline)
    data: bytes = filesystem.tail(path, count)
    return data


def observed(probe: str, location: str, ask: Callable[[], V]) -> Observation[V]:
    """Return what `ask` brings from a store, or the failure that its exception means."""

    def measured(clock: PhaseClock) -> V:
        clock.enter("read")
        return ask()

    return observation.observed(
        probe, location, measured, lambda exc: _failure(location, exc), phases=["read"]
    )


def _filesystem(location: str, deadline: Deadline) -> tuple[Any, str]:
    import fsspec  # noqa: PLC0415 - heavy, and not every run reads files

    options: dict[str, Any] = {}
    if location.startswith("s3://"):
        seconds = max(0.5, deadline.remaining_seconds() / 2)
        options["config_kwargs"] = {
            "connect_timeout": seconds,
            "read_timeout": seconds,
            "retries": {"max_attempts": 1},
        }
        # What was listed a moment ago may be gone, or be there by now.
        options["use_listings_cache"] = False
        options["skip_instance_cache"] = True
        options["session"] = _session()
    filesystem, path = fsspec.core.url_to_fs(location, **options)
    return filesystem, path


def _session() -> Any:
    """Return a session of its own credentials: only the descriptions of Amazon's services are shared."""
    from aiobotocore.session import AioSession  # noqa: PLC0415 - heavy, as above

    session = AioSession()
    session.register_component("data_loader", _descriptions())
    return session


@functools.cache
def _descriptions() -> Any:
    """Return what reads the services' descriptions, once in a process: a tenth of a second each time."""
    from botocore.loaders import create_loader  # noqa: PLC0415 - heavy, as above

    return create_loader(os.environ.get("AWS_DATA_PATH"))


def _entry(filesystem: Any, about: Mapping[str, Any]) -> Entry:
    address = filesystem.unstrip_protocol(about["name"])
    name = str(about["name"]).rpartition("/")[2]
    return Entry(name, address, int(about["size"]), _modified_at(filesystem, about))


def _modified_at(filesystem: Any, about: Mapping[str, Any]) -> dt.datetime:
    moment = about.get("mtime") or about.get("LastModified")
    if isinstance(moment, int | float):
        return dt.datetime.fromtimestamp(moment, dt.UTC)
    found = moment or filesystem.modified(about["name"])
    if not isinstance(found, dt.datetime):
        raise OSError("the store does not say when a file was written")
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def our_fault(sentence: str) -> FoundError:
    """Return what to raise where a file's reader is missing here; the sentence has nothing of the file."""
    return FoundError(FailureKind.OUR_FAULT, f"{sentence}.")


_MEANINGS: Final[Mapping[type[Exception], tuple[FailureKind, str]]] = {
    FileNotFoundError: (FailureKind.UNUSABLE_ANSWER, "there is nothing of that name"),
    NotADirectoryError: (FailureKind.UNUSABLE_ANSWER, "there is nothing of that name"),
    PermissionError: (FailureKind.FORBIDDEN, "the gate may not read it"),
    TimeoutError: (FailureKind.TIMEOUT, "it gave no answer in time"),
    ImportError: (FailureKind.OUR_FAULT, "the library for such addresses is not installed"),
    ValueError: (FailureKind.OUR_FAULT, "it is not an address that the gate knows"),
}


def _failure(location: str, exc: Exception) -> Failure:
    """Return what an exception of a store means; its text may name anything and is not kept."""
    unknown = (FailureKind.SERVER_ERROR, f"it can't be read ({type(exc).__name__})")
    means = (meaning for known, meaning in _MEANINGS.items() if isinstance(exc, known))
    kind, sentence = next(means, unknown)
    return Failure(kind, f"{location}: {sentence}.")


MAX_EVIDENCE_BYTES: Final = 1_048_576


@dataclasses.dataclass(frozen=True, slots=True)
class EvidenceStore:
    """Where documents lie: a folder, or an address with the token that opens it."""

    folder: pathlib.Path | None = None
    url: str | None = None
    token: SecretStr | None = None


def evidence(
    store: EvidenceStore,
    release: str,
    file: str,
    *,
    deadline: Deadline,
    max_bytes: int = MAX_EVIDENCE_BYTES,
) -> Observation[Document]:
    """Read `<store>/<release>/<file>`."""
    if store.url is not None:
        path = f"/{release}/{file}"
        return _over_http(store.url, store.token, path, max_bytes, deadline)
    return _from_folder(store.folder or pathlib.Path(), pathlib.Path(release, file), max_bytes)


def _from_folder(
    folder: pathlib.Path, document: pathlib.Path, max_bytes: int
) -> Observation[Document]:
    def measured(_: PhaseClock) -> Document:
        try:
            return Document(_evidence_content(folder, document, max_bytes))
        except OSError as exc:
            detail = f"{document} can't be read from evidence.folder: {exc.strerror}."
            raise FoundError(FailureKind.OUR_FAULT, detail) from exc

    return observation.observed("evidence", str(document), measured)


def _evidence_content(folder: pathlib.Path, document: pathlib.Path, max_bytes: int) -> bytes | None:
    try:
        with (folder / document).open("rb") as file:
            content = file.read(max_bytes + 1)
    except FileNotFoundError:
        # A folder that is not there, or not mounted, is not a folder without evidence.
        os.scandir(folder).close()
        return None
    if len(content) > max_bytes:
        detail = f"{document} holds more than {max_bytes} bytes."
        raise FoundError(FailureKind.TOO_LARGE, detail)
    return content


def _over_http(
    url: str, token: SecretStr | None, path: str, max_bytes: int, deadline: Deadline
) -> Observation[Document]:
    server = http.HttpTarget(url, headers=http.bearer(token))

    def measured(clock: PhaseClock) -> Document:
        answer = http.got(clock, server, path, deadline=deadline, max_bytes=max_bytes).brought()
        if answer.status == HTTPStatus.NOT_FOUND:
            return Document(None)
        if answer.status != HTTPStatus.OK:
            detail = f"The evidence store answered {answer.status}."
            raise FoundError(api.kind_of_refusal(answer.status), detail)
        return Document(answer.body)

    return observation.observed("evidence", http.asked(server, "GET", path), measured)
