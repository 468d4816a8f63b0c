"""What Locust knows of the processes of a run and is told of it: who is there, its shape, its statistics."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from locust import LoadTestShape
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner
from locust.stats import RequestStats, StatsEntry, StatsError

from load._engine._histogram import Histogram
from load._engine._tally import Endpoint, Tally
from load._run import Place
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
        return others_rps(self._environment, ours)

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


_RECENT_SECONDS = 10
"""Workers of a master tell what their users sent every three seconds."""


def add_counted(stats: RequestStats, counted: Mapping[Place, Tally]) -> None:
    """Add what engines counted since the last call to Locust's own figures."""
    for tally in counted.values():
        for name, endpoint in tally.endpoints.items():
            method, _, path = name.partition(" ")
            entry = _entry(stats, path, method, endpoint)
            stats.get(path, method).extend(entry)
            stats.total.extend(entry)
            _add_errors(stats, path, method, endpoint)


def others_failed(environment: Environment, ours: Collection[str]) -> bool:
    """Return whether a request failed that is none of the engine's kinds, or a user raised something."""
    errors = environment.stats.errors.values()
    raised = environment.runner is not None and environment.runner.exceptions
    return bool(raised) or any(f"{one.method} {one.name}" not in ours for one in errors)


def others_rps(environment: Environment, ours: Collection[str]) -> int:
    """Return the most requests a second, in the last ten seconds, of users that are not the engine's."""
    now = int(time.time())
    others = [
        entry.num_reqs_per_sec
        for (name, method), entry in environment.stats.entries.items()
        if f"{method} {name}" not in ours
    ]
    return max(sum(one.get(now - ago, 0) for one in others) for ago in range(_RECENT_SECONDS))


def _entry(stats: RequestStats, path: str, method: str, endpoint: Endpoint) -> StatsEntry:
    now = time.time()
    # Its types know whole milliseconds alone; its sums and its reports take any number.
    entry: Any = StatsEntry(stats, path, method)
    histogram = endpoint.response
    entry.num_requests = histogram.count
    entry.num_failures = sum(endpoint.troubles.values())
    entry.total_response_time = histogram.sum_seconds * 1000
    entry.response_times = dict(_milliseconds(histogram))
    entry.min_response_time = min(entry.response_times, default=0.0)
    entry.max_response_time = histogram.longest_seconds * 1000
    entry.total_content_length = endpoint.size_bytes
    entry.num_reqs_per_sec = {int(now): entry.num_requests}
    if entry.num_failures:
        entry.num_fail_per_sec = {int(now): entry.num_failures}
    entry.start_time = entry.last_request_timestamp = now
    filled: StatsEntry = entry
    return filled


def _milliseconds(histogram: Histogram) -> list[tuple[float, int]]:
    # Nothing is rounded to whole milliseconds, as Locust does: the buckets are few enough.
    return [(round(seconds * 1000, 3), count) for seconds, count in histogram.middles()]


def _add_errors(stats: RequestStats, path: str, method: str, endpoint: Endpoint) -> None:
    for trouble, count in endpoint.troubles.items():
        key = StatsError.create_key(method, path, trouble)
        known = stats.errors.get(key)
        if known is None:
            known = stats.errors[key] = StatsError(method, path, trouble)
        now = time.time()
        known.occurrences += count
        known.first_seen, known.last_seen = known.first_seen or now, now
