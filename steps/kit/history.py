"""The history of a deployment in an environment's state: one chain of records, read whole and added to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from environments.store import DamagedRecordError, Store, StoreError, TakenError, digest_of
from gates.decide.history import Entry, impossible

SCHEMA = 2
TRIES = 20
"""So many writers may come between before a record is given up."""


@dataclasses.dataclass(frozen=True, slots=True)
class History:
    """One release's deployment in one environment, as its state keeps it.

    Each record has a number, says whose it is and carries the digest of the one before: a record that
    was copied from elsewhere, removed, changed or put elsewhere breaks the chain. That the last ones
    were removed can't be seen here; a bucket with versions, or with locked objects, shows it.
    """

    store: Store
    environment: str
    release: str

    @property
    def folder(self) -> str:
        """Where the records are."""
        return f"{self.environment}/{self.release}/history"

    def entries(self) -> tuple[Entry, ...]:
        """Return every record, the first one first; raises DamagedRecordError and StoreError."""
        return self._read()[0]

    def append(self, make: Callable[[tuple[Entry, ...]], Entry]) -> Entry:
        """Add what `make` returns for the records so far; raises DamagedRecordError and StoreError."""
        for _ in range(TRIES):
            entries, previous = self._read()
            entry = make(entries)
            number = len(entries) + 1
            link = {"schema": SCHEMA, "number": number, "previous": previous} | self._whose
            try:
                self.store.add(self._key(number), link | entry.record())
            except TakenError:
                continue  # another run was faster: its record is the predecessor now
            return entry
        raise StoreError(f"{self._at}: other runs kept adding records; run again.")

    @property
    def _whose(self) -> dict[str, str]:
        return {"environment": self.environment, "release": self.release}

    @property
    def _at(self) -> str:
        return f"{self.store.url}/{self.folder}"

    def _key(self, number: int) -> str:
        return f"{self.folder}/{number:06d}.json"

    def _read(self) -> tuple[tuple[Entry, ...], str | None]:
        """Return the records, and the digest of the last one."""
        keys = self.store.newest_first(self.folder)[::-1]
        if keys != [self._key(number) for number in range(1, len(keys) + 1)]:
            raise self._damaged("records are missing, or some are there that no gate wrote")
        entries: tuple[Entry, ...] = ()
        previous: str | None = None
        for number, key in enumerate(keys, start=1):
            record = self.store.read(key)
            link = {"schema": SCHEMA, "number": number, "previous": previous} | self._whose
            for name, wanted in link.items():
                if record.get(name) != wanted:
                    raise self._damaged(
                        f"the {name} of {number:06d}.json is {record.get(name)}, wanted {wanted}"
                    )
            try:
                entries = (*entries, Entry.from_record(record))
                wrong = impossible(entries)
            except (KeyError, TypeError, ValueError, AttributeError) as exc:
                wrong = f"it holds another thing, {exc}"
            if wrong:
                raise self._damaged(f"{number:06d}.json is not its next record: {wrong}")
            previous = digest_of(record)
        return entries, previous

    def _damaged(self, why: str) -> DamagedRecordError:
        return DamagedRecordError(
            f"{self._at} is not as the gate left it: {why}. Find out who changed it. To begin a new "
            "attempt, move the whole folder elsewhere, take a baseline and ask from phase 1 on."
        )
