"""What is said in the cases of a test, word for word, in a YAML file beside it; or a whole report in its own.

`SAID=write ./harness pytest -n 0 FILE` writes a file anew after a change that is meant: read its diff.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import yaml

from gates.decide.judgement import Judgement
from tests.tables import read_table

Said = Callable[..., None]
"""Compares what a case says with what is kept of it: `compare` without its first argument."""


@pytest.fixture
def said(request: pytest.FixtureRequest) -> Said:
    """Return what compares that which a case says with what is kept of it beside its file."""
    return functools.partial(compare, request)


@pytest.fixture
def judgements_said(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Compare every judgement that a test makes with what is kept of it: for rules that read no clock.

    What hypothesis draws, what a platform of the test says, and what it compares itself, is not kept.
    """
    if hasattr(request.function, "hypothesis") or {"said", "tmp_path"} & {*request.fixturenames}:
        yield
        return
    made: list[Judgement] = []
    finish = Judgement.__post_init__

    def noted(judgement: Judgement) -> None:
        finish(judgement)
        made.append(judgement)

    with monkeypatch.context() as patched:
        patched.setattr(Judgement, "__post_init__", noted)
        yield
    if made:
        compare(request, made)


def compare(
    request: pytest.FixtureRequest, found: object, places: Mapping[str, str] | None = None
) -> None:
    """Assert that a case says what is kept of it, and that nothing is kept of cases that are gone.

    A judgement is kept whole. `places` names what is another one in each run, such as a folder:
    {str(tmp_path): "FOLDER"}.
    """
    file, name = request.path.with_suffix(".yaml"), request.node.name
    known = _kept(file, file.stat().st_mtime_ns) if file.exists() else {}
    text = json.dumps(found, default=_shown)
    for place, word in (places or {}).items():
        text = text.replace(place, word)
    plain = json.loads(text)
    cases = _cases(request.session, request.path)
    some = request.config.getoption("keyword") or "::" in "".join(request.config.args)
    if os.environ.get("SAID") == "write":
        kept = {one: known[one] for one in known if some or one in cases} | {name: plain}
        file.write_text(yaml.safe_dump(kept, allow_unicode=True, width=110), encoding="utf-8")
        return
    assert name in known, f"{file.name} keeps nothing of {name}, which says {plain}"
    assert plain == known[name], f"{name} says {plain}; kept is {known[name]}"
    assert some or not (gone := known.keys() - cases), (
        f"{file.name} keeps what no case says: {gone}"
    )


@functools.lru_cache(maxsize=8)
def _cases(session: pytest.Session, file: pathlib.Path) -> frozenset[str]:
    """Return the names of a file's cases, looked for once among thousands."""
    return frozenset(one.name for one in session.items if one.path == file)


@functools.lru_cache(maxsize=8)
def _kept(file: pathlib.Path, _changed_at: int) -> dict[str, Any]:
    """Return what a file keeps, read once for all its cases."""
    kept: dict[str, Any] = read_table(file)
    return kept


def compare_file(path: pathlib.Path, text: str) -> None:
    """Assert that a report looks as the file that keeps it, for people to read too."""
    if os.environ.get("SAID") == "write":
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), f"there is no {path.name}; SAID=write writes it"
    assert text == path.read_text(encoding="utf-8")


def _shown(value: object) -> Any:
    return plainly(value.record()) if isinstance(value, Judgement) else str(value)


def plainly(value: object) -> Any:
    """Return a record without what is empty, its figures to nine digits: scipy's last ones vary."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {k: plainly(one) for k, one in value.items() if one not in (None, "", {})}
    return [plainly(one) for one in value] if isinstance(value, list | tuple) else value
