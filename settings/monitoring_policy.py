"""The policy of monitoring and of the people behind it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from settings.sections import Seconds, Section

_AnHour = Annotated[Seconds, Field(gt=0, le=3600)]


class MonitoringPolicy(Section):
    """How fresh alert rules are, and how long no gap may be seen."""

    settle_for: _AnHour = 120.0
    """Rules, targets and dashboards that were just applied get this time; time_scale divides it."""
    evaluated_within: _AnHour = 120.0
    """An alert rule that was not evaluated for longer watches nothing."""
    gap_look_back: Annotated[Seconds, Field(ge=60, le=86_400)] = 900.0
    """Phase 7.2 looks that far back for gaps; time_scale divides it."""


class PeoplePolicy(Section):
    """How long somebody has to be on call."""

    on_call_after: Annotated[Seconds, Field(ge=3600)] = 86_400.0
    """Behind the deployment window: the day after."""
    baseline_max_age: Annotated[Seconds, Field(gt=0, le=86_400)] = 14_400.0
    """The traffic baseline of the day is no older."""
