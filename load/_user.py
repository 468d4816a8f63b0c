"""What a scenario is written with: an ordinary Locust `User` whose tasks return what to ask.

    class Reader(EngineUser):
        @task(3)
        @tag("read")
        def look_at_a_list(self) -> Ask:
            return self.get("/v1/things?owner={owner}", owner=self.zipf(500))

Locust counts the users and shows them; the engine calls the tasks, by their weights, whenever the
schedule wants a request, and sends what they return. A task must not wait for anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import locust
from gevent.event import Event
from locust import User
from locust.user.task import LOCUST_STATE_WAITING

from load._scenario import Ask, Scenario

Task = TypeVar("Task", bound=Callable[..., Ask])


def task(weight: int = 1) -> Callable[[Task], Task]:
    """Return Locust's own `task`, for a method that returns what to ask; out of all tasks' weights."""
    return cast("Callable[[Task], Task]", locust.task(weight))  # its types want None returned


def tag(*tags: str) -> Callable[[Task], Task]:
    """Return Locust's own `tag`: `--tags` and `--exclude-tags` choose tasks by it."""
    return cast("Callable[[Task], Task]", locust.tag(*tags))  # its types want None returned


class EngineUser(Scenario, User):
    """A user whose requests the engine sends: one of them is a part of the rate, and waits."""

    abstract = True

    def on_start(self) -> None:
        """Wait to be stopped: a user that the engine speaks for does nothing itself."""
        self._state = LOCUST_STATE_WAITING  # may be stopped at any moment
        Event().wait()
