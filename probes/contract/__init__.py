"""Contract tests: whether an API answers as its own OpenAPI document says.

The work is done by Schemathesis, in a process that is started for each pass (`child.py`) and that may send
nothing but what the pass is for (`guard.py`). Nothing here loads it, or any other client library.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import SecretStr, TypeAdapter

from probes import need
from probes.observation import (
    EVERYTHING,
    Deadline,
    FailureKind,
    FoundError,
    Observation,
    PhaseClock,
    Shown,
    observed,
)

READS: Final = frozenset({"GET", "HEAD"})
"""Methods that change nothing."""

_ROOT: Final = pathlib.Path(__file__).resolve().parents[__name__.count(".") + 1]
"""Where the outermost package lies."""
_CHILD: Final = ("-W", "ignore", "-m", f"{__name__}.child")
_OUT_OF_TIME: Final = (
    "The contract tests gave no report before their deadline; give them more time."
)


@dataclasses.dataclass(frozen=True, slots=True)
class Unfit(Shown):
    """Why nothing can be asked by a document: it is invalid, or of a kind that is not read."""

    KEPT = EVERYTHING
    sentence: str
    invalid: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Described(Shown):
    """What a document describes."""

    KEPT = ("unfit", "operations")
    operations: tuple[str, ...]
    """Such as GET /v1/things/{thing_id}."""
    unfit: Unfit | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Finding(Shown):
    """A promise that was broken, in its smallest request."""

    KEPT = EVERYTHING
    operation: str
    kind: str
    detail: str
    phase: str
    status: int | None
    times: int
    curl: str
    """For a shell; secrets are masked."""
    again: bool
    """Whether a server error came again when it was asked for once more; True for all else."""
    shared: str = ""
    """The schema of the document, if several operations may share it, in which the broken rule stands."""


@dataclasses.dataclass(frozen=True, slots=True)
class Answers(Shown):
    """What a pass over an API's operations found."""

    KEPT = ("asked", "statuses", "findings", "errors", "phases", "ended", "sent", "refused")
    asked: tuple[str, ...]
    statuses: Mapping[str, Mapping[str, int]]
    """Operation → status → how often; `none` where no answer came."""
    seconds: Mapping[str, float]
    findings: tuple[Finding, ...]
    errors: tuple[str, ...]
    """What kept operations from being asked."""
    phases: tuple[str, ...]
    ended: str
    """`completed`, `max_time` or why it stopped."""
    sent: Mapping[str, int]
    """Requests by method."""
    refused: int
    """Requests that the library would have sent and the guard did not let through; never any."""
    elapsed_seconds: float
    tool: str
    """The version of Schemathesis."""


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """What a pass may do."""

    base_url: str
    content: bytes = dataclasses.field(repr=False)
    """The document, as it was served."""
    mode: Literal["read", "full"] = "read"
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    token: SecretStr | None = None
    secrets: tuple[SecretStr, ...] = ()
    """What else must not be shown."""
    values: Mapping[str, str] = dataclasses.field(default_factory=dict)
    bodies: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    """A body with which an operation succeeds."""
    leave_out: tuple[str, ...] = ()
    email_fields: tuple[str, ...] = ()
    email_domain: str = ""
    budget_seconds: float = 60.0
    requests_per_second: int = 50
    ca_file: str | None = None
    seed: int = 1


def describe(content: bytes, *, deadline: Deadline) -> Observation[Described]:
    """Return what a document describes; nothing is asked of anybody."""

    def read(_: PhaseClock) -> Described:
        order = {"mode": "document", "content": _encoded(content)}
        return _described(_reported(order, deadline))

    return observed("contract", "the API's document", read)


def tested(order: Order, *, deadline: Deadline) -> Observation[Answers]:
    """Ask the operations of a document, and return what they answered.

    A document that is unfit is a failure; `describe` says why.
    """

    def ask(_: PhaseClock) -> Answers:
        report = _reported(_written(order), deadline)
        if "pass" not in report:
            unfit = _described(report).unfit
            why = unfit.sentence if unfit else "it describes nothing"
            raise FoundError(FailureKind.UNUSABLE_ANSWER, f"The document is unfit: {why}.")
        return TypeAdapter(Answers).validate_python(report["pass"])

    return observed("contract", f"{order.mode} pass over {order.base_url}", ask)


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _written(order: Order) -> dict[str, Any]:
    secrets = [one.get_secret_value() for one in (order.token, *order.secrets) if one is not None]
    token = order.token.get_secret_value() if order.token else None
    plain = {"content": _encoded(order.content), "token": token, "secrets": secrets}
    return {**dataclasses.asdict(order), **plain}


def _reported(order: Mapping[str, Any], deadline: Deadline) -> dict[str, Any]:
    """Have a process carry an order out; it is gone when this returns, however it does."""
    need("contract")
    with tempfile.TemporaryDirectory(prefix="contract-") as folder:
        # An empty home and folder: no settings file, cache, proxy or .netrc of anybody's is used.
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": folder,
            "PYTHONPATH": str(_ROOT),
            # Its table of letters takes two seconds to make; nothing else is kept there.
            "HYPOTHESIS_STORAGE_DIRECTORY": f"{tempfile.gettempdir()}/deployment-gate-{os.getuid()}/letters",
        }
        try:
            done = subprocess.run(  # noqa: S603 - this Python and a module of this package
                [sys.executable, *_CHILD],
                input=json.dumps({**order, "parent": os.getpid()}).encode(),
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # may hold what the server said
                timeout=deadline.remaining_seconds(),
                check=False,
                start_new_session=True,
            )
            report: dict[str, Any] = json.loads(done.stdout)
        except subprocess.TimeoutExpired:
            raise FoundError(FailureKind.TIMEOUT, _OUT_OF_TIME) from None
        except ValueError:
            detail = f"The contract tests broke and ended with {done.returncode}."
            raise FoundError(FailureKind.OUR_FAULT, detail) from None
    return report


def _described(report: Mapping[str, Any]) -> Described:
    return TypeAdapter(Described).validate_python({"operations": (), **report})
