"""SARIF 2.1.0, as static and dynamic scanners write it: findings by severity, and how the scan ended.

Where a rule has a `security-severity` that counts (a CVSS score), else the result's level.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from probes.documents.parts import (
    UNKNOWN,
    About,
    DocumentError,
    Many,
    Part,
    Scan,
    Weakness,
    by_score,
    moments,
    read_as,
    read_json,
)

_LEVELS: Final = {"error": "high", "warning": "medium", "note": "low", "none": "none"}
_NO_FINDINGS: Final = frozenset({"pass", "informational", "notApplicable"})
Level = Literal["none", "note", "warning", "error"]
_Index = Annotated[int, Field(ge=-1)]


class _Configuration(Part):
    level: Level | None = None


class _Rule(Part):
    id: str
    defaultConfiguration: _Configuration = _Configuration()
    properties: Mapping[str, Any] = {}


class _Component(Part):
    name: str = ""
    version: str = ""
    rules: Many[_Rule] = ()


class _Tool(Part):
    driver: _Component
    extensions: Many[_Component] = ()


class _Reference(Part):
    index: _Index = -1


class _RuleReference(Part):
    id: str = ""
    index: _Index = -1
    toolComponent: _Reference = _Reference()


class _Suppression(Part):
    status: Literal["accepted", "underReview", "rejected"] = "accepted"


class _Result(Part):
    ruleId: str = ""
    ruleIndex: _Index = -1
    rule: _RuleReference = _RuleReference()
    level: Level | None = None
    kind: Literal["pass", "open", "informational", "notApplicable", "review", "fail"] = "fail"
    suppressions: Many[_Suppression] = ()
    baselineState: str = ""
    properties: Mapping[str, Any] = {}

    @property
    def is_suppressed(self) -> bool:
        """Whether somebody accepted it; one that is being reviewed still counts."""
        given = [one.status == "accepted" for one in self.suppressions]
        return bool(given) and all(given)


class _Notification(Part):
    level: Level = "warning"


class _Invocation(Part):
    executionSuccessful: bool = False
    endTimeUtc: str | None = None
    toolExecutionNotifications: Many[_Notification] = ()
    ruleConfigurationOverrides: Many[Mapping[str, Any]] = ()


class _Origin(Part):
    revisionId: str | None = None


class _Run(Part):
    tool: _Tool
    results: list[_Result] | None = None
    invocations: Many[_Invocation] = ()
    versionControlProvenance: Many[_Origin] = ()
    externalPropertyFileReferences: Mapping[str, Any] = {}

    @property
    def components(self) -> tuple[_Component, ...]:
        return (self.tool.driver, *self.tool.extensions)


class _Log(Part):
    version: Literal["2.1.0"]
    runs: list[_Run]


def read(content: bytes) -> Scan:
    """Read a SARIF log; raises DocumentError."""
    log = read_as(_Log, read_json(content), "SARIF 2.1.0")
    if not log.runs:
        raise DocumentError("The file holds no run of a scanner.")
    invocations = [one for run in log.runs for one in run.invocations]
    origins = [one for run in log.runs for one in run.versionControlProvenance]
    drivers = [run.tool.driver for run in log.runs]
    about = About(
        tool=", ".join(dict.fromkeys(f"{one.name} {one.version}".strip() for one in drivers)),
        made_at=moments(*(one.endTimeUtc for one in invocations)),
        commits=tuple(dict.fromkeys(one.revisionId.lower() for one in origins if one.revisionId)),
        gaps=tuple(gap for run in log.runs for gap in _gaps(run)),
    )
    found = [(one, _weakness(run, one)) for run in log.runs for one in _findings(run)]
    return Scan(
        about,
        tuple(weakness for one, weakness in found if not one.is_suppressed),
        tuple(weakness for one, weakness in found if one.is_suppressed),
    )


def _gaps(run: _Run) -> Iterator[str]:
    if not run.tool.driver.name.strip():
        yield "it names no scanner"
    if run.results is None:
        yield "a run has no list of results: the scan did not begin"
    if "results" in run.externalPropertyFileReferences:
        yield "its results lie in other files"
    if not all(one.executionSuccessful for one in run.invocations):
        yield "the scan did not end well, or does not say so"
    told = (one for each in run.invocations for one in each.toolExecutionNotifications)
    if any(one.level == "error" for one in told):
        yield "the scanner met errors of its own"


def _findings(run: _Run) -> Iterator[_Result]:
    """Yield what counts: neither passed, nor gone since the scan before."""
    for one in run.results or ():
        if one.kind not in _NO_FINDINGS and one.baselineState != "absent":
            yield one


def _weakness(run: _Run, result: _Result) -> Weakness:
    rule = _rule(run, result)
    name = result.ruleId or result.rule.id or (rule.id if rule else "")
    return Weakness((name,), _severity(run, result, rule))


def _severity(run: _Run, result: _Result, rule: _Rule | None) -> str:
    key = "security-severity"
    score = result.properties.get(key, rule.properties.get(key) if rule else None)
    if result.kind in {"open", "review"}:
        return UNKNOWN  # somebody still has to say whether it is one
    if score is not None:
        return by_score(_number(score))
    if result.level is not None:
        return _LEVELS[result.level]
    if any(one.ruleConfigurationOverrides for one in run.invocations):
        return UNKNOWN  # its level stands elsewhere, by a rule that is not read here
    default = rule.defaultConfiguration.level if rule else None
    return _LEVELS[default or "warning"]


def _rule(run: _Run, result: _Result) -> _Rule | None:
    """Return the rule that a result names, by its place or by its id."""
    component = result.rule.toolComponent.index
    place = result.ruleIndex if result.ruleIndex >= 0 else result.rule.index
    of = run.tool.extensions[component : component + 1] if component >= 0 else (run.tool.driver,)
    rules = of[0].rules if of else ()
    if 0 <= place < len(rules):
        return rules[place]
    # `error/inner` belongs to the rule `error`, where there is none of its whole name.
    name = result.ruleId or result.rule.id
    names = (name, name.rpartition("/")[0])
    known = {one.id: one for each in reversed(run.components) for one in each.rules}
    return next((known[one] for one in names if one in known), None)


def _number(score: object) -> float:
    try:
        number = float(score) if isinstance(score, str | int | float) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    return number if math.isfinite(number) else math.inf
