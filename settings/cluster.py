"""The clusters that run the platform: what is deployed there, and how the gate reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from settings.sections import HttpUrl, Name, Seconds, SecretReference, Section, Text

Count = Annotated[int, Field(ge=1, le=10_000)]


class RegionCluster(Section):
    """One region's cluster."""

    server: HttpUrl
    """Address of its API server."""
    token: SecretReference
    """Of the gate's own service account, which may read what deploy/kubernetes/rbac.yaml lists and
    nothing else; short-lived."""
    ca_file: str | None = None
    """File of the authority that signs the API server's certificate, where it is not a public one."""
    candidate: HttpUrl | None = None
    """Address of the release's own pods before they have the traffic, such as a preview Service's."""


class Replicas(Section):
    """How many pods of the app are meant to run."""

    normal: Count
    """Outside a deployment."""
    temporary: Count
    """During it."""

    def _refusals(self) -> Iterator[str]:
        if self.temporary < self.normal:
            yield "temporary is fewer than normal; capacity is added for a deployment"


class PodLogs(Section):
    """How an error is told in the app's logs; only counts leave the gate, never a line."""

    level_field: str = "level"
    """Of lines that are JSON objects: the field that holds the level."""
    error_levels: tuple[str, ...] = (
        *("error", "fatal", "critical", "panic", "severe", "err", "crit", "alert", "emerg"),
        *("50", "60"),
    )
    """Which levels are errors, in small letters: by default also syslog's and Java's words, and pino's and
    bunyan's numbers."""
    error_words: tuple[str, ...] = ("ERROR", "FATAL", "CRITICAL", "Traceback")
    """Of other lines: whole words, as they are written, that make an error."""
    tail_lines: int = Field(default=500, ge=50, le=20_000)
    """How many of the newest lines of each pod are read; the runbook reads 50."""

    def _refusals(self) -> Iterator[str]:
        if not self.error_levels or not self.error_words:
            yield (
                "error_levels and error_words both need an entry: without one the lines of that "
                "form can never be errors"
            )
        loud = [level for level in self.error_levels if level != level.lower()]
        if loud:
            yield (
                f"error_levels has “{loud[0]}”, which no level can be: write it in small letters"
            )


class CandidateHealth(Section):
    """Which health endpoint the release must answer before it has the traffic."""

    service: Name
    """One of `services`."""
    endpoint: Name
    """One of its health endpoints."""


class Kubernetes(Section):
    """What is deployed in every region's cluster."""

    namespace: Text
    """Of the platform."""
    app_labels: dict[str, str] = Field(min_length=1)
    """What selects the app's Deployments and pods of every version."""
    version_label: Text = "version"
    """The label of pods and Service selector that tells the version."""
    version_value: str = Field(default="v{release}", pattern=r"\{release\}")
    """Its value; `{release}` becomes the release, such as 1.2.0."""
    service: Text
    """The Service that leads users' traffic to the app."""
    container: Text
    """The app's own container in its pods; others are sidecars."""
    image: Text
    """The app's image by the last part of its name, without registry and tag; the image build's evidence
    names its digest."""
    replicas: Replicas
    """Normal and temporary number of pods."""
    most_pods: Count
    """The most pods of the app that run at once during a deployment, all versions together."""
    config_map: Text
    """The ConfigMap that the app reads."""
    config: dict[str, str] = Field(min_length=1)
    """What it must hold for the release: key → value. Other keys are free."""
    logs: PodLogs = PodLogs()
    """How errors are told in the app's logs."""
    candidate_health: CandidateHealth | None = None
    """Asked at `regions.NAME.kubernetes.candidate`, where a region has that."""
    system_namespace: Text = "kube-system"
    """Where the cluster's own pods run."""
    progress_deadline: Annotated[Seconds, Field(gt=0, le=3600)] = 600.0
    """How long a rollout may take where the Deployment does not say it."""

    def _refusals(self) -> Iterator[str]:
        fewest = max(self.replicas.temporary, self.replicas.normal + 1)
        if self.most_pods < fewest:
            yield (
                f"most_pods {self.most_pods} asks for no room beyond the pods that run anyway, so "
                f"the check of capacity can never fail; a deployment runs {fewest} or more at once"
            )
