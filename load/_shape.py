"""The one shape of the load test: as many users as share a profile's rate, until the profile is over."""

from __future__ import annotations

from collections.abc import Callable

from locust import LoadTestShape

USERS = 100
"""Each stands for a hundredth of the rate; so many start at once without Locust's warning."""


class ProfileShape(LoadTestShape):
    """Follows the conductor: the stages and their times are its own, exact to a twentieth of a second."""

    abstract = False
    use_common_options = True

    def __init__(self, users: int, is_over: Callable[[], bool]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Locust has no types here
        self._users, self._is_over = users, is_over

    def tick(self) -> tuple[int, float] | None:
        """Return users and how many start in a second; None at the end (Locust's call, once a second)."""
        return None if self._is_over() else (self._users, float(self._users))
