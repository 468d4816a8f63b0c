"""One pass over an API's operations, in a process that does nothing else: `python -m probes.contract.child`.

An order comes on the standard input, a report goes to the standard output. Schemathesis keeps global
state, Hypothesis warns, a hostile document may fill the memory, and a pass that hangs must be ended: none
of that may happen to the gate.
"""

from __future__ import annotations

import base64
import collections
import ctypes
import dataclasses
import hashlib
import json
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any

import requests
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.engine.run import TESTING_PHASES, PhaseName, probes

from probes.contract import READS, causes, document
from probes.contract.causes import Cause
from probes.contract.guard import Guard

_MOST_MEMORY = 6 * 1024**3
_PR_SET_PDEATHSIG = 1
_SUCCESS, _SERVER_ERROR = range(200, 300), 500
_VALID_ENOUGH = ["2xx", "3xx", "401", "402", "403", "404", "409", "429", "5xx"]
"""What valid input may meet without a broken promise: of a login, of a rule, of another record."""
_ADDRESS = re.compile(r"[^@\s]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,24}")
_MOST_SAID = 200
_ROUND = "completed"
"""Every phase had its turn."""

_CONFIG: Mapping[str, Any] = {
    "cache": {"enabled": False},
    "auth": {"auto-signup": False},
    "analysis": {"constants": {"enabled": False}},
    "continue-on-failure": True,
    "workers": 1,
    "request-timeout": 5.0,
    "max-redirects": 0,
}
# What no document names is never sent: nobody has promised what it does.
_COVERAGE: Mapping[str, Any] = {"unexpected-methods": []}
_GENERATION = {"deterministic": True, "database": "none"}
_READ_ONLY: Mapping[str, Any] = {
    "generation": {
        **_GENERATION,
        "mode": "positive",
        "max-examples": 5,
        "with-security-parameters": False,
    },
    "phases": {
        # Values out of answers would be ids of records that are somebody's.
        "examples": {"fill-missing": True, "extra-data-sources": {"responses": False}},
        "coverage": {**_COVERAGE, "extra-data-sources": {"responses": False}},
        "fuzzing": {"extra-data-sources": {"responses": False}},
        "stateful": {"enabled": False},
    },
    "checks": {"ignored_auth": {"enabled": False}},
}
_FULL: Mapping[str, Any] = {
    "generation": {**_GENERATION, "mode": "all", "max-examples": 20},
    "phases": {
        # As they are given: a part that came out of another answer would spoil what must succeed.
        "examples": {"fill-missing": True, "extra-data-sources": {"responses": False}},
        "coverage": _COVERAGE,
    },
    "checks": {"positive_data_acceptance": {"expected-statuses": _VALID_ENOUGH}},
}


def main() -> int:
    """Carry out one order; what breaks it is reported by type and place, never by its text."""
    order = json.load(sys.stdin)
    _end_with(order["parent"])
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    report: dict[str, Any] = {}
    try:
        fit = document.read(base64.b64decode(order["content"]))
    except document.Unfit as exc:
        report["unfit"] = dataclasses.asdict(exc)
    else:
        report["operations"] = document.operations(fit)
        if order["mode"] != "document":
            report["pass"] = Pass(order, fit, report["operations"]).run()
    json.dump(report, sys.stdout)
    return 0


def _end_with(parent: int) -> None:
    """Have the kernel end this process with the one that started it."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


@dataclasses.dataclass(slots=True)
class Met:
    """One cause: its smallest request so far, and how often it was met."""

    phase: str
    request: Any
    response: Any
    times: int = 1

    @property
    def size(self) -> int:
        """Return how large its request is."""
        return len(self.request.uri) + len(self.request.body or b"")


class Pass:
    """Asks every operation that is not left out, and notes what broke a promise."""

    def __init__(
        self, order: Mapping[str, Any], fit: dict[str, Any], operations: list[str]
    ) -> None:
        self._order = order
        self._read_only = order["mode"] == "read"
        self._asked = [one for one in operations if self._may_ask(one)]
        self._guard = Guard(order["base_url"], self._asked, operations)
        self._document = document.with_values(fit, order["values"], order["bodies"])
        self._statuses: dict[str, collections.Counter[str]] = {
            operation: collections.Counter() for operation in self._asked
        }
        self._seconds = dict.fromkeys(self._asked, 0.0)
        self._met: dict[Cause, Met] = {}
        self._errors: dict[str, None] = {}
        self._phases: list[str] = []
        self._ended = ""
        self._began = time.monotonic()

    def _may_ask(self, operation: str) -> bool:
        reads = not self._read_only or operation.partition(" ")[0] in READS
        return reads and operation not in self._order["leave_out"]

    def run(self) -> dict[str, Any]:
        """Return what was found, as JSON values."""
        self._guard.install()
        # They would ask for paths of no operation, to learn what the server can take.
        probes.PROBES = ()  # type: ignore[assignment]  # declared as these two
        _keep_synthetic(self._order)
        config = SchemathesisConfig.from_dict(self._config())
        schema = schemathesis.openapi.from_dict(self._document, config=config)
        stream = from_schema(schema).execute()
        for event in stream:
            self._note(event)
            if self._ended == _ROUND:
                stream.stop()
        return {
            "asked": self._asked,
            "statuses": {name: dict(count) for name, count in self._statuses.items()},
            "seconds": {name: round(count, 3) for name, count in self._seconds.items()},
            "findings": [self._finding(one) for one in self._distinct()],
            "errors": list(self._errors),
            "phases": list(dict.fromkeys(self._phases)),
            "ended": self._ended,
            "elapsed_seconds": round(time.monotonic() - self._began, 3),
            "sent": dict(sorted(self._guard.sent.items())),
            "refused": self._guard.refused,
            "tool": schemathesis.__version__,
        }

    def _distinct(self) -> list[Cause]:
        """Return the causes; who lets everybody in takes invalid tokens too."""
        for_all = {one.operation for one in self._met if one.kind == causes.NO_LOGIN}
        return [
            one
            for one in self._met
            if not (one.kind == causes.TAKES_INVALID and one.operation in for_all)
        ]

    def _config(self) -> dict[str, Any]:
        order = self._order
        mine = _READ_ONLY if self._read_only else _FULL
        left_out = [name for name in document.operations(self._document) if name not in self._asked]
        return {
            **_CONFIG,
            **mine,
            "base-url": order["base_url"],
            "seed": order["seed"],
            "max-time": max(1, int(order["budget_seconds"])),
            "rate-limit": f"{order['requests_per_second']}/s",
            "headers": order["headers"],
            "operations": [{"include-name": name, "enabled": False} for name in left_out],
            **({"tls-verify": order["ca_file"]} if order["ca_file"] else {}),
            **self._login(),
        }

    def _login(self) -> dict[str, Any]:
        """Give the token to the operations that ask for a login, and to no other."""
        token = self._order["token"]
        schemes = self._document.get("components", {}).get("securitySchemes", {})
        if not token:
            return {}
        known = {}
        for name, scheme in schemes.items():
            if scheme.get("type") == "apiKey":
                known[name] = {"api_key": token}
            elif (scheme.get("type"), str(scheme.get("scheme")).lower()) == ("http", "bearer"):
                known[name] = {"bearer": token}
        if len(known) == len(schemes):
            return {"auth": {"auto-signup": False, "openapi": known}}
        return {"headers": {**self._order["headers"], "Authorization": f"Bearer {token}"}}

    def _note(self, event: Any) -> None:
        if isinstance(event, events.ScenarioFinished):
            self._note_answers(event.phase.value, event.recorder)
        elif isinstance(event, events.PhaseFinished):
            self._note_phase(event)
        elif isinstance(event, events.NonFatalError):
            self._errors[f"{str(event.label)[:_MOST_SAID]}: {event.info.title}"] = None
        elif isinstance(event, events.FatalError):
            self._errors[f": {type(event.exception).__name__}"] = None
        elif isinstance(event, events.EngineFinished):
            self._ended = self._ended or str(event.stop_reason)

    def _note_phase(self, event: events.PhaseFinished) -> None:
        if event.phase.name in TESTING_PHASES and event.status is not Status.SKIP:
            self._phases.append(event.phase.name.value)
        # It would go on with the last two phases, with other values, until the budget is spent.
        in_time = time.monotonic() - self._began < self._order["budget_seconds"]
        if event.phase.name is PhaseName.STATEFUL_TESTING and in_time:
            self._ended = _ROUND

    def _note_answers(self, phase: str, recorder: ScenarioRecorder) -> None:
        for case_id, met in recorder.interactions.items():
            operation = self._operation(recorder, case_id)
            if operation is None:
                continue
            answer = met.response
            self._statuses[operation]["none" if answer is None else str(answer.status_code)] += 1
            self._seconds[operation] += 0.0 if answer is None else answer.elapsed
            failed = [
                one.failure_info.failure
                for one in recorder.checks.get(case_id, ())
                if one.failure_info is not None
            ]
            status = "" if answer is None else str(answer.status_code)
            schema = document.schema_of(self._document, operation, status)
            if found := causes.cause(failed, operation, schema):
                self._keep(found, Met(phase, met.request, answer))

    def _operation(self, recorder: ScenarioRecorder, case_id: str) -> str | None:
        case = recorder.cases.get(case_id)
        label = case.value.operation.label if case is not None else None
        return label if label in self._statuses else None

    def _keep(self, found: Cause, met: Met) -> None:
        before = self._met.get(found)
        if before is None:
            self._met[found] = met
            return
        before.times += 1
        if met.size < before.size:
            self._met[found] = dataclasses.replace(met, times=before.times)

    def _finding(self, found: Cause) -> dict[str, Any]:
        met = self._met[found]
        failed = met.response is not None and met.response.status_code >= _SERVER_ERROR
        return {
            **dataclasses.asdict(found),
            "phase": met.phase,
            "status": None if met.response is None else met.response.status_code,
            "times": met.times,
            "curl": causes.curl(met.request, self._order["secrets"]),
            "again": self._again(met) if failed else True,
        }

    def _again(self, met: Met) -> bool:
        """Tell whether a request that met a server error meets one again."""
        sent = met.request
        headers = {name: value[0] for name, value in sent.headers.items()}
        if self._order["token"] and "Authorization" in headers:
            headers["Authorization"] = f"Bearer {self._order['token']}"
        verify = self._order["ca_file"] or True
        more = {"data": sent.body, "headers": headers, "allow_redirects": False}
        try:
            answer = requests.request(sent.method, sent.uri, timeout=5, verify=verify, **more)
        except requests.RequestException:
            return False
        return answer.status_code >= _SERVER_ERROR


def _keep_synthetic(order: Mapping[str, Any]) -> None:
    """Have every address that is sent lie in the synthetic domain, each of them once."""
    fields, domain, number = order["email_fields"], order["email_domain"], [0]
    start = _letters(hashlib.sha256(str(order["headers"]).encode()).hexdigest()[:8])
    if not domain:
        return

    @schemathesis.hook
    def before_call(context: Any, case: Any, kwargs: Any) -> None:  # noqa: ARG001 - its signature
        body = case.body
        for field in fields if isinstance(body, dict) else ():
            address = body.get(field)
            if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
                continue
            if not address.lower().endswith(f"@{domain}"):
                number[0] += 1
                case.body = body = {**body, field: f"{start}{_letters(str(number[0]))}@{domain}"}


def _letters(digits: str) -> str:
    """Return a name for a number: letters alone, as a document may allow nothing else."""
    return "".join(chr(ord("a") + int(digit, 16)) for digit in digits)


if __name__ == "__main__":
    sys.exit(main())
