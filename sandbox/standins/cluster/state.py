"""What the deployment tells a cluster, and how faults bend what it shows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sandbox.standins.state import State

NAMESPACE = "unified-health"
SYSTEM_NAMESPACE = "kube-system"
APP = "unified-health-api"
SERVICE = "unified-health-api"
CONFIG_MAP = "unified-health-config"
CONTAINER = "api"
REGISTRY = "000000000000.dkr.ecr.us-east-1.amazonaws.com"
NORMAL_REPLICAS, TEMPORARY_REPLICAS = 3, 6
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
    stuck: bool = False
    """The newest version's rollout has exceeded its deadline."""
    old_endpoint: bool = False
    no_endpoints: bool = False
    stale_pods: bool = False
    """The pods are older than the configuration."""
    restarts: int = 0
    error_lines: int = 0
    node_not_ready: bool = False
    disk_pressure: bool = False
    nodes_full: bool = False
    system_pod_down: bool = False
    api_not_ready: bool = False

    token_expired: bool = False
    rights_widened: bool = False
    rights_narrowed: bool = False
    throttled: bool = False
    continue_expired: bool = False
    """No list can be continued: each page's token has expired when it is used."""
