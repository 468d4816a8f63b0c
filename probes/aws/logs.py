"""What a program logged since a time, counted, where CloudWatch Logs keeps its lines.

A log group keeps what pods forget: lines of containers that were restarted, rotated away or are gone. It
gets them a little later, so the newest may be missing; `steps/logs/rules.py` judges how old the newest is.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from probes.aws import AwsTarget, Caller, observe, or_none
from probes.log_lines import Format, Log, counted
from probes.observation import Deadline, Observation

_MOST_PAGES: Final = 400
"""A page has up to 10,000 lines, and one megabyte."""
_STREAM: Final = re.compile(r"(?:^|[./])containers[./]([a-z0-9][a-z0-9.-]*)_")
"""How a stream is named by Fluent Bit: after the file that the node keeps of a container."""


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """Where a program's lines are."""

    name: str
    pattern: str = ""
    """CloudWatch's filter pattern, where the group has the lines of other programs too."""


@dataclasses.dataclass(slots=True)
class _Reading:
    """What is known of lines beside the lines themselves, once they are read."""

    caller: Caller
    group: Group
    newest: dt.datetime | None = None
    sources: set[str] = dataclasses.field(default_factory=set)
    lacking: tuple[str, ...] = ()

    def lines(self, client: Any, start: dt.datetime) -> Iterator[str]:
        """Yield each line from a moment on, page by page; none is kept."""
        asked = {"logGroupName": self.group.name, "startTime": int(start.timestamp() * 1000)}
        if self.group.pattern:
            asked["filterPattern"] = self.group.pattern
        pages = client.get_paginator("filter_log_events").paginate(**asked)
        for number, page in enumerate(pages):
            self.caller.in_time()
            if number >= _MOST_PAGES:
                self.lacking = (f"log group {self.group.name} has more than is read",)
                return
            for event in page["events"]:
                yield from self._lines_of(event)

    def _lines_of(self, event: Mapping[str, Any]) -> Iterator[str]:
        at = _moment(event["timestamp"])
        self.newest = max(at, self.newest or at)
        pod, text = _unwrapped(event["message"])
        stream = event["logStreamName"]
        named = _STREAM.search(stream)
        self.sources.add(pod or (named[1] if named else stream))
        yield from (line for line in text.split("\n") if line.strip())


def since(
    target: AwsTarget, group: Group, moment: dt.datetime, form: Format, *, deadline: Deadline
) -> Observation[Log]:
    """Read what a log group has of a program since a moment; streams are named by their pods."""

    def ask(caller: Caller) -> Log:
        client = caller.client("logs")
        reading = _Reading(caller, group)
        found = or_none(lambda: _described(caller, client, group.name))
        if found is None:
            there_is_none = (f"there is no log group {group.name}",)
            return Log(counted((), form), moment, None, (), there_is_none)
        kept = dt.timedelta(days=found.get("retentionInDays") or 3650)
        oldest = dt.datetime.now(dt.UTC) - kept
        start = max(moment, oldest, _moment(found["creationTime"]))
        counts = counted(reading.lines(client, start), form)
        return Log(counts, start, reading.newest, tuple(sorted(reading.sources)), reading.lacking)

    return observe(target, f"log group {group.name}", deadline, ask)


def _described(caller: Caller, client: Any, name: str) -> Mapping[str, Any] | None:
    pages = client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
    for page in pages:
        caller.in_time()
        for group in page["logGroups"]:
            if group["logGroupName"] == name:
                found: Mapping[str, Any] = group
                return found
    return None


def _unwrapped(message: str) -> tuple[str | None, str]:
    """Return pod and line of what Fluent Bit wrapped with what it knows of Kubernetes, else the line."""
    if message.startswith("{"):
        try:
            wrapped = json.loads(message)
        except (ValueError, RecursionError):
            return None, message
        line, pod = wrapped.get("log"), wrapped.get("kubernetes")
        if isinstance(line, str) and isinstance(pod, dict):
            name = pod.get("pod_name")
            return name if isinstance(name, str) else None, line
    return None, message


def _moment(milliseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
