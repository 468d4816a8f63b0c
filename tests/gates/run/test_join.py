from __future__ import annotations

import json
import pathlib
import re
import tempfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gates.decide.fold import Reason
from gates.decide.outcome import Decision, Outcome, worst_decision
from gates.decide.scope import Deferred
from gates.load import Checks
from gates.run import verdict
from gates.run.join import Joined, NotJoinedError, join
from reports import explanation
from reports.verdict import read
from tests.gates.run.left import ASKED, a_run, ago
from tests.tables import cases

FAILED = [(Outcome.FAIL,)]


def test_two_green_regions_are_one_go_with_their_evidence(tmp_path: pathlib.Path) -> None:
    sources = [a_run(tmp_path, "eu"), a_run(tmp_path, "us")]
    joined = join(sources, tmp_path / "out")
    assert joined.is_go
    assert joined.regions == {"eu": "GO", "us": "GO"}
    assert [one.run for one in joined.joined] == [source.run for source in sources]
    assert all(len(one.sha256) == 64 for one in joined.joined)
    folder = tmp_path / "out" / joined.run
    assert read(json.loads((folder / "verdict.json").read_text())) == joined
    assert {path.name for path in folder.iterdir()} == {
        *("verdict.json", "junit.xml", "summary.md", "sign-off.html", "allure-results"),
    }
    assert "Joined from" in explanation.render(joined)
    (sources[0].folder / "events.jsonl").unlink()
    with pytest.raises(NotJoinedError, match="has no events"):
        join(sources, tmp_path / "out")


DIGESTS = {"policy": "p", "catalogue": verdict.catalogue_digest(Checks()), "environment": "e"}
CHILD = (Reason(None, None, "RUN", Decision.HOLD, "the child died", None, None),)
EXCUSED = {"IV-HEALTH-1": [(Outcome.NOT_APPLICABLE,)]}


def eu_and(**changes: Any) -> Callable[[pathlib.Path], list[Joined]]:
    return lambda folder: [a_run(folder, "eu"), a_run(folder, "us", **changes)]


def of_an_older_catalogue(folder: pathlib.Path) -> list[Joined]:
    return [a_run(folder, one, digests=DIGESTS | {"catalogue": "older"}) for one in ("eu", "us")]


TWICE = {"IV-HEALTH-1": [*FAILED, (Outcome.PASS,)]}


@cases(
    "left",
    {
        "another release": eu_and(release="v1.1.0"),
        "another environment": eu_and(environment="staging"),
        "another window": eu_and(window="1h"),
        "another policy": eu_and(digests=DIGESTS | {"policy": "q"}),
        "a run of yesterday": eu_and(started_at=ago(24 * 60)),
        "a run of tomorrow": eu_and(started_at=ago(-60)),
        "a run that was interrupted": eu_and(state="interrupted"),
        "a run with a problem of its own": eu_and(reasons=CHILD),
        "another catalogue than this one": of_an_older_catalogue,
        "a missing region": lambda folder: [a_run(folder, "eu")],
        "a region given twice": lambda folder: [
            a_run(folder, "eu"),
            *[a_run(folder, "us")] * 2,
        ],
        "a check that excuses itself": lambda folder: [
            a_run(folder, "eu", EXCUSED),
            a_run(folder, "us"),
        ],
        "the worst region decides": eu_and(found={"IV-HEALTH-1": FAILED}),
        "a check that failed and then passed": eu_and(found=TWICE),
    },
)
def test_runs_that_are_not_whole_or_green_or_not_of_one_question_are_no_go(
    tmp_path: pathlib.Path,
    left: Callable[[pathlib.Path], list[Joined]],
    said: Callable[..., None],
) -> None:
    joined = join(left(tmp_path), tmp_path / "out")
    reasons = {f"{one.decision}: {one.sentence}" for one in joined.reasons}
    text = re.sub(r"[-0-9]+ [0-9:]+ UTC", "A TIME", "\n".join(sorted(reasons)))
    said([joined.decision, joined.regions, text.split("\n")])


DEFERRED = Deferred(("T7-DOCS-6",), "Sunday 2026-02-01 22:00 UTC")


@cases("regions differing", {"in both regions": (("eu", "us"), 0), "in one": (("us",), 1)})
def test_what_a_hotfix_deferred_stays_with_what_is_joined_and_has_to_be_the_same(
    tmp_path: pathlib.Path, regions: tuple[str, ...], differing: int
) -> None:
    """In whichever run is named first: what one of them did not ask is never GO by the other."""
    runs = [
        a_run(tmp_path, one, deferred=DEFERRED if one in regions else None) for one in ("us", "eu")
    ]
    joined = join(runs, tmp_path / "out")
    assert joined.deferred == DEFERRED
    assert joined.is_go is not bool(differing)
    said = [one.sentence for one in joined.reasons if "is of deferred" in one.sentence]
    assert len(said) == differing


def test_a_joined_verdict_that_would_be_better_than_a_run_is_not_made(
    tmp_path: pathlib.Path,
) -> None:
    red = a_run(tmp_path, "us", decision=Decision.ROLLBACK, exit_code=10)
    with pytest.raises(NotJoinedError, match="said ROLLBACK of us"):
        join([a_run(tmp_path, "eu"), red], tmp_path / "out")


OUTCOMES = st.lists(st.sampled_from(Outcome), min_size=1, max_size=2).map(tuple)
FOUND = st.dictionaries(
    st.sampled_from([row.id for row in ASKED.required]), st.lists(OUTCOMES, max_size=3), max_size=4
)


@settings(max_examples=60, deadline=None)
@given(FOUND, FOUND)
def test_a_joined_verdict_is_never_better_than_its_worst_run(
    eu: dict[str, list[tuple[Outcome, ...]]], us: dict[str, list[tuple[Outcome, ...]]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        sources = [a_run(folder, "eu", eu), a_run(folder, "us", us)]
        joined = join(sources, folder / "out").decision or Decision.HOLD
    said = [source.verdict.decision or Decision.HOLD for source in sources]
    assert worst_decision([joined, *said]) is joined
    assert (joined is Decision.GO) == (set(said) == {Decision.GO})
