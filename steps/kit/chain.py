"""A chain of records in an environment's state: numbered, each with the digest of the one before.

The history of a deployment is one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from environments.store import DamagedRecordError, Store, StoreError, TakenError, digest_of
from gates.decide.history import Entry, impossible

TRIES = 20
"""So many writers may come between before a record is given up."""
HISTORY_SCHEMA = 2
Record = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Chain:
    """The records of one folder, read whole and only ever added to.

    A record that was copied from elsewhere, removed, changed or put elsewhere breaks the chain. That the
    last ones were removed can't be seen here; a bucket with versions, or with locked objects, shows it.
    """

    store: Store
    folder: str
    whose: Mapping[str, Any]
    """What each record says besides its number, such as environment and release."""
    remedy: str = "Find out who changed it."

    def records(self) -> tuple[Record, ...]:
        """Return every record, the first one first; raises DamagedRecordError and StoreError."""
        return self._read()[0]

    def append(self, make: Callable[[tuple[Record, ...]], Record]) -> Record:
        """Add what `make` returns for the records so far; raises DamagedRecordError and StoreError.

        It is asked again where another writer was faster: that one's record is then among those so far.
        """
        for _ in range(TRIES):
            records, previous = self._read()
            number = len(records) + 1
            link = {"number": number, "previous": previous, **self.whose}
            record = {**link, **make(records)}
            try:
                self.store.add(self._key(number), record)
            except TakenError:
                continue
            return record
        raise StoreError(f"{self.at}: other runs kept adding records; run again.")

    @property
    def at(self) -> str:
        """Where it is, for people."""
        return f"{self.store.url}/{self.folder}"

    def damaged(self, why: str) -> DamagedRecordError:
        """Return the error of a chain that is not as the gate left it."""
        return DamagedRecordError(f"{self.at} is not as the gate left it: {why}. {self.remedy}")

    def _key(self, number: int) -> str:
        return f"{self.folder}/{number:06d}.json"

    def _read(self) -> tuple[tuple[Record, ...], str | None]:
        """Return the records, and the digest of the last one."""
        keys = self.store.newest_first(self.folder)[::-1]
        if keys != [self._key(number) for number in range(1, len(keys) + 1)]:
            raise self.damaged("records are missing, or some are there that no gate wrote")
        records: list[Record] = []
        previous: str | None = None
        for number, key in enumerate(keys, start=1):
            record = self.store.read(key)
            for name, wanted in {"number": number, "previous": previous, **self.whose}.items():
                if record.get(name) != wanted:
                    raise self.damaged(
                        f"the {name} of {number:06d}.json is {record.get(name)}, wanted {wanted}"
                    )
            records.append(record)
            previous = digest_of(record)
        return tuple(records), previous


@dataclasses.dataclass(frozen=True, slots=True)
class History:
    """One release's deployment in one environment, as its state keeps it."""

    store: Store
    environment: str
    release: str

    @property
    def folder(self) -> str:
        """Where the records are."""
        return f"{self.environment}/{self.release}/history"

    def entries(self) -> tuple[Entry, ...]:
        """Return every record, the first one first; raises DamagedRecordError and StoreError."""
        return self._entries(self._chain.records())

    def append(self, make: Callable[[tuple[Entry, ...]], Entry]) -> Entry:
        """Add what `make` returns for the records so far; raises DamagedRecordError and StoreError."""
        return Entry.from_record(
            self._chain.append(lambda records: make(self._entries(records)).record())
        )

    @property
    def _chain(self) -> Chain:
        whose = {"schema": HISTORY_SCHEMA, "environment": self.environment, "release": self.release}
        remedy = (
            "Find out who changed it. To begin a new attempt, move the whole folder elsewhere, take a "
            "baseline and ask from phase 1 on."
        )
        return Chain(self.store, self.folder, whose, remedy)

    def _entries(self, records: Sequence[Record]) -> tuple[Entry, ...]:
        entries: tuple[Entry, ...] = ()
        for number, record in enumerate(records, start=1):
            try:
                entries = (*entries, Entry.from_record(record))
                wrong = impossible(entries)
            except (KeyError, TypeError, ValueError, AttributeError) as exc:
                wrong = f"it holds another thing, {exc}"
            if wrong:
                raise self._chain.damaged(f"{number:06d}.json is not its next record: {wrong}")
        return entries
