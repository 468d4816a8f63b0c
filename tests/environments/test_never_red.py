"""Settings by which a check could never fail, or never pass, are refused before anything is asked."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel, ValidationError

from settings.cluster import Kubernetes, PodLogs
from settings.data import (
    BackupPolicy,
    ConnectionPolicy,
    CountPolicy,
    CountRule,
    Data,
    MigrationLogPolicy,
)
from settings.delivery import CacheHeaders, EvidenceAge, Frontend, Images, SecretAge
from settings.environment import Environment
from settings.flags import Flags
from settings.load import GeneratorLimits
from settings.monitoring import Monitoring, MonitoringPolicy
from settings.network import CertificatePolicy, Certificates, DnsPolicy, DnsRecord
from settings.objectives import Limit, Metric
from settings.people import PeoplePolicy
from settings.policy import Policy
from settings.sections import Section, server_of
from settings.service import Availability, HealthEndpoint
from settings.storage import StoragePolicy
from tests.environments.files import VALID, changed, refusal

NOWHERE = "http://127.0.0.1:1"
OFF = {"enabled": False}

MONITORING = {
    "rules": "rules.yaml",
    "jobs": {"api": 2},
    "alertmanager": {"url": NOWHERE, "receivers": {"critical": "on-call"}},
    "grafana": {"url": NOWHERE, "token": "env:GRAFANA", "dashboards": {"Overview": []}},
}
KUBERNETES = {
    "namespace": "clinic",
    "app_labels": {"app": "api"},
    "service": "api",
    "container": "api",
    "image": "api",
    "replicas": {"normal": 3, "temporary": 6},
    "most_pods": 12,
    "config_map": "config",
    "config": {"LEVEL": "info"},
}
FRONTEND = {"bucket": "web", "distribution": "E1", "site": NOWHERE}
FLAGS = {"states": {"before": {"beta": OFF}}}
RECORD = {"name": "api.clinic.example", "type": "A", "values": ["192.0.2.1"]}
DATA = {"tables": {"visits": {"columns": ["id"], "counted": "grows"}}}
LOG = {"errors": ["ERROR"], "success": ["applied"], "settle_for": "1m"}
BACKUPS = {
    "of_this_deployment": "2h",
    "max_age": "26h",
    "size_tolerance": "50%",
    "compared_with": 10,
    "read_whole_up_to_mb": 1,
}
COUNTS = {
    "statement_timeout": "4s",
    "exact_up_to_rows": 10,
    "exact_up_to_mb": 1,
    "sampled_blocks": 400,
    "estimate_tolerance": "1%",
    "rules": {"grows": {"fewer": "0%", "more": "5%"}},
    "more_nulls": "0%",
}
REQUESTS = {
    "name": "r",
    "status_label": "code",
    "labels": {"job": "api"},
    "match": ('code!~"1..|404"',),
}
AVAILABILITY = {"confirm_for": "2m", "poll_every": "5s"}
GENERATOR = {
    "rate": "99.5%",
    "second": "95%",
    "late": "0.1%",
    "lag_p99": "5ms",
    "worker_cpu": "80%",
    "clock_skew": "500ms",
    "throttled_periods": 0,
}
CONNECTIONS = {"max_used": "80%", "max_lag": "30s", "max_lag_mb": 64}

CASES: list[tuple[type[Section], dict[str, Any], dict[str, Any], str]] = [
    (Monitoring, MONITORING, {"jobs": {"api": 0}}, "greater than or equal to 1"),
    (Monitoring, MONITORING, {"shared_jobs": {"node": 0}}, "greater than or equal to 1"),
    (Monitoring, MONITORING, {"jobs": {"": 1}}, "at least 1 character"),
    (Kubernetes, KUBERNETES, {"most_pods": 3}, "can never fail"),
    (
        Kubernetes,
        KUBERNETES,
        {"most_pods": 3, "replicas": {"normal": 3, "temporary": 3}},
        "can never fail",
    ),
    (Kubernetes, KUBERNETES, {"progress_deadline": "0s"}, "greater than 0"),
    (PodLogs, {}, {"error_levels": [], "error_words": []}, "can never be errors"),
    (PodLogs, {}, {"error_levels": ["ERROR"]}, "in small letters"),
    (PodLogs, {}, {"tail_lines": 49}, "greater than or equal to 50"),
    (CacheHeaders, {}, {"page": ""}, "at least 1 character"),
    (CacheHeaders, {}, {"page": "public, max-age=31536000, Immutable"}, "go on with the old build"),
    (Images, {"repositories": ["api"]}, {"tag": "latest"}, "every release would have the same"),
    (
        Frontend,
        FRONTEND,
        {"site": None, "sites": {"eu": NOWHERE, "us": f"{NOWHERE}/"}},
        "sites.us and sites.eu are the same address",
    ),
    (Frontend, FRONTEND, {"invalidation_path": "*"}, "should match pattern"),
    (Certificates, {"hosts": ["a.example"]}, {"addresses": {"eu": []}}, "at least 1 item"),
    (DnsRecord, RECORD, {"before": ["192.0.2.1"]}, "nothing changes"),
    (DnsRecord, RECORD, {"values": [""]}, "at least 1 character"),
    (Flags, FLAGS, {"states": {"before": {}}}, "no flag is described"),
    (Flags, FLAGS, {"every_key": "flags:*"}, "could never be found"),
    (Flags, FLAGS, {"percentage_key": "feature:{flag}"}, "are the same"),
    (Data, DATA, {"tables": {"visits": {"columns": ["id"]}}}, "no table is counted"),
    (MigrationLogPolicy, LOG, {"success": ["(applied)?"]}, "matches every line"),
    (MigrationLogPolicy, LOG, {"errors": [""]}, "matches every line"),
    (BackupPolicy, BACKUPS, {"size_tolerance": "100%"}, "less than or equal to 0.9"),
    (BackupPolicy, BACKUPS, {"size_tolerance": "0%"}, "greater than 0"),
    (CountPolicy, COUNTS, {"estimate_tolerance": "100%"}, "less than or equal to 0.2"),
    (CountPolicy, COUNTS, {"more_nulls": "100%"}, "less than or equal to 0.5"),
    (ConnectionPolicy, CONNECTIONS, {"max_used": "100%"}, "less than or equal to 0.95"),
    (ConnectionPolicy, CONNECTIONS, {"max_used": "0%"}, "greater than 0"),
    (CertificatePolicy, {}, {"min_days_left": 1000}, "less than or equal to 365"),
    (EvidenceAge, {}, {"max_age_of": {"web-build": "0s"}}, "greater than 0"),
    (EvidenceAge, {}, {"max_age": "10000d"}, "less than or equal to 7948800"),
    (SecretAge, {}, {"max_age": "3650d"}, "less than or equal to 31622400"),
    (Availability, AVAILABILITY, {"confirm_for": "1h"}, "less than or equal to 600"),
    (BackupPolicy, BACKUPS, {"of_this_deployment": "30d"}, "less than or equal to 86400"),
    (BackupPolicy, BACKUPS, {"max_age": "3650d"}, "less than or equal to 7948800"),
    (BackupPolicy, BACKUPS, {"size_tolerance": "99%"}, "less than or equal to 0.9"),
    (CountRule, {"fewer": "0%", "more": "5%"}, {"fewer": "99.9%"}, "99.9% hardly ever fails"),
    (CountRule, {"fewer": "0%", "more": "5%"}, {"more": "5000%"}, "less than or equal to 10"),
    (CountRule, {"fewer": "0%", "more": "5%"}, {"more_rows": 10**9}, "equal to 1000000"),
    (ConnectionPolicy, CONNECTIONS, {"max_lag": "30d"}, "less than or equal to 3600"),
    (ConnectionPolicy, CONNECTIONS, {"max_lag_mb": 10**9}, "less than or equal to 16384"),
    (MigrationLogPolicy, LOG, {"errors": ["(?!)"]}, "matches no line of a failed migration"),
    (MigrationLogPolicy, LOG, {"success": ["P[0-9]+"]}, "matches a line of a failed migration"),
    (StoragePolicy, {}, {"min_free": "0.001%"}, "greater than or equal to 0.01"),
    (CertificatePolicy, {}, {"min_days_left": 0.001}, "greater than or equal to 1"),
    (DnsPolicy, {}, {"max_ttl": "365d"}, "less than or equal to 86400"),
    (DnsRecord, RECORD, {"max_ttl": "365d"}, "less than or equal to 86400"),
    (GeneratorLimits, GENERATOR, {"rate": "1%", "second": "1%"}, "greater than or equal to 0.9"),
    (GeneratorLimits, GENERATOR, {"second": "1%"}, "greater than or equal to 0.5"),
    (GeneratorLimits, GENERATOR, {"worker_cpu": "100%"}, "less than or equal to 0.95"),
    (MonitoringPolicy, {}, {"evaluated_within": "30d"}, "less than or equal to 3600"),
    (MonitoringPolicy, {}, {"gap_look_back": "1ms"}, "greater than or equal to 60"),
    (PeoplePolicy, {}, {"on_call_after": "1s"}, "greater than or equal to 3600"),
    (PeoplePolicy, {}, {"baseline_max_age": "30d"}, "less than or equal to 86400"),
    (Limit, {"budget": "5%"}, {"budget": "99.999%"}, "99.999% hardly ever fails"),
    (Limit, {"budget": "5%"}, {"over_seconds": 3600}, "3600 hardly ever fails"),
    (Kubernetes, KUBERNETES, {"progress_deadline": "2d"}, "less than or equal to 3600"),
    (CacheHeaders, {}, {"page": "public, max-age=86400"}, "go on with the old build"),
    (Frontend, FRONTEND, {"ignored": ["index"]}, "hides files that are checked"),
    (
        Frontend,
        FRONTEND,
        {"site": None, "sites": {"eu": "https://A.example:443/", "us": "https://a.example"}},
        "sites.us and sites.eu are the same address",
    ),
    (Metric, REQUESTS, {"match": ('code=~"2..|3.."',)}, "leaves out errors"),
    (Metric, REQUESTS, {"match": ('code!="503"',)}, "leaves out errors"),
    (Metric, REQUESTS, {"match": ('code=~"[234]xx"',)}, "leaves out errors"),
    (Metric, REQUESTS, {"labels": {"code": "200"}}, "leaves out errors"),
    (HealthEndpoint, {"path": "/health"}, {"healthy": "unhealthy"}, "a word of a sick service"),
    (HealthEndpoint, {"path": "/health"}, {"healthy": " DOWN "}, "a word of a sick service"),
    (HealthEndpoint, {"path": "/health"}, {"healthy": ""}, "at least 1 character"),
]


@pytest.mark.parametrize(
    ("section", "valid", "change", "words"),
    CASES,
    ids=[f"{section.__name__} {change}" for section, _, change, _ in CASES],
)
def test_what_could_never_fail_or_never_pass_is_refused(
    section: type[Section], valid: dict[str, Any], change: dict[str, Any], words: str
) -> None:
    section.model_validate(valid)
    with pytest.raises(ValidationError, match=words):
        section.model_validate({**valid, **change})


@pytest.mark.usefixtures("secrets")
def test_the_refusal_names_the_key_and_what_to_do(tmp_path: pathlib.Path) -> None:
    monitoring = """
monitoring:
  rules: rules.yaml
  jobs: {api: 0}
  alertmanager: {url: "http://alerts.example", receivers: {critical: on-call}}
  grafana: {url: "http://grafana.example", token: env:CLINIC_SYNTHETIC_TOKEN, dashboards: {Overview: []}}
"""
    assert refusal(tmp_path, VALID + monitoring) == [
        "clinic.yaml: monitoring.jobs.api = 0: must be at least 1."
    ]


ELSEWHERE = "regions.eu has its api elsewhere; remove time_scale."
NEVER_RED = [
    pytest.param(
        ("scrape_interval: 15s", "scrape_interval: 0s"),
        "prometheus.scrape_interval = 0s: must be more than 0 seconds.",
        id="samples of any age are fresh",
    ),
    pytest.param(
        ("scrape_interval: 15s", "scrape_interval: 1d"),
        "prometheus.scrape_interval = 1d: must be at most 300 seconds.",
        id="samples of three days are fresh",
    ),
    pytest.param(
        ("scrape_interval: 15s", "scrape_interval: 15s, max_clock_skew: 300d"),
        "prometheus.max_clock_skew = 300d: must be at most 300 seconds.",
        id="clocks a year apart",
    ),
    pytest.param(
        ("owner:", "time_scale: 1000000\nowner:"),
        "time_scale = 1000000: must be at most 3600.",
        id="no time at all",
    ),
    pytest.param(
        ("owner:", "time_scale: 60\nowner:"),
        f"time_scale 60 is for a platform on this machine, and {ELSEWHERE}",
        id="seconds for minutes of a real platform",
    ),
]


@pytest.mark.parametrize(("change", "sentence"), NEVER_RED)
@pytest.mark.usefixtures("secrets")
def test_a_file_by_which_a_check_could_never_be_red_says_so(
    tmp_path: pathlib.Path, change: tuple[str, str], sentence: str
) -> None:
    assert refusal(tmp_path, changed(*change)) == [f"clinic.yaml: {sentence}"]


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8080",
        "http://LOCALHOST.:8080/",
        "http://127.1:8080",
        "http://2130706433:8080",
        "http://0x7f.1:8080",
        "http://[::1]:8080",
        "http://[::ffff:127.0.0.1]:8080",
        "http://127.0.0.1:8080//",
    ],
)
def test_one_server_by_another_name_is_no_second_region(url: str) -> None:
    assert server_of(url) == server_of("http://127.0.0.1:8080")


def test_other_servers_are_told_apart() -> None:
    urls = (
        *("http://a.example", "https://a.example", "http://a.example:8080", "http://b.example"),
        *("http://a.example/eu", "http://a.example/us", "http://127.0.0.2", "http://10.0.0.1"),
    )
    assert len({server_of(url) for url in urls}) == len(urls)
    assert server_of("http://A.Example:80/") == server_of("http://a.example")
    assert server_of("https://a.example:443") == server_of("https://a.example")


CAN_BE_RED: dict[str, str] = {
    "refused in a whole file, above": """
        Environment.time_scale Prometheus.scrape_interval Prometheus.max_clock_skew""",
    "part of an address": "NameServer.port Postgres.port Redis.port Redis.database",
    "says how many there are: fewer, or others, are found": """
        Data.standbys FileSystems.at_least FlagState.percentage Replicas.normal Replicas.temporary
        Service.replicas""",
    "how long is waited, with a maximum: what is not there then is red or undecided": """
        Audit.appears_within Availability.poll_every CountPolicy.statement_timeout Deadlines.call
        Deadlines.run DnsPolicy.propagation Invalidation.settle_for MigrationLogPolicy.settle_for
        MonitoringPolicy.settle_for Objective.wait_for_samples""",
    "a limit with a maximum below which platforms do fail": """
        Audit.max_clock_skew Availability.answer_overhead DeploymentPolicy.rollback DnsPolicy.min_ttl
        GeneratorLimits.clock_skew GeneratorLimits.lag_p99 GeneratorLimits.late
        GeneratorLimits.throttled_periods Objective.look_back PlannedPhase.planned
        RestoreTestPolicy.max_age RestoreTestPolicy.max_age_day_before RollbackLimit.sustained
        Target.target_seconds""",
    "how finely is measured: what that leaves open is undecided": """
        BackupPolicy.compared_with BackupPolicy.read_whole_up_to_mb CountPolicy.exact_up_to_mb
        CountPolicy.exact_up_to_rows CountPolicy.large_reads CountPolicy.sampled_blocks
        Objective.bucket_bounds Objective.shown_quantile Target.quantile""",
    "more of it finds more, or asks for more proof": """
        Flags.changes_within Limit.assumed_burst RollbackLimit.assumed_burst Target.assumed_burst""",
    "no check is decided by it": """
        Lease.requests_per_second Load.accounts Load.max_rps Vendor.sla_minutes""",
}
"""Numbers that have no value by which a check could never be red, by the reason for it."""


def test_every_number_that_can_be_set_is_refused_somewhere_or_can_be_red_and_why() -> None:
    """A new setting needs a row above. Texts and patterns are not looked for: their rows are by hand."""
    refused = {
        f"{model.__name__}.{key}"
        for section, _, change, _ in CASES
        for model in _sections()
        if issubclass(model, section)
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
