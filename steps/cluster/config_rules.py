"""Have the pods what the ConfigMap holds? When it changed says so: its managers' times, and the baseline.

An API server notes when a manager wrote, not when a value changed: a removed key leaves no time at all, and
an apply that changes a label alone renews the time of every value.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence

from gates.decide.judgement import Judgement, harmless
from probes.kubernetes.objects import ConfigMap, Pod
from settings.cluster import Kubernetes
from steps.cluster.pod_rules import has_container, no_container
from steps.cluster.rules import Look, found, problems, states
from steps.kit.expect import expect
from steps.kit.settling import Settled

Times = Mapping[str, dt.datetime]
"""When pods or containers began, by pod."""


@dataclasses.dataclass(frozen=True, slots=True)
class ConfigBefore:
    """The app's ConfigMap as the baseline has it."""

    taken_at: dt.datetime
    changed_at: dt.datetime | None
    digest: str
    managers: str


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """From when on whoever begins has what the ConfigMap holds now."""

    at: dt.datetime | None
    """Who began earlier has something else; None where the cluster does not say it."""
    unsure: tuple[dt.datetime, dt.datetime | None] | None = None
    """Who began between these may have something else; without an end, until now."""
    why: str = "the cluster does not say when its values changed"

    def problems(self, began: Times, words: str) -> list[str]:
        """Return how many began too early; the API's times are whole seconds."""
        if self.at is None:
            return []
        early = sum(one < self.at for one in began.values())
        since = f"{self.at:%H:%M:%S} UTC"
        return [f"{early} of {len(began)} {words} the change at {since}"] if early else []

    def is_doubtful(self, began: Times) -> bool:
        """Return whether any of them may have something else."""
        return self.at is None or any(map(self._is_unsure, began.values()))

    def _is_unsure(self, began: dt.datetime) -> bool:
        if self.unsure is None:
            return False
        start, end = self.unsure
        return began >= start and (end is None or began < end)

    def doubt(self, subject: str, began: Times) -> Judgement:
        """Return the INCONCLUSIVE of who may have something else."""
        count = len(began) if self.at is None else sum(map(self._is_unsure, began.values()))
        return expect(
            None,
            subject,
            f"{subject}: {count} of {len(began)} pods may have started with other values: {self.why}",
            "kubectl apply of the ConfigMap as it is wanted, then kubectl rollout restart",
        )


def change(now: ConfigMap, before: ConfigBefore | None) -> Change:
    """Return when what it holds came to be so, as far as times and digests say."""
    if before is not None and now.digest == before.digest:
        return _as_before(now, before)
    if now.changed_at is not None and now.removed:
        why = f"{', '.join(now.removed)} was removed since kubectl apply, which leaves no time"
        return Change(now.changed_at, (now.changed_at, None), why)
    if before is None or _is_later(now.changed_at, before.taken_at):
        return Change(now.changed_at)
    why = f"it differs from {_named(before)}, and no manager's time says since when"
    return Change(before.taken_at, (before.taken_at, None), why)


def _as_before(now: ConfigMap, before: ConfigBefore) -> Change:
    if not _is_later(now.changed_at, before.taken_at):
        return Change(now.changed_at)
    if now.managers == before.managers:
        return Change(before.changed_at)
    why = f"it is as in {_named(before)}, and was written by somebody else in between"
    return Change(before.changed_at, (before.taken_at, now.changed_at), why)


def _is_later(one: dt.datetime | None, other: dt.datetime) -> bool:
    return one is not None and one > other


def _named(before: ConfigBefore) -> str:
    return f"the baseline of {before.taken_at:%H:%M:%S} UTC"


def content(section: Kubernetes, config_map: ConfigMap) -> Judgement:
    """Judge that the ConfigMap holds every wanted key with its value."""
    absent = [] if config_map.found else ["it is not there"]
    return found(
        f"ConfigMap {section.config_map}",
        absent or differences(config_map.data, section.config),
        f"all {len(section.config)} wanted keys have their values",
        f"the release's {section.config_map} applied",
    )


def restarted(settled: Settled[Look], config_map: ConfigMap, changed: Change) -> Judgement:
    """Judge that the release's pods were made after the change, and all are Ready."""
    look = settled.value
    subject, pods = f"restart of {look.release_version}", look.pods(look.release)
    made = {one.name: one.created_at for one in pods if one.created_at is not None}
    wrong = [
        *_not_yet(look.section, config_map),
        *_nobody(pods),
        *changed.problems(made, "pods are older than"),
        *unsettled(settled),
    ]
    if changed.is_doubtful(made) and not wrong:
        return changed.doubt(subject, made)
    return found(
        subject,
        wrong,
        f"{len(pods)} pods replaced since the configuration changed",
        "kubectl rollout restart, and its end",
        settled.ended,
    )


def in_force(settled: Settled[Look], config_map: ConfigMap, changed: Change) -> Judgement:
    """Judge that the app's container of every pod reads the ConfigMap and started after the change."""
    look, section = settled.value, settled.value.section
    subject, pods = f"configuration of {look.release_version}", look.pods(look.release)
    if pods and not has_container(pods, section.container):
        return no_container(subject, section.container)
    began = started(pods, section.container)
    wrong = [
        *_not_yet(section, config_map),
        *unsettled(settled),
        *_nobody(pods),
        *(
            f"{one.name} does not read {section.config_map}"
            for one in pods
            if section.config_map not in one.config_maps
        ),
        *(
            f"{one.name}: no container {section.container} runs"
            for one in pods
            if one.name not in began
        ),
        *changed.problems(began, "containers started before"),
    ]
    if changed.is_doubtful(began) and not wrong:
        return changed.doubt(subject, began)
    return found(
        subject,
        wrong,
        f"{len(pods)} pods started with it",
        "every container started after the wanted configuration was there",
        settled.ended,
    )


def _not_yet(section: Kubernetes, config_map: ConfigMap) -> list[str]:
    if config_map.found and not differences(config_map.data, section.config):
        return []
    return [f"{section.config_map} does not hold the wanted configuration, so no pod can have it"]


def unsettled(settled: Settled[Look]) -> list[str]:
    """Return in words what keeps the release from running as a whole."""
    wrong = problems(states(settled.value, settled.value.release, 1))
    return [f"{words}{settled.waited}" for words in wrong]


def differences(data: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """Return which wanted keys are missing or have another value; harmless values are shown."""
    return [
        f"{key} is missing"
        if key not in data
        else f"{key} is “{harmless(data[key], value)}”, wanted “{value}”"
        for key, value in wanted.items()
        if data.get(key) != value
    ]


def _nobody(pods: Sequence[Pod]) -> list[str]:
    return [] if pods else ["no pod of the release is there"]


def started(pods: Sequence[Pod], container: str) -> dict[str, dt.datetime]:
    """Return when the app's container of each pod started, where it runs."""
    return {
        one.name: each.started_at
        for one in pods
        for each in one.containers
        if each.name == container and each.started_at is not None
    }
