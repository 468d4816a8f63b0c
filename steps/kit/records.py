"""Synthetic records of a run: one run at a time writes them, journalled before they exist and removed."""

from __future__ import annotations

import contextlib
import datetime as dt
import pathlib
from collections.abc import Iterator

from settings.service import Synthetic
from smoke.synthetic import NAME, TAG_PREFIX, Journal, RemovalError, SyntheticRecords, left_over
from steps.kit.leases import writer_lease
from steps.kit.run import Run

LEASE_WAIT_SECONDS = 30.0


class Records:
    """What this run writes into a platform, and what earlier runs left there."""

    def __init__(self, run: Run, synthetic: Synthetic) -> None:
        self._run, self._platform, self._synthetic = run, run.platform, synthetic

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the right to write, once left-overs are removed; raises LeaseHeldError."""
        regions = self._platform.environment.settings.regions.values()
        key = "|".join(sorted(region.services[self._synthetic.service] for region in regions))
        with writer_lease(key, self._platform.run_id, LEASE_WAIT_SECONDS):
            self._clean_left_overs()
            yield

    @contextlib.contextmanager
    def tagged(self, region: str, what: str = "") -> Iterator[str]:
        """Yield a tag, journalled already; all that has it is removed whatever happens inside.

        `what` tells writers of one run apart.
        """
        tag = f"{TAG_PREFIX}{self._platform.run_id}-{region}{what and f'-{what}'}"
        journal = Journal(self._run.run_dir / NAME, self._platform.environment.settings.name)
        journal.intend(region, tag)
        try:
            yield tag
        finally:
            self._remove(region, tag, journal)

    def _remove(self, region: str, tag: str, journal: Journal) -> None:
        try:
            self._in(region).remove(tag, self._platform.call_deadline())
        except RemovalError as exc:
            self._run.problem(
                f"synthetic records were left in {region}: {exc}; the next run removes them"
            )
        else:
            journal.removed(region, tag)

    def _clean_left_overs(self) -> None:
        """Remove what earlier runs left: journalled by this checkout, or tagged and old."""
        name = self._platform.environment.settings.name
        journals = sorted(self._run.run_dir.parent.glob(f"*/{NAME}"))
        for path, region, tag in left_over(journals, name):
            if region in self._platform.regions:
                self._remove(region, tag, Journal(pathlib.Path(path), name))
        for region in self._platform.regions:
            records, now = self._in(region), dt.datetime.now(dt.UTC)
            # An unreachable region has nothing that could be listed; its journey will say so.
            with contextlib.suppress(RemovalError):
                for tag in records.stale_tags(now, self._platform.call_deadline()):
                    records.remove(tag, self._platform.call_deadline())

    def _in(self, region: str) -> SyntheticRecords:
        token = self._platform.environment.secret(self._synthetic.token)
        return SyntheticRecords(self._platform.service(region, self._synthetic.service), token)
