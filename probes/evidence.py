"""Reads one document of evidence from a folder or below an address; what it says is the caller's."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
import time
from collections.abc import Mapping
from typing import Final

from pydantic import SecretStr

from probes import http
from probes.observation import Deadline, Failure, FailureKind, Observation, utc_now

MAX_BYTES: Final = 1_048_576
_OK, _UNAUTHORISED, _FORBIDDEN, _NOT_FOUND, _SERVER_ERROR = 200, 401, 403, 404, 500


@dataclasses.dataclass(frozen=True, slots=True)
class EvidenceStore:
    """Where documents lie: a folder, or an address with the token that opens it."""

    folder: pathlib.Path | None = None
    url: str | None = None
    token: SecretStr | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class EvidenceFile:
    """One document as it lies there; None while there is none."""

    content: bytes | None = dataclasses.field(repr=False)

    def facts(self) -> Mapping[str, object]:
        """Return size and digest: whoever keeps the document can prove that it was this one."""
        if self.content is None:
            return {"present": False}
        digest = hashlib.sha256(self.content).hexdigest()
        return {"present": True, "size_bytes": len(self.content), "sha256": digest}


def read(
    store: EvidenceStore, release: str, kind: str, *, deadline: Deadline
) -> Observation[EvidenceFile]:
    """Read `<store>/<release>/<kind>.json`."""
    if store.url is not None:
        return _over_http(store.url, store.token, f"/{release}/{kind}.json", deadline)
    return _from_folder(store.folder or pathlib.Path(), pathlib.Path(release, f"{kind}.json"))


def _from_folder(folder: pathlib.Path, document: pathlib.Path) -> Observation[EvidenceFile]:
    started_at, started = utc_now(), time.monotonic()
    value, failure = None, None
    try:
        value = EvidenceFile(_content(folder, folder / document))
    except _TooLargeError:
        detail = f"{document} holds more than {MAX_BYTES} bytes."
        failure = Failure(FailureKind.TOO_LARGE, detail)
    except OSError as exc:
        detail = f"{document} can't be read from evidence.folder: {exc.strerror}."
        failure = Failure(FailureKind.OUR_FAULT, detail)
    return Observation(
        probe="evidence",
        target=str(document),
        started_at=started_at,
        elapsed_seconds=time.monotonic() - started,
        phases={},
        value=value,
        failure=failure,
    )


class _TooLargeError(Exception):
    """The document is longer than evidence ever is."""


def _content(folder: pathlib.Path, path: pathlib.Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        # A folder that is not there, or not mounted, is no folder without evidence.
        os.scandir(folder).close()
        return None
    if len(content) > MAX_BYTES:
        raise _TooLargeError
    return content


def _over_http(
    url: str, token: SecretStr | None, path: str, deadline: Deadline
) -> Observation[EvidenceFile]:
    headers = {} if token is None else _bearer(token)
    answered = http.request(
        http.HttpTarget(url, headers=headers), "GET", path, deadline=deadline, max_bytes=MAX_BYTES
    )
    value, failure = None, answered.failure
    if answered.value is not None:
        status = answered.value.status
        if status in (_OK, _NOT_FOUND):
            value = EvidenceFile(answered.value.body if status == _OK else None)
        else:
            failure = Failure(_kind(status), f"The evidence store answered {status}.")
    return Observation(
        probe="evidence",
        target=answered.target,
        started_at=answered.started_at,
        elapsed_seconds=answered.elapsed_seconds,
        phases=answered.phases,
        value=value,
        failure=failure,
        attempts=answered.attempts,
    )


def _bearer(token: SecretStr) -> dict[str, http.HeaderValue]:
    return {"Authorization": SecretStr(f"Bearer {token.get_secret_value()}")}


def _kind(status: int) -> FailureKind:
    if status == _UNAUTHORISED:
        return FailureKind.CREDENTIAL_REFUSED
    if status == _FORBIDDEN:
        return FailureKind.FORBIDDEN
    return FailureKind.SERVER_ERROR if status >= _SERVER_ERROR else FailureKind.UNUSABLE_ANSWER
