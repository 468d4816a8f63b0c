"""What flags and records were, against real servers: the printed values put them back as they stand."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
import redis as redis_py
import trustme
from botocore.validate import ParamValidator

from environments.release_file import Bound
from gates.decide.rollback.plan import Facts
from probes.redis import RedisTarget
from sandbox.systems.network.zone import AFTER, BEFORE, CHANGED, TTL_SECONDS
from settings.rollback import Rollback
from settings.source import ReleaseFile
from steps.kit.asked import Asked
from steps.kit.baseline import Baseline
from steps.kit.check import Check
from steps.kit.platform import Platform
from steps.rollback import areas
from steps.rollback.reading import Reading
from tests.probes.real_servers import PASSWORD, redis_server
from tests.steps.network_platform import StandIn, dns_platform, name_servers
from tests.steps.platforms import NOWHERE, a_platform

FLAGS = {
    "always": {"risky": {"enabled": False}},
    "states": {"before": {"calendar": {"enabled": True}, "chat": {"enabled": False}}},
}
PARTS = ("code", "schema", "flags", "dns", "configuration", "assets", "alert_rules")


@pytest.fixture(scope="module")
def cache() -> Iterator[RedisTarget]:
    with redis_server(trustme.CA()) as running:
        yield dataclasses.replace(running, user="default")


@pytest.fixture(scope="module")
def zone() -> Iterator[StandIn]:
    with name_servers() as running:
        yield running


def read(
    platform: Platform, facts: dict[str, Any], area: Callable[[Reading], None], *names: str
) -> Facts:
    """Read one area of a release that changes everything, with the baseline's facts of it."""
    release = ReleaseFile.model_validate(
        {
            "schema": 1,
            "version": "v1.2.0",
            "previous": "v1.1.0",
            "kind": "standard",
            "commit": "0" * 40,
            "changes": dict.fromkeys(PARTS, True),
            "planned_start": "2026-01-31T22:00:00Z",
        }
    )
    asked = Asked(platform, Check("METHOD-1", platform.regions), platform.regions)
    before = {name: {"shared": one} for name, one in facts.items()}
    baseline = Baseline("before", "2026-01-31T21:40:00Z", platform.regions, before)
    reading = Reading(asked, baseline, Bound(release, "sha256:0"))
    reading.ask(names, area)
    return reading.facts(None)


@pytest.fixture
def flags(
    cache: RedisTarget, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Platform, redis_py.Redis]]:
    monkeypatch.setenv("REDIS_PASSWORD", PASSWORD)
    login = {"host": "localhost", "port": cache.port, "password": "env:REDIS_PASSWORD"}
    platform = a_platform(
        tmp_path,
        {"eu": NOWHERE.format(1)},
        redis={**login, "ca_file": cache.ca_file},
        flags=FLAGS,
    )
    client = redis_py.Redis(
        host="localhost",
        port=cache.port,
        password=PASSWORD,
        ssl=True,
        ssl_ca_certs=cache.ca_file,
        decode_responses=True,
    )
    with client:
        yield platform, client
        client.flushall()


BEFORE_FLAGS = {
    "feature:risky": "false",
    "feature:risky:percentage": "<nothing>",
    "feature:calendar": "true",
    "feature:calendar:percentage": "<nothing>",
    "feature:chat": "false",
    "feature:chat:percentage": "5",
}
NOW = {"feature:risky": "false", "feature:calendar": "false", "feature:chat": "false"}
NOW |= {"feature:calendar:percentage": "10", "feature:chat:percentage": "10"}


def test_the_printed_orders_put_both_keys_of_every_flag_back(
    flags: tuple[Platform, redis_py.Redis],
) -> None:
    platform, client = flags
    client.mset(NOW)
    found = read(platform, {"feature flags": BEFORE_FLAGS}, areas.flags, "flags", "flags before")
    assert (found.changed["flags"], found.true["flags before"]) == (True, True)
    assert all("--tls --cacert " in one["redis"] for one in found.values["flag"])
    for one in found.values["flag"]:
        word, key, *value = shlex.split(one["order"])
        client.set(key, value[0]) if word == "SET" else client.delete(key)
    held = {name: client.get(name) for name in BEFORE_FLAGS}
    shown = {name: "<nothing>" if one is None else str(one) for name, one in held.items()}
    assert shown == BEFORE_FLAGS
    again = read(platform, {"feature flags": BEFORE_FLAGS}, areas.flags, "flags", "flags before")
    assert again.changed["flags"] is False


def test_a_flag_whose_value_before_is_not_known_has_no_way_back(
    flags: tuple[Platform, redis_py.Redis],
) -> None:
    platform, client = flags
    client.mset(NOW)
    hidden = BEFORE_FLAGS | {"feature:chat": "<9 bytes, sha256 0…>"}
    found = read(platform, {"feature flags": hidden}, areas.flags, "flags", "flags before")
    assert found.true["flags before"] is False
    assert found.why["flags before"] == "the baseline does not hold what feature:chat was"
    described_later = {key: one for key, one in BEFORE_FLAGS.items() if "calendar" not in key}
    found = read(platform, {"feature flags": described_later}, areas.flags, "flags", "flags before")
    assert (found.changed["flags"], found.true["flags before"]) == (True, False)


def test_flags_that_can_not_be_read_are_unknown(tmp_path: pathlib.Path) -> None:
    redis = {"host": "localhost", "port": 1, "tls": False}
    platform = a_platform(tmp_path, {"eu": NOWHERE.format(1)}, redis=redis, flags=FLAGS)
    found = read(platform, {"feature flags": BEFORE_FLAGS}, areas.flags, "flags", "flags before")
    assert (found.changed["flags"], found.true["flags before"]) == (None, None)
    assert found.why["flags"] == "the flags in Redis can't be read"


def dns_before(records: Any) -> dict[str, Any]:
    return {
        "DNS records": {
            name: {"values": list(values), "ttl_seconds": TTL_SECONDS}
            for name, values in records.items()
        }
    }


def test_the_printed_change_batch_is_one_that_route_53_takes(
    zone: StandIn, tmp_path: pathlib.Path
) -> None:
    platform = dns_platform(tmp_path, zone)
    settings = platform.environment.settings.model_copy(
        update={"rollback": Rollback(hosted_zone="Z1")}
    )
    environment = dataclasses.replace(platform.environment, settings=settings)
    platform = dataclasses.replace(platform, environment=environment)
    found = read(platform, dns_before(BEFORE), areas.records, "dns", "records before")
    assert (found.changed["dns"], found.true["records before"]) == (True, True)
    (one,) = found.values["records"]
    (words,) = shlex.split(one["batch"])
    batch = json.loads(words)
    (change,) = batch["Changes"]
    name, _, kind = CHANGED.partition(" ")
    record = change["ResourceRecordSet"]
    assert (record["Name"], record["Type"], record["TTL"]) == (name, kind, TTL_SECONDS)
    assert [value["Value"] for value in record["ResourceRecords"]] == BEFORE[CHANGED]
    model = boto3.session.Session().client("route53", region_name="us-east-1").meta.service_model
    shape = model.operation_model("ChangeResourceRecordSets").input_shape
    report = ParamValidator().validate({"HostedZoneId": "Z1", "ChangeBatch": batch}, shape)
    assert not report.has_errors(), report.generate_report()


def test_records_as_before_need_no_way_back_and_an_unknown_zone_has_none(
    zone: StandIn, tmp_path: pathlib.Path
) -> None:
    platform = dns_platform(tmp_path, zone)
    same = read(platform, dns_before(AFTER), areas.records, "dns", "records before")
    assert same.changed["dns"] is False
    other = read(platform, dns_before(BEFORE), areas.records, "dns", "records before")
    assert other.true["records before"] is False
    assert "rollback.hosted_zone" in other.why["records before"]
