"""Feature flags and the log of their changes."""

from __future__ import annotations

from pytest_bdd import parsers, then, when

from steps.flags.change_log import ChangeLog
from steps.flags.flags import Flags, temporary_flags_gone
from steps.kit.check import Check
from steps.kit.run import Run


@when("the feature flags are read", target_fixture="flags")
def read(run: Run, check: Check) -> Flags:
    return Flags.read(run.platform, check)


@then(parsers.parse('every flag is in the state "{moment}"'))
def in_state(flags: Flags, moment: str) -> None:
    flags.in_state(moment)


@then("every flag holds a value that the platform can read")
def readable(flags: Flags) -> None:
    flags.readable()


@then("the flags that no deployment may change are as they always are")
def unchanging(flags: Flags) -> None:
    flags.unchanging()


@then("no flag is there that the environment does not describe")
def no_others(flags: Flags) -> None:
    flags.no_others()


@when("the feature flags are held against the audit log", target_fixture="change_log")
def held_against(run: Run, check: Check) -> ChangeLog:
    return ChangeLog(run.platform, check)


@then(
    parsers.parse(
        'it tells of every change up to the state "{moment}": who, when, from what, to what'
    )
)
def tells(change_log: ChangeLog, moment: str) -> None:
    change_log.tells_of_changes_to(moment)


@then("the flags that were there only for the deployment are gone")
def temporary_gone(run: Run, check: Check) -> None:
    temporary_flags_gone(run.platform, check)
