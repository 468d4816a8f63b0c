"""The policy of monitoring and of the people behind it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gates.decide.sections import Seconds, Section

_Positive = Annotated[Seconds, Field(gt=0)]


class MonitoringPolicy(Section):
    """How fresh alert rules are, and how long no gap may be seen."""

    settle_for: _Positive = 120.0
    """Rules, targets and dashboards that were just applied get this time; time_scale divides it."""
    evaluated_within: _Positive = 120.0
    """An alert rule that was not evaluated for longer watches nothing."""
    gap_look_back: _Positive = 900.0
    """Phase 7.2 looks that far back for gaps; time_scale divides it."""


class PeoplePolicy(Section):
    """How long somebody has to be on call."""

    on_call_after: _Positive = 86_400.0
    """Behind the deployment window: the day after."""
    baseline_max_age: _Positive = 14_400.0
    """The traffic baseline of the day is no older."""
