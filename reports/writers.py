"""Writes the evidence of a run so that each file is whole or absent; one line here for each format.

The Markdown summary is drawn here: the decision first, evidence last.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
from collections.abc import Callable, Mapping
from typing import Any

from gates.decide import windows
from gates.decide.checklist import Checklist
from gates.decide.verdict import GOOD, Verdict
from reports import causes, evidence, figures, junit, sign_off, words
from reports.texts import drawn, json_file
from reports.verdict import read

_SIGNS = {"GO": "🟢", "HOLD": "🟡", words.OVERRIDDEN: "🟡", words.NO_VERDICT: "⚪"}
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&])")
_RED_SIGN = "🔴"


class _Safe(str):
    """Text that is Markdown already."""

    __slots__ = ()


def summary(verdict: Verdict) -> str:
    """Return a verdict as Markdown, for a job's page and a phone at night: the decision first."""
    return drawn(
        "summary.md.j2",
        _safe,
        verdict=verdict,
        sign=_SIGNS.get(words.decision_word(verdict), _RED_SIGN),
        words=words,
        figures=figures,
        causes=causes,
        with_command=_with_command,
        outcome=_outcome,
        as_it_is=_Safe,
    )


def checklist(found: Checklist, *, markdown: bool) -> str:
    """Return the countdown by owner, as text or as Markdown for a pull request."""
    return drawn(
        "checklist.md.j2" if markdown else "checklist.txt.j2",
        _safe if markdown else _line,
        found=found,
        width=max((len(one.check) for one in found.items), default=0),
        moment=windows.moment,
    )


def _line(value: object) -> str:
    return words.one_line(str(value))


def _with_command(step: str) -> _Safe:
    """Set the command at the end of a step as code, so that it can be copied."""
    before, found, command = step.partition(words.GATE)
    if not found:
        return _safe(step)
    lead = f"{_safe(before)} " if before else ""
    return _Safe(f"{lead}`{words.one_line(found + command).replace('`', '')}`")


def _outcome(word: str) -> _Safe:
    """Set what is not good in bold: the eye finds it on a small screen."""
    return _safe(word) if word in GOOD else _Safe(f"**{_safe(word)}**")


def _safe(value: object) -> _Safe:
    """Escape what Markdown or a table cell would take as its own."""
    if isinstance(value, _Safe):
        return value
    return _Safe(_SPECIAL.sub(r"\\\1", words.one_line(str(value))))


WRITERS: Mapping[str, Callable[[Verdict], str]] = {
    "junit.xml": junit.render,
    "summary.md": summary,
    "sign-off.html": sign_off.render,
}


def write_all(run_dir: pathlib.Path, record: Mapping[str, Any]) -> None:
    """Write a verdict in every format into its run's folder.

    Each file, and the folder of Allure's results, appears whole or not at all. Raises
    DamagedVerdictError, and OSError when the disk does not take it.
    """
    verdict = read(record)
    for name, render in WRITERS.items():
        write_whole(run_dir / name, render(verdict))
    _write_evidence(run_dir / evidence.FOLDER, evidence.files(verdict))
    # Imported late: Allure's library takes a tenth of a second, and the checks need not wait for it.
    from reports import allure  # noqa: PLC0415 - see above

    _replace_folder(
        run_dir / allure.FOLDER, allure.render(verdict), allure.attached(verdict, run_dir)
    )


def _write_evidence(folder: pathlib.Path, files: Mapping[str, str]) -> None:
    if files:
        # What the checks attached lies there already.
        folder.mkdir(exist_ok=True)
    for name, text in files.items():
        write_whole(folder / name, text)


def _replace_folder(
    folder: pathlib.Path, files: Mapping[str, str], copies: Mapping[str, pathlib.Path]
) -> None:
    """Put a folder with these files in place of what was there; what is in it is never half-written."""
    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        beside.mkdir()
        for name, text in files.items():
            (beside / name).write_text(text, encoding="utf-8")
        for name, source in copies.items():
            shutil.copyfile(source, beside / name)
        shutil.rmtree(folder, ignore_errors=True)
        beside.replace(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_whole(path: pathlib.Path, text: str) -> None:
    """Write a file that is never seen half-written: a neighbour first, on disk, then renamed."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_durably(path: pathlib.Path, text: str) -> None:
    """Replace a file's content at once and for good; raises OSError."""
    write_whole(path, text)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: pathlib.Path, value: dict[str, Any]) -> None:
    """Write JSON durably; raises OSError, and ValueError for a number that JSON does not have."""
    write_durably(path, json_file(value))


def read_back(path: pathlib.Path, value: dict[str, Any]) -> None:
    """Prove that a written verdict is the one on disk; raises OSError where it is not."""
    try:
        same = json.loads(path.read_text(encoding="utf-8")) == json.loads(json.dumps(value))
    except ValueError:
        same = False
    if not same:
        raise OSError(5, "the verdict on disk is not the one that was written", str(path))
