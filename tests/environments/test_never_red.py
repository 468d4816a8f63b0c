"""Settings by which a check could never fail, or never pass, are refused before anything is asked."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel, ValidationError

from settings.environment import Environment
from settings.policy import Policy
from settings.sections import Section, server_of
from tests.tables import beside, cases

CASES = {
    f"{section.rpartition('.')[2]} {change}": (section, case["valid"], change, words)
    for section, case in beside(__file__, "testdata/never_red.yaml").items()
    for change, words in case["refused"]
}


def _section(name: str) -> type[Section]:
    module, _, leaf = name.rpartition(".")
    found: type[Section] = getattr(importlib.import_module(module), leaf)
    return found


@cases("section valid change words", CASES)
def test_what_could_never_fail_or_never_pass_is_refused(
    section: str, valid: dict[str, Any], change: dict[str, Any], words: str
) -> None:
    model = _section(section)
    model.model_validate(valid)
    with pytest.raises(ValidationError, match=re.escape(words)):
        model.model_validate({**valid, **change})


def test_one_server_by_another_name_is_no_second_region_and_others_are_told_apart() -> None:
    hosts = (
        *("localhost:8080", "LOCALHOST.:8080/", "127.1:8080", "2130706433:8080", "0x7f.1:8080"),
        *("[::1]:8080", "[::ffff:127.0.0.1]:8080", "127.0.0.1:8080//"),
    )
    assert {server_of(f"http://{host}") for host in hosts} == {server_of("http://127.0.0.1:8080")}
    urls = (
        *("http://a.example", "https://a.example", "http://a.example:8080", "http://b.example"),
        *("http://a.example/eu", "http://a.example/us", "http://127.0.0.2", "http://10.0.0.1"),
    )
    assert len({server_of(url) for url in urls}) == len(urls)
    assert server_of("http://A.Example:80/") == server_of("http://a.example")
    assert server_of("https://a.example:443") == server_of("https://a.example")


CAN_BE_RED: dict[str, str] = {
    "refused in a whole file, testdata/mistakes.txt": """
        Environment.time_scale Prometheus.scrape_interval Prometheus.max_clock_skew""",
    "part of an address": "Mail.port NameServer.port Postgres.port Redis.port Redis.database",
    "says how many there are: fewer, or others, are found": """
        Data.standbys Figure.at_least FileSystems.at_least FlagState.percentage Replicas.normal
        Replicas.temporary RolloutPolicy.percentages Service.replicas""",
    "how old what proves an instrument may be, with a maximum": "SupportPolicy.alive_within",
    "how long is waited, with a maximum: what is not there then is red or undecided": """
        AccessibilityPolicy.budget Audit.appears_within Availability.poll_every
        CountPolicy.statement_timeout Deadlines.call Deadlines.run DnsPolicy.propagation
        Invalidation.settle_for MigrationLogPolicy.settle_for MonitoringPolicy.settle_for
        Objective.wait_for_samples VitalsPolicy.budget""",
    "a limit with a maximum below which platforms do fail": """
        AccessibilityPolicy.longest_motion Audit.max_clock_skew Availability.answer_overhead
        EventsLimit.failed_rise
        BrowserPolicy.layout_shift BrowserPolicy.long_task BrowserPolicy.step_within
        BrowserPolicy.walk_within DeploymentPolicy.rollback DeploymentPolicy.validation DnsPolicy.min_ttl
        GeneratorLimits.clock_skew GeneratorLimits.lag_p99 GeneratorLimits.late
        GeneratorLimits.throttled_periods Growth.ratio Growth.tolerated LogsPolicy.covered
        LogsPolicy.max_unreadable LogsPolicy.silent Mailed.within Objective.look_back
        PlannedPhase.planned
        RestoreTestPolicy.max_age RestoreTestPolicy.max_age_day_before RollbackLimit.sustained
        RollbackPolicy.backup_max_age RollbackPolicy.slower_by RollbackPolicy.takes
        StabilityPolicy.longest_query StabilityPolicy.look_back
        SupportPolicy.first_day SupportPolicy.first_hour Target.target_seconds Trigger.complaints_over
        Trigger.read_every Trigger.unavailable_for TriggersPolicy.every TriggersPolicy.gap
        VitalsPolicy.cls VitalsPolicy.inp VitalsPolicy.lcp
        VitalsPolicy.page_bytes VitalsPolicy.requests VitalsPolicy.worse_by""",
    "how finely is measured: what that leaves open is undecided": """
        BackupPolicy.compared_with BackupPolicy.read_whole_up_to_mb Contract.budget
        Contract.requests_per_second CountPolicy.exact_up_to_mb
        CountPolicy.exact_up_to_rows CountPolicy.large_reads CountPolicy.sampled_blocks
        Objective.bucket_bounds Objective.shown_quantile Target.quantile""",
    "more of it finds more, or asks for more proof": """
        AccessibilityPolicy.focus_pixels Flags.changes_within Limit.assumed_burst
        DeclarePolicy.withdrawals RollbackLimit.assumed_burst Target.assumed_burst
        Trigger.least_events""",
    "no check is decided by it": """
        Lease.requests_per_second Level.after Load.accounts Load.max_rps LoadPolicy.run_time
        Vendor.sla_minutes""",
}
"""Numbers that have no value by which a check could never be red, by the reason for it."""


def test_every_number_that_can_be_set_is_refused_somewhere_or_can_be_red_and_why() -> None:
    """A new setting needs a row above. Texts and patterns are not looked for: their rows are by hand."""
    refused = {
        f"{model.__name__}.{key}"
        for section, _, change, _ in CASES.values()
        for model in _sections()
        if issubclass(model, _section(section))
        for key in change
    }
    numbers = {
        f"{model.__name__}.{name}"
        for model in _sections()
        for name, field in model.model_fields.items()
        if not {int, float}.isdisjoint(_parts(field.annotation))
    }
    listed = [name for names in CAN_BE_RED.values() for name in names.split()]
    assert sorted(listed) == sorted(numbers - refused)


def _sections() -> set[type[BaseModel]]:
    """Return every section of an environment file and of the policy."""
    found: set[type[BaseModel]] = set()
    new: set[type[BaseModel]] = {Environment, Policy}
    while new:
        found |= new
        fields = [field for model in new for field in model.model_fields.values()]
        parts = (part for field in fields for part in _parts(field.annotation))
        new = {
            part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)
        } - found
    return found


def _parts(annotation: Any) -> Iterator[Any]:
    """Yield a type and all that it is made of: of `dict[str, float] | None` also float."""
    yield annotation
    if get_origin(annotation) is not Literal:
        for part in get_args(annotation):
            yield from _parts(part)
