"""Ways of having no evidence, each of which once ended in PASS: none of them does."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from pydantic import ValidationError

from probes import kubernetes
from probes.kubernetes import reading as kubernetes_reading
from probes.kubernetes.models import Metadata
from settings.cluster import PodLogs
from settings.data import Table
from settings.network import Dns
from steps.monitoring import rules as monitoring

NOON = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
LATER = NOON + dt.timedelta(minutes=5)
ZONE: dict[str, Any] = {
    "zone": "clinic.example",
    "authoritative": [{"name": "ns1", "host": "192.0.2.1"}, {"name": "ns2", "host": "192.0.2.2"}],
    "records": [{"name": "api.clinic.example", "type": "A", "values": ["192.0.2.9"]}],
}
RULES = kubernetes.LogRules("level", frozenset({"error", "50"}), ("ERROR",), 500)


class TestClusters:
    def test_a_config_map_without_its_managers_times_changed_nobody_knows_when(self) -> None:
        metadata = Metadata.model_validate({"name": "api", "creationTimestamp": NOON})
        assert kubernetes_reading.changed_at(metadata) is None

    @pytest.mark.parametrize(
        ("line", "level"),
        [
            ('{"level": 50, "msg": "lookup failed"}', "50"),
            ('{"level": 30, "msg": "handled"}', None),
            ('{"level": 30, "msg": "ERROR in a text"}', "ERROR"),
            ('{"level": true}', None),
        ],
    )
    def test_levels_may_be_numbers(self, line: str, level: str | None) -> None:
        assert kubernetes.error_level(line, RULES) == level

    @pytest.mark.parametrize("level", ["err", "crit", "alert", "emerg", "severe", "EMERG"])
    def test_syslogs_and_javas_words_are_errors_too(self, level: str) -> None:
        levels = frozenset(PodLogs().error_levels)
        rules = kubernetes.LogRules("level", levels, ("ERROR",), 500)
        assert kubernetes.error_level(json.dumps({"level": level}), rules) == level.lower()


class TestData:
    def test_nulls_of_a_table_that_is_not_counted_would_never_be_compared(self) -> None:
        with pytest.raises(ValidationError, match="counted tables only"):
            Table.model_validate({"columns": ["id"], "nulls": ["user_id"]})


class TestMonitoring:
    @pytest.mark.parametrize(
        ("heard", "unheard"),
        [
            ([{"region": "eu"}, {"region": "us"}], []),
            ([{"region": "eu", "replica": "a"}, {"region": "eu", "replica": "b"}], ["us"]),
            ([{"replica": "a"}, {"replica": "b"}], []),
        ],
        ids=["each region's", "two of one region", "without the labels that tell"],
    )
    def test_two_watchdogs_of_one_region_say_nothing_of_the_other(
        self, heard: list[dict[str, str]], unheard: list[str]
    ) -> None:
        labels = {region: {"region": region, "env": "prod"} for region in ("eu", "us")}
        assert monitoring.unheard(labels, heard) == unheard


class TestDescriptions:
    @pytest.mark.parametrize(
        ("change", "doubled"),
        [
            ({"name": "ns1", "host": "192.0.2.3"}, "ns1"),
            ({"name": "ns3", "host": "192.0.2.1"}, "192.0.2.1:53"),
        ],
        ids=["one name for two servers", "two names for one server"],
    )
    def test_of_two_servers_in_one_place_one_would_never_be_asked(
        self, change: dict[str, str], doubled: str
    ) -> None:
        Dns.model_validate(ZONE)
        servers = [*ZONE["authoritative"], change]
        with pytest.raises(ValidationError, match=f"authoritative names {doubled} twice"):
            Dns.model_validate({**ZONE, "authoritative": servers})
