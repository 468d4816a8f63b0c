"""Evidence of a release that other gates read: `evidence/KIND.json` and `.junit.xml` of a run's folder.

Written from the fold: a check that did not run, broke or tested nothing never makes a pass. The form is
that of "Evidence of builds" in docs/platform-contract.md and more.
"""

from __future__ import annotations

import collections
import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

from gates.decide.judgement import Scalar
from gates.decide.outcome import Outcome, worst_outcome
from gates.decide.suite import Finding, Kind, Suite, Tested, kind_of
from gates.decide.verdict import GOOD, CheckResult, Verdict, red_of
from reports import junit
from reports.junit import Case, Named, Status

FOLDER = "evidence"
SCHEMA = 1
_STATUS = {Outcome.PASS: Status.PASSED, Outcome.FAIL: Status.FAILED}


@dataclasses.dataclass(frozen=True, slots=True)
class _Of:
    """What a run says of one kind."""

    verdict: Verdict
    kind: Kind
    checks: tuple[CheckResult, ...]
    """Those that apply, whether or not they ran."""
    suites: tuple[Suite, ...]

    @property
    def cells(self) -> Iterator[tuple[CheckResult, str, str]]:
        """Each check and region with its outcome word."""
        for check in self.checks:
            for region in self.verdict.region_names():
                yield check, region, self.verdict.cell(check, region)

    @property
    def tests(self) -> tuple[Tested, ...]:
        return tuple(test for suite in self.suites for test in suite.tests)

    def suites_of(self, check: CheckResult, region: str) -> tuple[Suite, ...]:
        return tuple(one for one in self.suites if one.check == check.id and region in one.regions)


def files(verdict: Verdict) -> dict[str, str]:
    """Return the evidence of a run by file name; nothing of a kind of which no check applies."""
    found = {}
    for kind in Kind:
        checks = tuple(
            one for one in verdict.checks if kind_of(one.id) is kind and one.not_applicable is None
        )
        if checks:
            of = _Of(verdict, kind, checks, tuple(s for s in verdict.suites if s.kind is kind))
            found[f"{kind.value}.json"] = _document(of)
            found[f"{kind.value}.junit.xml"] = _junit(of)
    return found


def _document(of: _Of) -> str:
    """Return what was tested, with which tools and what came of it, as JSON."""
    verdict, gaps = of.verdict, tuple(_gaps(of))
    record = {
        "schema": SCHEMA,
        "kind": of.kind.value,
        "release": verdict.release,
        "commit": next(iter(_named(of, "commit")), None),
        "created_at": verdict.finished_at,
        "result": _result(of, gaps),
        "artefacts": [
            {"name": name, "digest": digest} for name, digest in sorted(_artefacts(of).items())
        ],
        "facts": _facts(of),
        "tools": dict(sorted(item for suite in of.suites for item in suite.tools.items())),
        "checks": {check.id: _worst(of, check) for check in of.checks},
        "counts": _counts(of),
        "findings": [*_findings(of), *gaps],
    }
    return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _result(of: _Of, gaps: tuple[Mapping[str, str], ...]) -> str:
    """Return `passed`, `failed` or `undecided`: bad is bad, and only a whole and named proof passes."""
    if Outcome.FAIL in {word for _, _, word in of.cells} and of.verdict.complete:
        return "failed"
    passed = all(word == Outcome.PASS for _, _, word in of.cells) and not gaps
    return "passed" if passed else "undecided"


def _gaps(of: _Of) -> Iterator[Mapping[str, str]]:
    """Yield what keeps a run without a finding from being evidence."""
    if not of.verdict.complete:
        yield _gap("the run", "the run did not come to its end")
    for check, region, word in of.cells:
        tests = [test for suite in of.suites_of(check, region) for test in suite.tests]
        if word == Outcome.PASS and not tests:
            yield _gap(check.id, f"{check.id} passed in {region} and names no test that it made")
        if word == Outcome.PASS and any(test.outcome not in GOOD for test in tests):
            yield _gap(check.id, f"{check.id} passed in {region} and names a test that did not")
    if len(_named(of, "commit")) != 1:
        found = "several commits" if _named(of, "commit") else "no commit"
        yield _gap("the build", f"{found} named: what was tested can't be said")
    if not _artefacts(of) or len(_named(of, "artefacts")) > 1:
        found = "several builds" if _artefacts(of) else "no build's digest"
        yield _gap("the build", f"{found} named: what was tested can't be said")


def _gap(where: str, sentence: str) -> Mapping[str, str]:
    found = Finding(rule="evidence", where=where, sentence=sentence, outcome=Outcome.INCONCLUSIVE)
    return found.record()


def _named(of: _Of, field: str) -> list[Any]:
    """Return the different values that the suites have of a field; those of no build are none."""
    values = [getattr(suite, field) for suite in of.suites]
    return [one for number, one in enumerate(values) if one and one not in values[:number]]


def _artefacts(of: _Of) -> dict[str, str]:
    return dict(item for suite in of.suites for item in suite.artefacts.items())


def _facts(of: _Of) -> dict[str, Scalar]:
    verdict = of.verdict
    asked = verdict.window or verdict.phase or verdict.at
    own = {"environment": verdict.environment, "run": verdict.run, "gate": verdict.gate}
    regions = {"regions": ", ".join(verdict.region_names())}
    window = {"asked": asked} if asked else {}
    return {
        **{name: fact for suite in of.suites for name, fact in suite.facts.items()},
        **own,
        **window,
        **regions,
    }


def _worst(of: _Of, check: CheckResult) -> str:
    """Return the worst word of a check over the regions; one that did not run says nothing better."""
    words = [word for one, _, word in of.cells if one is check]
    known = [Outcome(word) for word in words if word in list(Outcome)]
    unknown = [word for word in words if word not in list(Outcome)]
    if Outcome.FAIL in known or not unknown:
        return worst_outcome(known).value if known else "MISSING"
    return unknown[0]


def _counts(of: _Of) -> dict[str, int]:
    """Return how many tests came to what, and what the checks counted."""
    counts = collections.Counter(
        {"tests": len(of.tests), "passed": 0, "failed": 0, "undecided": 0, "not_run": 0}
    )
    for test in of.tests:
        counts[_COUNTED.get(test.outcome, "undecided")] += 1
    for suite in of.suites:
        counts.update({name: n for name, n in suite.counts.items() if name not in _OWN_COUNTS})
    return dict(counts)


_COUNTED = {
    Outcome.PASS: "passed",
    Outcome.FAIL: "failed",
    Outcome.NOT_APPLICABLE: "not_run",
}
_OWN_COUNTS = ("tests", "passed", "failed", "undecided", "not_run")


def _findings(of: _Of) -> Iterator[dict[str, Any]]:
    """Yield what the checks found, then what else was judged of them, each sentence once."""
    said = set()
    for suite in of.suites:
        for finding in suite.findings:
            said.add(finding.sentence)
            yield {**finding.record(), "check": suite.check, "regions": list(suite.regions)}
    for check, region, word in of.cells:
        result = check.regions.get(region)
        for judgement in () if word in GOOD or result is None else red_of(result):
            if judgement.sentence not in said:
                said.add(judgement.sentence)
                found = Finding(
                    rule=judgement.rule,
                    where=judgement.subject,
                    sentence=judgement.sentence,
                    outcome=judgement.outcome,
                )
                yield {**found.record(), "check": check.id, "regions": [region]}


def _junit(of: _Of) -> str:
    """Return a suite for each check and region: its tests, and the check itself, which may be worse."""
    suites = {
        f"{check.id}.{region}": [
            _itself(of, check, region),
            *(_case(check, test) for suite in of.suites_of(check, region) for test in suite.tests),
        ]
        for check, region, _ in of.cells
    }
    return junit.document(of.kind.value, suites, of.verdict, _properties(of))


def _itself(of: _Of, check: CheckResult, region: str) -> Named:
    case = junit.of_check(of.verdict, check, region)
    name = f"{check.id} {check.name}"
    return Named(check.id, name, check.elapsed_seconds or 0.0, case, case.outcome)


def _case(check: CheckResult, test: Tested) -> Named:
    skipped = test.outcome is Outcome.NOT_APPLICABLE
    status = Status.SKIPPED if skipped else _STATUS.get(test.outcome, Status.BROKEN)
    case = Case(test.outcome.value, status, test.sentence, test.sentence)
    return Named(check.id, test.name, test.seconds or 0.0, case, test.outcome.value)


def _properties(of: _Of) -> dict[str, str]:
    commit = next(iter(_named(of, "commit")), "")
    return {"kind": of.kind.value, "commit": commit, **_artefacts(of)}
