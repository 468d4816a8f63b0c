"""Opens the run before the first check and closes it after the last, and writes a line for each check."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import threading
import time
from collections.abc import Generator, Iterable
from types import FrameType

import pytest
from pytest_bdd.parser import Scenario, Step
from pytest_bdd.types import THEN

from bdd.collector import FOLDER, ROW, operations_asked_for
from bdd.offline import refuse_everything_but
from environments.provider import ProviderError
from environments.yaml_file import ConfigurationError
from gates.decide.judgement import Judgement
from gates.load import OUT
from probes import NotInstalledError
from probes import observation as waiting
from steps.kit.asked import Asked
from steps.kit.check import Check, CheckBroke, CheckNotPassed
from steps.kit.expect import unable
from steps.kit.platform import NotDescribedError
from steps.kit.request import Request
from steps.kit.run import Run, open_run

RUN: pytest.StashKey[Run] = pytest.StashKey()
CHECK: pytest.StashKey[Check] = pytest.StashKey()
_CLOSE: pytest.StashKey[contextlib.ExitStack] = pytest.StashKey()

_TAKING: pytest.StashKey[contextlib.ExitStack] = pytest.StashKey()
_SENTENCES: pytest.StashKey[Iterable[tuple[str, bool]]] = pytest.StashKey()
_STARTED: pytest.StashKey[float] = pytest.StashKey()
_RAISED: pytest.StashKey[BaseException] = pytest.StashKey()

_PR_SET_PDEATHSIG = 1


def pytest_collection_finish(session: pytest.Session) -> None:
    """Open the run if there is a check to run; what the files say wrongly is one usage error."""
    config = session.config
    checks = [item for item in session.items if ROW in item.stash]
    if config.getoption("collectonly") or not (checks or operations_asked_for(config)):
        return
    if config.getoption("--parent") is not None:
        _end_with_parent(config.getoption("--parent"))
        _look_for_garbage_seldom()
    if config.getoption("dry"):
        refuse_everything_but(config.getoption("--run-dir") or OUT)
    stack = contextlib.ExitStack()
    config.stash[_CLOSE] = stack
    waiting.begin()
    for number in (signal.SIGTERM, signal.SIGINT):
        stack.callback(signal.signal, number, signal.signal(number, _as_interrupt))
    try:
        run = stack.enter_context(open_run(_request(config)))
    except (ConfigurationError, ProviderError) as exc:
        raise pytest.UsageError(str(exc)) from exc
    config.stash[RUN] = run
    counted = {one for each in run.platform.policy.objectives for one in (each.check, *each.also)}
    if any(item.stash[ROW].id in counted for item in checks):
        # Asked for beside the first checks: they do not need the traffic, and asking takes a moment.
        asking = threading.Thread(target=run.lease.renew, name="traffic", daemon=True)
        asking.start()
        stack.callback(asking.join)
    for item in checks:
        row = item.stash[ROW]
        item.stash[CHECK] = Check(row.id, run.platform.regions, row.on_fail)


def _look_for_garbage_seldom() -> None:
    """Do so in a process that is to end soon; a tenth of its time would go there, mostly while it loads."""
    gc.freeze()  # without a last look: what is garbage by now is little
    gc.set_threshold(50_000, 20, 20)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the run, also after an interruption."""
    stack = config.stash.get(_CLOSE, None)
    if stack is not None:
        stack.close()
        gc.freeze()  # nothing is looked for in what ends with the process


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Run:
    """Return the run: the platform and what measures it."""
    return request.config.stash[RUN]


@pytest.fixture
def check(request: pytest.FixtureRequest) -> Check:
    """Return the check that is running."""
    running: Check = request.node.stash[CHECK]
    return running


@pytest.fixture
def asked(run: Run, check: Check) -> Asked:
    """Return the check that is running, as it asks what all its regions share."""
    return Asked(run.platform, check, check.regions)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a check once all its steps are through and all its findings are collected.

    What breaks a check is reported by type and place: its text would go into pytest's summary and into
    Allure, and may hold a secret or a patient's data. `--tb=long` shows all of it, to a developer.
    """
    try:
        yield
    except (NotDescribedError, NotInstalledError):
        raise
    except Exception as exc:
        if CHECK not in item.stash or item.config.getoption("tbstyle") == "long":
            raise
        raise CheckBroke.by(exc) from None
    if CHECK in item.stash:
        item.stash[CHECK].judge_silence()
        item.stash[CHECK].raise_if_not_passed()


def pytest_bdd_before_scenario(request: pytest.FixtureRequest, scenario: Scenario) -> None:
    """Note which sentences there are."""
    request.node.stash[_SENTENCES] = [
        (f"{one.keyword} {one.name}", one.type == THEN) for one in scenario.steps
    ]


def pytest_bdd_before_step(request: pytest.FixtureRequest, step: Step) -> None:
    """Note what was judged before a step."""
    if CHECK in request.node.stash:
        request.node.stash[_TAKING] = taking = contextlib.ExitStack()
        check = request.node.stash[CHECK]
        judges = step.type == THEN
        taking.enter_context(check.taking(step.name, keyword=step.keyword, judges=judges))


def pytest_bdd_after_step(request: pytest.FixtureRequest) -> None:
    """Note what a step that ran through judged."""
    if CHECK in request.node.stash:
        request.node.stash[_TAKING].close()


def _request(config: pytest.Config) -> Request:
    option = config.getoption
    return Request(
        env=option("--env"),
        release=option("--release"),
        regions=tuple(option("--region") or ()),
        switched_at=option("--switched-at"),
        environment_file=option("--environment-file"),
        run_dir=option("--run-dir"),
        phase=option("--phase"),
        watch_seconds=option("--watch"),
        restored=option("--restored"),
        resumed=option("--resume"),
        checks=config.stash[FOLDER],
        dry=option("dry"),
    )


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    """End every wait and unwind, so that records are removed; once, as removing must not be interrupted."""
    if waiting.stop():
        raise KeyboardInterrupt


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note that a check begins."""
    if CHECK in item.stash:
        item.stash[_STARTED] = time.monotonic()
        item.config.stash[RUN].events.write("check_started", check=item.stash[ROW].id)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show findings without a traceback; remember what else was raised."""
    report = yield
    if CHECK in item.stash and call.excinfo is not None:
        if isinstance(call.excinfo.value, CheckNotPassed):
            report.longrepr = str(call.excinfo.value)
        else:
            item.stash[_RAISED] = call.excinfo.value
    return report


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Write the check's line; a check that broke by itself is an ERROR in every region."""
    if CHECK not in item.stash or isinstance(item.stash.get(_RAISED, None), KeyboardInterrupt):
        return
    check = item.stash[CHECK]
    raised = item.stash.get(_RAISED, None)
    if raised is not None:
        for region in check.regions:
            check.judge(region, _broke(raised))
    item.config.stash[RUN].events.write(
        "check_finished",
        check=check.id,
        title=_title(item),
        elapsed_seconds=round(time.monotonic() - item.stash[_STARTED], 3),
        regions={region: noted.record() for region, noted in check.noted().items()},
        steps=[one.record() for one in check.steps(item.stash.get(_SENTENCES, []))],
    )


def _broke(raised: BaseException) -> Judgement:
    """Return the ERROR of a crash: its type and place, never its text, which may hold anything."""
    if isinstance(raised, NotDescribedError):
        clears = "that key in the environment's file"
        return unable("the environment", str(raised), clears, rule="configuration")
    if isinstance(raised, NotInstalledError):
        clears = "that package, where the gate runs"
        return unable("the gate's installation", str(raised), clears, rule="configuration")
    what = raised if isinstance(raised, CheckBroke) else type(raised).__name__
    sentence = f"the check itself broke: {what}; this is a fault of the gate"
    clears = "a fixed gate; run pytest --tb=long on this check to see where it broke"
    return unable("the check itself", sentence, clears, rule="own failure")


def _title(item: pytest.Item) -> str:
    doc = getattr(item, "obj", None) and item.obj.__doc__  # type: ignore[attr-defined]  # only functions have obj
    return str(doc or item.name)


def _end_with_parent(parent: int) -> None:
    """Have the kernel send SIGTERM when the parent process ends; raises OSError where it can't.

    A parent that is gone already would never be noticed, so that is asked afterwards.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "could not tie the checks to the gate's process")
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
