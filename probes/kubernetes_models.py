"""What of the Kubernetes API is read here, as it comes: the API's own names, defaults and gaps.

Field by field as in the API reference of Kubernetes 1.37. What the API may leave out or send as null has the
API's own default; what every object of a kind has is required, so that an answer without it is refused.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, model_validator
from pydantic.alias_generators import to_camel

Texts = tuple[str, ...]
Kind = Literal["requests", "limits"]
Amounts = Mapping[str, str | int | float]
"""Quantities such as 250m, 4 or 16Gi, by resource."""


class Model(BaseModel):
    """A part of an object of the API."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if value is not None}


T = TypeVar("T", bound=Model)


class Metadata(Model):
    """Labels and annotations: all that the template of a pod has of its metadata."""

    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}


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


class ObjectMetadata(Metadata):
    """What every object has."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: StrictInt = 0
    creation_timestamp: dt.datetime | None = None
    deletion_timestamp: dt.datetime | None = None
    owner_references: tuple[OwnerReference, ...] = ()
    managed_fields: tuple[ManagedFields, ...] = ()

    @property
    def controller(self) -> OwnerReference | None:
        """Return the owner that runs the object."""
        return next((one for one in self.owner_references if one.controller), None)


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

    match_labels: Mapping[str, str] = {}
    match_expressions: tuple[Requirement, ...] = ()


class NodeTerm(Model):
    """One term of a node affinity."""

    match_expressions: tuple[Requirement, ...] = ()
    match_fields: tuple[Requirement, ...] = ()


class NodeTerms(Model):
    """The terms of a required node affinity; one must hold."""

    node_selector_terms: tuple[NodeTerm, ...]


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


_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


class NodeAffinity(Model):
    """Which nodes a pod wants."""

    required: NodeTerms | None = Field(default=None, alias=_REQUIRED)


class PodAffinity(Model):
    """Which pods a pod wants near, or far."""

    required: tuple[PodTerm, ...] = Field(default=(), alias=_REQUIRED)


class Affinity(Model):
    """All wishes of a pod."""

    node_affinity: NodeAffinity = NodeAffinity()
    pod_affinity: PodAffinity = PodAffinity()
    pod_anti_affinity: PodAffinity = PodAffinity()


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


class Named(Model):
    """A reference to a ConfigMap."""

    name: str = ""


class EnvironmentSource(Model):
    """A source of a container's whole environment."""

    config_map_ref: Named | None = None


class ValueSource(Model):
    """The source of one variable."""

    config_map_key_ref: Named | None = None


class Variable(Model):
    """A variable of a container."""

    value_from: ValueSource = ValueSource()


class Container(Model):
    """A container as a pod declares it."""

    name: str
    image: str = ""
    env: tuple[Variable, ...] = ()
    env_from: tuple[EnvironmentSource, ...] = ()
    resources: Resources = Resources()
    restart_policy: str = ""


class VolumeSource(Model):
    """A part of a projected volume."""

    config_map: Named | None = None


class Projected(Model):
    """A volume of several sources."""

    sources: tuple[VolumeSource, ...] = ()


class Volume(VolumeSource):
    """A volume of a pod."""

    projected: Projected = Projected()


class PodSpec(Model):
    """What a pod is to be."""

    containers: tuple[Container, ...]
    init_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    node_name: str | None = None
    node_selector: Mapping[str, str] = {}
    affinity: Affinity = Affinity()
    tolerations: tuple[Toleration, ...] = ()
    topology_spread_constraints: tuple[Spread, ...] = ()
    resources: Resources = Resources()
    overhead: Amounts = {}
    priority_class_name: str = ""


class Running(Model):
    """The state of a container that runs."""

    started_at: dt.datetime | None = None


class Waiting(Model):
    """The state of one that waits."""

    reason: str = ""


class Terminated(Model):
    """The state of one that has ended."""

    exit_code: StrictInt
    reason: str = ""


class State(Model):
    """A state of a container: at most one of these."""

    running: Running | None = None
    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(Model):
    """What a kubelet reports of a container."""

    name: str
    image: str = ""
    image_id: str = Field(default="", alias="imageID")
    ready: StrictBool = False
    restart_count: StrictInt = 0
    state: State = State()
    last_state: State = State()


class PodStatus(Model):
    """What a kubelet reports of a pod."""

    phase: str = "Unknown"
    reason: str = ""
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(Model):
    """A pod."""

    metadata: ObjectMetadata
    spec: PodSpec
    status: PodStatus = PodStatus()


class Template(Model):
    """What a workload makes its pods from."""

    metadata: Metadata = Metadata()


class WorkloadSpec(Model):
    """What is wanted of a Deployment, StatefulSet or ReplicaSet."""

    template: Template
    replicas: StrictInt = 1
    paused: StrictBool = False
    progress_deadline_seconds: StrictInt | None = None


class WorkloadStatus(Model):
    """How far its controller is."""

    observed_generation: StrictInt = 0
    replicas: StrictInt = 0
    updated_replicas: StrictInt = 0
    ready_replicas: StrictInt = 0
    available_replicas: StrictInt = 0
    update_revision: str = ""
    conditions: tuple[Condition, ...] = ()


class Workload(Model):
    """A Deployment, StatefulSet or ReplicaSet."""

    metadata: ObjectMetadata
    spec: WorkloadSpec
    status: WorkloadStatus = WorkloadStatus()


class ServiceSpec(Model):
    """Where a Service leads."""

    selector: Mapping[str, str] = {}
    ports: tuple[Any, ...] = ()
    publish_not_ready_addresses: StrictBool = False


class Service(Model):
    """A Service."""

    metadata: ObjectMetadata
    spec: ServiceSpec


class EndpointConditions(Model):
    """The state of an endpoint; ready where nothing is said."""

    ready: StrictBool = True
    terminating: StrictBool = False


class ObjectReference(Model):
    """The pod of an endpoint."""

    name: str = ""
    uid: str = ""


class Endpoint(Model):
    """One endpoint of a slice."""

    addresses: Texts = ()
    conditions: EndpointConditions = EndpointConditions()
    target_ref: ObjectReference = ObjectReference()


class EndpointSlice(Model):
    """Some endpoints of a Service."""

    metadata: ObjectMetadata
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[Any, ...] = ()


class ConfigMap(Model):
    """A ConfigMap."""

    metadata: ObjectMetadata
    data: Mapping[str, str] = Field(default={}, repr=False)
    binary_data: Mapping[str, str] = Field(default={}, repr=False)


class Taint(Model):
    """What keeps pods from a node."""

    key: str
    value: str = ""
    effect: str


class NodeSpec(Model):
    """What is wanted of a node."""

    unschedulable: StrictBool = False
    taints: tuple[Taint, ...] = ()


class NodeStatus(Model):
    """What a node reports."""

    conditions: tuple[Condition, ...] = ()
    allocatable: Amounts = {}


class Node(Model):
    """A node."""

    metadata: ObjectMetadata
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class ScopeRequirement(Model):
    """One expression of a quota's scopes."""

    scope_name: str
    operator: str
    values: Texts = ()


class ScopeSelector(Model):
    """Which pods a quota is about."""

    match_expressions: tuple[ScopeRequirement, ...] = ()


class QuotaSpec(Model):
    """The bounds of a namespace."""

    hard: Amounts = {}
    scopes: Texts = ()
    scope_selector: ScopeSelector = ScopeSelector()


class QuotaStatus(Model):
    """The bounds that hold, and what is taken of them."""

    hard: Amounts = {}
    used: Amounts = {}


class ResourceQuota(Model):
    """A ResourceQuota."""

    metadata: ObjectMetadata
    spec: QuotaSpec = QuotaSpec()
    status: QuotaStatus = QuotaStatus()


class Version(Model):
    """What /version says."""

    git_version: str


class ResourceRule(Model):
    """Verbs that an account may use on resources."""

    verbs: Texts
    api_groups: Texts = ()
    resources: Texts = ()


class PathRule(Model):
    """Verbs that an account may use on paths which are no resource."""

    verbs: Texts
    non_resource_urls: Texts = Field(default=(), alias="nonResourceURLs")


class Rules(Model):
    """All that an account may do in a namespace."""

    resource_rules: tuple[ResourceRule, ...]
    non_resource_rules: tuple[PathRule, ...]
    incomplete: StrictBool


class RulesReview(Model):
    """The answer to a SelfSubjectRulesReview."""

    status: Rules


class Access(Model):
    """Whether an account may do one thing."""

    allowed: StrictBool


class AccessReview(Model):
    """The answer to a SelfSubjectAccessReview."""

    status: Access


class PageMetadata(Model):
    """Where a list goes on."""

    next: str = Field(default="", alias="continue")


class Page(Model, Generic[T]):
    """One page of a list."""

    items: tuple[T, ...]
    metadata: PageMetadata = PageMetadata()
