"""What of the Kubernetes API is read here: the API's own words and defaults, without its nesting.

Field by field as in the API reference of Kubernetes 1.37. What the API may leave out or send as null has the
API's own default; what every object of a kind has is required, so that an answer without it is refused.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import (
    AliasGenerator,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationInfo,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticUseDefault

Texts = tuple[str, ...]
Labels = Mapping[str, str]
Amounts = Mapping[str, str | int | float]
"""Quantities such as 250m, 4 or 16Gi, by resource."""
Kind = Literal["requests", "limits"]
FIRST_REVISION = "deployment.kubernetes.io/revision"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


class Model(BaseModel):
    """A part of an object of the API."""

    model_config = ConfigDict(
        alias_generator=AliasGenerator(validation_alias=to_camel), frozen=True, defer_build=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and not cls.model_fields[info.field_name or ""].is_required():
            raise PydanticUseDefault
        return value


def at(path: str, default: Any = ..., *, repr: bool = True) -> Any:  # noqa: A002 - as pydantic's
    """Return a field that is further in, such as `spec.replicas`; required without a default."""
    return Field(default, validation_alias=AliasPath(*path.split(".")), repr=repr)


def ours(default: Any) -> Any:
    """Return a field that the API does not have: what other objects tell of this one."""
    return Field(default, validation_alias="not of the API")


class OwnerReference(Model):
    """What made an object, or runs it."""

    kind: str
    name: str
    uid: str
    controller: StrictBool = False


class ManagedFields(Model):
    """Which fields a manager wrote, and when."""

    manager: str = ""
    operation: str = ""
    time: dt.datetime | None = None
    fields_v1: Mapping[str, Any] = {}


class Metadata(Model):
    """What every object has."""

    name: str
    namespace: str = ""
    uid: str = ""
    labels: Labels = {}
    annotations: Labels = Field(default={}, repr=False)
    generation: StrictInt = 0
    creation_timestamp: dt.datetime | None = None
    deletion_timestamp: dt.datetime | None = None
    owner_references: tuple[OwnerReference, ...] = ()
    managed_fields: tuple[ManagedFields, ...] = ()

    @property
    def controller(self) -> OwnerReference | None:
        """Return the owner that runs the object."""
        return next((one for one in self.owner_references if one.controller), None)


class Object(Model):
    """An object with a name."""

    metadata: Metadata

    @property
    def name(self) -> str:
        """Return its name."""
        return self.metadata.name

    @property
    def uid(self) -> str:
        """Return what tells it from others that have its name one after the other."""
        return self.metadata.uid


class Condition(Model):
    """A condition of a Deployment, pod or node."""

    type: str
    status: str
    """True, False or Unknown."""
    reason: str = ""


class Requirement(Model):
    """One expression of a selector."""

    key: str
    operator: str
    values: Texts = ()


class Selector(Model):
    """A label selector; an empty one selects everything."""

    match_labels: Labels = {}
    match_expressions: tuple[Requirement, ...] = ()


class NodeTerm(Model):
    """One term of a node affinity."""

    match_expressions: tuple[Requirement, ...] = ()
    match_fields: tuple[Requirement, ...] = ()


class PodTerm(Model):
    """A required term of (anti-)affinity between pods, or what a topology spread has of it."""

    topology_key: str
    label_selector: Selector | None = None
    namespaces: Texts = ()
    namespace_selector: Selector | None = None
    match_label_keys: Texts = ()
    mismatch_label_keys: Texts = ()


class Spread(PodTerm):
    """A topology spread constraint."""

    max_skew: StrictInt
    when_unsatisfiable: str
    min_domains: StrictInt = 0


class Toleration(Model):
    """A taint that a pod tolerates."""

    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""


class Resources(Model):
    """What a container or pod asks for, and may take."""

    requests: Amounts = {}
    limits: Amounts = {}

    def of(self, kind: Kind) -> Amounts:
        """Return the amounts of one kind."""
        return self.requests if kind == "requests" else self.limits


class EnvironmentSource(Model):
    """A source of a container's whole environment, or of one variable."""

    whole: str | None = at("configMapRef.name", None)
    one: str | None = at("valueFrom.configMapKeyRef.name", None)


class Declared(Model):
    """A container as a pod declares it."""

    name: str
    image: str = ""
    env: tuple[EnvironmentSource, ...] = ()
    env_from: tuple[EnvironmentSource, ...] = ()
    resources: Resources = Resources()
    restart_policy: str = ""


class VolumeSource(Model):
    """A ConfigMap as files."""

    config_map: str | None = at("configMap.name", None)


class Volume(VolumeSource):
    """A volume of a pod, of one source or several."""

    projected: tuple[VolumeSource, ...] = at("projected.sources", ())


class PodSpec(Model):
    """What a pod is to be."""

    containers: tuple[Declared, ...]
    init_containers: tuple[Declared, ...] = ()
    volumes: tuple[Volume, ...] = ()
    node_name: str = ""
    node_selector: Labels = {}
    nodes: tuple[NodeTerm, ...] | None = at(
        f"affinity.nodeAffinity.{_REQUIRED}.nodeSelectorTerms", None
    )
    together: tuple[PodTerm, ...] = at(f"affinity.podAffinity.{_REQUIRED}", ())
    apart: tuple[PodTerm, ...] = at(f"affinity.podAntiAffinity.{_REQUIRED}", ())
    tolerations: tuple[Toleration, ...] = ()
    topology_spread_constraints: tuple[Spread, ...] = ()
    resources: Resources = Resources()
    overhead: Amounts = {}
    priority_class_name: str = ""


class Terminated(Model):
    """How a container ended."""

    exit_code: StrictInt
    reason: str = ""
    started_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None


class Container(Model):
    """A container of a pod as its kubelet reports it; sidecars and init containers too."""

    name: str
    image: str = ""
    """As the pod declares it, with its tag: an intent."""
    image_id: str = at("imageID", "")
    ready: StrictBool = False
    restarts: StrictInt = at("restartCount", 0)
    started_at: dt.datetime | None = at("state.running.startedAt", None)
    waiting: str = at("state.waiting.reason", "")
    """Reason, such as CrashLoopBackOff; empty when it does not wait."""
    ended: Terminated | None = at("state.terminated", None)
    ended_before: Terminated | None = at("lastState.terminated", None)
    init: bool = ours(default=False)

    @property
    def digest(self) -> str:
        """Return the digest of `docker-pullable://name@sha256:…` or `name@sha256:…`: what runs.

        An id alone, such as `sha256:…`, is the runtime's own and no digest that a registry knows.
        """
        return self.image_id.rpartition("@")[2] if "@sha256:" in self.image_id else ""

    @property
    def terminated(self) -> str:
        """Return the reason of its last end, such as OOMKilled; empty when it never ended."""
        end = self.ended or self.ended_before
        return (end.reason or f"exit code {end.exit_code}") if end else ""

    @property
    def done(self) -> bool:
        """Whether it has ended well, as an init container does."""
        return self.ended is not None and self.ended.exit_code == 0


class Pod(Object):
    """A pod with its containers."""

    spec: PodSpec
    created_at: dt.datetime | None = at("metadata.creationTimestamp", None)
    phase: str = at("status.phase", "Unknown")
    reported_reason: str = at("status.reason", "")
    conditions: tuple[Condition, ...] = at("status.conditions", ())
    started: tuple[Container, ...] = at("status.containerStatuses", ())
    init_started: tuple[Container, ...] = at("status.initContainerStatuses", ())
    version: str | None = ours(None)
    """The version label of its ReplicaSet's template; its own where no ReplicaSet made it."""
    owner: str = ours("")
    """What runs it in the end, by kind and name, such as `Job nightly`; empty for nothing."""
    workload: str = ours("")
    """Name of the app's Deployment or StatefulSet that runs it, joined by uid; empty for any other pod,
    whatever its labels say."""

    @property
    def ready(self) -> bool:
        """Whether it is Ready."""
        return any((one.type, one.status) == ("Ready", "True") for one in self.conditions)

    @property
    def deleting(self) -> bool:
        """Whether it is on its way out."""
        return self.metadata.deletion_timestamp is not None

    @property
    def reason(self) -> str:
        """Return why it is in its phase, such as Evicted or Unschedulable; mostly empty."""
        wanted = ("PodScheduled", "False")
        of_node = (one.reason for one in self.conditions if (one.type, one.status) == wanted)
        return self.reported_reason or next(of_node, "")

    @functools.cached_property
    def containers(self) -> tuple[Container, ...]:
        """Return all that run, and those of which the kubelet reports nothing yet, as without a node.

        The image is the declared one: a status has an id where the image was pulled by digest, or any
        other tag of the same image.
        """
        images = {
            one.name: one.image for one in (*self.spec.containers, *self.spec.init_containers)
        }
        known = {one.name for one in (*self.started, *self.init_started)}
        own = [(one, False) for one in self.started] + [(one, True) for one in self.init_started]
        return (
            *(
                one.model_copy(update={"image": images.get(one.name) or one.image, "init": init})
                for one, init in own
            ),
            *(
                Container.model_construct(name=one.name, image=one.image)
                for one in self.spec.containers
                if one.name not in known
            ),
        )

    @functools.cached_property
    def config_maps(self) -> frozenset[str]:
        """Return which ConfigMaps its containers read, as environment or as files."""
        declared = (*self.spec.containers, *self.spec.init_containers)
        found = (
            *(one.whole for container in declared for one in container.env_from),
            *(one.one for container in declared for one in container.env),
            *(
                one.config_map
                for volume in self.spec.volumes
                for one in (volume, *volume.projected)
            ),
        )
        return frozenset(filter(None, found))


class Deployment(Object):
    """A Deployment, StatefulSet or ReplicaSet: what is wanted, and what its controller has seen and done."""

    template: Mapping[str, Any] = at("spec.template", repr=False)
    labels: Labels = at("spec.template.metadata.labels", {})
    wanted: StrictInt = at("spec.replicas", 1)
    paused: StrictBool = at("spec.paused", default=False)
    progress_deadline_seconds: StrictInt | None = at("spec.progressDeadlineSeconds", None)
    observed_generation: StrictInt = at("status.observedGeneration", 0)
    total: StrictInt = at("status.replicas", 0)
    updated: StrictInt = at("status.updatedReplicas", 0)
    ready: StrictInt = at("status.readyReplicas", 0)
    available: StrictInt = at("status.availableReplicas", 0)
    update_revision: str = at("status.updateRevision", "")
    conditions: tuple[Condition, ...] = at("status.conditions", ())
    kind: str = ours("Deployment")
    version: str | None = ours(None)
    """The version label of its pod template."""

    @property
    def generation(self) -> int:
        """Return which change of it is the newest."""
        return self.metadata.generation

    @property
    def revision(self) -> str:
        """Return a Deployment's number, or a StatefulSet's name, of what it runs."""
        return self.update_revision or self.metadata.annotations.get(FIRST_REVISION, "")

    def condition(self, kind: str) -> Condition | None:
        """Return a condition by its type."""
        return next((one for one in self.conditions if one.type == kind), None)


class Service(Object):
    """Where a Service leads."""

    spec: Mapping[str, Any]
    selector: Labels = at("spec.selector", {})
    ports: tuple[Any, ...] = at("spec.ports", ())
    publishes_unready: StrictBool = at("spec.publishNotReadyAddresses", default=False)


class Endpoint(Model):
    """One endpoint behind a Service; ready where the API says nothing."""

    addresses: Texts = ()
    ready: StrictBool = at("conditions.ready", default=True)
    terminating: StrictBool = at("conditions.terminating", default=False)
    pod_name: str = at("targetRef.name", "")
    pod_uid: str = at("targetRef.uid", "")

    @property
    def address(self) -> str:
        """Return the address that clients are sent to."""
        return self.addresses[0] if self.addresses else ""


class EndpointSlice(Model):
    """Some endpoints of a Service."""

    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[Any, ...] = ()


class ConfigMap(Object):
    """A ConfigMap."""

    data: Mapping[str, str] = Field(default={}, repr=False)
    binary_data: Mapping[str, str] = Field(default={}, repr=False)


class Taint(Model):
    """What keeps pods from a node."""

    key: str
    value: str = ""
    effect: str


class Node(Object):
    """A node: what is wanted of it, and what it reports."""

    unschedulable: StrictBool = at("spec.unschedulable", default=False)
    taints: tuple[Taint, ...] = at("spec.taints", ())
    conditions: tuple[Condition, ...] = at("status.conditions", ())
    allocatable: Amounts = at("status.allocatable", {})


class ScopeRequirement(Model):
    """One expression of a quota's scopes."""

    scope_name: str
    operator: str
    values: Texts = ()


class ResourceQuota(Object):
    """The bounds of a namespace, those that hold, and what is taken of them."""

    hard: Amounts = at("spec.hard", {})
    scopes: Texts = at("spec.scopes", ())
    expressions: tuple[ScopeRequirement, ...] = at("spec.scopeSelector.matchExpressions", ())
    holds: Amounts = at("status.hard", {})
    used: Amounts = at("status.used", {})
