"""What a believed document is worth: tests, scans, inventories, load runs, and runs of a gate. Pure.

Names of packages, vulnerabilities, rules and suites are shown where they have the shape of one (ADR 0011).
"""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gates.decide.judgement import Judgement
from gates.decide.outcome import Decision, Outcome
from settings.proofs import (
    InventoryWanted,
    LoadWanted,
    RunWanted,
    ScanWanted,
    SuiteWanted,
    TestsWanted,
)
from steps.kit.evidence import Evidence
from steps.kit.expect import expect, measured

if TYPE_CHECKING:
    from gates.decide.catalogue import Row
    from gates.decide.verdict import Verdict
    from probes.documents.exceptions import Exceptions
    from probes.documents.inventory import Inventory
    from probes.documents.junit import JunitReport
    from probes.documents.parts import Scan, Weakness

_SHAPE = re.compile(r"[A-Za-z@(][\w.@/:+()-]{0,99}")
_SEVERITIES = ("none", "low", "medium", "high", "critical")
_MOST_NAMED = 5
_P95_BUDGET = 0.05
_WINDOWS = ("15m", "1h", "24h")
_BAD = {Decision.NO_GO, Decision.STOP, Decision.ROLLBACK}


def shown(name: str) -> str:
    """Return a name of a foreign file if it has the shape of one, else how long it is."""
    return name if _SHAPE.fullmatch(name) else f"(a name of {len(name)} characters)"


def unnamed(title: str, images: str) -> Judgement:
    """Return that nothing can be of an image whose digest release.yaml does not say."""
    sentence = f"{title}: release.yaml names no digest of {images}, so nothing is proved of it"
    return _undecided(title, sentence, f"release.yaml with the digest of {images}", "image")


def changed(subject: str) -> Judgement:
    """Return that a file is not the one that was listed."""
    sentence = f"{subject} is not the file that was listed: its digest is another"
    return _undecided(subject, sentence, "the file as it was listed, or a new list", "digest")


def of_commit(subject: str, commit: str, told: Sequence[str]) -> Judgement:
    """Judge that something is of the release's commit; an abbreviation of 7 and more will do."""
    others = [one for one in told if len(one) < 7 or not commit.startswith(one.lower())]  # noqa: PLR2004 - as git abbreviates
    sentence = f"{subject} is of the release's commit {commit[:12]}"
    if others:
        is_one = re.fullmatch(r"[0-9a-f]{7,64}", others[0])
        other = f"commit {others[0][:12]}" if is_one else "what is not a commit"
        sentence = f"{subject} is of {other}, not of commit {commit[:12]}, which is released"
    clears = f"{subject} of commit {commit[:12]}"
    return expect(not others or None, f"{subject} commit", sentence, clears, rule="commit")


def of_image(subject: str, image: str, told: Sequence[str]) -> Judgement:
    """Judge that something is of one of the release's images."""
    short = image[:19]
    sentence = f"{subject} is of the released image {short}"
    if image not in told:
        found = f"is of another image, {told[0][:19]}" if told else "names no image's digest"
        sentence = f"{subject} {found}; {short} is released"
    clears = f"{subject} of the image {short}"
    return expect(image in told or None, f"{subject} image", sentence, clears, rule="image")


def gap(subject: str, why: str, *, wanted_whole: bool = False) -> Judgement:
    """Return that a document is not the whole truth, by its own word; bad where that is what is asked."""
    sentence, clears = f"{subject}: {why}", f"{subject} made again, whole"
    return expect(False if wanted_whole else None, subject, sentence, clears, rule="whole")


def tests(
    wanted: TestsWanted,
    reports: Mapping[str, JunitReport],
    before: Sequence[JunitReport] | None,
) -> Iterator[Judgement]:
    """Judge tests: none failed, enough ran, none is missing that its file or the release before had."""
    subject = wanted.title
    for file, one in reports.items():
        bad = max(one.bad, one.declared_bad)
        if bad:
            sentence = f"{subject}, {file}: {bad:,} of {max(one.tests, bad):,} tests failed"
            figures = measured("tests", bad, 0)
            yield expect(False, subject, sentence, "no test that fails", **figures)
        if one.declared > one.tests:
            lacks = f"it says {one.declared:,} tests and holds {one.tests:,}"
            yield gap(f"{subject}, {file}", f"{lacks}: it was cut off, or some never ran")
        if one.tests == one.skipped:
            sentence = f"{subject}, {file}: none of its {one.tests:,} tests ran"
            yield _undecided(f"{subject}, {file}", sentence, "tests that run", "tests")
    yield from _enough(wanted, list(reports.values()))
    if before is None:
        why = "nobody kept the evidence of the release before, so suites are not compared"
        remark = f"{subject}: {why}"
        yield expect(True, subject, remark, data={"remark": remark})
    else:
        yield from _as_before(wanted, list(reports.values()), before)


def _enough(wanted: TestsWanted, reports: Sequence[JunitReport]) -> Iterator[Judgement]:
    subject, tests = wanted.title, sum(one.tests for one in reports)
    skipped, flaky = (sum(getattr(one, name) for one in reports) for name in ("skipped", "flaky"))
    ran = tests - skipped
    more = f", {flaky:,} only when tried again" if flaky else ""
    sentence = f"{subject}: {ran:,} tests ran, {skipped:,} were skipped{more}"
    if ran < wanted.at_least:
        sentence += f"; wanted at least {wanted.at_least:,} that ran"
    good = ran >= wanted.at_least
    figures = measured("tests", ran, wanted.at_least)
    yield expect(good or None, subject, sentence, "more tests that run", **figures)
    share = skipped / tests if tests else 0.0
    if good and share > wanted.skipped:
        sentence = (
            f"{subject}: {share:.1%} of the tests were skipped, wanted at most {wanted.skipped:.1%}"
        )
        yield _undecided(subject, sentence, "fewer tests that are skipped", "tests")


def _as_before(
    wanted: TestsWanted, reports: Sequence[JunitReport], before: Sequence[JunitReport]
) -> Iterator[Judgement]:
    """Compare with the release before: as many suites of each name, and about as many tests."""
    subject = wanted.title
    if not before:
        said = f"{subject}: the evidence of the release before can't be compared with"
        yield _undecided(subject, said, "evidence of the release before that can be read", "suites")
        return
    had, has = (
        collections.Counter(name for one in each for name in one.suites)
        for each in (before, reports)
    )
    gone = sorted(name for name in had - has if name not in wanted.retired)
    named = ", ".join(map(shown, gone[:_MOST_NAMED]))
    sentence = f"{subject}: all suites of the release before are there"
    if gone:
        sentence = f"{subject}: suites of the release before are missing: {named}"
    clears = "these suites run, or named in `retired` of the policy"
    figures = measured("suites", len(gone), 0)
    yield expect(not gone or None, subject, sentence, clears, **figures)
    was, now = (sum(one.tests for one in each) for each in (before, reports))
    if now < was * (1 - wanted.may_shrink):
        sentence = f"{subject}: {now:,} tests, where the release before had {was:,}"
        yield _undecided(subject, sentence, "the tests of the release before", "tests")


def scan(
    subject: str,
    wanted: ScanWanted,
    one: Scan,
    exceptions: Sequence[Exceptions],
    digests: tuple[str, ...],
) -> Iterator[Judgement]:
    """Judge a scan: whatever is as grave as the policy forbids is bad, and what nobody rated is open."""
    # What a scanner of packages left out by a rule of its own counts: only VEX leaves out.
    by_rule = one.left_out if wanted.format == "sarif" else ()
    counted = one.found if by_rule else (*one.found, *one.left_out)
    why = {each: _excused(each, exceptions, digests) for each in counted}
    excused = [each for each in counted if why[each]]
    left = [each for each in counted if not why[each]]
    left_out = len(by_rule) + len(excused)
    if wanted.forbidden is None:
        yield expect(True, subject, f"{subject}: scanned, {_counts(left, left_out)}")
    else:
        yield from _gravity(subject, wanted.forbidden, left, left_out)
    reasons = sorted({why[each] for each in excused})
    if excused:
        named = f"{_names(excused)} by VEX ({', '.join(map(shown, reasons[:_MOST_NAMED]))})"
        remark = f"{subject}: left out as not affected: {named}"
        yield expect(True, subject, remark, data={"remark": remark})


def _excused(found: Weakness, exceptions: Sequence[Exceptions], digests: tuple[str, ...]) -> str:
    """Return why a finding is none: the newest statement counts, in whichever document it stands."""
    if not exceptions:
        return ""
    every = tuple(statement for one in exceptions for statement in one.statements)
    return dataclasses.replace(exceptions[0], statements=every).reason_for(found, digests)


def _gravity(
    subject: str, forbidden: str, left: Sequence[Weakness], left_out: int
) -> Iterator[Judgement]:
    least = _SEVERITIES.index(forbidden)
    bad = [one for one in left if one.severity in _SEVERITIES[least:]]
    unrated = [one for one in left if one.severity not in _SEVERITIES]
    counts = _counts(left, left_out)
    sentence = f"{subject}: nothing is {forbidden} or worse, {counts}"
    if bad:
        sentence = f"{subject}: {forbidden} or worse: {_names(bad)}; {counts}"
    figures = measured("findings", len(bad), 0)
    clears = "these fixed, or shown by VEX not to affect the release"
    yield expect(not bad, subject, sentence, clears, **figures)
    if unrated:
        sentence = f"{subject}: nobody has said how grave {_names(unrated)} is"
        yield _undecided(subject, sentence, "a rating, or a VEX statement", "findings")


def _counts(left: Iterable[Weakness], left_out: int) -> str:
    by_word = collections.Counter(one.severity for one in left)
    order = (*_SEVERITIES[::-1], "unknown")
    words = [f"{by_word[word]:,} {word}" for word in order if by_word[word]]
    return ", ".join(words + [f"{left_out:,} left out"] * bool(left_out)) or "no finding"


def _names(found: Sequence[Weakness]) -> str:
    parts = ([one.ids[0], one.package] if one.package else [one.ids[0]] for one in found)
    names = list(dict.fromkeys(" in ".join(map(shown, one)) for one in parts))
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def inventory(subject: str, wanted: InventoryWanted, one: Inventory) -> Iterator[Judgement]:
    """Judge a bill of materials: it lists something."""
    enough = one.packages >= wanted.at_least
    sentence = f"{subject} lists {one.packages:,} packages"
    sentence += "" if enough else f", wanted at least {wanted.at_least:,}"
    figures = measured("packages", one.packages, wanted.at_least)
    yield expect(enough or None, subject, sentence, "a bill of all packages", **figures)


def suite(subject: str, wanted: SuiteWanted, one: Evidence, release: str) -> Iterator[Judgement]:
    """Judge evidence of a gate's own tests: of the release, passed, in each browser."""
    ran, clears = one.counts.get("passed", 0), f"{wanted.title} of {release} that passed"
    right = (one.kind, f"v{one.release.removeprefix('v')}") == (wanted.kind, release)
    if not right:
        sentence = f"{subject} is not {wanted.kind} of {release}"
        yield _undecided(subject, sentence, clears, "evidence")
        return
    others = one.counts.get("failed", 0) + one.counts.get("undecided", 0)
    good = {"passed": (ran > 0 and not others) or None, "failed": False}.get(one.result)
    sentence = f"{subject}: {one.result}, {ran:,} of {one.counts.get('tests', 0):,} passed"
    if one.result == "failed":
        sentence += f", {len(one.findings):,} findings"
    yield expect(good, subject, sentence, clears, **measured("tests", ran, 1))
    missing = [engine for engine in wanted.engines if engine not in one.tools]
    if missing:
        sentence = f"{subject}: nothing was tested in {', '.join(missing)}"
        yield _undecided(subject, sentence, f"tests in {', '.join(missing)}", "browsers")


def load(
    subject: str, wanted: LoadWanted, record: Mapping[str, Any], release: str
) -> Iterator[Judgement]:
    """Judge a load run: PASS, of the release and environment, at the rate and time that are wanted."""
    plan = record["plan"]
    where = (plan.get("release"), plan.get("environment"))
    if where != (release, wanted.environment):
        sentence = f"{subject} is not of {release} on {wanted.environment}"
        clears = f"a load run of {release} on {wanted.environment}"
        yield _undecided(subject, sentence, clears, "load run")
        return
    result = record["result"]
    good = {"PASS": True, "FAIL": False}.get(result)
    sentence = f"{subject}: the run {_RESULTS.get(result, 'has no result')}"
    yield expect(good, subject, sentence, "a load run that passes", rule="load run")
    if wanted.requests_per_second is not None:
        yield _rate(subject, wanted.requests_per_second, plan)
    if wanted.p95 is not None:
        yield _p95(subject, wanted.p95, record)


_RESULTS = {
    "PASS": "proves every objective",
    "FAIL": "disproves an objective",
    "INVALID": "proves nothing",
}


def _stages(plan: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in plan["stages"] if one["measured"] is True and one["required"] is True]


def _rate(subject: str, wanted: float, plan: Mapping[str, Any]) -> Judgement:
    rates = [float(one["rps"]) for one in _stages(plan)]
    lowest = min(rates) if rates and plan["model"] == "open" else 0.0
    sentence = f"{subject} sent {lowest:,.0f} requests/s in each stage that counts"
    if lowest < wanted:
        sentence += f", wanted {wanted:,.0f}"
    figures = measured("rate", lowest, wanted, "/s")
    return expect(
        lowest >= wanted or None, subject, sentence, f"a run at {wanted:,.0f} requests/s", **figures
    )


def _p95(subject: str, wanted: float, record: Mapping[str, Any]) -> Judgement:
    """Judge that an objective over all requests proves the time, in each stage and region."""
    titles = {
        one["title"]
        for one in record["policy"]["objectives"]
        if one["kind"] == "latency" and one["endpoint"] is None
        if one["target"]["over_seconds"] <= wanted and one["target"]["budget"] <= _P95_BUDGET
    }
    places = {
        (stage["number"], region)
        for stage in _stages(record["plan"])
        for region in record["plan"]["regions"]
    }
    proved = {
        (one["stage"], one["region"])
        for one in record["judgements"]
        if one["judgement"]["subject"] in titles and one["judgement"]["outcome"] == Outcome.PASS
    }
    good = bool(places) and places <= proved
    limit = f"{wanted * 1000:g} ms"
    sentence = f"{subject}: 95 % of the answers took less than {limit}, in every stage and region"
    if not good:
        lacking = len(places - proved) or "all"
        sentence = f"{subject}: p95 below {limit} is not proved in {lacking} stages and regions"
    return expect(good or None, subject, sentence, f"a run with p95 below {limit}", rule="load run")


def run(
    wanted: RunWanted,
    found: Mapping[str, Verdict],
    due: Sequence[Row],
    release: str,
    policy: str,
    after: Verdict | None,
) -> Iterator[Judgement]:
    """Judge a run of a gate: what was asked, GO, whole, and every check that is due there.

    `policy` is the digest of that which this run decides by: a laxer one there proves nothing here.
    """
    for file, verdict in found.items():
        subject = f"{wanted.title}, {file}"
        others = [*_otherwise(wanted, verdict, release, policy)]
        if others:
            sentence = f"{subject} is another run: {', '.join(others)}"
            clears = f"a run of {wanted.gate} {wanted.asked} of {release} on {wanted.environment}"
            yield _undecided(subject, sentence, clears, "run")
            continue
        yield _decided(subject, verdict)
        yield _asked_all(subject, wanted, verdict, due)
        # What did not apply where the run was asked, and does here.
        there = {one.id for one in verdict.checks if one.not_applicable is not None}
        left_out = [row.id for row in due if row.id in there]
        if left_out:
            remark = f"{subject} says nothing of {', '.join(left_out)}: they do not apply there"
            yield expect(True, subject, remark, data={"remark": remark})
        if wanted.after is not None:
            yield _followed(subject, wanted.after, verdict, after)


def _otherwise(wanted: RunWanted, verdict: Verdict, release: str, policy: str) -> Iterator[str]:
    """Yield what makes it another run than the wanted one."""
    waived, left_out = (one.check for one in verdict.waivers), map(shown, verdict.other_regions)
    same = {
        f"not of {release}": verdict.release == release,
        f"not on {wanted.environment}": verdict.environment == wanted.environment,
        f"not of {wanted.gate} {wanted.asked}": verdict.gate == wanted.gate
        and _asks(wanted, verdict),
        "of some checks alone": not verdict.only,
        f"without {', '.join(left_out)}": not verdict.other_regions,
        "with shortened times": verdict.time_scale == 1,
        "decided by another policy": verdict.digests.get("policy") == policy,
        # Whoever waived it there did not waive it here.
        f"with {', '.join(waived)} waived": not verdict.waivers,
    }
    yield from (words for words, as_wanted in same.items() if not as_wanted)


def _asks(wanted: RunWanted, verdict: Verdict) -> bool:
    if wanted.gate == "phase":
        return verdict.phase == wanted.asked
    known = verdict.window in _WINDOWS
    return known and _WINDOWS.index(str(verdict.window)) >= _WINDOWS.index(wanted.asked)


def _decided(subject: str, verdict: Verdict) -> Judgement:
    bad = verdict.complete and verdict.decision in _BAD
    said = verdict.decision.value if verdict.decision else "nothing"
    sentence = f"{subject} said {said}" + ("" if verdict.complete else f", and is {verdict.state}")
    good = True if verdict.is_go else False if bad else None
    figures = measured("decision", said, Decision.GO.value)
    return expect(good, subject, sentence, "a run that is GO", **figures)


def _asked_all(subject: str, wanted: RunWanted, verdict: Verdict, due: Sequence[Row]) -> Judgement:
    """Judge that no check is lacking; of the smoke checks, that none was left out."""
    known = {one.id for one in verdict.checks}
    lacking = [row.id for row in due if row.id not in known]
    if wanted.smoke:
        passed = {
            one.id
            for one in verdict.checks
            if all(region.outcome is Outcome.PASS for region in one.regions.values())
        }
        lacking += [row.id for row in due if row.smoke and row.id not in passed]
    lacking = list(dict.fromkeys(lacking))
    what = "smoke check" if wanted.smoke else "check"
    sentence = f"{subject} asked every {what} that is due"
    if lacking:
        named = ", ".join(lacking[:_MOST_NAMED])
        sentence = f"{subject} lacks {len(lacking)} that are due: {named}"
    figures = measured("checks", len(lacking), 0)
    return expect(not lacking or None, subject, sentence, "a run of this catalogue", **figures)


def _followed(subject: str, name: str, verdict: Verdict, after: Verdict | None) -> Judgement:
    ended = None if after is None else after.finished_at
    good = bool(ended) and after is not None and after.is_go and str(ended) <= verdict.started_at
    sentence = f"{subject} followed {name}, where the release was GO"
    if not good:
        sentence = f"{subject} did not follow a GO of the release, {name}: nothing was rolled back"
    return expect(good or None, subject, sentence, "a rollback after the release", rule="order")


def _undecided(subject: str, sentence: str, clears: str, rule: str) -> Judgement:
    return expect(None, subject, sentence, clears, rule=rule)
