"""Faults of what watches the platform, and of the people behind it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.core.layout import PREVIOUS, RELEASE
from sandbox.core.state import write_private
from sandbox.faults.actions import Action, LinksChanged, StandInBent
from sandbox.systems.monitoring import deployment as monitoring
from sandbox.systems.monitoring import monitoring_servers, prometheus_server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.faults.holds import Holds

_OF_BASELINES, _ASIDE = ("baseline", "history"), "laid-aside-"
_MISSED_SECONDS = 6.0
_GAP_SECONDS = 8.0
"""Longer than three scrapes of an exporter: a step of the look-back without any."""
_LOOK_BACK_SECONDS = 21.0
"""After so long nobody sees a gap any more: the floor of the look-back, and one scrape."""


@dataclass(frozen=True, slots=True)
class OtherRules:
    """Prometheus has other alert rules than the release ships."""

    version: str = RELEASE
    replaced: tuple[str, str] = ("", "")

    async def apply(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Load them."""
        layout = holds.platform.layout
        text = monitoring.shipped_rules(self.version).read_text(encoding="utf-8")
        write_private(prometheus_server.rules_file(layout), text.replace(*self.replaced))
        await prometheus_server.reload(layout)

    async def revert(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Load the release's, or before it those that were there."""
        deployed = holds.platform.deployment.done == monitoring.PHASE
        monitoring.write_rules(holds.platform.layout, RELEASE if deployed else PREVIOUS)
        await prometheus_server.reload(holds.platform.layout)


@dataclass(frozen=True, slots=True)
class ExporterDown:
    """An exporter is stopped for so long that Prometheus has noticed and its series have a gap."""

    process: str
    job: str

    async def apply(self, holds: Holds, fault: str) -> None:
        """Stop it, and let some scrapes fail."""
        await holds.stopped(fault, self.process, hold=True)
        await self._told(holds, "max_over_time", _GAP_SECONDS, 0)

    async def revert(self, holds: Holds, fault: str) -> None:
        """Start it, and wait until nobody sees the gap any more."""
        await holds.stopped(fault, self.process, hold=False)
        await self._told(holds, "min_over_time", _LOOK_BACK_SECONDS + _GAP_SECONDS, 1)

    async def _told(self, holds: Holds, function: str, seconds: float, value: int) -> None:
        query = f'{function}(up{{job="{self.job}"}}[{seconds:.0f}s])'
        await holds.platform.told_by_prometheus(query, value, 2 * seconds)


@dataclass(frozen=True, slots=True)
class OtherReceivers:
    """Alertmanager sends a severity elsewhere."""

    receivers: Mapping[str, str]

    async def apply(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Load that configuration."""
        await monitoring_servers.configure(holds.platform.layout, dict(self.receivers))

    async def revert(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Load the right one."""
        await monitoring_servers.configure(holds.platform.layout, monitoring_servers.RECEIVERS)


@dataclass(frozen=True, slots=True)
class EverythingSilenced:
    """Somebody silenced every alert, as before a maintenance, and forgot it."""

    async def apply(self, holds: Holds, fault: str) -> None:
        """Silence them, once."""
        await monitoring_servers.end_silences(holds.platform.layout, fault)
        await monitoring_servers.silence(holds.platform.layout, fault)

    async def revert(self, holds: Holds, fault: str) -> None:
        """End the silence."""
        await monitoring_servers.end_silences(holds.platform.layout, fault)


@dataclass(frozen=True, slots=True)
class ScrapesMissed:
    """The API's metrics could not be scraped for some seconds; that is over, the gap is not."""

    async def apply(self, holds: Holds, fault: str) -> None:
        """Break the metrics for a while."""
        await holds.switches(fault, {"metrics_broken": True})
        await asyncio.sleep(_MISSED_SECONDS)
        await holds.switches(fault, None)
        await holds.platform.settle()

    async def revert(self, holds: Holds, fault: str) -> None:
        """Wait until nobody looks back that far."""
        await holds.switches(fault, None)
        await asyncio.sleep(_LOOK_BACK_SECONDS)


@dataclass(frozen=True, slots=True)
class OtherContacts:
    """The environment file names other contacts."""

    contacts: Mapping[str, Mapping[str, str]]

    async def apply(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Have the next environment file name them."""
        write_private(holds.platform.layout.contacts, json.dumps(self.contacts))

    async def revert(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Have it name the right ones again."""
        holds.platform.layout.contacts.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class BaselineHidden:
    """Nobody has taken a baseline: those that there are lie aside for a while."""

    async def apply(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Lay them aside, with the history that names them."""
        for name in _OF_BASELINES:
            for folder in holds.platform.layout.state.gate.glob(f"*/*/{name}"):
                folder.rename(folder.with_name(f"{_ASIDE}{name}"))

    async def revert(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Put them back."""
        for name in _OF_BASELINES:
            for folder in holds.platform.layout.state.gate.glob(f"*/*/{_ASIDE}{name}"):
                folder.rename(folder.with_name(name))


def _without_last() -> dict[str, dict[str, str]]:
    dashboards = monitoring.dashboards()
    return dict(list(dashboards.items())[:-1])


FAULTS: dict[str, Action] = {
    "alert-rules-not-applied": OtherRules(version=PREVIOUS),
    "alert-rule-weakened": OtherRules(replaced=("> 0.01", "> 0.5")),
    "alert-rule-lost-its-wait": OtherRules(replaced=("for: 10m", "for: 10h")),
    "exporter-down": ExporterDown("node-exporter", "node"),
    "severity-to-another-receiver": OtherReceivers(
        {"critical": "deployments-channel", "warning": "deployments-channel"}
    ),
    "receiver-tells-nobody": OtherReceivers(
        {"critical": "on-call-muted", "warning": "deployments-channel"}
    ),
    "alerts-silenced": EverythingSilenced(),
    "alertmanager-unreachable": LinksChanged(("gate-alertmanager",), {"mode": "refuse"}),
    "prometheus-unreachable": LinksChanged(("gate-prometheus",), {"mode": "refuse"}),
    "dashboard-missing": StandInBent("grafana", {"dashboards": _without_last()}),
    "dashboard-of-the-previous-release": StandInBent("grafana", {"dashboards": monitoring.BEFORE}),
    "dashboard-without-data": StandInBent(
        "grafana", {"replaced": {"Requests": "sum(requests_that_nobody_counts)"}}
    ),
    "grafana-down": LinksChanged(("gate-grafana",), {"mode": "refuse"}),
    "scrapes-missed": ScrapesMissed(),
    "dashboards-not-prepared": StandInBent("grafana", {"dashboards": _without_last()}),
    "nobody-on-call": StandInBent("pagerduty", {"hours_without": (12.0, 24.0)}),
    "pagerduty-service-disabled": StandInBent("pagerduty", {"services": {"PLATFORM": "disabled"}}),
    "pagerduty-escalates-to-nobody": StandInBent("pagerduty", {"escalates": False}),
    "pagerduty-down": LinksChanged(("gate-pagerduty",), {"mode": "refuse"}),
    "slack-channel-archived": StandInBent("slack", {"archived": ("incidents",)}),
    "slack-app-not-in-channel": StandInBent("slack", {"without_app": ("random", "deployments")}),
    "slack-down": LinksChanged(("gate-slack",), {"mode": "refuse"}),
    "baseline-not-taken": BaselineHidden(),
    "contact-to-be-determined": OtherContacts(
        {"Release Manager": {"name": "TBD", "phone": "+1-XXX-XXX-XXXX"}}
    ),
}
