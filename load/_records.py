"""The synthetic records of a load run: journalled before the first exists, removed after the last."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping

from environments.loader import Loaded
from probes.http import HttpTarget
from probes.observation import Deadline
from smoke.journal import Journal, left_over
from smoke.synthetic import RemovalError, SyntheticRecords
from steps.kit.leases import writer_lease

JOURNAL = "load-journal.jsonl"
"""Not the gate's name: its janitor would remove the records of a load run that still goes on."""
TAG_PREFIX = "load-"
LEASE_WAIT_SECONDS = 5.0
REMOVE_SECONDS = 60.0
"""A run leaves up to some hundred thousand records behind its one tag."""


class Records:
    """Everything that one run makes on a platform, by its tag in each region."""

    def __init__(self, loaded: Loaded, folder: pathlib.Path, addresses: Mapping[str, str]) -> None:
        """Take where the run sends, by region; a `--host` that is not a region's has a name of its own."""
        self._loaded = loaded
        self._folder = folder
        self._addresses = addresses

    def tag(self, region: str) -> str:
        """Return what marks the records of a region."""
        return f"{TAG_PREFIX}{self._folder.name}-{region}"

    @contextlib.contextmanager
    def lease(self) -> Iterator[None]:
        """Be the only load run of this platform on this machine; raises LeaseHeldError."""
        addresses = sorted(
            url
            for region in self._loaded.settings.regions.values()
            for url in region.services.values()
        )
        with writer_lease("|".join(["load", *addresses]), self._folder.name, LEASE_WAIT_SECONDS):
            yield

    def announce(self) -> None:
        """Note in the journal what will be made; raises OSError."""
        journal = Journal(self._folder / JOURNAL, self._loaded.settings.name)
        for region in self._addresses:
            journal.intend(region, self.tag(region))

    def remove(self) -> list[str]:
        """Remove this run's records; return a sentence for each region where that failed."""
        return [
            problem
            for region in self._addresses
            for problem in self._remove(
                [(region, self.tag(region), self._folder / JOURNAL)], Deadline.after(REMOVE_SECONDS)
            )
        ]

    def remove_left_overs(self, tell: Callable[[str], None]) -> None:
        """Remove what earlier runs left, as far as that is quick; holding the lease, no such run goes on."""
        journals = sorted(self._folder.parent.glob(f"*/{JOURNAL}"))
        found = [
            (region, tag, pathlib.Path(path))
            for path, region, tag in left_over(journals, self._loaded.settings.name)
            if region in self._loaded.settings.regions or region in self._addresses
        ]
        # All of them together: a slow platform does not keep a run from its beginning for hours.
        deadline = Deadline.after(REMOVE_SECONDS)
        for problem in self._remove(found, deadline):
            tell(problem)

    def _remove(
        self, records: Iterable[tuple[str, str, pathlib.Path]], deadline: Deadline
    ) -> Iterator[str]:
        for region, tag, path in records:
            try:
                self._of(region).remove(tag, deadline)
            except RemovalError as exc:
                yield f"synthetic records tagged {tag} were left in {region}: {exc}"
                continue
            try:
                Journal(path, self._loaded.settings.name).removed(region, tag)
            except OSError as exc:
                yield f"{path}: cannot note that {tag} was removed, so the next run tries: {exc.strerror}"

    def _of(self, region: str) -> SyntheticRecords:
        settings = self._loaded.settings
        synthetic = settings.synthetic
        if synthetic is None:
            raise RemovalError("the environment has no section synthetic any more")
        known = settings.regions.get(region)
        address = (
            known.services[synthetic.service] if known is not None else self._addresses[region]
        )
        target = HttpTarget(address, settings.ca_file)
        return SyntheticRecords(target, self._loaded.secret(synthetic.token))
