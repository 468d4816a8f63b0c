"""The logs that kubelets keep: of the API, the audit service and the security monitor."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any, Final

from sandbox.systems.cluster.lists import StatusError
from sandbox.systems.cluster.state import APP, ClusterState

AUDIT, SECURITY = "audit-service", "security-monitor"
FAILED_LOGIN, ALERT = "authentication.failed", "intrusion.suspected"
_DAY_SECONDS = 1_500.0
"""Of the runbook, at a time scale of 60."""
_INFO: Final = json.dumps({"level": "info", "msg": "request handled", "status": 200})
_ERROR: Final = json.dumps({"level": "error", "msg": "lookup failed", "patient": "Jane Doe"})
_FATAL: Final = json.dumps({"level": "fatal", "msg": "cannot start"})
_LOGIN: Final = json.dumps({"level": "warn", "event": FAILED_LOGIN, "msg": "login refused"})
_LONG: Final = json.dumps({"level": "info", "msg": "x" * 262_144})


def log(
    pod: Mapping[str, Any], state: ClusterState, newest: str | None, asked: Mapping[str, str]
) -> bytes:
    """Return a pod's log as asked for; raises StatusError where there is none."""
    status = pod["status"]["containerStatuses"][0]
    if asked.get("previous") == "true" and not status["restartCount"]:
        name = pod["metadata"]["name"]
        raise StatusError(
            400, f'previous terminated container "{status["name"]}" in pod "{name}" not found'
        )
    lines = _lines(pod, state, newest)
    since = asked.get("sinceTime")
    if since:
        # The API server hands the time on to the kubelet in whole seconds.
        begins = dt.datetime.fromisoformat(since).timestamp()
        lines = [one for one in lines if one[0] >= int(begins)]
    lines = lines[-int(asked.get("tailLines") or len(lines) or 1) :]
    stamped = asked.get("timestamps") == "true"
    text = "".join(f"{_stamp(at)} {line}\n" if stamped else f"{line}\n" for at, line in lines)
    return text.encode()[: int(asked.get("limitBytes") or len(text.encode()))]


def _lines(
    pod: Mapping[str, Any], state: ClusterState, newest: str | None
) -> list[tuple[float, str]]:
    """Return all that its file holds, by time: it begins with the container, and goes on until now."""
    program, now = pod["metadata"]["labels"].get("app", ""), dt.datetime.now(dt.UTC).timestamp()
    status = pod["status"]["containerStatuses"][0]
    began = dt.datetime.fromisoformat(pod["status"]["startTime"]).timestamp()
    ends = now - 20.0 if program in state.silent_logs else now - 0.2
    since = max(began, now - _DAY_SECONDS)
    usual = [(since + (ends - since) * number / 19, _INFO) for number in range(1, 20)]
    lines = [(began if program not in state.rotated_logs else now - 3.0, _INFO), *usual]
    if program in state.rotated_logs:
        lines = [one for one in lines if one[0] >= now - 3.0]
    if program == SECURITY:
        lines += [(ends - 0.1, _LOGIN)] * state.failed_logins
    if status["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff":
        lines.append((ends, _FATAL))
    if program == APP and pod["metadata"]["labels"].get("version") == f"v{newest}":
        lines += [(ends, _ERROR)] * state.error_lines
    told = {APP: state.logged_app, AUDIT: state.logged_audit, SECURITY: state.logged_security}
    more = told.get(program, {})
    lines += [(ends, line) for line, times in more.items() for _ in range(times)]
    return sorted(lines + [(ends, _LONG)] * (70 * (program in state.flooded_logs)))


def _stamp(at: float) -> str:
    return dt.datetime.fromtimestamp(at, tz=dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
