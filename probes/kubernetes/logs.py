"""What the pods of a program logged since a time, counted; and what of that time is not there any more.

A kubelet gives the newest file of a container's log alone, and that of the run before it: what was rotated
away, cut off or gone with a pod is told in words, so that silence is not taken for peace.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Final

from probes.kubernetes import REFUSAL, at_once, models, observe, selector_of
from probes.kubernetes.client import KubernetesTarget, RefusedError, Session, path_of
from probes.log_lines import Format, Log, counted
from probes.observation import Deadline, Observation

MOST_BYTES: Final = 16 * 1_048_576
_HEAD_BYTES: Final = 2_048
_BEGINS_LATE: Final = dt.timedelta(seconds=60)
"""A program says something so soon after its container began; a log that begins later was rotated."""
_NOTHING: Final = (400, 404)


@dataclasses.dataclass(frozen=True, slots=True)
class Program:
    """Whose logs are meant."""

    namespace: str
    labels: Mapping[str, str]
    container: str


@dataclasses.dataclass(frozen=True, slots=True)
class _Run:
    """What one run of a container logged: in the time, and when the log that there is begins."""

    lines: tuple[tuple[dt.datetime, str], ...]
    begins: dt.datetime | None
    cut_off: bool


def since(
    target: KubernetesTarget,
    program: Program,
    moment: dt.datetime,
    form: Format,
    *,
    deadline: Deadline,
) -> Observation[Log]:
    """Read what every pod of a program logged since a moment, the run before a restart too."""

    def ask(opened: Session) -> Log:
        path = path_of("v1", program.namespace, "pods")
        pods = opened.listed(models.Pod, path, selector_of(program.labels))
        pods = [one for one in pods if one.started and not _is_over(one, program, moment)]
        begun = [one.created_at for one in pods if one.created_at]
        # Where all pods are younger, a rollout has replaced them: what is there begins with the last one.
        start = max([moment, *begun]) if begun and min(begun) > moment else moment
        found = at_once(lambda pod: _of_pod(opened, program, pod, start), [(one,) for one in pods])
        lines = [line for runs, _ in found for run in runs for line in run.lines]
        return Log(
            counts=counted((text for _, text in lines), form),
            since=start,
            newest=max((at for at, _ in lines), default=None),
            sources=tuple(
                pod.name
                for pod, (runs, _) in zip(pods, found, strict=True)
                if any(run.lines for run in runs)
            ),
            lacking=tuple(words for _, lacking in found for words in lacking),
        )

    what = f"logs of {selector_of(program.labels)} in {program.namespace}"
    return observe(target, what, deadline, ask)


def _is_over(pod: models.Pod, program: Program, start: dt.datetime) -> bool:
    """Tell whether a pod is on its way out, or had ended before: an evicted one is listed for days."""
    ended = [one.ended for one in pod.started if one.name == program.container and one.ended]
    return pod.deleting or any(one.finished_at and one.finished_at < start for one in ended)


def _of_pod(
    opened: Session, program: Program, pod: models.Pod, start: dt.datetime
) -> tuple[list[_Run], list[str]]:
    """Return the runs of a pod's container, and in words what is missing of them."""
    own = next((one for one in pod.started if one.name == program.container), None)
    if own is None:
        return [], [f"{pod.name} has no container {program.container}"]
    runs = [_run(opened, program, pod.name, start, previous=False)]
    if own.restarts and (own.started_at is None or own.started_at > start):
        runs.append(_run(opened, program, pod.name, start, previous=True))
    return [one for one in runs if one], [
        f"{pod.name} {one}" for one in _lacking(pod, own, runs, start)
    ]


def _lacking(
    pod: models.Pod, own: models.Container, runs: list[_Run | None], start: dt.datetime
) -> Iterator[str]:
    """Yield what is missing of a pod's log; `runs` begin with the newest."""
    before = own.ended_before
    began = [own.started_at, before.started_at if before else None]
    for run, started in zip(runs, began, strict=False):
        if run is None or run.begins is None:
            yield "has no log that can be read"
        elif run.cut_off:
            yield "logged more than is read"
        elif run.begins > start and (started is None or run.begins - started > _BEGINS_LATE):
            yield f"has a log that begins at {run.begins:%H:%M:%S} UTC; what was before is rotated away"
    oldest = runs[-1] if len(runs) > 1 else None
    if own.restarts > 1 and oldest and oldest.begins and oldest.begins > start:
        yield "has restarted more than once; of the runs before the last two there is no log"
    if pod.created_at and pod.created_at > start:
        yield f"is of {pod.created_at:%H:%M:%S} UTC; what those logged that it replaced is gone"


def _run(
    opened: Session, program: Program, pod: str, start: dt.datetime, *, previous: bool
) -> _Run | None:
    """Read one run of a container; None where it has no log."""
    path = path_of("v1", program.namespace, "pods", pod, "log")
    same = {"container": program.container, "timestamps": "true", "previous": "true" * previous}
    try:
        head = opened.sent("GET", path, **same, limitBytes=_HEAD_BYTES)
        moment = f"{start.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
        log = opened.sent("GET", path, **same, sinceTime=moment, limitBytes=MOST_BYTES)
    except RefusedError as exc:
        if exc.status in _NOTHING:
            return None
        raise
    if REFUSAL.fullmatch(head) or REFUSAL.fullmatch(log):
        return None
    first = next((at for at, _ in _stamped(head)), None)
    lines = tuple(one for one in _stamped(log) if one[0] >= start)
    return _Run(lines, first, cut_off=len(log) >= MOST_BYTES)


def _stamped(log: bytes) -> Iterator[tuple[dt.datetime, str]]:
    """Yield each line with the runtime's time of it; one without belongs to the line before."""
    at = None
    for line in log.decode("utf-8", "replace").split("\n"):
        stamp, _, text = line.partition(" ")
        try:
            at = dt.datetime.fromisoformat(stamp)
        except ValueError:
            text = line
        if at is not None and at.tzinfo is not None and text.strip():
            yield at, text.rstrip("\r")
