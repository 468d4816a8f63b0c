"""Beside the contract checks, a test for each operation of the served document, with its own id.

Only where pytest is run by hand: the gate's child runs catalogued checks and nothing else. They are
made once the run is open, as only then it is known where the API is; an API that is down is one failed
test, and never an interrupted session.
"""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from bdd.collector import CHECKS, CONTRACT, ROW, WANTED, operations_asked_for
from bdd.session import RUN
from steps.contract import operations


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Add them where contract checks are run, or asked for by -m and left out by -k."""
    config = session.config
    if RUN not in config.stash or config.stash[WANTED] is not None or config.getoption("dry"):
        return
    run, folder = config.stash[RUN], config.stash[CHECKS].features / CONTRACT
    beside = any(ROW in item.stash and item.path.parent == folder for item in session.items)
    if run.platform.environment.settings.contract is None or not (
        beside or operations_asked_for(config)
    ):
        return
    parent = Document.from_parent(session, path=folder, name=f"{CONTRACT}/operations")
    try:
        made: list[pytest.Item] = [
            Operation.from_parent(parent, name=name) for name in operations.listed(run)
        ]
    except operations.NotKept as exc:
        made = [Unread.from_parent(parent, name="the API's document", why=str(exc))]
    config.hook.pytest_collection_modifyitems(session=session, config=config, items=made)
    session.items += made


class Document(pytest.Collector):
    """The API's document."""

    def collect(self) -> list[pytest.Item]:
        """Return nothing: what it describes is known later."""
        return []


class _Test(pytest.Item):
    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self.add_marker(CONTRACT)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_: Any) -> str:
        """Return the finding alone; of what broke the test its type, as a text may hold anything."""
        found = excinfo.value
        return str(found) if isinstance(found, operations.NotKept) else type(found).__name__

    def reportinfo(self) -> tuple[pathlib.Path, None, str]:
        """Return where it stands and its name."""
        return self.path, None, self.name


class Operation(_Test):
    """One operation, such as GET /v1/things/{thing_id}, in every region."""

    def runtest(self) -> None:
        """Hold it against its document."""
        try:
            operations.test(self.config.stash[RUN], self.name)
        except operations.NotAsked as exc:
            pytest.skip(str(exc))


class Unread(_Test):
    """What stands for all operations where the document could not be read."""

    def __init__(self, *, why: str, **named: Any) -> None:
        super().__init__(**named)
        self._why = why

    def runtest(self) -> None:
        """Say why."""
        raise operations.NotKept(self._why)
