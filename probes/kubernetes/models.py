"""What of the Kubernetes API is read here: the API's own words and defaults, without its nesting.

Field by field as in the API reference of Kubernetes 1.37. What the API may leave out or send as null has the
API's own default; what every object of a kind has is required, so that an answer without it is refused.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Generic, Literal, TypeVar

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


T = TypeVar("T", bound=Model)


def at(path: str, default: Any = ...) -> Any:
    """Return a field that is further in, such as `spec.replicas`; required without a default."""
    return Field(default, validation_alias=AliasPath(*path.split(".")))


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
    annotations: Labels = {}
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


class Container(Model):
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

    containers: tuple[Container, ...]
    init_containers: tuple[Container, ...] = ()
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


class ContainerStatus(Model):
    """What a kubelet reports of a container."""

    name: str
    image: str = ""
    image_id: str = at("imageID", "")
    ready: StrictBool = False
    restart_count: StrictInt = 0
    started_at: dt.datetime | None = at("state.running.startedAt", None)
    waiting: str = at("state.waiting.reason", "")
    terminated: Terminated | None = at("state.terminated", None)
    terminated_before: Terminated | None = at("lastState.terminated", None)


class Pod(Object):
    """A pod."""

    spec: PodSpec
    phase: str = at("status.phase", "Unknown")
    reason: str = at("status.reason", "")
    conditions: tuple[Condition, ...] = at("status.conditions", ())
    containers: tuple[ContainerStatus, ...] = at("status.containerStatuses", ())
    init_containers: tuple[ContainerStatus, ...] = at("status.initContainerStatuses", ())


class Workload(Object):
    """A Deployment, StatefulSet or ReplicaSet: what is wanted, and how far its controller is."""

    template: Mapping[str, Any] = at("spec.template")
    labels: Labels = at("spec.template.metadata.labels", {})
    annotations: Labels = at("spec.template.metadata.annotations", {})
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


class Service(Object):
    """Where a Service leads."""

    spec: Mapping[str, Any]
    selector: Labels = at("spec.selector", {})
    ports: tuple[Any, ...] = at("spec.ports", ())
    publishes_unready: StrictBool = at("spec.publishNotReadyAddresses", default=False)


class Endpoint(Model):
    """One endpoint of a slice; ready where nothing is said."""

    addresses: Texts = ()
    ready: StrictBool = at("conditions.ready", default=True)
    terminating: StrictBool = at("conditions.terminating", default=False)
    pod_name: str = at("targetRef.name", "")
    pod_uid: str = at("targetRef.uid", "")


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


class Version(Model):
    """What /version says."""

    git_version: str


class Rule(Model):
    """Verbs that an account may use on resources, or on paths which are no resource."""

    verbs: Texts
    api_groups: Texts = ()
    resources: Texts = ()
    paths: Texts = at("nonResourceURLs", ())


class Rules(Model):
    """The status of a SelfSubjectRulesReview: all that an account may do in a namespace."""

    resource_rules: tuple[Rule, ...]
    non_resource_rules: tuple[Rule, ...]
    incomplete: StrictBool


class RulesReview(Model):
    """The answer to a SelfSubjectRulesReview."""

    status: Rules


class AccessReview(Model):
    """The answer to a SelfSubjectAccessReview."""

    allowed: StrictBool = at("status.allowed")


class Page(Model, Generic[T]):
    """One page of a list, and where it goes on."""

    items: tuple[T, ...]
    next: str = at("metadata.continue", "")
