"""The history of a deployment in an environment's state: one chain of records, read whole and added to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from environments.store import Store
from gates.decide.history import Entry, impossible
from steps.kit.chain import Chain, Record

SCHEMA = 2


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
        whose = {"schema": SCHEMA, "environment": self.environment, "release": self.release}
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
