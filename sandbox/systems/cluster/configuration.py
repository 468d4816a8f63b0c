"""The ConfigMap as the API shows it, with who wrote which of its fields, and when."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from sandbox.systems.cluster.shown import Json
from sandbox.systems.cluster.state import CONFIG_MAP, NAMESPACE, ClusterState

APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def config_map(state: ClusterState, metadata: Json) -> Json:
    """Return the ConfigMap of this metadata, after all that was done to it."""
    data = {**state.config, **state.config_patched}
    data.pop(state.key_removed, None)
    own = {"name": CONFIG_MAP, "namespace": NAMESPACE, "annotations": {}}
    applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": own, "data": state.config}
    noted = {"note": "seen"} if state.config_annotated_at else {}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            **metadata,
            **({"labels": {"team": "clinic"}} if state.config_labelled_at else {}),
            "annotations": {APPLIED: f"{json.dumps(applied)}\n", **noted},
            "managedFields": list(_managers(state, data)),
        },
        "data": data,
    }


def _managers(state: ClusterState, data: Iterable[str]) -> Iterator[Json]:
    """Yield an entry for each manager: one time for all that it has.

    So a label's change renews the time of the values too; and a JSON patch that removes a key takes it
    from whoever had it, and leaves no time.
    """
    had = [key for key in data if key not in state.config_patched]
    labels: Json = {"f:labels": _fields([".", "team"])} if state.config_labelled_at else {}
    own = {"f:data": _fields([".", *had])}
    metadata = {"f:metadata": {"f:annotations": _fields([".", APPLIED]), **labels}}
    at = state.config_labelled_at or state.config_changed_at
    yield _entry("kubectl-client-side-apply", at, {**own, **metadata})
    if state.config_annotated_at:
        annotations = {"f:metadata": {"f:annotations": _fields(["note"])}}
        yield _entry("kubectl-annotate", state.config_annotated_at, annotations)
    if state.config_patched:
        patched = {"f:data": _fields(state.config_patched)}
        yield _entry("kubectl-patch", state.config_patched_at, patched)


def _fields(names: Iterable[str]) -> Json:
    return {name if name == "." else f"f:{name}": {} for name in names}


def _entry(manager: str, time: str, fields: Any) -> Json:
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "v1",
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
