"""The platform's audit log."""

from __future__ import annotations

from pytest_bdd import then, when

from steps.flags import audit
from steps.kit.check import Check
from steps.kit.run import Run


@when("the gate reads something harmless under a unique id in every region", target_fixture="trial")
def harmless_read(run: Run) -> Run:
    return run


@then("the audit log has exactly one entry of it: who, when, what")
def recorded(trial: Run, check: Check) -> None:
    audit.recorded(trial.platform, check)
