"""Finds and removes synthetic records by their tag; nothing untagged can be touched."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping
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
