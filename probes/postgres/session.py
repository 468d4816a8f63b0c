"""A psycopg connection all of whose waiting ends with one deadline."""

from __future__ import annotations

import contextlib
from typing import TypeVar

import psycopg
from psycopg.abc import PQGen

from probes.observation import Deadline

RV = TypeVar("RV")

_CANCEL_SECONDS = 0.1


class DeadlineConnection(psycopg.Connection[tuple[object, ...]]):
    """Waits for the server until `deadline`, then asks it to cancel and drops the connection."""

    deadline = Deadline(0.0)

    def wait(
        self,
        gen: PQGen[RV],
        interval: float = 0.1,
        timeout: float | None = None,  # noqa: ARG002 - psycopg's signature; the deadline rules
    ) -> RV:
        """Run psycopg's generator; raises psycopg.errors.QueryCanceled when the deadline passes."""
        try:
            return super().wait(gen, interval, timeout=self.deadline.remaining_seconds())
        except psycopg.OperationalError as exc:
            if self.deadline.remaining_seconds() > 0:
                raise
            self.abandon()
            raise psycopg.errors.QueryCanceled("deadline passed") from exc

    def abandon(self) -> None:
        """Ask the server to stop what it does, briefly, and drop the connection without waiting."""
        with contextlib.suppress(psycopg.Error):
            self.cancel_safe(timeout=_CANCEL_SECONDS)
        self.pgconn.finish()
