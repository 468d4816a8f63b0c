"""When a ConfigMap changed: `managedFields` as kube-apiserver 1.37 keeps them, against a baseline."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from probes.kubernetes import reading
from probes.kubernetes.objects import ConfigMap
from steps.cluster.config_rules import ConfigBefore, change
from tests.probes.test_kubernetes_reading import model

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
FINE, EARLY, DOUBT = "fine", "too early", "doubtful"


@pytest.mark.parametrize(
    ("now", "before", "began", "said"),
    [
        pytest.param(UPDATED, BEFORE, 25, FINE, id="began after the change"),
        pytest.param(UPDATED, BEFORE, 15, EARLY, id="began before the change"),
        pytest.param(UPDATED, None, 15, EARLY, id="without a baseline the managers' times decide"),
        pytest.param(SAME, BEFORE, 5, FINE, id="nothing changed"),
        pytest.param(LABELLED, BEFORE, 5, FINE, id="an apply changed a label alone"),
        pytest.param(LABELLED, BEFORE, 15, FINE, id="and the pods began since the baseline"),
        pytest.param(KEY_REMOVED, BEFORE, 5, EARLY, id="a key was removed, which leaves no time"),
        pytest.param(KEY_REMOVED, BEFORE, 15, DOUBT, id="before or after the pods began"),
        pytest.param(THERE_AND_BACK, BEFORE, 5, FINE, id="a value was patched there and back"),
        pytest.param(THERE_AND_BACK, BEFORE, 15, DOUBT, id="and the pods began in between"),
        pytest.param(THERE_AND_BACK, BEFORE, 25, FINE, id="or after it"),
        pytest.param(a_config_map(OLD), None, 15, DOUBT, id="nobody says when"),
    ],
)
def test_who_began_when_has_what_it_holds(
    now: ConfigMap, before: ConfigBefore | None, began: int, said: str
) -> None:
    changed = change(now, before)
    pods = {"api-0": at(began)}
    early, doubtful = changed.problems(pods, "pods began before"), changed.is_doubtful(pods)
    assert (EARLY if early else DOUBT if doubtful else FINE) == said


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
