"""When a ConfigMap changed: `managedFields` as kube-apiserver 1.37 keeps them, against a baseline."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterable, Mapping
from typing import Any

from probes.kubernetes import reading
from probes.kubernetes.objects import ConfigMap
from steps.cluster.pod_rules import ConfigBefore, change, content, in_force, restarted
from steps.cluster.rules import Look
from steps.kit.settling import Ended, Settled
from tests.golden import Said
from tests.steps.cluster.test_rules import SECTION, a_look, model, settled
from tests.tables import cases

OLD = {"LOG_LEVEL": "info", "BOOKING_WINDOW_DAYS": "60"}
NEW = {**OLD, "BOOKING_WINDOW_DAYS": "90"}
WITHOUT = {"LOG_LEVEL": "info"}
APPLIED, PATCHED = "kubectl-client-side-apply", "kubectl-patch"


def at(minute: int) -> dt.datetime:
    return dt.datetime(2026, 1, 31, 22, minute, tzinfo=dt.UTC)


def written(manager: str, minute: int, keys: Iterable[str]) -> dict[str, Any]:
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "v1",
        "time": at(minute).isoformat(),
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {f"f:{key}": {} for key in keys}},
    }


def a_config_map(data: Mapping[str, str], *by: tuple[str, int, tuple[str, ...]]) -> ConfigMap:
    """Return one that these managers wrote: who, in which minute, which keys."""
    entries = [written(*one) for one in by]
    metadata = {"name": "config", "managedFields": entries}
    return reading.config_map(model("ConfigMap", {"metadata": metadata, "data": dict(data)}))


def in_baseline(seen: ConfigMap) -> ConfigBefore:
    """Return what a baseline of minute 10 keeps of it."""
    return ConfigBefore(at(10), seen.changed_at, seen.digest, seen.managers)


FIRST = a_config_map(OLD, (APPLIED, 0, tuple(OLD)))
BEFORE = in_baseline(FIRST)
SAME = a_config_map(OLD, (APPLIED, 0, tuple(OLD)))
UPDATED = a_config_map(NEW, (APPLIED, 20, tuple(NEW)))
LABELLED = a_config_map(OLD, (APPLIED, 20, tuple(OLD)))
KEY_REMOVED = a_config_map(WITHOUT, (APPLIED, 0, tuple(WITHOUT)))
THERE_AND_BACK = a_config_map(
    OLD, (APPLIED, 0, ("BOOKING_WINDOW_DAYS",)), (PATCHED, 20, ("LOG_LEVEL",))
)


@cases(
    "now before began",
    {
        "began after the change": (UPDATED, BEFORE, 25),
        "began in its second": (UPDATED, BEFORE, 20),
        "began before the change": (UPDATED, BEFORE, 15),
        "without a baseline the managers' times decide": (UPDATED, None, 15),
        "nothing changed": (SAME, BEFORE, 5),
        "an apply changed a label alone": (LABELLED, BEFORE, 5),
        "and the pods began since the baseline": (LABELLED, BEFORE, 15),
        "a key was removed, which leaves no time": (KEY_REMOVED, BEFORE, 5),
        "before or after the pods began": (KEY_REMOVED, BEFORE, 15),
        "a value was patched there and back": (THERE_AND_BACK, BEFORE, 5),
        "and the pods began with the baseline": (THERE_AND_BACK, BEFORE, 10),
        "and the pods began in between": (THERE_AND_BACK, BEFORE, 15),
        "and the pods began with the patch": (THERE_AND_BACK, BEFORE, 20),
        "or after it": (THERE_AND_BACK, BEFORE, 25),
        "nobody says when": (a_config_map(OLD), None, 15),
    },
)
def test_who_began_when_has_what_it_holds(
    now: ConfigMap, before: ConfigBefore | None, began: int, said: Said
) -> None:
    changed = change(now, before)
    pods = {"api-0": at(began), "api-1": at(30)}
    doubt = changed.doubt("it", pods) if changed.is_doubtful(pods) else None
    said({"too early": changed.problems(pods, "pods began before"), "doubtful": doubt})


def test_a_key_that_is_gone_since_it_was_applied_may_be_gone_since_whenever() -> None:
    """A JSON patch after the last apply: no manager gets a new time, and the note of the apply stays."""
    applied = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"data": NEW})}
    metadata = {
        "name": "config",
        "annotations": applied,
        "managedFields": [written(APPLIED, 20, WITHOUT)],
    }
    now = reading.config_map(model("ConfigMap", {"metadata": metadata, "data": WITHOUT}))
    assert now.removed == ("BOOKING_WINDOW_DAYS",)
    changed = change(now, BEFORE)
    assert changed.is_doubtful({"api-0": at(25)})
    assert changed.problems({"api-0": at(15)}, "pods began before")


def test_no_value_is_in_the_digests() -> None:
    assert FIRST.digest == SAME.digest != UPDATED.digest
    assert FIRST.digest.startswith("sha256:")
    assert "info" not in str(FIRST.facts())


# --- and what is said of the release's pods ---------------------------------------------------------

APPLIED_LATELY = a_config_map(SECTION.config, (APPLIED, 20, tuple(SECTION.config)))


def seen(began: int | None = 25, **pods: Any) -> Settled[Look]:
    """Return three pods of the release that were made and began in this minute and read the ConfigMap."""
    look = a_look()
    started = None if began is None else at(began)
    (container,) = look.own_pods[0].containers
    told: dict[str, Any] = {
        "created_at": at(began or 25),
        "config_maps": frozenset({SECTION.config_map}),
        "containers": (container.model_copy(update={"started_at": started}),),
        **pods,
    }
    changed = tuple(one.model_copy(update=told) for one in look.workload.pods)
    workload = dataclasses.replace(look.workload, pods=changed)
    return settled(dataclasses.replace(look, workload=workload))


OTHER_VALUE = a_config_map({**SECTION.config, "LOG_LEVEL": "sentinel-9f2"}, (APPLIED, 20, ()))
NOBODY_SAYS_WHEN = a_config_map(SECTION.config)


@cases(
    "pods now",
    {
        "well": (seen(), APPLIED_LATELY),
        "too early": (seen(15), APPLIED_LATELY),
        "nobody says when it changed": (seen(), NOBODY_SAYS_WHEN),
        "another value": (seen(), OTHER_VALUE),
        "a pod is not ready": (seen(conditions=()), APPLIED_LATELY),
        "a pod was not ready yet when the run ended": (
            dataclasses.replace(seen(conditions=()), ended=Ended.RUN_ENDED),
            APPLIED_LATELY,
        ),
        "no pod of the release": (seen(workload=""), APPLIED_LATELY),
        "the ConfigMap is not read": (seen(config_maps=frozenset()), APPLIED_LATELY),
        "the container does not run": (seen(None), APPLIED_LATELY),
        "no pod has the container": (seen(containers=()), APPLIED_LATELY),
    },
)
def test_the_releases_pods_have_what_the_config_map_holds(
    pods: Settled[Look], now: ConfigMap, said: Said
) -> None:
    said([judge(pods, now, change(now, None)) for judge in (restarted, in_force)])


@cases(
    "now",
    {
        "all of it": APPLIED_LATELY,
        "another value": OTHER_VALUE,
        "a missing key": a_config_map({}),
        "none": dataclasses.replace(NOBODY_SAYS_WHEN, found=False),
    },
)
def test_the_config_map_holds_what_is_wanted(now: ConfigMap, said: Said) -> None:
    found = content(SECTION, now)
    said(found)
    assert "sentinel" not in str(found)
