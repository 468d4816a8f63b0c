"""What the deployment tells a cluster, and how faults bend what it shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from sandbox.core.layout import NORMAL_REPLICAS
from sandbox.core.standins import State

if TYPE_CHECKING:
    from pathlib import Path

NAMESPACE = "unified-health"
SYSTEM_NAMESPACE = "kube-system"
APP = "unified-health-api"
SERVICE = "unified-health-api"
CONFIG_MAP = "unified-health-config"
CONTAINER = "api"
REGISTRY = "000000000000.dkr.ecr.us-east-1.amazonaws.com"
SERVICE_ACCOUNT = "release-gate"
CONFIG_BEFORE = {"LOG_LEVEL": "info", "BOOKING_WINDOW_DAYS": "60", "SESSION_MINUTES": "30"}
CONFIG_WANTED = {"LOG_LEVEL": "info", "BOOKING_WINDOW_DAYS": "90", "SESSION_MINUTES": "30"}


class ClusterState(State):
    """The deployment's facts first, then the troubles that faults may lay over them."""

    replicas: dict[str, int] = Field(default={"1.1.0": NORMAL_REPLICAS})
    """By version: each has a Deployment of its own."""
    restarted_at: dict[str, str] = Field(default={})
    """By version: what `kubectl rollout restart` writes into the pod template."""
    digests: dict[str, str] = Field(default={})
    """By version: what the registry has under that tag."""
    selector: str = "1.1.0"
    """Which version the Service selects."""
    config: dict[str, str] = CONFIG_BEFORE
    config_changed_at: str = "2026-01-01T00:00:00Z"

    waiting: Literal["", "ImagePullBackOff", "CrashLoopBackOff"] = ""
    """One pod of the newest version never starts."""
    running_digest: str = ""
    """The newest version's pods run this under its tag."""
    missing_pods: int = 0
    """So many pods of the newest version could not be made: a quota refused them."""
    quota_pods_left: int | None = None
    """The namespace has a quota that lets so many more pods in than there are when it comes."""
    stuck: bool = False
    """The newest version's rollout has exceeded its deadline."""
    paused: bool = False
    """The newest version's rollout is paused."""
    unready_pods: int = 0
    """So many pods of the newest version run and are not ready."""
    ending_pods: int = 0
    """So many pods of the newest version end slowly, replaced already; they still answer."""
    evicted_pods: int = 0
    """So many pods of the newest version were evicted by their nodes, and replaced."""
    job_endpoint: bool = False
    """A Job's pod with the labels of the newest version runs."""
    jobs_over: bool = False
    """Of two Jobs' pods with these labels one has Succeeded and one has Failed."""
    deployment_gone: bool = False
    """The newest version's Deployment was deleted with --cascade=orphan."""
    port_missing: bool = False
    """The Service's targetPort is a name that no pod has."""
    old_endpoint: bool = False
    no_endpoints: bool = False
    key_removed: str = ""
    """A JSON patch has removed this key of the ConfigMap."""
    config_labelled_at: str = ""
    """When kubectl apply changed the ConfigMap's labels and no value."""
    config_annotated_at: str = ""
    """When kubectl annotate changed the ConfigMap."""
    config_patched: dict[str, str] = Field(default={})
    """Values that kubectl patch gave the ConfigMap, at `config_patched_at`."""
    config_patched_at: str = "2026-01-01T00:00:00Z"
    stale_pods: bool = False
    """The pods are older than the configuration."""
    restarts: int = 0
    error_lines: int = 0
    logged_app: dict[str, int] = Field(default={})
    """Lines that each pod of the app has logged just now, and how many of each."""
    logged_audit: dict[str, int] = Field(default={})
    """And the audit service's."""
    logged_security: dict[str, int] = Field(default={})
    """And the security monitor's."""
    failed_logins: int = 3
    """Of which the security monitor has told within the hour."""
    silent_logs: tuple[str, ...] = ()
    """Programs that have stopped logging some time ago."""
    rotated_logs: tuple[str, ...] = ()
    """Programs whose logs were rotated just now."""
    flooded_logs: tuple[str, ...] = ()
    """Programs that have logged more than anybody reads."""
    node_not_ready: bool = False
    """The kubelet of the last node has stopped reporting."""
    disk_pressure: bool = False
    nodes_full: bool = False
    system_pod_down: bool = False
    api_not_ready: bool = False

    token_expired: bool = False
    rights_widened: bool = False
    rights_narrowed: bool = False
    throttled: bool = False
    """Every list of pods is refused with 429; other calls pass."""
    busy_calls: int = 0
    """So many calls after this order are refused with 429."""
    failing_lists: dict[str, int] = Field(default={})
    """By resource: so many lists of it after this order are answered with 503."""
    continue_expired: bool = False
    """No list can be continued: each page's token has expired when it is used."""


CLAIM = "backups"
SIZE_BYTES = 2**30
AVAILABLE, SIZE = "kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes"


@dataclass(frozen=True, slots=True)
class Volume:
    """A folder on this machine, seen as a volume of one gibibyte."""

    folder: Path

    def used_bytes(self) -> int:
        """Return what the files in it hold, holes included; 0 where a fault has moved it away."""
        if not self.folder.is_dir():
            return 0
        return sum(one.stat().st_size for one in self.folder.iterdir() if one.is_file())

    def metrics(self) -> str:
        """Return both gauges in Prometheus's text format."""
        labels = f'{{namespace="database",persistentvolumeclaim="{CLAIM}"}}'
        free = max(0, SIZE_BYTES - self.used_bytes())
        return (
            f"# TYPE {AVAILABLE} gauge\n{AVAILABLE}{labels} {free}\n"
            f"# TYPE {SIZE} gauge\n{SIZE}{labels} {SIZE_BYTES}\n"
        )
