"""The alert rules that a release ships, and which of Prometheus's own each of them is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence

import yaml

import probes
from probes.formats import seconds_of


@dataclasses.dataclass(frozen=True, slots=True)
class ShippedRule:
    """An alerting rule as the release ships it."""

    name: str
    expression: str
    for_seconds: float
    labels: Mapping[str, str]

    @property
    def severity(self) -> str:
        """Return the label that decides whom it reaches; empty without one."""
        return self.labels.get("severity", "")


def read(data: bytes) -> tuple[ShippedRule, ...]:
    """Return the alerting rules of a file in Prometheus's format; none where it can't be read."""
    try:
        return tuple(_rules(yaml.safe_load(data)))
    except (ValueError, yaml.YAMLError):
        return ()


def loaded_as(
    wanted: ShippedRule,
    shipped: Sequence[ShippedRule],
    loaded: Sequence[probes.alerting.AlertRule],
    spelled: Callable[[str], str],
) -> Sequence[probes.alerting.AlertRule]:
    """Return the loaded rules that may be the wanted one; one of them where nothing is doubled.

    One name with two severities is two rules. Rules that share both, such as those of the rates at
    which a budget burns, are told apart by their expressions.
    """
    found = [rule for rule in loaded if rule.name == wanted.name]
    if len(found) > 1:
        found = [rule for rule in found if rule.labels.get("severity", "") == wanted.severity]
    alike = [one for one in shipped if (one.name, one.severity) == (wanted.name, wanted.severity)]
    if len(found) > 1 and len(found) == len(alike):
        found = [rule for rule in found if spelled(rule.expression) == wanted.expression][:1]
    return found


def _rules(document: object) -> Iterator[ShippedRule]:
    if isinstance(document, Mapping) and document.get("kind") == "PrometheusRule":
        document = document.get("spec")  # the same groups, wrapped for Prometheus's operator
    for group in _list(_mapping(document), "groups"):
        common = _mapping(_mapping(group).get("labels") or {})
        for entry in _list(_mapping(group), "rules"):
            rule = _mapping(entry)
            if "alert" in rule:
                yield _rule(rule, common)


def _rule(rule: Mapping[str, object], common: Mapping[str, object]) -> ShippedRule:
    if "expr" not in rule:
        raise ValueError("an alert rule has no expr")
    waits = rule.get("for")
    labels = {**common, **_mapping(rule.get("labels") or {})}
    return ShippedRule(
        name=str(rule["alert"]),
        expression=str(rule["expr"]),
        for_seconds=seconds_of(waits) if waits else 0.0,
        labels={str(name): str(value) for name, value in labels.items()},
    )


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError("something is no mapping")  # noqa: TRY004 - one kind of error for the caller
    return value


def _list(value: Mapping[str, object], key: str) -> list[object]:
    found = value.get(key) or []
    if not isinstance(found, list):
        raise ValueError("something is no list")  # noqa: TRY004 - as above
    return found
