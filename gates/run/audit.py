"""Verifies a run by its bundle: files, lines, requirements, place in the chain, age.

Whatever differs is a finding that names the file; a run with one is not GO, whatever it says.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import hashlib
import json
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import probes
from environments.loader import Loaded
from environments.store import StoreError
from environments.yaml_file import ConfigurationError, RequestError
from gates.decide.catalogue import Row
from gates.decide.history import CLOCKS_DIFFER
from gates.decide.outcome import EXIT_CONFIGURATION, Decision
from gates.decide.scope import gate_of
from gates.decide.verdict import Verdict
from gates.load import Checks, load_catalogue
from gates.run import bundle, refold
from gates.run.bundle import ASKED, ENDED, NAME, QUESTION
from gates.run.opened import STRANGE, Json, NotABundleError, Opened, opened
from gates.run.runs import MANIFEST, RUN, VERDICT
from gates.run.vouched import unsigned
from settings.statements import RUNNER, Key
from steps.kit.chain import Record
from steps.kit.request import EVENTS
from steps.kit.statements import keys_of, read_approvers

if TYPE_CHECKING:
    from probes.signatures import PublicKey

_HELD_AGAINST = ("environment", "catalogue", "features", "steps", "policy")
_LIST_OF = {
    "PASS": "passedTests",
    "WARNED": "warnedTests",
    "WAIVED": "warnedTests",
    "FAIL": "failedTests",
    **dict.fromkeys(("INCONCLUSIVE", "ERROR", "DOUBLED"), "undecidedTests"),
    "MISSING": "missingTests",
    "NOT_APPLICABLE": "notApplicableTests",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What differs, and in which file."""

    file: str
    sentence: str
    configuration: bool = False
    """Whether the run may be sound, and what it is held against is not the same any more."""


@dataclasses.dataclass(frozen=True, slots=True)
class Audited:
    """What came of verifying a run."""

    run: str
    decision: str | None
    """What it says, whether that holds or not."""
    exit_code: int
    """Its own where nothing was found, else 20, or 78 where only the configuration differs."""
    findings: tuple[Finding, ...]
    question: tuple[Any, ...] = ()
    """What was asked of what: a later run of the same takes its place, in each region that it asked."""
    started_at: str = ""
    environment: str = ""
    release: str = ""
    regions: tuple[str, ...] = ()
    """Which it asked."""
    others: tuple[str, ...] = ()
    """Which the environment has besides: of these it says nothing."""
    is_trial: bool = False
    """Whether it asked some of the checks alone, and found nothing bad: HOLD is the best of a part."""


class Against:
    """What the runs of one environment are held against, each read once."""

    def __init__(self, loaded: Loaded, now: dt.datetime) -> None:
        self.loaded, self.now = loaded, now
        self._chains: dict[str, tuple[Record, ...]] = {}

    @functools.cached_property
    def configuration(self) -> Mapping[str, str]:
        """The digests of the files here, by name."""
        checks = Checks.of(self.loaded.checks)
        here = [bundle.environment_file(self.loaded), *bundle.asked_by(checks)]
        return {one["name"]: one["digest"]["sha256"] for one in here}

    @functools.cached_property
    def rows(self) -> tuple[Row, ...]:
        """All requirements; raises ConfigurationError."""
        return load_catalogue(Checks.of(self.loaded.checks).features)

    @functools.cached_property
    def runners(self) -> tuple[tuple[str, Key, PublicKey], ...]:
        """Whose signatures count, as the approvers file says; raises ConfigurationError."""
        section = self.loaded.settings.statements
        if section is None:
            return ()
        _, approvers = read_approvers(self.loaded.path.parent / section.approvers)
        return keys_of(approvers, RUNNER)

    def chain(self, release: str) -> tuple[Record, ...]:
        """Return what the state says of a release's runs; raises StoreError."""
        if release not in self._chains:
            self._chains[release] = bundle.chain_of(self.loaded, release).records()
        return self._chains[release]


def audited(
    folder: pathlib.Path, against: Callable[[Json], Against], *, alone: bool = True
) -> Audited:
    """Verify one run; what its folder or the state holds is never raised, only RequestError is.

    `alone` says that nobody looks at the runs after it: then a later one takes its GO back.
    """
    about, findings = _verified(folder, against)
    if alone and not findings:
        findings = [*_superseded(about, against(about))]
    if findings:
        return _not_verified(folder.name, about, findings)
    whose = about["environment"], about["release"]
    every = against(about).loaded.settings.regions
    own = against(about).chain(about["release"])[about["chain"]["number"] - 1]
    return Audited(
        run=about["run"],
        decision=about["decision"],
        exit_code=refold.CODES[about["decision"]],
        findings=(),
        question=(*whose, *(about["question"][key] for key in QUESTION)),
        started_at=about["started_at"],
        environment=whose[0],
        release=whose[1],
        regions=tuple(about["regions"]),
        others=tuple(one for one in every if one not in about["regions"]),
        is_trial=bool(about["only"]) and not bundle.bad_in(own),
    )


def _verified(
    folder: pathlib.Path, against: Callable[[Json], Against]
) -> tuple[Json, list[Finding]]:
    """Return what a bundle says of its run, and what is wrong with both."""
    try:
        found = opened(folder)
    except NotABundleError as exc:
        return {}, [Finding(NAME, str(exc))]
    wrong: list[Finding] = []
    try:
        wrong.extend(_findings(folder, found, against(found.about)))
    except RequestError:
        raise
    except ConfigurationError as exc:
        wrong += [Finding("configuration", one, configuration=True) for one in exc.sentences]
    except STRANGE as exc:
        wrong.append(Finding(NAME, f"holds another thing than a gate writes: {type(exc).__name__}"))
    return found.about, wrong


def _not_verified(name: str, about: Json, findings: Sequence[Finding]) -> Audited:
    only_configuration = all(one.configuration for one in findings)
    code = EXIT_CONFIGURATION if only_configuration else Decision.HOLD.exit_code
    decision = about.get("decision")
    said = decision if decision in refold.CODES else None
    whose: Json = {key: str(about.get(key)) for key in ("environment", "release") if about.get(key)}
    return Audited(name, said, code, tuple(findings), **whose)


def _findings(folder: pathlib.Path, found: Opened, against: Against) -> Iterator[Finding]:
    yield from _chained(found, against)
    changed = tuple(_files(folder, found))
    for source in found.about["joined"]:
        changed += tuple(_source(folder.parent / source["run"], source, against))
    yield from changed
    if changed:
        return  # what a changed file says is nobody's word any more
    verdict = json.loads((folder / VERDICT).read_bytes())
    yield from _retold(found.about, verdict)
    yield from _claimed(found, verdict)
    for sentence in unsigned(folder, found, verdict, against.loaded):
        yield Finding(VERDICT, sentence)
    yield from _folded(folder, found, verdict)
    yield from _required(folder, found.about, verdict)
    yield from _due(found.about, verdict, against)
    yield from _configured(found, against)
    yield from _aged(found.about, verdict, against)


def _files(folder: pathlib.Path, found: Opened) -> Iterator[Finding]:
    """Yield each file that is not as the run left it, is gone, or was not there."""
    files = (one for one in found.statement["subject"] if "annotations" not in one)
    said = {one["name"]: one["digest"]["sha256"] for one in files}
    there = bundle.files_in(folder)
    for name in sorted(said.keys() | there.keys()):
        if name not in there:
            yield Finding(name, "is missing: the run left it")
        elif name not in said:
            yield Finding(name, "was not left by the run")
        elif not there[name].is_file(follow_symlinks=False):
            yield Finding(name, "is not a file any more")
        elif _digest(there[name].path) != said[name]:
            yield Finding(name, "was changed: it is not what the run left")
    if RUN.match(folder.name) and folder.name != found.about["run"]:
        yield Finding(NAME, f"is of run {found.about['run']}, in the folder of {folder.name}")


def _retold(about: Json, verdict: Json) -> Iterator[Finding]:
    """Yield where the bundle says something else than the verdict."""
    for key in (*ENDED, *ASKED):
        if about[key] != verdict.get(key):
            yield Finding(VERDICT, f"says {key} {verdict.get(key)}, {NAME} says {about[key]}")
    for key in QUESTION:
        if about["question"][key] != verdict.get(key):
            yield Finding(VERDICT, f"answers another question than {NAME}: {key}")


def _claimed(found: Opened, verdict: Json) -> Iterator[Finding]:
    """Yield where a verdict names another key than the one that signed."""
    said, signed = verdict.get("signed_by"), found.envelope["signatures"]
    if said is not None and said not in [one["keyid"] for one in signed]:
        yield Finding(NAME, f"is not signed with the key that {VERDICT} names")


def _folded(folder: pathlib.Path, found: Opened, verdict: Json) -> Iterator[Finding]:
    """Yield where lines, verdict and bundle lead to different decisions."""
    about = found.about
    lines = refold.measured(_lines(folder, about))
    held = [one for one in verdict["reasons"] if one["check"] is None and one["region"] is None]
    waived = {one["check"]: one["found"] for one in verdict.get("waivers", ())}
    own = refold.opinion(
        refold.Question(about["requirements"], tuple(about["regions"]), bool(held), waived), lines
    )
    strangers = [f"a result of {check}" for check, _ in lines.cells.keys() - own.words.keys()]
    if len(found_wrong := [*lines.faults, *strangers]) > len(held):
        yield Finding(EVENTS, f"holds what {VERDICT} is silent about: {found_wrong[-1]}")
    decision = "HOLD" if about["state"] == "interrupted" else own.decision
    if about["decision"] != decision:
        yield Finding(EVENTS, f"leads to {decision}, {VERDICT} says {about['decision']}")
    if about["exit_code"] != refold.CODES[decision]:
        yield Finding(VERDICT, f"has exit code {about['exit_code']}, not that of {decision}")
    if about["state"] not in ("complete", "interrupted"):
        yield Finding(VERDICT, f"is of a run that did not end: {about['state']}")
    if about["only"] and about["decision"] == "GO":
        yield Finding(VERDICT, "says GO of a part of the checks (--only), which is never GO")
    for region, word in own.regions.items():
        if about["regions"][region] != word:
            yield Finding(EVENTS, f"leads to {word} in {region}, not {about['regions'][region]}")
    yield from _disagreeing(own, verdict)
    yield from _judged(lines, verdict)
    yield from _listed(found, own, decision)


def _disagreeing(own: refold.Opinion, verdict: Json) -> Iterator[Finding]:
    """Yield what is red, or let pass, by one of lines and verdict alone."""
    for name, wanted in (("reasons", own.reds), ("waived", own.waived)):
        told = {(one["check"], one["region"], one["outcome"]) for one in verdict.get(name, ())}
        for check, region, word in sorted(wanted ^ {one for one in told if one[0] is not None}):
            yield Finding(EVENTS, f"and {VERDICT} disagree on {check} {word} in {region}")


def _lines(folder: pathlib.Path, about: Json) -> list[bytes]:
    """Return the lines of a run, or of the runs that it was joined from."""
    folders = [folder.parent / one["run"] for one in about["joined"]] or [folder]
    return [(one / EVENTS).read_bytes() for one in folders if (one / EVENTS).is_file()]


def _judged(lines: refold.Measured, verdict: Json) -> Iterator[Finding]:
    """Yield each cell of the verdict that shows other judgements than were measured."""
    for check in verdict["checks"]:
        for region, result in check["regions"].items():
            runs = lines.cells.get((check["id"], region), [])
            shown = [one for one in result["judgements"] if one["rule"] != "applies_if"]
            if shown != [one for run in runs for one in run]:
                yield Finding(EVENTS, f"and {VERDICT} differ on {check['id']} in {region}")


def _listed(found: Opened, own: refold.Opinion, decision: str) -> Iterator[Finding]:
    """Yield where the lists of the statement are not what was measured."""
    about = found.about
    advisory = {row["id"] for row in about["requirements"] if row["on_fail"] == "advisory"}
    lists: dict[str, set[str]] = {name: set() for name in _LIST_OF.values()}
    for (check, region), word in own.words.items():
        warned = check in advisory and word not in ("PASS", "NOT_APPLICABLE")
        lists[_LIST_OF["WARNED" if warned else word]].add(f"{check}/{region}")
    for name, wanted in lists.items():
        if sorted({**found.predicate, **about}[name]) != sorted(wanted):
            yield Finding(NAME, f"lists other {name} than were measured")
    good = "WARNED" if lists["warnedTests"] else "PASSED"
    if found.predicate["result"] != (good if decision == "GO" else "FAILED"):
        yield Finding(NAME, f"says {found.predicate['result']} of a run that is {decision}")


def _required(folder: pathlib.Path, about: Json, verdict: Json) -> Iterator[Finding]:
    """Yield where verdict, manifest and bundle list different requirements."""
    stated, shown = _stated(about["requirements"]), _stated(verdict["checks"])
    if stated != shown or len(stated) != len(about["requirements"]):
        yield Finding(NAME, f"lists other requirements than {VERDICT}")
    if about["joined"]:
        return
    asked = json.loads((folder / MANIFEST).read_bytes())
    if sorted(asked["checks"]) != sorted(one for one, row in stated.items() if row[2]):
        yield Finding(MANIFEST, f"lists other checks than {NAME}")
    if sorted(asked["regions"]) != sorted(about["regions"]):
        yield Finding(MANIFEST, f"lists other regions than {NAME}")


def _stated(rows: Iterable[Json]) -> dict[str, tuple[str, str, bool]]:
    """Return what each requirement means, where, and whether it applies."""
    return {
        row["id"]: (row["on_fail"], row["stage"], row["not_applicable"] is None) for row in rows
    }


def _due(about: Json, verdict: Json, against: Against) -> Iterator[Finding]:
    """Yield where a run answered for something else than the catalogue asks here."""
    small = {**verdict, "checks": [], "reasons": [], "advisories": [], "suites": []}
    gate = gate_of(Verdict.from_record(small))
    scope = gate.scope(against.rows, switched=bool(verdict["traffic_switched_at"]))
    stated = _stated(about["requirements"])
    wanted = {
        row.id: (row.on_fail.value, scope.stages[row.id].value, row.applies(about["sections"]))
        for row in scope.only(about["only"]).rows
    }
    for check in sorted(wanted.keys() | stated.keys()):
        if wanted.get(check) != stated.get(check):
            sentence = f"and {NAME} differ on {check}"
            yield Finding("features/catalogue.csv", sentence, configuration=True)
    loaded = against.loaded
    if about["environment"] != loaded.settings.name:
        yield Finding(NAME, f"is of {about['environment']}, not of {loaded.settings.name}")
    if about["sections"] != sorted(loaded.sections):
        sentence = "has other sections than the run was asked about"
        yield Finding(loaded.path.name, sentence, configuration=True)


def _configured(found: Opened, against: Against) -> Iterator[Finding]:
    """Yield each file of the configuration that differs from the one that a run was asked by."""
    said = {
        one["name"]: one["digest"]["sha256"]
        for one in found.predicate["configuration"]
        if one.get("annotations", {}).get("kind") in _HELD_AGAINST
    }
    here = against.configuration
    for name in sorted(said.keys() | here.keys()):
        if said.get(name) != here.get(name):
            sentence = "is not the file here that the run was asked by"
            yield Finding(name, sentence, configuration=True)
    of_release = [one for one in found.statement["subject"] if "annotations" in one]
    if of_release != bundle.built(against.loaded, found.about["release"]):
        sentence = f"is not the one here by which {found.about['release']} was built"
        yield Finding("release.yaml", sentence, configuration=True)


def _chained(found: Opened, against: Against) -> Iterator[Finding]:
    """Yield why the state does not bear a bundle out."""
    about = found.about
    try:
        records = against.chain(about["release"])
    except StoreError as exc:
        yield Finding(NAME, f"can't be held against the environment's state: {exc}")
        return
    mine = [one for one in records if one["run"] == about["run"]]
    if len(mine) != 1:
        yield Finding(NAME, f"is {len(mine)} times in the environment's state, wanted once")
        return
    record = mine[0]
    if record["bundle"] != found.digest:
        yield Finding(NAME, "was changed: the environment's state names another one of this run")
    if about["chain"] != {"number": record["number"], "previous": record["previous"]}:
        yield Finding(NAME, "names another run before it than the environment's state")
    received = _received(record)
    if any(_received(one) - received > CLOCKS_DIFFER for one in records[: record["number"]]):
        yield Finding(NAME, "was received before a run that stands before it in the state")
    yield from _signed(found, received, against)


def _received(record: Record) -> dt.datetime:
    return dt.datetime.fromisoformat(record["received_at"])


def _signed(found: Opened, received: dt.datetime, against: Against) -> Iterator[Finding]:
    """Yield why no runner vouches for a bundle; what claims to be signed has to be, too."""
    try:
        envelope = probes.signatures.Envelope.of(found.envelope)
    except probes.signatures.MalformedError as exc:
        yield Finding(NAME, f"is not an envelope: {exc}")
        return
    keys = {public.fingerprint: key for _, key, public in against.runners}
    publics = [public for *_, public in against.runners]
    signers = probes.signatures.verify(envelope, publics, bundle.NAMESPACE)
    if not keys or any(_counts(keys[one], received) for one in signers):
        return
    why = "with a key that did not count then" if signers else "by no runner of the approvers file"
    yield Finding(NAME, f"is signed {why}" if envelope.signatures else "is not signed by a runner")


def _counts(key: Key, received: dt.datetime) -> bool:
    revoked = key.revoked_from is not None and key.revoked_from <= received
    return key.counts_at(received) and not revoked


def _superseded(about: Json, against: Against) -> Iterator[Finding]:
    """Yield the later runs of the same question that took a GO back."""
    if about.get("decision") != "GO":
        return
    for one in against.chain(about["release"])[about["chain"]["number"] :]:
        same = all(one[key] == about["question"][key] for key in QUESTION)
        if same and bundle.bad_in(one) & about["regions"].keys():
            said = f"run {one['run']} asked the same later and said {one['decision']}"
            yield Finding(NAME, f"is out of date: {said}")


def _aged(about: Json, verdict: Json, against: Against) -> Iterator[Finding]:
    """Yield what is wrong with the times of a run, and of what people let pass in it."""
    began, ended = (dt.datetime.fromisoformat(about[key]) for key in ("started_at", "finished_at"))
    if ended < began:
        yield Finding(NAME, "says that the run ended before it began")
    for one in verdict.get("waivers", ()):
        if dt.datetime.fromisoformat(one["until"]) <= ended:
            yield Finding(VERDICT, f"shows a waiver of {one['check']} that had ended")
    if ended - against.now > CLOCKS_DIFFER:
        yield Finding(NAME, f"says that the run ended at {ended}, which is still to come")


def _source(folder: pathlib.Path, source: Json, against: Against) -> Iterator[Finding]:
    """Yield what is wrong with a run that was joined, and whether it is the one that was."""
    if not (folder / VERDICT).is_file():
        yield Finding(source["run"], "was joined, and its folder is not beside this one")
        return
    for name, key in ((VERDICT, "verdict"), (NAME, "bundle")):
        if (folder / name).is_file() and source.get(key) != _digest(folder / name):
            yield Finding(f"{source['run']}/{name}", "is not the file that was joined")
    for one in _verified(folder, lambda _: against)[1]:
        yield dataclasses.replace(one, file=f"{source['run']}/{one.file}")


def _digest(path: str | pathlib.Path) -> str:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a year of runs are fifty thousand files
        return hashlib.sha256(file.read()).hexdigest()
