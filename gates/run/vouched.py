"""Whether people signed what a verdict says that they let pass or decided."""

from __future__ import annotations

import datetime as dt
import json
import pathlib
from collections.abc import Iterator

from environments.loader import Loaded
from environments.store import StoreError
from environments.yaml_file import ConfigurationError
from gates.decide import statements as rules
from gates.decide.statements import Around, Overridden, Subject, Waiver
from gates.load import Checks, load_policy
from gates.run.bundle import sha256_of
from gates.run.opened import Json, Opened
from gates.run.runs import VERDICT
from steps.kit.statements import ledger_then


def unsigned(folder: pathlib.Path, found: Opened, verdict: Json, loaded: Loaded) -> Iterator[str]:
    """Yield what a verdict shows as people's word that the state's statements do not bear out, as sentences.

    They are judged as of the run's end, by the approvers then and now; who wrote the release and who ran the
    gate was judged by the run itself. Raises KeyError, TypeError, ValueError for what is no verdict.
    """
    waivers = [Waiver.from_record(one) for one in verdict.get("waivers", ())]
    decided = verdict.get("overridden")
    if not waivers and decided is None:
        return
    named = {one["name"]: one["digest"] for one in found.statement["subject"]}
    try:
        about = Subject(
            verdict["environment"],
            verdict["release"],
            named["release.yaml"]["sha256"],
            named["commit"]["gitCommit"],
        )
        ended = dt.datetime.fromisoformat(verdict["finished_at"])
        yield from _unagreed(waivers, about, ended, loaded)
        if decided is not None:
            yield from _undecided(Overridden.from_record(decided), about, loaded)
            yield from _of_another(folder.parent, verdict, decided)
    except (ConfigurationError, StoreError) as exc:
        yield f"shows what people signed, which can't be held against their statements: {exc}"


def _unagreed(
    waivers: list[Waiver], about: Subject, ended: dt.datetime, loaded: Loaded
) -> Iterator[str]:
    if not waivers:
        return
    policy = load_policy(Checks.of(loaded.checks).policy).statements.waivers
    ledger = ledger_then(loaded, about, ended)
    agreed = [] if policy is None else rules.agreed_waivers(ledger, policy, Around(ended))
    for one in waivers:
        signed = [set(other.by) for other in agreed if _terms(other) == _terms(one)]
        # Who agreed while the run went on is not in it yet.
        if not any(set(one.by) <= by for by in signed):
            yield f"shows a waiver of {one.check} that was not signed, or not in force at the run's end"


def _terms(one: Waiver) -> tuple[object, ...]:
    return one.check, one.found, one.until, one.reason, one.ticket


def _undecided(said: Overridden, about: Subject, loaded: Loaded) -> Iterator[str]:
    policy = load_policy(Checks.of(loaded.checks).policy).statements.decide
    ledger = ledger_then(loaded, about, said.at)
    found = {} if policy is None else rules.decisions(ledger, policy, Around(said.at))
    if found.get(said.sha256) != said:
        yield f"shows a decision on run {said.run} that nobody signed so"


def _of_another(beside: pathlib.Path, verdict: Json, decided: Json) -> Iterator[str]:
    """Yield whether a verdict is another than the one that people decided."""
    file = beside / decided["run"] / VERDICT
    if not file.is_file():
        yield f"was decided as run {decided['run']}, whose folder is not beside this one"
        return
    own = {key: value for key, value in verdict.items() if key not in ("run", "overridden")}
    held = json.loads(file.read_bytes())
    if sha256_of(file) != decided["sha256"] or held != {**own, "run": decided["run"]}:
        yield f"is another verdict than that of run {decided['run']}, which people decided"
