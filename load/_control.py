"""Wires the engine into Locust: its options, its events, its end. The scenario file calls `install`."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, NoReturn

import gevent
from locust.env import Environment
from locust.event import Events
from locust.rpc import Message

from environments.provider import ProviderError
from environments.yaml_file import ConfigurationError, RequestError
from gates.decide.plain_text import one_line, plain
from load import _options
from load._conductor import Conductor
from load._nodes import USERS, LocustNodes, ProfileShape
from load._options import Options
from load._run import BEGIN, PART, READY, STAGE, STOP
from load._scenario import Ask
from load._session import Session
from load._worker import Worker, kinds, told
from load.verdict import LoadResult

EXIT_USAGE, EXIT_CONFIGURATION, EXIT_OUR_FAILURE = 64, 78, 70
_SENTENCES = (ConfigurationError, ProviderError)
_POLL_SECONDS = 0.05
_LOG = logging.getLogger(__name__)


def install(events: Events) -> None:
    """Listen to Locust, once in a process."""
    events.init_command_line_parser.add_listener(_add_arguments)
    events.init.add_listener(_init)


def _add_arguments(parser: argparse.ArgumentParser, **_kwargs: Any) -> None:
    _options.add_arguments(parser)


def _init(environment: Environment, **_kwargs: Any) -> None:
    """Make this process a worker, a master, or both (Locust's call, before anything is sent)."""
    interrupts, nodes = Interrupts(), LocustNodes(environment)
    if nodes.is_worker:
        _install_worker(environment, nodes)
        return
    try:
        master = Master(environment, Options.of(_parsed(environment)), interrupts)
    except KeyboardInterrupt:
        sys.stderr.write("locust: interrupted; nothing was sent.\n")
        sys.exit(LoadResult.INVALID.exit_code)
    except Exception as exc:  # noqa: BLE001 - Locust would show a traceback and end with 1
        _leave(exc)
    master.install()
    if environment.runner is not None and not nodes.is_master:
        _install_worker(environment, nodes)


def _leave(exc: Exception) -> NoReturn:
    """End before anything was sent: one sentence and the exit code of its kind."""
    _LOG.debug("nothing was sent", exc_info=exc)
    for sentence in getattr(exc, "sentences", (told(exc, *_SENTENCES),)):
        sys.stderr.write(f"locust: {one_line(sentence)}\n")
    if isinstance(exc, RequestError):
        sys.exit(EXIT_USAGE)
    sys.exit(EXIT_CONFIGURATION if isinstance(exc, ConfigurationError) else EXIT_OUR_FAILURE)


def _parsed(environment: Environment) -> argparse.Namespace:
    return environment.parsed_options or argparse.Namespace()


def _install_worker(environment: Environment, nodes: LocustNodes) -> None:
    runner = environment.runner
    if runner is None:
        return
    worker = Worker(
        name=nodes.name,
        scenarios=nodes.scenarios,
        tokens=nodes.tokens,
        send=nodes.send,
        counted=nodes.counted,
        silent_seconds=nodes.silent_seconds,
    )
    runner.register_message(BEGIN, lambda msg, **_: worker.arm(msg.data))
    runner.register_message(STAGE, lambda msg, **_: worker.set_stage(msg.data))
    # Waits for the last answers: beside the messages, not before the next one.
    runner.register_message(STOP, lambda **_: worker.stop(), concurrent=True)
    environment.events.test_start.add_listener(lambda **_: worker.begin())
    environment.events.test_stop.add_listener(lambda **_: worker.stop())
    if nodes.is_worker:
        # The only process is told by its master's side, which ends the run first.
        environment.events.quitting.add_listener(lambda **_: worker.stop())


class Master:
    """The process that plans, gathers and judges: Locust's master, or its only process."""

    def __init__(self, environment: Environment, options: Options, interrupts: Interrupts) -> None:
        """Find out where to send; raises ConfigurationError, ProviderError and others."""
        self._environment, self._options, self._interrupts = environment, options, interrupts
        self._nodes = nodes = LocustNodes(environment)
        _refuse_what_is_not_there(environment, nodes, options)
        self._stack = contextlib.ExitStack()
        atexit.register(self._stack.close)
        self._session = Session(options, self._stack, self._kinds)
        self._options = self._session.options
        self._session.refuse_strangers(nodes.other_users(), environment.host)
        self._conductor: Conductor | None = None
        self._closing: Any = None
        self._begun = False
        self._codes: list[int | None] = []
        self._lines: list[str] = []

    def install(self) -> None:
        """Listen to Locust's events and to workers' messages."""
        events, runner = self._environment.events, self._environment.runner
        if runner is None:
            return
        # Until there is a verdict, also where nobody ever starts a run: 0 would be one.
        self._environment.process_exit_code = LoadResult.INVALID.exit_code
        self._interrupts.end = self._interrupted
        if self._options.plan.run_seconds is not None:
            # Locust would count it from before the accounts are there, by a clock that imports held up.
            _parsed(self._environment).run_time = None
        if self._options.plan.stages:
            users = self._options.users or USERS
            # Read by the plan: Locust would count it from the end of the shape once more.
            _parsed(self._environment).run_time = None
            self._environment.shape_class = ProfileShape(users, self._is_over)
        runner.register_message(READY, self._heard(lambda one, data: one.ready(data)))
        runner.register_message(PART, self._heard(lambda one, data: one.part(data)))
        if self._nodes.is_master:
            self._wait_for_workers(_parsed(self._environment))
        events.test_start.add_listener(self._begin)
        events.spawning_complete.add_listener(self._spawned)
        events.test_stopping.add_listener(self._stopping)
        events.test_stop.add_listener(lambda **_: self._end(""))
        events.quitting.add_listener(lambda **_: self._quit())
        events.quit.add_listener(lambda **_: self._say())

    def _wait_for_workers(self, parsed: argparse.Namespace) -> None:
        """Give up on workers in Locust's place, which would end with 1 and say less."""
        wanted, patience = parsed.expect_workers, parsed.expect_workers_max_wait
        if not parsed.headless or not patience:
            return
        parsed.expect_workers_max_wait = 0

        def give_up() -> None:
            came = self._nodes.count()
            if not self._begun and came < wanted:
                self._give_up(
                    f"{came} of {wanted} workers came within {patience} s; nothing was sent. "
                    "Start them, or raise --expect-workers-max-wait."
                )

        gevent.spawn_later(patience, give_up)

    def _give_up(self, why: str) -> None:
        """End while Locust waits for workers; those who came are sent home."""
        sys.stderr.write(f"locust: {why}\n")
        if self._environment.runner is not None:
            self._environment.runner.quit()
        self._interrupts.throw(SystemExit(LoadResult.INVALID.exit_code))

    def _interrupted(self) -> None:
        waits = self._nodes.is_master and _parsed(self._environment).headless
        if waits and not self._begun:
            gevent.spawn(
                self._give_up, "interrupted while it waited for workers; nothing was sent."
            )
            return
        if self._conductor is not None:
            # First: workers who hear Ctrl-C too will say that they leave.
            self._conductor.interrupt()
        self._interrupts.throw()

    def _heard(self, hand_on: Callable[[Conductor, Any], None]) -> Callable[..., None]:
        def listener(msg: Message, **_kwargs: Any) -> None:
            if self._conductor is not None:
                hand_on(self._conductor, msg.data)

        return listener

    def _kinds(self) -> list[Ask]:
        return kinds(self._nodes.scenarios())

    def _is_over(self) -> bool:
        return self._conductor is not None and self._conductor.done

    def _begin(self, **_kwargs: Any) -> None:
        if (closing := self._closing) is not None:
            # Somebody starts again on the page while the run before is still judged.
            closing.join()
        self._begun = True
        workers = max(self._nodes.count(), getattr(_parsed(self._environment), "expect_workers", 1))
        # Whatever breaks meanwhile must not look like a verdict.
        self._environment.process_exit_code = EXIT_OUR_FAILURE
        try:
            self._conductor = self._session.open(self._nodes, workers)
        except Exception as exc:  # noqa: BLE001 - Locust would go on without a run
            self._lines.append(f"locust: {told(exc, *_SENTENCES)}")
            if self._environment.runner is not None:
                gevent.spawn(self._environment.runner.quit)
            return
        self._conductor.start()
        if self._options.plan.run_seconds is not None:
            gevent.spawn(self._quit_when_done, self._conductor)

    def _quit_when_done(self, conductor: Conductor) -> None:
        while not conductor.done:
            gevent.sleep(_POLL_SECONDS)
        if self._environment.runner is not None:
            self._environment.runner.quit()

    def _spawned(self, **_kwargs: Any) -> None:
        if self._conductor is not None:
            self._conductor.spawned()

    def _stopping(self, **_kwargs: Any) -> None:
        if self._conductor is not None:
            self._conductor.wind_down()

    def _end(self, why: str) -> None:
        """Judge and keep the run that goes on; once for each. Whoever asks meanwhile waits for it too."""
        if self._conductor is None:
            return
        if self._closing is None:
            # A greenlet of its own: Locust kills its others when it quits, also the one that asks.
            self._closing = gevent.spawn(self._close, self._conductor, why)
        self._closing.join()

    def _close(self, conductor: Conductor, why: str) -> None:
        try:
            code, lines = self._session.close(conductor, why)
        except Exception as exc:  # noqa: BLE001 - then there is no result, and people are told why
            _LOG.debug("the run has no result", exc_info=exc)
            code, lines = (
                EXIT_OUR_FAILURE,
                [f"locust: the run has no result: {told(exc, *_SENTENCES)}"],
            )
        self._lines += lines
        self._conductor = self._closing = None
        # Users of Locust's own that run beside may have failed: its code says so where ours says PASS.
        others = self._nodes.others_failed(conductor.names())
        self._codes.append(code or (None if others else 0))
        self._environment.process_exit_code = _worst(self._codes)
        if not _parsed(self._environment).headless:
            self._say_lines()

    def _quit(self) -> None:
        self._end("interrupted")

    def _say(self) -> None:
        if not self._begun:
            self._lines.append("load: no run was started, so nothing is decided.")
        self._say_lines()
        self._stack.close()

    def _say_lines(self) -> None:
        # With --json the output is Locust's figures for a program.
        to = sys.stderr if _parsed(self._environment).json else sys.stdout
        for line in self._lines:
            to.write(f"{plain(line)}\n")
        to.flush()
        self._lines = []


def _refuse_what_is_not_there(
    environment: Environment, nodes: LocustNodes, options: Options
) -> None:
    """Refuse a run without requests, or with two shapes, before anything is brought up."""
    if not any(one.tasks for one in nodes.scenarios()):
        raise RequestError(
            "no task of the load test is left: name a User class that has some, or other --tags and "
            "--exclude-tags."
        )
    theirs = environment.shape_class
    if options.plan.stages and theirs is not None:
        raise RequestError(
            f"{type(theirs).__name__}: --rps, --closed and profiles have their own shape, and a run "
            "has one; leave this one out, or them."
        )


def _worst(codes: Sequence[int | None]) -> int | None:
    """Return the exit code of all runs of a process: one that is not a PASS is not made up for by another.

    None leaves it to Locust: users of its own failed.
    """
    return next((one for one in codes if one), None if None in codes else 0)


_STILL = (
    "locust: it is ending already: the last answers are waited for, synthetic records removed, the report "
    "kept. That takes some minutes at most; SIGKILL leaves it undone.\n"
)


class Interrupts:
    """The first signal ends the run; whoever is impatient is told what still goes on.

    Locust itself listens only once a shape is over, and a second Ctrl-C would break off its end.
    Whatever greenlet a signal meets, the main one is told.
    """

    def __init__(self) -> None:
        """Listen from now on; the greenlet that is running is the main one."""
        self._main: Any = gevent.getcurrent()
        self._heard = False
        self.end: Callable[[], None] = self.throw
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def throw(self, exception: BaseException | None = None) -> None:
        """Raise in the main greenlet: what Ctrl-C raises, or something else."""
        gevent.get_hub().loop.run_callback(self._main.throw, exception or KeyboardInterrupt())

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._heard:
            sys.stderr.write(_STILL)
            return
        self._heard = True
        gevent.get_hub().loop.run_callback(self.end)
