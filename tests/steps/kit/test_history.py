"""The history in an environment's state, attacked: what was not GO never becomes GO."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
import tempfile

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from environments.store import DamagedRecordError, Folder, Store, StoreError, digest_of
from gates.decide import statements
from gates.decide.history import Entry, Kind, built_on, gaps
from gates.decide.outcome import Decision
from gates.decide.scope import Phase
from gates.decide.statements import Overridden
from gates.run import runner
from steps.kit.chain import History
from tests.gates.decide.histories import AT, DIGESTS, Step, a_run, keep, told
from tests.gates.decide.values import PROPERTY
from tests.tables import cases

GO, HOLD, STOP = Decision.GO, Decision.HOLD, Decision.STOP
ROLLBACK = Decision.ROLLBACK
VERDICT = "5" * 64
"""The digest of a run's verdict."""
PARTS, REGIONS = ("1.1", "1.2"), ("eu", "us")


def history(root: pathlib.Path, environment: str = "prod", release: str = "v1.2.0") -> History:
    return History(Store(Folder(root)), environment, release)


def missing(of: History) -> tuple[str, ...]:
    """Return what phase 2 would be told."""
    try:
        return gaps(PARTS, REGIONS, of.entries(), AT, DIGESTS, {})
    except StoreError as exc:
        return (str(exc),)


DONE = a_run(-5, p11_eu=GO, p11_us=GO, p12_eu=GO, p12_us=GO)
STOPPED = a_run(-4, p12_us=STOP)


def test_what_was_added_is_read_in_its_order(tmp_path: pathlib.Path) -> None:
    entries = told(Step(-6, kind=Kind.BASELINE), DONE)
    written = history(tmp_path)
    keep(written, Step(-6, kind=Kind.BASELINE), DONE)
    assert written.entries() == entries
    assert missing(written) == ()


def test_two_writers_at_once_follow_each_other(tmp_path: pathlib.Path) -> None:
    ours, theirs = history(tmp_path), history(tmp_path)
    calls: list[int] = []

    def late(entries: tuple[Entry, ...]) -> Entry:
        calls.append(len(entries))
        if len(calls) == 1:
            theirs.append(lambda _: told(Step(1, kind=Kind.BASELINE))[0])
        return told(Step(2, kind=Kind.BASELINE))[0]

    ours.append(late)
    assert calls == [0, 1]
    assert [entry.run for entry in ours.entries()] == ["run-1", "run-2"]


@pytest.fixture
def stopped(tmp_path: pathlib.Path) -> tuple[History, pathlib.Path]:
    """Return a history that ends with a STOP, and the folder of its four records."""
    written = history(tmp_path)
    folder = keep(written, DONE, STOPPED)
    assert missing(written)
    return written, folder


Stopped = tuple[History, pathlib.Path]


@cases(
    "environment release linked",
    {
        "copied from another environment": ("staging", "v1.2.0", False),
        "copied from another release": ("prod", "v1.1.0", False),
        "linked to another release": ("prod", "v1.1.0", True),
        "linked to its own past": ("prod", "v1.2.0", True),
    },
)
def test_a_stop_stays_one_whatever_folder_is_in_its_place(
    stopped: Stopped, tmp_path: pathlib.Path, environment: str, release: str, *, linked: bool
) -> None:
    written, ours = stopped
    other = keep(history(tmp_path / "elsewhere", environment, release), DONE)
    if linked:
        shutil.rmtree(ours)
        ours.symlink_to(other)
    else:
        shutil.copytree(other, ours, dirs_exist_ok=True)
    assert missing(written)


@cases(
    "edits",
    {
        "without the end of the newest": [("delete", 3, 0)],
        "with the newest forged": [("forge", 3, 0)],
        "with an old GO added again": [("copy behind", 0, 0), ("copy behind", 1, 0)],
        "with the middle forged and its digest made again": [("sign again", 2, 0)],
    },
)
def test_a_stop_stays_one_whatever_record_is_edited(
    stopped: Stopped, tmp_path: pathlib.Path, edits: list[tuple[str, int, int]]
) -> None:
    written, ours = stopped
    foreign = keep(history(tmp_path, "staging"), DONE)
    for one in edits:
        edit(ours, foreign, *one)
    assert missing(written)


def test_the_removal_of_the_whole_end_is_not_seen(stopped: Stopped) -> None:
    """Only a bucket with versions or locked objects shows it; docs/platform-contract.md says so."""
    written, folder = stopped
    for name in ("000003.json", "000004.json"):
        (folder / name).unlink()
    assert missing(written) == ()


def test_a_damaged_history_says_how_to_begin_again(tmp_path: pathlib.Path) -> None:
    written = history(tmp_path)
    folder = keep(written, DONE)
    (folder / "000001.json").unlink()
    with pytest.raises(
        DamagedRecordError, match=r"records are missing.*move the whole folder elsewhere"
    ):
        written.entries()


MINUTES = st.integers(1, 10**6).map(lambda number: -number / 10**5)
DECISIONS = st.sampled_from([GO, GO, HOLD, STOP, ROLLBACK])
RUNS = st.builds(
    Step,
    MINUTES,
    st.dictionaries(
        st.sampled_from([*PARTS, "2.1"]),
        st.fixed_dictionaries(dict.fromkeys(REGIONS, DECISIONS)),
        min_size=1,
    ),
    st.sampled_from([Kind.ENDED, Kind.ENDED, Kind.STARTED]),
)
OTHERS = st.builds(
    Step,
    MINUTES,
    kind=st.sampled_from([Kind.BASELINE, Kind.ROLLED_BACK]),
    regions=st.sampled_from(REGIONS).map(lambda region: (region,)),
)
STEPS = st.lists(
    st.one_of(RUNS, RUNS, OTHERS), min_size=1, max_size=5, unique_by=lambda step: step.minute
)
WAYS = ("delete", "copy over", "copy behind", "swap", "foreign", "forge", "sign again")
EDITS = st.lists(
    st.tuples(st.sampled_from(WAYS), st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=4
)


def edit(ours: pathlib.Path, foreign: pathlib.Path, how: str, one: int, two: int) -> None:
    """Edit a folder of records as somebody may who can write there."""
    files, others = sorted(ours.iterdir()), sorted(foreign.iterdir())
    if not files:
        return
    first, second = files[one % len(files)], files[two % len(files)]
    data = first.read_bytes()
    green = data.replace(b"STOP", b"GO").replace(b"HOLD", b"GO").replace(b"ROLLBACK", b"GO")
    if how == "delete":
        first.unlink()
    elif how == "swap":
        first.write_bytes(second.read_bytes())
        second.write_bytes(data)
    elif how == "sign again" and first != files[-1]:
        record = json.loads(green)["record"]
        first.write_text(json.dumps({"sha256": digest_of(record), "record": record}))
    written = {
        "copy over": (second, data),
        "copy behind": (ours / f"{len(files) + 1:06d}.json", data),
        "foreign": (first, others[two % len(others)].read_bytes()),
        "forge": (first, green),
    }
    if how in written:
        path, content = written[how]
        path.write_bytes(content)


@PROPERTY
@given(STEPS, STEPS, EDITS)
def test_no_edits_turn_what_is_not_go_into_go_but_the_removal_of_the_end(
    steps: list[Step], others: list[Step], edits: list[tuple[str, int, int]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        written = history(root)
        folder = keep(written, *steps)
        foreign = keep(history(root, "staging"), *others)
        before = [path.read_bytes() for path in sorted(folder.iterdir())]
        assume(missing(written))
        for how, one, two in edits:
            edit(folder, foreign, how, one, two)
        after = [path.read_bytes() for path in sorted(folder.iterdir())]
        # Else the end was removed, or nothing was changed.
        assume(after != before[: len(after)])
        assert missing(written)


def test_a_hold_that_people_decided_counts_for_what_comes_next_and_is_said() -> None:
    """To go on is as good as a GO here; to roll back, a STOP, or another run's decision is not."""
    held = dataclasses.replace(
        a_run(-5, p11_eu=GO, p11_us=GO, p12_eu=HOLD, p12_us=GO), verdict=VERDICT
    )

    def found(
        decision: statements.Kind, run: str = "run--5", digest: str = VERDICT, *more: Step
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        by, why = ("Rosa Keller as release-manager",), "the patients are well"
        decided = {digest: Overridden(run, digest, decision, why, by, AT)}
        entries = told(held, *more)
        return (
            gaps(PARTS, REGIONS, entries, AT, DIGESTS, decided),
            built_on(PARTS, REGIONS, entries, decided),
        )

    said = "Rosa Keller as release-manager decided at 2026-01-31 22:00 UTC to"
    go_on, back = statements.Kind.PROCEED, statements.Kind.ROLLBACK
    overridden = (
        f"OVERRIDDEN: phase 1 was HOLD, and {said} go on: the patients are well (run run--5)"
    )
    assert found(go_on) == ((), (overridden,))
    assert found(back)[0] == (
        f"1.2 was HOLD, and {said} roll back: the patients are well (run run--5) in eu",
    )
    undecided = (("1.2 was HOLD (run run--5) in eu",), ())
    assert found(go_on, "run--9") == undecided
    # Another run by the same name, or a verdict that was edited before people read it.
    assert found(go_on, "run--5", "6" * 64) == undecided
    assert found(go_on, "run--4", VERDICT, STOPPED)[0] == (
        "1.2 was HOLD (run run--5) in eu; 1.2 was STOP (run run--4) in us",
    )


def test_an_end_without_its_verdict_s_digest_is_read_and_nobody_s_decision_is_about_it() -> None:
    (_, ended) = told(a_run(-5, p11_eu=HOLD))
    assert "verdict" not in ended.record()
    assert Entry.from_record(ended.record()) == ended
    nameless = {"": Overridden(ended.run, "", statements.Kind.PROCEED, "why", ("x",), AT)}
    assert gaps(["1.1"], ["eu"], [_, ended], AT, DIGESTS, nameless)


def test_a_phase_that_was_stopped_after_the_next_one_was_go_holds_what_follows(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "utc_now", lambda: AT)

    def third(folder: str, *steps: Step) -> list[str]:
        written = history(tmp_path / folder)
        keep(written, DONE, a_run(-4, p21_eu=GO, p21_us=GO), *steps)
        chronicle = runner.Chronicle(written, "run-9", "prod", REGIONS, DIGESTS)
        return [*chronicle.missing([Phase.parse("2.1")], PARTS)]

    assert third("sound") == []
    (said,) = third("stopped", a_run(-3, p12_us=STOP))
    why = "phase 1 comes before and is not GO for v1.2.0: 1.2 was STOP (run run--3) in us"
    assert said.startswith(f"{why}. Run ")
    assert said.endswith("gate phase 1 --env prod --release v1.2.0, then this phase again")
