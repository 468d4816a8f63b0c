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

_RECENT_SECONDS = 10
"""Workers of a master report what their users sent every three seconds."""


class LocustNodes:
    """The processes of a run, as one of them sees them: a master, its worker, or the only process."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    @property
    def is_master(self) -> bool:
        """Whether this process only leads others."""
        return isinstance(self._environment.runner, MasterRunner)

    @property
    def is_worker(self) -> bool:
        """Whether this process has a master elsewhere."""
        return isinstance(self._environment.runner, WorkerRunner)

    def send(self, kind: str, data: dict[str, Any]) -> None:
        """Send a message: a master to every worker, a worker to its master, the only process to itself."""
        if self._environment.runner is not None:
            self._environment.runner.send_message(kind, data)

    def alive(self) -> set[str]:
        """Return the workers that Locust hears."""
        runner = self._environment.runner
        if not isinstance(runner, MasterRunner):
            return {getattr(runner, "client_id", "local")}
        return {one.id for one in runner.clients.all if one.state != STATE_MISSING}

    def count(self) -> int:
        """Return how many processes send."""
        runner = self._environment.runner
        return runner.worker_count if isinstance(runner, MasterRunner) else 1

    def name(self) -> str:
        """Return what this process is called as one that sends: Locust's name of it, and its index."""
        runner = self._environment.runner
        index = getattr(runner, "worker_index", 0)
        return f"{getattr(runner, 'client_id', 'local')}#{index}"

    def silent_seconds(self) -> float:
        """Return for how long a worker has not heard its master; 0 where it never has."""
        heard_at = getattr(self._environment.runner, "last_heartbeat_timestamp", None)
        return 0.0 if heard_at is None else time.time() - float(heard_at)

    def scenarios(self) -> list[Scenario]:
        """Return one new instance of each chosen class that the engine asks; of the tasks that tags leave."""
        # Locust does so once, as a test starts; a null server has to know before.
        self._environment._filter_tasks_by_tags()  # noqa: SLF001 - it has no other name
        return [one(self._environment) for one in self._engine_users()]

    def _engine_users(self) -> list[type[EngineUser]]:
        return [one for one in self._environment.user_classes if issubclass(one, EngineUser)]

    def other_users(self) -> list[Any]:
        """Return the chosen user classes that send by themselves."""
        return [one for one in self._environment.user_classes if not issubclass(one, EngineUser)]

    def tokens(self) -> int:
        """Return how many of the engine's users run, here or (on a master) over all workers."""
        runner = self._environment.runner
        if runner is None:
            return 0
        counts = (
            runner.reported_user_classes_count
            if isinstance(runner, MasterRunner)
            else runner.user_classes_count
        )
        return sum(counts.get(one.__name__, 0) for one in self._engine_users())

    def others_rps(self, ours: Collection[str]) -> int:
        """Return the most requests a second, in the last ten seconds, of users that are not the engine's."""
        now = int(time.time())
        others = [
            entry.num_reqs_per_sec
            for (name, method), entry in self._environment.stats.entries.items()
            if f"{method} {name}" not in ours
        ]
        return max(sum(one.get(now - ago, 0) for one in others) for ago in range(_RECENT_SECONDS))

    def others_failed(self, ours: Collection[str]) -> bool:
        """Return whether a request failed that is not of the engine's kinds, or a user raised something."""
        runner, errors = self._environment.runner, self._environment.stats.errors.values()
        raised = runner is not None and runner.exceptions
        return bool(raised) or any(f"{one.method} {one.name}" not in ours for one in errors)

    def counted(self, counted: Mapping[Place, Tally]) -> None:
        """Add what engines counted since the last call to Locust's own figures."""
        stats = self._environment.stats
        for tally in counted.values():
            for name, endpoint in tally.endpoints.items():
                method, _, path = name.partition(" ")
                entry = _entry(stats, path, method, endpoint)
                stats.get(path, method).extend(entry)
                stats.total.extend(entry)
                _add_errors(stats, path, method, endpoint)


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


def _entry(stats: RequestStats, path: str, method: str, endpoint: Endpoint) -> StatsEntry:
    now = time.time()
    # Its types know whole milliseconds alone; its sums and its reports take any number.
    entry: Any = StatsEntry(stats, path, method)
    histogram = endpoint.response
    entry.num_requests = histogram.count
    entry.num_failures = endpoint.failed
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
