"""What is sent, and what is known of it while it is under way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from load._engine._wire import Answer

_REDIRECTS = 300
"""Below it a status is right: a redirect is an error here, for nobody follows it."""
_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to be written."""

    name: str
    """As reports call its kind."""
    data: bytes
    judge: Callable[[Answer], str | None] | None = None
    """Returns what is wrong with an answer; None: nothing. Without one, a status below 300 is right."""
    keep_body: bool = False
    """Whether `judge` reads the body."""

    @property
    def idempotent(self) -> bool:
        """Whether asking twice is the same as asking once (RFC 9110, 9.2.2)."""
        return self.data.partition(b" ")[0] in _IDEMPOTENT

    def wrong(self, answer: Answer) -> str | None:
        """Return what is wrong with an answer, in a report's words; None: nothing."""
        if answer.trouble is not None:
            return answer.trouble.value
        if self.judge is not None:
            return self._judged(self.judge, answer)
        status = answer.status or 0
        return None if status < _REDIRECTS else f"status {status}"

    @staticmethod
    def _judged(judge: Callable[[Answer], str | None], answer: Answer) -> str | None:
        try:
            return judge(answer)
        except Exception as exc:  # noqa: BLE001 - a check that breaks must not pass for a right answer
            return f"its check raised {type(exc).__name__}"


@dataclass(slots=True)
class Flight:
    """A request that is under way."""

    request: Request
    stage: int
    """In which it was due."""
    due_at: float
    """When it should be sent, by the engine's clock in seconds."""
    sent_at: float
