"""Synthetic records: noted in a journal before they exist, found and removed by their tag.

Nothing untagged can be touched.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from pydantic import SecretStr

from probes import http
from probes.http import HttpTarget, NotJsonError
from probes.observation import Deadline

PATH = "/v1/synthetic/records"
TAG_PREFIX = "release-gate-"
STALE_AFTER = dt.timedelta(minutes=15)
"""Older records of other runs are left-overs: no run keeps its records that long."""

HTTP_OK = 200


class RemovalError(Exception):
    """Synthetic records could not be listed or removed; the text says where and why."""


@dataclasses.dataclass(frozen=True, slots=True)
class SyntheticRecords:
    """The synthetic records of a platform, through the address of one region."""

    target: HttpTarget
    token: SecretStr

    def remove(self, tag: str, deadline: Deadline) -> None:
        """Remove everything with this tag and prove that nothing is left; raises RemovalError."""
        self._call("DELETE", tag, deadline)
        left = sum(1 for _ in self.tags(deadline, tag=tag))
        if left:
            raise RemovalError(
                f"{left} synthetic records tagged {tag} are still there after removal"
            )

    def stale_tags(self, now: dt.datetime, deadline: Deadline) -> set[str]:
        """Return the tags of gate runs whose records are older than any run; raises RemovalError."""
        return {
            tag
            for tag, created_at in self.tags(deadline)
            if tag.startswith(TAG_PREFIX) and now - created_at > STALE_AFTER
        }

    def tags(self, deadline: Deadline, tag: str | None = None) -> Iterator[tuple[str, dt.datetime]]:
        """Yield tag and creation time of each record; raises RemovalError."""
        body = self._call("GET", tag, deadline)
        records = body.get("records") if isinstance(body, Mapping) else None
        if not isinstance(records, list):
            raise RemovalError(f"{self.target.host}{PATH} does not list synthetic records")
        for record in records:
            try:
                yield record["tag"], dt.datetime.fromisoformat(record["created_at"])
            except (KeyError, TypeError, ValueError) as exc:
                raise RemovalError(f"{self.target.host}{PATH} lists an unreadable record") from exc

    def _call(self, method: str, tag: str | None, deadline: Deadline) -> object:
        path = PATH if tag is None else f"{PATH}?tag={quote(tag)}"
        headers = {"Authorization": SecretStr(f"Bearer {self.token.get_secret_value()}")}
        observed = http.request(self.target, method, path, deadline=deadline, headers=headers)
        if observed.value is None:
            kind = observed.failure.kind.value if observed.failure else "no answer"
            raise RemovalError(f"{method} {self.target.host}{PATH}: {kind}")
        if observed.value.status != HTTP_OK:
            raise RemovalError(f"{method} {self.target.host}{PATH}: status {observed.value.status}")
        try:
            return observed.value.json()
        except NotJsonError as exc:
            raise RemovalError(f"{method} {self.target.host}{PATH}: {exc}") from exc


NAME = "synthetic-journal.jsonl"


class Journal:
    """One run's journal: an append-only file, every line on disk before the caller goes on."""

    def __init__(self, path: pathlib.Path, environment: str) -> None:
        self._path = path
        self._environment = environment

    def intend(self, region: str, tag: str) -> None:
        """Note that records with this tag are about to be created in a region."""
        self._append({"intend": tag, "region": region, "environment": self._environment})

    def removed(self, region: str, tag: str) -> None:
        """Note that no record with this tag is left in a region."""
        self._append({"removed": tag, "region": region, "environment": self._environment})

    def _append(self, entry: dict[str, str]) -> None:
        # A line of its own, also behind the torn one of a killed writer.
        line = f"\n{json.dumps(entry, allow_nan=False)}\n".encode()
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if os.write(file, line) != len(line):
                raise OSError(28, "the disk took only a part of a journal's line")
            os.fsync(file)
        finally:
            os.close(file)


def left_over(journals: Iterable[pathlib.Path], environment: str) -> Iterator[tuple[str, str, str]]:
    """Yield (journal's path, region, tag) of records that a run of this environment left behind.

    A damaged line is what a killed writer leaves; the record that it announced was never made.
    """
    for path in journals:
        for where, region, tag in open_in(path):
            if where == environment:
                yield str(path), region, tag


def open_in(path: pathlib.Path) -> Iterator[tuple[str, str, str]]:
    """Yield (environment, region, tag) of records that a journal announces and does not call removed."""
    open_tags: dict[tuple[str, str, str], None] = {}
    for entry in _entries(path):
        where = entry["environment"], entry["region"]
        if "intend" in entry:
            open_tags[*where, entry["intend"]] = None
        else:
            open_tags.pop((*where, entry["removed"]), None)
    yield from open_tags


def _entries(path: pathlib.Path) -> Iterator[dict[str, str]]:
    for line in path.read_bytes().splitlines():
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if _is_entry(entry):
            yield entry


def _is_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and {"region", "environment"} <= entry.keys()
        and ("intend" in entry) != ("removed" in entry)
        and all(isinstance(value, str) for value in entry.values())
    )
