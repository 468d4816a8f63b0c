"""Who is told of a verdict, and how."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from settings.sections import Name, SecretReference, Section, Text

Kind = Literal["slack", "teams", "pagerduty", "webhook"]
Word = Literal["GO", "HOLD", "NO_GO", "STOP", "ROLLBACK", "NO VERDICT"]
_NEEDED = {"slack": ("url",), "teams": ("url",), "pagerduty": ("key",), "webhook": ("url", "key")}


class Receiver(Section):
    """One place that verdicts are sent to."""

    kind: Kind
    """Slack's incoming webhook, a workflow of Teams, PagerDuty's Events API v2, or a webhook of your own."""
    url: SecretReference | None = None
    """Where it listens; a secret, as whoever knows it can write there. PagerDuty has one address for all."""
    key: SecretReference | None = None
    """PagerDuty: the integration's routing key. A webhook: what signs the message (Standard Webhooks)."""
    decisions: tuple[Word, ...] = ()
    """The decisions that it wants to know of; none named: all. A GO resolves PagerDuty's incident, so name
    that too."""

    def _refusals(self) -> Iterator[str]:
        for key in _NEEDED[self.kind]:
            if getattr(self, key) is None:
                yield f"{key} is missing; a receiver of kind {self.kind} needs it"


class Notify(Section):
    """What `gate notify` sends, and to whom."""

    link: Text | None = None
    """Where people find the run's evidence; `{run}` becomes the run's id."""
    receivers: dict[Name, Receiver] = Field(min_length=1)
    """By name."""
