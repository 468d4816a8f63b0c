"""Ways of having no evidence, each of which once ended in PASS: none of them does."""

from __future__ import annotations

import datetime as dt

from probes import log_lines
from probes.kubernetes import reading as kubernetes_reading
from probes.kubernetes.models import Metadata
from settings.cluster import PodLogs
from steps.monitoring import rules as monitoring
from tests.tables import cases

RULES = log_lines.LogRules("level", frozenset({*PodLogs().error_levels, "50"}), ("ERROR",), 500)


def test_a_config_map_without_its_managers_times_changed_nobody_knows_when() -> None:
    noon = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
    metadata = Metadata.model_validate({"name": "api", "creationTimestamp": noon})
    assert kubernetes_reading.changed_at(metadata) is None


@cases(
    "line level",
    {
        "an error's number": ('{"level": 50, "msg": "lookup failed"}', "50"),
        "another number": ('{"level": 30, "msg": "handled"}', None),
        "another number, and a word": ('{"level": 30, "msg": "ERROR in a text"}', "ERROR"),
        "no level": ('{"level": true}', None),
        **{
            f"{word}, of syslog or Java": (f'{{"level": "{word}"}}', word.lower())
            for word in ("err", "crit", "alert", "emerg", "severe", "EMERG")
        },
    },
)
def test_levels_may_be_numbers_and_other_words(line: str, level: str | None) -> None:
    assert log_lines.error_level(line, RULES) == level


@cases(
    "heard unheard",
    {
        "each region's": ([{"region": "eu"}, {"region": "us"}], []),
        "two of one region": (
            [{"region": "eu", "replica": "a"}, {"region": "eu", "replica": "b"}],
            ["us"],
        ),
        "without the labels that tell": ([{"replica": "a"}, {"replica": "b"}], []),
    },
)
def test_two_watchdogs_of_one_region_say_nothing_of_the_other(
    heard: list[dict[str, str]], unheard: list[str]
) -> None:
    labels = {region: {"region": region, "env": "prod"} for region in ("eu", "us")}
    assert monitoring.unheard(labels, heard) == unheard
