"""The journal of synthetic records: written before a record exists, closed when it is gone again."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Iterable, Iterator

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
        open_tags: dict[tuple[str, str], None] = {}
        for entry in _entries(path):
            if entry["environment"] != environment:
                continue
            if "intend" in entry:
                open_tags[entry["region"], entry["intend"]] = None
            else:
                open_tags.pop((entry["region"], entry["removed"]), None)
        for region, tag in open_tags:
            yield str(path), region, tag


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
