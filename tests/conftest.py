"""One platform for all tests that need one; it goes down with pytest, however that ends."""

from __future__ import annotations

import contextlib
import gc
import os
import pathlib
import tempfile
from collections.abc import Iterator

import pytest

import probes
from reports import verdict
from sandbox.core import browser as sandbox_browser
from sandbox.core.state import StateDirectory
from tests.environments.files import SECRETS
from tests.golden import judgements_said, said  # noqa: F401 - fixtures
from tests.probes.cluster_server import cluster, cluster_of_module  # noqa: F401 - fixtures
from tests.sandbox.platforms import Sandbox

TESTS = pathlib.Path(__file__).parent
ONE_PLATFORM_EACH = (
    (
        "gates/process/test_runs.py",  # brings up its own, and is not beside other gates at once
        "gates/process/test_kills.py",
        "gates/process/test_phases.py",
        "gates/cli/test_doctor.py",
    ),
    (
        "faults/test_faults.py",
        "faults/test_watch.py",
        "faults/test_rollout.py",
        "faults/test_first_hour.py",
        "sandbox/test_faults.py",
        "sandbox/test_platform.py",
        "sandbox/test_lifecycle.py",  # its last test kills the platform
    ),
)
"""Files whose tests share the platform below. Elsewhere it would be one more to bring up and keep."""
BROWSER = (
    "steps/browser/test_journeys.py",
    "steps/browser/test_accessibility.py",
    "probes/test_browser.py",
    "probes/test_pages.py",
    "sandbox/test_browser.py",
    "reports/test_load_page_in_a_browser.py",
)
"""One after another: two browsers at once leave too little of two cores to what else is waited for."""
SHARED = (
    *ONE_PLATFORM_EACH,
    BROWSER,
    (
        "sandbox/test_app_journey.py",
        "sandbox/test_app.py",
        "sandbox/test_audit_log.py",
    ),
)
"""So do these share the servers of `sandbox/app_servers.py`."""
LONGEST_FIRST = (
    "faults/test_phases.py",
    *(file for files in ONE_PLATFORM_EACH for file in files),
    *BROWSER,
    "load/test_locust.py",
    "steps/contract/test_contract.py",
    "bdd/test_operations.py",
    "deploy/test_wheel.py",
    "examples/test_plain_web.py",
    "test_docs.py",
    "steps/cluster/test_clusters.py",
    "prove/test_kubernetes.py",
    "gates/process/test_private_data.py",
    "gates/process/test_refusals.py",
    "steps/data/test_backups_in_s3.py",
    "steps/data/test_data.py",
    "bdd/test_guard.py",
    "bdd/test_outside.py",
    "gates/run/test_join.py",
    "test_repository.py",
)
"""Files of tests that take long; all others follow."""


@pytest.fixture(scope="session", autouse=True)
def _wait_for_no_disk() -> Iterator[None]:
    """Leave out waiting until a disk has what was written: no test takes a machine's power away."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables that the valid environment file refers to."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Return a running platform without faults."""
    sandbox = Sandbox(StateDirectory(tmp_path_factory.mktemp("platform") / "state"))
    up = sandbox.run("up", "--owner", str(os.getpid()))
    assert up.returncode == 0, up.stderr
    yield sandbox
    down = sandbox.run("down")
    assert down.returncode == 0, down.stderr


@pytest.fixture(scope="session")
def chromium() -> str | None:
    """Return the program of the local platform's browser: a machine need not have one on its PATH."""
    sandbox_browser.find(print)
    return sandbox_browser.path()


@pytest.fixture(scope="session")
def browser(chromium: str | None) -> Iterator[probes.browser.Browser]:
    """Return the local platform's browser, which starts at its first use."""
    with contextlib.closing(probes.browser.Browser(executable=chromium)) as one:
        yield one


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Function, nextitem: pytest.Item | None) -> Iterator[None]:
    """Take platform and browser down after the last test of their group: they work unasked, too."""
    yield
    if nextitem is not None and _group(item) != _group(nextitem):
        for name in ("platform", "browser"):
            for one in item.session._fixturemanager.getfixturedefs(name, item) or ():
                one.finish(item._request)  # type: ignore[arg-type] # takes each of them


@pytest.fixture
def whole_platform(platform: Sandbox) -> Iterator[Sandbox]:
    """Return the running platform and revert every fault that the test leaves applied."""
    yield platform
    platform.ask({"do": "fault", "action": "revert-all"})


def pytest_configure(config: pytest.Config) -> None:
    """Keep the runs of tests out of the checkout, where `gate status` would take them for the newest.

    And look for garbage less often: a fifth of the time that thousands of tests take to load goes there.
    """
    if "GATE_OUT" not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="gate-tests-", ignore_cleanup_errors=True)
        os.environ["GATE_OUT"] = folder.name
        config.add_cleanup(folder.cleanup)
    if config.getoption("numprocesses", None):
        config.pluginmanager.register(_AtOnce(config))
    verdict.OUT = "reports/out"  # what is rendered in this process names it as users see it
    gc.set_threshold(50_000, 20, 20)


class _AtOnce:
    """Names a failed test as it fails: where many run at once, pytest does so at the end of all."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write a line for a failure."""
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and terminal is not None:
            why = getattr(getattr(report.longrepr, "reprcrash", None), "message", "")
            first, *_ = str(why or report.longreprtext).strip().splitlines() or [""]
            terminal.write_line(f"\nFAILED {report.nodeid} ({report.when}): {first}", red=True)


def pytest_collection_finish() -> None:
    """Leave out of every later look what is loaded now: it stays."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests in one process, in their order; where a test names its group, that counts.

    The longest come first: what is left at the end, when some processes have nothing to do any more,
    should be short. A run of the platform's checks loads this too, where an option has a value that
    pytest takes for a path; they stay as they are.
    """
    if not all(item.nodeid.startswith(f"{TESTS.name}/") for item in items):
        return
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=_place)


def _group(item: pytest.Item) -> str:
    file = _file(item)
    return next((files[0] for files in SHARED if file in files), file)


def _place(item: pytest.Item) -> int:
    file = _file(item)
    return LONGEST_FIRST.index(file) if file in LONGEST_FIRST else len(LONGEST_FIRST)


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0].removeprefix(f"{TESTS.name}/")
