"""What surrounds a load run: where it may send, its folder, synthetic records, verdict and report."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import logging
import math
import os
import pathlib
import platform
import resource
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from environments import provider
from environments.loader import INSTALLED, Loaded, shown
from environments.yaml_file import ConfigurationError
from gates.decide.outcome import EXIT_OUR_FAILURE
from gates.load import OUT, ROOT, Checks, load_policy
from load._conclude import announced, conclude
from load._conductor import Conductor
from load._facts import facts_of
from load._generator import null_server
from load._keep import PAGE_NAME, Records, deliver, exit_code, keep, read_baseline, write_allure
from load._nodes import LocustNodes
from load._options import Options, Permission, permitted, refuse_stranger, refuse_unless_allowed
from load._run import Plan, Run, Setting, Stage
from load._scenario import Ask, LoadError, Target
from load.verdict import LoadResult, judge, unprovable
from reports import load_page
from settings.load import LoadPolicy
from steps.kit.leases import LeaseHeldError
from steps.kit.request import new_run_id

NULL = "null server"
_LOG = logging.getLogger(__name__)


def holds(run: Run, stage: Stage, policy: LoadPolicy) -> bool:
    """Return whether a stage proves its objectives in every region: then a ramp may go on."""
    judged = [
        one
        for one in judge(facts_of(run, policy), policy).stages
        if one.stage.number == stage.number
    ]
    return bool(judged) and all(one.result is LoadResult.PASS for one in judged)


def _policy(folder: pathlib.Path) -> LoadPolicy:
    """Return what a load run is judged by; raises ConfigurationError."""
    policy = load_policy(folder).load
    if policy is None:
        raise ConfigurationError(
            f"{shown(folder)}: has no section load, so no load run can be judged; add it "
            "(gates/policy/load.yaml shows how)."
        )
    return policy


@dataclasses.dataclass(slots=True)
class _Goal:
    """Where runs of this process send."""

    environment: str
    targets: tuple[Target, ...]
    headers: Mapping[str, str]
    loaded: Loaded | None = None
    most_rps: float = math.inf


class Session:
    """Everything of a load test but the sending; it may hold several runs, one after the other."""

    def __init__(
        self, options: Options, stack: contextlib.ExitStack, kinds: Callable[[], list[Ask]]
    ) -> None:
        """Find out where to send, bring it up if need be.

        `kinds` tells what a null server has to answer. Raises ConfigurationError, ProviderError, OSError.
        """
        self._options = options
        self._stack = stack
        baseline = options.baseline
        self._baseline = None if baseline is None else read_baseline(pathlib.Path(baseline))
        self._goal = self._null(kinds()) if options.null_server else self._platform()
        loaded = self._goal.loaded
        self._policy = _policy(Checks.of(loaded.checks if loaded else None).policy)
        self.options = self._options = options.lasting(self._policy.run_time)
        self._run: contextlib.ExitStack = contextlib.ExitStack()
        self._records: Records | None = None
        self._folder = OUT

    def refuse_strangers(self, users: Iterable[Any], host: str | None) -> None:
        """Refuse users of Locust's own that send elsewhere than this run may; raises RequestError."""
        for user in users:
            refuse_stranger(user.__name__, host or user.host, self._goal.targets)

    def open(self, nodes: LocustNodes, workers: int) -> Conductor:
        """Return what leads a new run; raises LoadError."""
        self._folder = OUT / new_run_id("load")
        self._run = contextlib.ExitStack()
        try:
            keep(announced(self._plan(), time.time()), self._folder)
            _LOG.info("Load: run %s", self._folder.name)
            if (why := self._unprovable()) is not None:
                _LOG.warning("Load: %s", why)
            if self._options.report_to:
                deliver(self._folder, self._options.report_to)
            return self._led(nodes, workers)
        except OSError as exc:
            raise LoadError(str(exc)) from exc

    def _led(self, nodes: LocustNodes, workers: int) -> Conductor:
        options, target = self._options, self._goal
        targets = self._announced(target)
        setting = Setting(
            run=self._folder.name,
            plan=self._plan(),
            headers=target.headers,
            targets=targets,
            calibrate_seconds=options.calibrate_seconds,
            calibrate_amount=options.plan.peak / workers,
            connections=options.connections,
            deadline_seconds=options.deadline_seconds,
        )
        return Conductor(
            setting,
            nodes,
            expected_workers=workers,
            per_user=None if options.plan.stages else 1.0,
            goes_on=lambda run, stage: holds(run, stage, self._policy),
        )

    def close(self, conductor: Conductor, why: str) -> tuple[int, list[str]]:
        """End a run, clean up, judge and keep it; return the exit code and what people are told."""
        run = dataclasses.replace(conductor.finish(why), versions=versions(), machine=machine())
        problems = self._records.remove() if self._records is not None else []
        self._run.close()
        record = conclude(run, self._policy, baseline=self._baseline)
        return self._kept(run, record, problems)

    def _kept(
        self, run: Run, record: Mapping[str, Any], problems: list[str]
    ) -> tuple[int, list[str]]:
        result, meaning, *told = load_page.plain(record).splitlines()
        lines = [*told, *problems]
        try:
            keep(record, self._folder)
            write_allure(record, self._folder, began=run.started_at, ended=run.ended_at)
            lines.append(f"Report: {self._folder / PAGE_NAME}")
            if self._options.report_to:
                lines.append(f"Report: {deliver(self._folder, self._options.report_to)}")
        except (LoadError, OSError) as exc:
            # Nobody may find a verdict in the output that is none.
            ended = f"load: no result (exit code {EXIT_OUR_FAILURE})"
            return EXIT_OUR_FAILURE, [*lines, f"locust: {exc}", ended]
        return exit_code(record), [*lines, "", meaning, result]

    def _plan(self) -> Plan:
        goal = self._goal
        return dataclasses.replace(
            self._options.plan,
            environment=goal.environment,
            regions={one.region: one.address for one in goal.targets},
            most_rps=goal.most_rps,
        )

    def _unprovable(self) -> str | None:
        """Return why the run can prove nothing at its rate and length, before it begins; else None."""
        events = self._plan().least_events(self._options.users or 1)
        return None if events is None else unprovable(events, self._policy.objectives)

    def _announced(self, target: _Goal) -> tuple[Target, ...]:
        """Take the lease, clean up after earlier runs, and journal what this one will make."""
        self._records = None
        if target.loaded is None or target.loaded.settings.synthetic is None:
            return tuple(dataclasses.replace(one, tag=self._folder.name) for one in target.targets)
        addresses = {one.region: one.address for one in target.targets}
        records = Records(target.loaded, self._folder, addresses)
        try:
            self._run.enter_context(records.lease())
        except LeaseHeldError as exc:
            raise LoadError(f"another load test runs on this platform: {exc}") from exc
        records.remove_left_overs(_LOG.warning)
        records.announce()
        self._records = records
        return tuple(
            dataclasses.replace(one, tag=records.tag(one.region)) for one in target.targets
        )

    def _null(self, kinds: list[Ask]) -> _Goal:
        address = self._stack.enter_context(null_server(kinds))
        one = Target(region="null", address=address, tag="", imitated=True)
        return _Goal(NULL, (one,), {})

    def _platform(self) -> _Goal:
        options, plan = self._options, self._options.plan
        refuse_unless_allowed(plan.environment)
        told = self._stack.enter_context(provider.environment(plan.environment, tell=_LOG.info))
        permission = permitted(told, region=options.region, host=options.host)
        # Without stages each of Locust's users is a request a second.
        rate = plan.peak if plan.stages else float(options.users or 0)
        if rate and plan.model == "open":
            permission.check_rate(rate)
        targets = tuple(
            self._of_region(told, permission, region, address)
            for region, address in permission.addresses.items()
        )
        return _Goal(
            permission.environment, targets, permission.load.headers, told, permission.max_rps
        )

    def _of_region(
        self, loaded: Loaded, permission: Permission, region: str, address: str
    ) -> Target:
        synthetic = loaded.settings.synthetic
        return Target(
            region=region,
            address=address,
            tag="",
            email_domain=synthetic.email_domain if synthetic else "",
            provider_id=synthetic.provider_id if synthetic else "",
            accounts=permission.load.accounts,
            ca_file=loaded.settings.ca_file,
        )


_PACKAGES = ("locust", "gevent", "uvloop", "httptools", "pyzmq")


def versions() -> dict[str, str]:
    """Return the versions of Python, the packages that send, the kernel and this checkout."""
    found = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {
        "python": platform.python_version(),
        **found,
        "kernel": platform.release(),
        "checkout": _checkout(),
    }


def machine() -> dict[str, str | int | float]:
    """Return what the generator had to itself: processors, load, descriptors, local ports."""
    return {
        "processors": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "load_average": round(os.getloadavg()[0], 2),
        "open_files_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "local_ports": _first_line("/proc/sys/net/ipv4/ip_local_port_range").replace("\t", "-"),
    }


def _checkout() -> str:
    if INSTALLED:
        return "installed"
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            command, cwd=ROOT, capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


def _processor() -> str:
    lines = _text("/proc/cpuinfo").splitlines()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _first_line(file: str) -> str:
    return next(iter(_text(file).splitlines()), "unknown")


def _text(file: str) -> str:
    try:
        return pathlib.Path(file).read_text(encoding="utf-8")
    except OSError:
        return ""
