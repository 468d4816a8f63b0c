"""The Allure report of one or several runs, as one HTML file: their results, and how earlier runs ended.

Everything is drawn from verdicts again, also of runs that an older gate wrote. What earlier runs said comes
from their verdicts too: there is no file of history that could be lost, or that holds what was removed.
"""

from __future__ import annotations

import collections
import hashlib
import json
import pathlib
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

from gates.decide.outcome import Decision
from gates.decide.verdict import Verdict
from reports import allure, words
from reports.junit import of_check, of_run

RESULTS, HISTORY, CONFIGURATION, BUILT = "results", "history.jsonl", "allurerc.json", "built"
NOT_VERIFIED = "Not verified: shown as it lies, and not folded again. "
_WORST_FIRST = (*(one.value for one in reversed(Decision)), words.NO_VERDICT)


def prepare(
    work: pathlib.Path,
    runs: Sequence[tuple[Verdict, pathlib.Path]],
    earlier: Sequence[tuple[Verdict, bool]],
    others: Sequence[pathlib.Path] = (),
) -> None:
    """Write into an empty folder what Allure needs: results, history, configuration; raises OSError.

    `runs` come with their folders, `earlier` with whether they were folded again, the oldest first; `others`
    are folders of results that other tools left.
    """
    results = work / RESULTS
    results.mkdir()
    for folder in others:
        for file in filter(pathlib.Path.is_file, folder.iterdir()):
            shutil.copyfile(file, results / file.name)
    for verdict, folder in runs:
        for name, text in allure.render(verdict).items():
            (results / name).write_text(text, encoding="utf-8")
        for name, source in allure.attached(verdict, folder).items():
            shutil.copyfile(source, results / name)
    with (work / HISTORY).open("w", encoding="utf-8") as history:
        history.writelines(f"{json.dumps(_past(*one))}\n" for one in earlier)
    configured = _configuration([verdict for verdict, _ in runs])
    (work / CONFIGURATION).write_text(json.dumps(configured), encoding="utf-8")


def _configuration(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    known = allure.settings()
    return {
        "name": title(verdicts),
        "output": BUILT,
        "historyPath": HISTORY,
        "appendHistory": False,
        "categories": known["categories"],
        "plugins": {"awesome": {"options": known["report"]}},
    }


def title(verdicts: Sequence[Verdict]) -> str:
    """Return what stands above a report: the decision first, of several runs how many said what."""
    last = verdicts[-1]
    if len(verdicts) == 1:
        return f"{words.decision_word(last)}: {words.about(last)}, {words.scope(last)}"
    said = collections.Counter(map(words.decision_word, verdicts))
    counted = ", ".join(f"{said[word]} {word}" for word in _WORST_FIRST if said[word])
    return f"{words.about(last)}: {len(verdicts)} runs, {counted}"


def _past(verdict: Verdict, verified: bool) -> dict[str, Any]:  # noqa: FBT001 - a pair, taken apart
    """Return how a run ended, as a line of Allure's history."""
    mark = "" if verified else NOT_VERIFIED
    ended = {one["historyId"]: one for one in _ends(verdict, mark)}
    return {
        "uuid": verdict.run,
        "name": f"{mark}{title([verdict])}",
        "timestamp": allure.milliseconds(verdict.started_at) or 0,
        "knownTestCaseIds": sorted({one.partition(".")[0] for one in ended}),
        "testResults": ended,
        "metrics": {},
        "url": "",
    }


def _ends(verdict: Verdict, mark: str) -> Iterator[dict[str, Any]]:
    at = allure.milliseconds(verdict.started_at) or 0
    took = round((verdict.elapsed_seconds or 0.0) * 1000)
    regions = verdict.region_names()
    cases = [(verdict.gate, ", ".join(verdict.regions), of_run(verdict), took)]
    cases += [
        (check.id, region, of_check(verdict, check, region), _took(check.elapsed_seconds))
        for check in verdict.checks
        for region in regions
    ]
    for about, region, case, lasted in cases:
        said = mark + (f"{case.outcome}: {case.message}" if case.message else "")
        yield {
            "id": _md5(f"{verdict.run} {about} {region}"),
            "name": about,
            "fullName": allure.full_name(about),
            "status": case.status.value,
            **({"error": {"message": said}} if said else {}),
            "start": at,
            "stop": at + lasted,
            "duration": lasted,
            "url": "",
            "historyId": _history_id(verdict, about, region),
        }


def _took(seconds: float | None) -> int:
    return round((seconds or 0.0) * 1000)


def _history_id(verdict: Verdict, about: str, region: str) -> str:
    """Return by what Allure 3 knows a test again: it makes its own of the test's id and parameters."""
    case = _md5(allure.case_id(about))
    apart = sorted(allure.parameters(verdict, region).items())
    return f"{case}.{_md5(','.join(f'{name}:{value}' for name, value in apart))}"


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
