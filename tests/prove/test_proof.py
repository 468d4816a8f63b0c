"""The long proofs themselves: they fail when something is found, and repeat with their seed."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import pathlib
from collections.abc import Callable

import pytest

from prove import MOST_FOUND, Cases, Proof, Proved, mutation, prove, render, rows_of
from prove.__main__ import PROOFS, main, seconds_of
from prove.bodies import _Answer, _judged, _serving
from prove.bursts import seldom_wrong
from prove.changes import refuses_nothing
from prove.decisions import _wrong, damage_is_never_go, fold_agrees, refused_or_sound
from steps.delivery.json_changes import OfRequests
from tests.checkout import ROOT
from tests.steps.platforms import a_platform
from tests.tables import cases


def a_proof(source: Callable[[int], Cases], name: str = "odd") -> Proof:
    return Proof(name, "no number is odd", source, share=1)


def numbers(seed: int) -> Cases:
    for number in itertools.count(seed):
        yield f"{number} is odd" if number % 2 else None


def all_hold(_: int) -> Cases:
    while True:
        yield None


def three(_: int) -> Cases:
    yield from (None, None, None)


def nothing(_: int) -> Cases:
    yield from ()


def test_a_proof_that_finds_something_fails_and_says_what() -> None:
    told: list[str] = []
    proved = prove(a_proof(numbers), 3, 60, told.append)
    assert not proved.holds
    assert proved.found[0] == "3 is odd"
    assert told[0] == "found by odd, --seed 3, case 1: 3 is odd"
    assert len(proved.found) == MOST_FOUND


def test_a_proof_ends_with_its_time() -> None:
    proved = prove(a_proof(all_hold), 0, 0.05, print)
    assert proved.holds
    assert proved.cases > 1
    assert proved.seconds < 5


@cases(
    "source fewest tried holds",
    {
        "the fewest cases are tried however short the time": (all_hold, 40, 40, True),
        "too few prove nothing": (three, 4, 3, False),
        "none prove nothing": (nothing, 1, 0, False),
    },
)
def test_a_proof_needs_its_fewest_cases(
    source: Callable[[int], Cases], fewest: int, tried: int, *, holds: bool
) -> None:
    proved = prove(dataclasses.replace(a_proof(source), at_least=fewest), 0, 0.0, print)
    assert (proved.cases, proved.holds) == (tried, holds)
    assert proved.line().startswith("ok " if holds else "FEW ")


@pytest.mark.parametrize(("killed", "held"), [(92, True), (91, False)])
def test_a_score_below_92_percent_is_found(killed: int, *, held: bool) -> None:
    states = ["killed"] * (killed - 1) + ["timeout"] + ["survived"] * (99 - killed) + ["no tests"]
    said, first, *others = mutation.counted(states, 8000)
    assert said == f"{killed} of 100 killed ({killed}.0%); there are 8,000"
    assert first == (None if held else said)
    assert others == [None] * 99


def test_what_is_mutated_exists_as_its_tests_do_and_the_function_of_a_mutant() -> None:
    assert all(list(ROOT.glob(one)) for one in (*mutation.RULES, *mutation.TESTS))
    for name, line in (
        ("gates.decide.counting.statistics.x_upper_bound__mutmut_2", "def upper_bound("),
        ("gates.decide.release.xǁReleaseǁparse__mutmut_1", "    def parse("),
    ):
        file = ROOT / f"{name.rpartition('.x')[0].replace('.', '/')}.py"
        assert file.read_text().splitlines()[mutation.line_of(file, name) - 1].startswith(line)


@pytest.mark.parametrize(
    ("source", "count"),
    [
        (fold_agrees, 30),
        (damage_is_never_go, 30),
        (refused_or_sound, 30),
        (refuses_nothing, 200),
        (seldom_wrong, 1),
    ],
)
def test_the_first_cases_hold(source: Callable[[int], Cases], count: int) -> None:
    proof = source(11)
    assert [next(proof) for _ in range(count)] == [None] * count
    proof.close()


@pytest.mark.parametrize("broken", ["_limits", "_fields", "_taken_by_one", "_inside"])
def test_a_comparison_that_looks_at_less_is_found(
    monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    monkeypatch.setattr(OfRequests, broken, lambda *_: iter(()))
    assert any(itertools.islice(refuses_nothing(11), 300))


def test_an_answer_that_passes_and_is_not_healthy_is_found(tmp_path: pathlib.Path) -> None:
    healthy = _Answer("200 OK", ("Content-Length: 21",), b'{"status": "healthy"}')
    with _serving() as server:
        server.answer = healthy.raw()
        platform = a_platform(tmp_path, {"eu": server.url})
        assert _judged(platform, healthy, cut=False) is None
        claimed = dataclasses.replace(healthy, body=b'{"status": "ill"}')
        assert _judged(platform, claimed, cut=False) == "an answer that is not healthy passed"


def test_a_reader_that_breaks_is_found(tmp_path: pathlib.Path) -> None:
    def reader(folder: pathlib.Path) -> str | None:
        return str(int((folder / "a").read_text()))

    assert _wrong(tmp_path, {"a": "x"}, reader) == "ValueError instead of a refusal: {'a': 'x'}"


def test_the_page_keeps_the_rows_of_proofs_that_were_not_tried() -> None:
    def row(name: str, cases: int) -> Proved:
        return Proved(a_proof(numbers, name), 5, cases, (), 9.6, dt.date(2026, 1, 31))

    names = ["one", "two"]
    before = render("", names, [row("one", 1000), row("two", 1)])
    after = render(before, names, [row("two", 2)])
    assert after.splitlines()[-2:] == [
        "| one | 2026-01-31 | 5 | 1,000 | 0 | 10 s | no number is odd |",
        "| two | 2026-01-31 | 5 | 2 | 0 | 10 s | no number is odd |",
    ]


def test_the_committed_page_has_a_row_for_every_proof_and_whole_runs_are_tried_often() -> None:
    page = (ROOT / "docs" / "proofs.md").read_text(encoding="utf-8")
    fewest = {proof.name: proof.at_least for proof in PROOFS}
    assert list(rows_of(page)) == list(fewest)
    assert (fewest["kills"] >= 200, fewest["healthy"] >= 50) == (True, True)


def test_a_budget_is_a_number_with_its_unit_and_wrong_usage_proves_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert [seconds_of(text) for text in ("90s", "60m", "2h")] == [90, 3600, 7200]
    for arguments in (["nosuch"], ["--budget", "soon"], ["--seed", "x"]):
        with pytest.raises(SystemExit):
            main(arguments)
        assert "./harness prove: error: " in capsys.readouterr().err
