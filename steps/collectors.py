"""Every collector of the baseline, by area: one line here is all that a new fact needs."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Mapping, Sequence
from typing import Any

from steps.cluster import clusters as cluster_facts
from steps.data import reads as data_facts
from steps.delivery import reading as delivery_facts
from steps.flags import reading as flags
from steps.kit.baseline import SHARED, CannotCollectError, Collector
from steps.kit.check import CheckBroke
from steps.kit.platform import NotDescribedError, Platform
from steps.logs import reading as logs
from steps.network.reading import certificate_facts, dns_facts
from steps.objectives import baseline as baseline_metrics
from steps.stability import reading as stability

COLLECTORS: Sequence[Collector] = (
    Collector(data_facts.ROWS, data_facts.rows, "data"),
    Collector(data_facts.ORPHANS, data_facts.orphans, "data"),
    Collector(data_facts.FROZEN, data_facts.frozen, "data"),
    Collector(data_facts.SCHEMA, data_facts.schema, "data"),
    Collector(data_facts.MIGRATIONS, data_facts.migrations, "migrations"),
    Collector(delivery_facts.IMAGES, delivery_facts.image_digests, "images"),
    Collector(delivery_facts.BUILD, delivery_facts.web_build, "frontend"),
    Collector(cluster_facts.DEPLOYMENTS, cluster_facts.deployments, "kubernetes"),
    Collector("traffic", baseline_metrics.traffic, "prometheus"),
    Collector("latency", baseline_metrics.latency, "prometheus"),
    Collector("certificates", certificate_facts, "certificates"),
    Collector("DNS records", dns_facts, "dns"),
    Collector("feature flags", flags.snapshot, "flags"),
    Collector(logs.BEFORE, logs.before, "logs"),
    Collector("sessions and calls", baseline_metrics.in_use, "prometheus"),
    Collector(stability.COLLECTOR, stability.collect, "stability"),
)


AT_ONCE = 4
"""Loading a dozen client libraries at once would take each collector longer than a call may."""


class BaselineRefusedError(Exception):
    """At least one collector failed; `sentences` names each, and nothing is kept of the others."""

    def __init__(self, *sentences: str) -> None:
        super().__init__(" ".join(sentences))
        self.sentences = sentences


def collect(
    platform: Platform, collectors: Sequence[Collector] = COLLECTORS
) -> dict[str, Mapping[str, Any]]:
    """Return the facts of every collector that the environment describes, all collected at once.

    Raises BaselineRefusedError: half a baseline would make later checks silently compare with nothing.
    """
    sections = platform.environment.sections
    wanted = [one for one in collectors if not one.section or one.section in sections]
    if not wanted:
        raise BaselineRefusedError("this environment describes nothing to take a baseline of.")
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(
            zip(wanted, pool.map(lambda one: _collected(platform, one), wanted), strict=True)
        )
    failed = [f"{one.name}: {facts}." for one, facts in found.items() if isinstance(facts, str)]
    if failed:
        raise BaselineRefusedError(*failed)
    return {one.name: facts for one, facts in found.items() if not isinstance(facts, str)}


def _collected(platform: Platform, collector: Collector) -> Mapping[str, Any] | str:
    """Return a collector's facts, or in words why there are none."""
    try:
        facts = collector.collect(platform)
    except (CannotCollectError, NotDescribedError) as exc:
        return str(exc)
    except Exception as exc:  # noqa: BLE001 - whatever broke, its text may hold anything and stays here
        return f"the collector itself broke: {CheckBroke.by(exc)}; this is a fault of the gate"
    if set(facts) not in ({SHARED}, set(platform.regions)):
        return "the collector left a region out; this is a fault of the gate"
    return facts
