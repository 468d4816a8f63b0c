"""What Locust knows of the processes of a run: who is there, and how they are told something."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from load import _locust_stats
from load._scenario import Scenario
from load._user import EngineUser


def engine_users(environment: Environment) -> list[type[EngineUser]]:
    """Return the chosen user classes whose requests the engine sends."""
    return [one for one in environment.user_classes if issubclass(one, EngineUser)]


def other_users(environment: Environment) -> list[Any]:
    """Return the chosen user classes that send by themselves."""
    return [one for one in environment.user_classes if not issubclass(one, EngineUser)]


def scenarios(environment: Environment) -> list[Scenario]:
    """Return one new instance of each of them, for the engine to ask; of the tasks that the tags leave."""
    # Locust does so once, as a test starts; a null server has to know before.
    environment._filter_tasks_by_tags()  # noqa: SLF001 - it has no other name
    return [one(environment) for one in engine_users(environment)]


def tokens(environment: Environment) -> int:
    """Return how many of the engine's users run, here or (on a master) over all workers."""
    runner = environment.runner
    if runner is None:
        return 0
    counts = (
        runner.reported_user_classes_count
        if isinstance(runner, MasterRunner)
        else runner.user_classes_count
    )
    return sum(counts.get(one.__name__, 0) for one in engine_users(environment))


def silent_seconds(environment: Environment) -> float:
    """Return for how long a worker has not heard its master; 0 where it never has."""
    heard_at = getattr(environment.runner, "last_heartbeat_timestamp", None)
    return 0.0 if heard_at is None else time.time() - float(heard_at)


def worker_name(environment: Environment) -> str:
    """Return what a sending process is called: Locust's name of it, and its index."""
    runner = environment.runner
    index = getattr(runner, "worker_index", 0)
    return f"{getattr(runner, 'client_id', 'local')}#{index}"


class LocustNodes:
    """The workers of a master, or the only process of a local run."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def send(self, kind: str, data: dict[str, Any]) -> None:
        """Tell every worker."""
        if self._environment.runner is not None:
            self._environment.runner.send_message(kind, data)

    def alive(self) -> set[str]:
        """Return the workers that Locust hears."""
        runner = self._environment.runner
        if not isinstance(runner, MasterRunner):
            return {getattr(runner, "client_id", "local")}
        return {one.id for one in runner.clients.all if one.state != STATE_MISSING}

    def tokens(self) -> int:
        """Return how many users of the engine's there are over all workers."""
        return tokens(self._environment)

    def others_rps(self, ours: Collection[str]) -> int:
        """Return the requests a second of users that are not the engine's, over all workers."""
        return _locust_stats.others_rps(self._environment, ours)

    def count(self) -> int:
        """Return how many processes send."""
        runner = self._environment.runner
        return runner.worker_count if isinstance(runner, MasterRunner) else 1


def is_master(environment: Environment) -> bool:
    """Whether this process only leads others."""
    return isinstance(environment.runner, MasterRunner)


def is_worker(environment: Environment) -> bool:
    """Whether this process has a master elsewhere."""
    return isinstance(environment.runner, WorkerRunner)
