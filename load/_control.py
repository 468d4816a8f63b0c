"""Wires the engine into Locust: its options, its events, its end. The scenario file calls `install`."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import logging
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

import gevent
from locust.env import Environment
from locust.event import Events
from locust.rpc import Message

from environments.provider import ProviderError
from environments.yaml_file import ConfigurationError, RequestError
from gates.decide.load_verdict import LoadResult
from load import _locust_stats, _messages, _nodes, _options
from load._ask import Ask
from load._conductor import Conductor
from load._options import Options
from load._session import Session, SessionError
from load._shape import USERS, ProfileShape
from load._worker import Worker, kinds

EXIT_USAGE, EXIT_CONFIGURATION, EXIT_OUR_FAILURE = 64, 78, 70
_LOG = logging.getLogger(__name__)


def install(events: Events) -> None:
    """Listen to Locust, once in a process."""
    events.init_command_line_parser.add_listener(_add_arguments)
    events.init.add_listener(_init)


def _add_arguments(parser: argparse.ArgumentParser, **_kwargs: Any) -> None:
    _options.add_arguments(parser)


def _init(environment: Environment, **_kwargs: Any) -> None:
    """Make this process a worker, a master, or both (Locust's call, before anything is sent)."""
    _listen_to_signals()
    if _nodes.is_worker(environment):
        _install_worker(environment)
        return
    try:
        master = Master(environment, Options.of(_parsed(environment)))
    except (ConfigurationError, ProviderError, SessionError) as exc:
        _leave(exc)
    master.install()
    if environment.runner is not None and not _nodes.is_master(environment):
        _install_worker(environment)


def _leave(exc: Exception) -> NoReturn:
    """End before anything was sent: one sentence and the exit code of its kind."""
    for sentence in getattr(exc, "sentences", (str(exc),)):
        sys.stderr.write(f"locust: {sentence}\n")
    if isinstance(exc, RequestError):
        sys.exit(EXIT_USAGE)
    sys.exit(EXIT_CONFIGURATION if isinstance(exc, ConfigurationError) else EXIT_OUR_FAILURE)


def _parsed(environment: Environment) -> argparse.Namespace:
    return environment.parsed_options or argparse.Namespace()


def _install_worker(environment: Environment) -> None:
    runner = environment.runner
    if runner is None:
        return
    worker = Worker(
        scenarios=lambda: _nodes.scenarios(environment),
        name=lambda: _nodes.worker_name(environment),
        tokens=lambda: _nodes.tokens(environment),
        send=runner.send_message,
        counted=lambda counted: _locust_stats.add(environment.stats, counted),
    )
    runner.register_message(_messages.BEGIN, lambda msg, **_: worker.arm(msg.data))
    runner.register_message(_messages.STAGE, lambda msg, **_: worker.set_stage(msg.data))
    # Waits for the last answers: beside the messages, not before the next one.
    runner.register_message(_messages.STOP, lambda **_: worker.stop(), concurrent=True)
    environment.events.test_start.add_listener(lambda **_: worker.begin())
    environment.events.test_stop.add_listener(lambda **_: worker.stop())
    environment.events.quitting.add_listener(lambda **_: worker.stop())


def _listen_to_signals() -> None:
    """Let SIGTERM end a run as Ctrl-C does: stopped, cleaned up after, judged and kept.

    Locust itself listens only once a shape is over. Whatever greenlet a signal meets, the main one is told.
    """
    main = gevent.getcurrent()

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        gevent.get_hub().loop.run_callback(main.throw, KeyboardInterrupt)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupt)


class Master:
    """The process that plans, gathers and judges: Locust's master, or its only process."""

    def __init__(self, environment: Environment, options: Options) -> None:
        """Find out where to send; raises ConfigurationError, ProviderError or SessionError."""
        self._environment, self._options = environment, options
        self._nodes = _nodes.LocustNodes(environment)
        self._stack = contextlib.ExitStack()
        atexit.register(self._stack.close)
        self._session = Session(options, self._stack, self._kinds)
        self._conductor: Conductor | None = None
        self._ending = False
        self._lines: list[str] = []

    def install(self) -> None:
        """Listen to Locust's events and to workers' messages."""
        events, runner = self._environment.events, self._environment.runner
        if runner is None:
            return
        if self._options.stages:
            users = self._options.users or USERS
            # Read by the plan: Locust would count it from the end of the shape once more.
            _parsed(self._environment).run_time = None
            self._environment.shape_class = ProfileShape(users, self._is_over)
        runner.register_message(_messages.READY, self._heard(lambda one, data: one.ready(data)))
        runner.register_message(_messages.PART, self._heard(lambda one, data: one.part(data)))
        if _nodes.is_master(self._environment):
            self._wait_for_workers(_parsed(self._environment), gevent.getcurrent())
        events.test_start.add_listener(self._begin)
        events.spawning_complete.add_listener(self._spawned)
        events.test_stopping.add_listener(self._stopping)
        events.test_stop.add_listener(lambda **_: self._end(""))
        events.quitting.add_listener(lambda **_: self._quit())
        events.quit.add_listener(lambda **_: self._say())

    def _wait_for_workers(self, parsed: argparse.Namespace, main: Any) -> None:
        """Give up on workers in Locust's place, which would end with 1 and say less."""
        wanted, patience = parsed.expect_workers, parsed.expect_workers_max_wait
        if not parsed.headless or not patience:
            return
        parsed.expect_workers_max_wait = 0

        def give_up() -> None:
            came = self._nodes.count()
            if self._conductor is None and came < wanted:
                sys.stderr.write(
                    f"locust: {came} of {wanted} workers came within {patience} s; nothing was sent. "
                    "Start them, or raise --expect-workers-max-wait.\n"
                )
                gevent.get_hub().loop.run_callback(
                    main.throw, SystemExit, LoadResult.INVALID.exit_code
                )

        gevent.spawn_later(patience, give_up)

    def _heard(self, hand_on: Callable[[Conductor, Any], None]) -> Callable[..., None]:
        def listener(msg: Message, **_kwargs: Any) -> None:
            if self._conductor is not None:
                hand_on(self._conductor, msg.data)

        return listener

    def _kinds(self) -> list[Ask]:
        return kinds(_nodes.scenarios(self._environment))

    def _is_over(self) -> bool:
        return self._conductor is not None and self._conductor.done

    def _begin(self, **_kwargs: Any) -> None:
        workers = max(self._nodes.count(), getattr(_parsed(self._environment), "expect_workers", 1))
        # Until there is a verdict: whatever breaks meanwhile must not look like one.
        self._environment.process_exit_code = EXIT_OUR_FAILURE
        try:
            self._conductor = self._session.open(self._nodes, workers)
        except SessionError as exc:
            self._lines = [f"locust: {exc}"]
            if self._environment.runner is not None:
                gevent.spawn(self._environment.runner.quit)
            return
        self._conductor.start()

    def _spawned(self, **_kwargs: Any) -> None:
        if self._conductor is not None:
            self._conductor.spawned()

    def _stopping(self, **_kwargs: Any) -> None:
        if self._conductor is not None:
            self._conductor.wind_down()

    def _end(self, why: str) -> None:
        """Judge and keep the run that goes on; once for each."""
        if self._conductor is None or self._ending:
            return
        # Still there while it ends: workers have the rest to tell.
        self._ending = True
        conductor = self._conductor
        code, self._lines = self._session.close(conductor, why)
        self._conductor, self._ending = None, False
        # Users of Locust's own that run beside may have failed: its code says so where ours says PASS.
        ours = code or not _locust_stats.others_failed(self._environment.stats, conductor.names())
        self._environment.process_exit_code = code if ours else None

    def _quit(self) -> None:
        self._end("interrupted")

    def _say(self) -> None:
        for line in self._lines:
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        self._stack.close()
