"""The times at which checks are due: after the traffic switch, and before the deployment."""

from __future__ import annotations

WINDOWS = {"15m": 900, "1h": 3600, "24h": 86400}
"""Validation windows with their length in seconds."""
COUNTDOWN = ("T-7d", "T-3d", "T-1d", "T-2h")
DECISION = "decision"
"""The `when` of a rollback's rows that are asked before it."""
ROLLED_BACK = ("15m", "24h", "1w")
"""The times after a rollback at which it is verified."""
METHODS = ("flags", "kubernetes", "dns", "database")
"""The `when` of a row that is asked after a rollback by one of the runbook's methods."""
FORWARD = "forward"
"""The way on instead of back: a fix; the runbook has no items of its own for it."""
ROLLOUT_DAYS = (1, 2, 3, 7)
"""The days after the traffic switch on which a new feature is given to more users."""
ROLLOUT = "rollout"
"""The `when` of what is asked on these days."""
WINDOW = "window"
"""The `when` of what is asked whenever one may ask whether to deploy now: at T-2h, and in every phase."""
