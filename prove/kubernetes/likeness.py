"""The proof: what a real cluster showed is judged as a person judges it, and shown by the stand-in too.

The stand-in is put into the same situation and compared kind by kind: the keys, types and words of all
objects (their shape), and what there is: pods by phase, readiness, deletion and owner, endpoints by their
conditions, Deployments by their counts.
"""

from __future__ import annotations

import collections
import dataclasses
import pathlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import yaml

from gates.decide.release import Release
from prove import Cases
from prove.kubernetes import FOLDER, Json, load, replay
from sandbox.systems.cluster.controller import READY_AFTER_SECONDS, Cluster
from sandbox.systems.cluster.logs import AUDIT, SECURITY
from sandbox.systems.cluster.objects import Objects
from sandbox.systems.cluster.shown import is_ready
from sandbox.systems.cluster.state import APP, NAMESPACE, ClusterState
from steps.kit.platform import Platform
from tests.probes.standin_server import listening
from tests.steps.cluster_platform import a_cluster_platform, sentences, write_evidence
from tests.steps.scenarios import a_run, judged

PROMISE = "what a real Kubernetes showed is judged as by hand, and the stand-in shows the same"
_DIGEST: Final = f"sha256:{'0123456789abcdef' * 4}"
"""Of every recorded image."""
_STATEFUL = "stateful-set"


def cases(_seed: int) -> Cases:
    """Yield each situation that the stand-in knows, then each recording that the checks judge."""
    for name in STORIES:
        yield "; ".join(differences(name)) or None
    for name, wanted in EXPECTED.items():
        yield "; ".join(misjudged(name, wanted)) or None


EXPECTED: Final[Mapping[str, Mapping[str, str]]] = yaml.safe_load(
    FOLDER.with_name("expected.yaml").read_text(encoding="utf-8")
)
"""By recording what each check has to say."""


def misjudged(name: str, wanted: Mapping[str, str]) -> Iterator[str]:
    """Yield in words which checks judge a recording otherwise than they have to."""
    with listening(replay(load(name))) as url, tempfile.TemporaryDirectory() as folder:
        platform = _platform(pathlib.Path(folder), url, stateful=name.startswith(_STATEFUL))
        with a_run(platform, pathlib.Path(folder)) as run:
            noted = {check_id: judged(check_id, platform, run=run) for check_id in wanted}
        for check_id, check in noted.items():
            outcome = wanted[check_id]
            (region,) = platform.regions
            if str(check.outcome(region)) != outcome:
                said = sentences(check).replace("\n", "; ")
                yield f"{name}: {check_id} is {check.outcome(region)}, not {outcome}: {said}"


def _platform(folder: pathlib.Path, url: str, *, stateful: bool) -> Platform:
    changes: dict[str, Any] = {"replicas": {"normal": 2, "temporary": 4}} if stateful else {}
    platform = a_cluster_platform(folder, url, **changes)
    release = Release.parse("v1.3.0") if stateful else platform.release
    names = {"name": APP, "digest": _DIGEST}
    file = write_evidence(folder, release=f"v{release.number}", artefacts=[names])
    target = folder / f"v{release.number}"
    if file.parent != target:
        file.parent.rename(target)
    return dataclasses.replace(platform, release=release)


_WORDS: Final = frozenset(
    {
        *("apiVersion", "kind", "type", "status", "reason", "phase", "operation", "manager"),
        *("effect", "operator", "key", "qosClass", "restartPolicy", "subresource"),
    }
)
"""Fields whose values count, not only their types."""
_OPEN: Final = frozenset({"data", "capacity", "allocatable"})
"""Fields whose keys are anybody's."""
_NUMBERED: Final = ("conditions", "tolerations", "taints", "managedFields")
"""Lists whose elements are told apart by their words."""


def shape(objects: Iterable[Any]) -> frozenset[str]:
    """Return the shape of some objects together."""
    return frozenset(line for one in objects for line in _lines("", one))


def _lines(path: str, value: Any) -> Iterator[str]:
    name = path.rpartition(".")[2]
    if not value or not isinstance(value, dict | list) or name in _OPEN:
        yield f"{path} {value if name in _WORDS else type(value).__name__}"
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _lines(f"{path}.{key}", inner)
    else:
        for inner in value:
            yield from _lines(f"{path}[{_mark(name, inner)}]", inner)


def _mark(name: str, element: Any) -> str:
    """Return what tells an element of a list from the others, where their words do."""
    if name not in _NUMBERED:
        return ""
    known = (element.get(word) for word in ("type", "key", "manager", "operation", "effect"))
    return " ".join(str(one) for one in known if one is not None)


KINDS: Final = (
    *("deployments", "replicasets", "pods", "services", "endpointslices", "configmaps"),
    *("resourcequotas", "nodes"),
)
LEFT_OUT: Final = {
    ".metadata.annotations.endpoints.kubernetes.io/last-change-trigger-time str": (
        "is there after a change of pods, and not after one of the Service"
    )
}
"""Lines of a shape that only one of the two has, and why that may be."""
_START: Final = 1_800_000_000.0
_BETWEEN_SECONDS: Final = 60.0


@dataclasses.dataclass(frozen=True, slots=True)
class Story:
    """What the stand-in is told, one order after the other, each over those before."""

    orders: Sequence[Mapping[str, Any]]
    seconds: float = _BETWEEN_SECONDS
    """How long after the last order it is looked at."""
    kinds: Sequence[str] = KINDS


def _stories() -> Mapping[str, Story]:
    """Read them: each goes on where the one that it is `after` ends."""
    found: dict[str, Story] = {}
    seconds = {"surge": _SURGE_SECONDS, "half-way": READY_AFTER_SECONDS + _SURGE_SECONDS}
    told = yaml.safe_load(FOLDER.with_name("stories.yaml").read_text(encoding="utf-8"))
    for name, one in told.items():
        before = found[one["after"]].orders if "after" in one else ()
        orders = [*before, *one.get("then", ())]
        kinds = ("configmaps",) if name.startswith("config-") else KINDS
        found[name] = Story(orders, seconds.get(one.get("looked_at"), _BETWEEN_SECONDS), kinds)
    return found


_SURGE_SECONDS = 0.2
STORIES: Final = dict(_stories())
"""What the stand-in is told in each recorded situation that it knows."""

CASES = len(STORIES) + len(EXPECTED)


def differences(name: str) -> Iterator[str]:
    """Yield in words how the stand-in differs from a recording."""
    recorded, story = load(name), STORIES[name]
    objects = shown(story)
    for kind in story.kinds:
        real = [one for one in recorded.items(kind) if _is_own(kind, one)]
        ours = [_bare(one) for one in objects.of(kind) if _is_own(kind, one)]
        for missing in sorted(shape(real) - shape(ours) - set(LEFT_OUT)):
            yield f"{name}, {kind}: the real server shows “{missing}”, the stand-in does not"
        for invented in sorted(shape(ours) - shape(real) - set(LEFT_OUT)):
            yield f"{name}, {kind}: the stand-in shows “{invented}”, the real server does not"
        if census(kind, real) != census(kind, ours):
            yield f"{name}, {kind}: {census(kind, real)} are real, not {census(kind, ours)}"


def shown(story: Story) -> Objects:
    """Return what the stand-in shows at the end of a story."""
    clock = [_START]
    facts: dict[str, Any] = {}
    state = ClusterState(**facts)
    cluster = Cluster(state, 1, lambda: clock[0])
    for order in story.orders:
        clock[0] += _BETWEEN_SECONDS
        facts |= order
        state = ClusterState(**facts)
        cluster.follow(state)
    clock[0] += story.seconds
    cluster.advance()
    return Objects(state, cluster)


def census(kind: str, objects: Iterable[Json]) -> Mapping[str, int]:
    """Return how many there are of each sort; kinds without sorts have none."""
    sorts = {"pods": _pod, "endpointslices": _endpoints, "deployments": _deployment}
    if kind not in sorts:
        return {}
    return dict(collections.Counter(one for each in objects for one in sorts[kind](each)))


def _pod(one: Json) -> Iterator[str]:
    ready = "ready" if is_ready(one) else "not ready"
    ends = " on its way out" if "deletionTimestamp" in one["metadata"] else ""
    (owner,) = one["metadata"]["ownerReferences"]
    yield f"{one['status']['phase']} {ready} of a {owner['kind']}{ends}"


def _endpoints(one: Json) -> Iterator[str]:
    for endpoint in one["endpoints"] or ():
        yield " ".join(key for key, value in sorted(endpoint["conditions"].items()) if value)


def _deployment(one: Json) -> Iterator[str]:
    counts = {key: value for key, value in one["status"].items() if key.endswith("Replicas")}
    yield f"{one['spec']['replicas']}: {sorted(counts.items())}"


def _is_own(kind: str, one: Json) -> bool:
    program = one["metadata"].get("labels", {}).get("app")
    if kind == "pods" and program in (AUDIT, SECURITY):
        return False  # these the real cluster did not have
    return kind == "nodes" or one["metadata"]["namespace"] == NAMESPACE


def _bare(one: Json) -> Json:
    """Return an object as it is listed."""
    return {key: value for key, value in one.items() if key not in ("kind", "apiVersion")}
