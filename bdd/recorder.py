"""Writes one line for each check as it ends: results by region, with all that was observed."""

from __future__ import annotations

import time
from collections.abc import Generator

import pytest

from bdd.collector import ROW
from bdd.session import CHECK, RUN
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from steps.kit.check import CheckBroke, CheckNotPassed
from steps.kit.platform import NotDescribedError

_STARTED: pytest.StashKey[float] = pytest.StashKey()
_RAISED: pytest.StashKey[BaseException] = pytest.StashKey()


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
    )


def _broke(raised: BaseException) -> Judgement:
    """Return the ERROR of a crash: its type and place, never its text, which may hold anything."""
    if isinstance(raised, NotDescribedError):
        return Judgement(
            outcome=Outcome.ERROR,
            rule="configuration",
            subject="the environment",
            sentence=str(raised),
            clears="that key in the environment's file",
        )
    what = raised if isinstance(raised, CheckBroke) else type(raised).__name__
    return Judgement(
        outcome=Outcome.ERROR,
        rule="own failure",
        subject="the check itself",
        sentence=f"the check itself broke: {what}; this is a fault of the gate",
        clears="a mended gate; run pytest --tb=long on this check to see where it broke",
    )


def _title(item: pytest.Item) -> str:
    doc = (getattr(item, "obj", None) and item.obj.__doc__) or item.name  # type: ignore[attr-defined]  # only functions have obj
    return str(doc).rpartition(": ")[2]
