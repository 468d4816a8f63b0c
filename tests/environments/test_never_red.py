"""Settings by which a check could never fail, or never pass, are refused before anything is asked."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from pydantic import ValidationError

from environments.sections.certificates import Certificates
from environments.sections.data import Data
from environments.sections.delivery import CacheHeaders, Frontend, Images
from environments.sections.dns import DnsRecord
from environments.sections.flags import Flags
from environments.sections.kubernetes import Kubernetes, PodLogs
from environments.sections.monitoring import Monitoring
from gates.decide.data_policy import (
    BackupPolicy,
    ConnectionPolicy,
    CountPolicy,
    MigrationLogPolicy,
)
from gates.decide.network_policy import CertificatePolicy
from gates.decide.policy import EvidenceAge
from gates.decide.sections import Section
from tests.environments.files import VALID, refusal

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
    (BackupPolicy, BACKUPS, {"size_tolerance": "100%"}, "less than 1"),
    (BackupPolicy, BACKUPS, {"size_tolerance": "0%"}, "greater than 0"),
    (CountPolicy, COUNTS, {"estimate_tolerance": "100%"}, "less than 1"),
    (CountPolicy, COUNTS, {"more_nulls": "100%"}, "less than 1"),
    (ConnectionPolicy, CONNECTIONS, {"max_used": "100%"}, "less than 1"),
    (ConnectionPolicy, CONNECTIONS, {"max_used": "0%"}, "greater than 0"),
    (CertificatePolicy, {}, {"min_days_left": 1000}, "less than or equal to 365"),
    (EvidenceAge, {}, {"max_age_of": {"web-build": "0s"}}, "greater than 0"),
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
