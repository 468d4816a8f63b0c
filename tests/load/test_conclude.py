from __future__ import annotations

import dataclasses
import json
import math
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from environments.yaml_file import ConfigurationError
from gates.decide.plain_text import plain
from load._conclude import LoadRecord, announced
from load._engine._histogram import Histogram
from load._engine._tally import Endpoint, Tally
from load._engine._wire import Trouble
from load._keep import exit_code, keep, read_baseline, write_allure
from load._run import Run, Stage
from load._scenario import LoadError
from reports import load_page
from reports.load_words import DamagedLoadRecordError, checked
from tests.limits import full_disk
from tests.load.runs import (
    BEGAN_AT,
    RPS,
    SECONDS,
    STEADY,
    a_plan,
    a_tally,
    a_worker,
    concluded,
    failed_run,
    ramp_run,
    spike_run,
    valid_run,
    with_eu,
    with_worker,
)
from tests.tables import cases


def sentences(record: LoadRecord) -> str:
    return " | ".join(
        one["judgement"]["sentence"]
        for one in record["judgements"]
        if one["judgement"]["outcome"] not in {"PASS", "NOT_APPLICABLE"}
    )


def steady(**changes: Any) -> Run:
    """Return the valid run with changes of its one stage."""
    return valid_run(plan=a_plan(stages=(dataclasses.replace(STEADY, **changes),)))


def with_an_empty_second() -> Run:
    tally = a_tally()
    tally.seconds[BEGAN_AT + 3].sent = 1
    return with_eu(tally)


def too_late() -> Run:
    return valid_run(plan=a_plan(profile="spike"), begun={1: (BEGAN_AT - 20, BEGAN_AT - 10)})


ENDLESS = dataclasses.replace(STEADY, number=2, rps=math.inf, seconds=math.nan)


@cases(
    "run",
    {
        "a valid run passes": valid_run,
        "a region that fails fails the run": failed_run,
        "nothing was counted": lambda: valid_run(tallies={}),
        "a region was never sent to": lambda: valid_run(tallies={(1, "us"): a_tally()}),
        "the stage never began": lambda: valid_run(begun={}),
        "half a second": lambda: valid_run(begun={1: (BEGAN_AT, BEGAN_AT + 0.5)}),
        "cut short": lambda: valid_run(begun={1: (BEGAN_AT, BEGAN_AT + 20)}),
        "nothing was to be judged": lambda: steady(measured=False),
        "no region": lambda: valid_run(plan=a_plan(regions={})),
        "a schedule that asked for less than the plan": lambda: steady(rps=2.5 * RPS),
        "one empty second": with_an_empty_second,
        "late": lambda: with_eu(a_tally(late=4)),
        "a lag": lambda: with_eu(a_tally(lag_seconds=0.2)),
        **{
            trouble: lambda trouble=trouble: with_eu(a_tally(bad_every=10, trouble=trouble))
            for trouble in (Trouble.PORTS, Trouble.NAME, Trouble.ROUTE, Trouble.AUTHORITY)
        },
        "a mistake of the scenario": lambda: with_eu(
            a_tally(bad_every=10, trouble="its check raised KeyError")
        ),
        "a worker that never came": lambda: valid_run(expected_workers=3),
        "a worker that told nothing of itself": lambda: with_worker(moments=()),
        "a busy worker": lambda: with_worker(cpu_share=0.85),
        "interrupted": lambda: valid_run(interrupted="SIGTERM"),
        "far below its rate": lambda: valid_run(
            tallies={place: a_tally(rps=20) for place in ((1, "eu"), (1, "us"))}
        ),
        "a closed model": lambda: valid_run(
            plan=a_plan(model="closed", stages=(Stage(1, 16.0, float(SECONDS), title="callers"),))
        ),
        "a rate without end": lambda: valid_run(plan=a_plan(stages=(STEADY, ENDLESS))),
        "a spike that ended before anything was counted": too_late,
        "a stage that ended before it began": lambda: valid_run(
            begun={1: (BEGAN_AT + 9, BEGAN_AT)}
        ),
    },
)
def test_a_record_says_what_was_found_when_it_is_read_back(
    run: Callable[[], Run], said: Callable[..., None]
) -> None:
    """What deserves no pass gets none, and what makes no sense is shown all the same."""
    record = concluded(run())
    assert (record["result"] == "INVALID") is (exit_code(record) == 20)
    assert checked(json.loads(json.dumps(record, allow_nan=False))) == record
    assert load_page.plain(record).startswith(f"load: {record['result']}")
    cause = (record["bottleneck"] or {}).get("cause")
    found = [record["result"], exit_code(record), record["regions"], cause]
    said([*found, *sentences(record).split(" | ")])


def test_partial_seconds_at_a_stages_edges_do_not_count() -> None:
    late_start = a_tally()
    late_start.seconds[BEGAN_AT].sent = late_start.seconds[BEGAN_AT + SECONDS - 1].sent = 60
    within = {1: (BEGAN_AT + 0.5, BEGAN_AT + SECONDS - 0.4)}
    assert concluded(with_eu(late_start, begun=within))["result"] == "PASS"
    outside = {1: (BEGAN_AT - 0.3, BEGAN_AT + SECONDS + 0.1)}
    uniform = a_plan(arrivals="uniform")
    around = with_eu(late_start, plan=uniform, begun=outside)
    assert "2 of 30 seconds" in sentences(concluded(around))
    # A clock that is off moves the edges inwards.
    late_start.seconds[BEGAN_AT + SECONDS - 1].sent = late_start.seconds[BEGAN_AT + 1].sent
    skewed = (a_worker(clock_skew_seconds=0.3), a_worker("worker-2"))
    edges = {1: (BEGAN_AT - 0.1, BEGAN_AT + SECONDS + 0.1)}
    run = with_eu(late_start, plan=uniform, workers=skewed, begun=edges)
    assert concluded(run)["result"] == "PASS"


def test_a_duration_in_the_thresholds_own_bucket_counts_as_over_it() -> None:
    slow = a_tally()
    just_below = Histogram()
    just_below.record_all(np.full(2700, 0.1995))
    slow.endpoints["login"].response = slow.endpoints["login"].service = just_below
    record = concluded(with_eu(slow))
    assert record["regions"] == {"eu": "FAIL", "us": "PASS"}


def test_what_two_workers_counted_judges_as_what_one_would_have() -> None:
    whole_tally, other = a_tally(seed=1), a_tally(seed=3, bad_every=100)
    together = Tally.whole([whole_tally, other])
    told = Tally.whole(Tally.from_record(one.record()) for one in (other, whole_tally))
    plan = a_plan(stages=(dataclasses.replace(STEADY, rps=2.0 * RPS),))
    one, two = (
        concluded(valid_run(plan=plan, tallies={(1, "eu"): tally, (1, "us"): tally}))
        for tally in (together, told)
    )
    assert one["judgements"] == two["judgements"]
    assert one["result"] == two["result"] == "FAIL"


def test_the_order_of_workers_and_tallies_changes_no_record() -> None:
    run = failed_run()
    turned = dataclasses.replace(
        run, workers=run.workers[::-1], tallies=dict(reversed(list(run.tallies.items())))
    )
    assert concluded(turned) == concluded(run)


def test_raw_histograms_can_be_merged_again() -> None:
    record = concluded(valid_run())
    rows = [{**one, "seconds": {}} for one in record["counted"]]
    assert [(row.pop("stage"), row.pop("region")) for row in rows] == [(1, "eu"), (1, "us")]
    again = [Tally.from_record(row) for row in rows]
    response = Tally.whole(again).endpoints["login"].response
    shown = next(
        row for row in record["endpoints"] if (row["region"], row["endpoint"]) == ("all", "login")
    )
    assert response.percentile(99.9) == shown["response"]["p99.9"]
    assert response.count == shown["requests"]


def test_the_timeline_has_every_second_and_nothing_far_away() -> None:
    tally = a_tally()
    del tally.seconds[BEGAN_AT + 4]
    tally.second(BEGAN_AT + 10_000_000).sent += 1
    record = concluded(valid_run(tallies={(1, "eu"): tally}))
    rows = record["timeline"]
    assert [row["at"] for row in rows[:SECONDS]] == list(range(SECONDS))
    assert len(rows) < SECONDS + 200
    assert (rows[4]["sent"], rows[4]["p99"]) == (0, None)
    assert rows[5]["sent"] == rows[5]["completed"] == RPS // 2
    assert rows[5]["target"] == RPS
    assert rows[5]["in_flight"] == 8


def test_what_is_sent_behind_a_stages_end_makes_its_rate_no_higher() -> None:
    longer = a_tally(seconds=SECONDS + 5)
    run = valid_run(plan=a_plan(regions={"eu": "http://127.0.0.1:1"}), tallies={(1, "eu"): longer})
    record = concluded(run)
    assert record["stages"][0]["sent_rps"] == RPS // 2
    together = record["endpoints"][-1]
    assert (together["endpoint"], together["rps"]) == ("all", pytest.approx(RPS // 2))


@pytest.mark.parametrize(("wanted", "result"), [(360, "FAIL"), (120, "PASS")])
def test_a_ramp_passes_if_it_came_far_enough_and_tells_how_far(wanted: int, result: str) -> None:
    record = concluded(ramp_run(wanted_rps=wanted))
    assert record["result"] == result
    assert record["sustained"]["rps"] == 120
    assert record["sustained"]["why_not_more"].startswith("240/s: p95")
    judged = [stage["regions"].get("eu") for stage in record["stages"]]
    assert judged == [None, "PASS", "FAIL", None]
    assert record["calibration"]["completed"] == 3600


def test_a_record_that_forgets_what_was_required_contradicts_itself() -> None:
    record = concluded(ramp_run(wanted_rps=120))
    assert checked(record) == record
    forged = [{**one, "required": one["stage"] is None} for one in record["judgements"]]
    with pytest.raises(DamagedLoadRecordError, match="contradicts itself"):
        checked({**record, "judgements": forged})


def test_a_spike_tells_how_long_the_platform_needed() -> None:
    found = [concluded(spike_run(recovers_after=after))["recovery"] for after in (0, 4, None)]
    assert found == [{"stage": 1, "rps": 240.0, "seconds": after} for after in (0, 4, None)]


def test_an_address_keeps_its_login_to_itself() -> None:
    record = concluded(valid_run(plan=a_plan(regions={"eu": "https://me:geheim@api.example/v1"})))
    assert record["plan"]["regions"] == {"eu": "https://api.example/v1"}
    assert "geheim" not in json.dumps(record)
    # What makes no sense has a page, too.
    assert "INVALID" in load_page.render(concluded(too_late()))


def test_a_run_is_kept_whole_and_its_figures_stand_beside_anothers(tmp_path: pathlib.Path) -> None:
    keep(record := concluded(valid_run()), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"load.html", "load.json"}
    assert json.loads((tmp_path / "load.json").read_text(encoding="utf-8")) == record
    compared = concluded(failed_run(), baseline=read_baseline(tmp_path / "load.json"))["baseline"]
    assert (compared["result"], compared["differs"]) == ("PASS", [])
    rows = {(row["region"], row["endpoint"]): row for row in compared["rows"]}
    assert rows["us", "all"]["p99"]["ratio"] == 1.0
    assert rows["eu", "all"]["p99"]["ratio"] > 100
    other = concluded(ramp_run(), baseline=read_baseline(tmp_path / "load.json"))["baseline"]
    assert other["differs"] == ["profile", "regions", "stages"]


NO_DURATION = {"region": "eu", "endpoint": "x", "response": {"p50": "1"}, "service": {}}


@cases(
    "content words",
    {
        "no file": (None, "cannot be read: No such file or directory"),
        "half a file": ("{", "is not JSON text"),
        "only brackets": ("[" * 200_000, "is not JSON text"),
        "a list": ("[]", "it is not a record of a load run"),
        "something else": ('{"kind": "verdict"}', "it is not a record of a load run"),
        "another schema": ({"schema": 2}, "its schema is 2, and only 1 is known"),
        "incomplete": ({"state": "incomplete"}, "was killed or has not ended"),
        "no table": ({"endpoints": None}, "“endpoints” is missing"),
        "no row": ({"endpoints": [{}]}, "a row of its table is none"),
        "no duration": ({"endpoints": [NO_DURATION]}, "a duration of its table is none"),
        "another result": ({"result": "FAIL"}, "it contradicts itself"),
        "another code": ({"exit_code": 10}, "it contradicts itself"),
        "no judgement": ({"judgements": []}, "it contradicts itself"),
        "a damaged one": ({"judgements": [{}]}, "a judgement cannot be read"),
    },
)
def test_a_baseline_that_is_none_is_refused(
    content: str | dict[str, Any] | None, words: str, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "load.json"
    if isinstance(content, dict):
        content = json.dumps({**concluded(valid_run()), **content})
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_baseline(path)
    assert str(caught.value).startswith(f"--baseline {path}: ")
    assert words in str(caught.value)
    assert "name the load.json of an earlier run" in str(caught.value)


def test_a_baseline_that_lacks_what_is_only_shown_spoils_no_run() -> None:
    earlier = {**concluded(valid_run()), "plan": {}}
    del earlier["started_at"]
    compared = concluded(valid_run(), baseline=earlier)["baseline"]
    assert (compared["started_at"], compared["release"]) == (None, None)


def test_a_run_that_is_killed_leaves_a_record_without_a_result(tmp_path: pathlib.Path) -> None:
    keep(announced(a_plan(), BEGAN_AT), tmp_path / "run")
    record = json.loads((tmp_path / "run" / "load.json").read_text(encoding="utf-8"))
    assert record["result"] is None
    assert exit_code(record) == 70
    with pytest.raises(DamagedLoadRecordError, match="killed or has not ended"):
        checked(record)


def test_text_of_others_is_made_plain_wherever_a_run_is_written(tmp_path: pathlib.Path) -> None:
    odd = "odd\x1b[2J\x00\ud83d"
    run = valid_run(
        plan=a_plan(command=odd, regions={"eu": odd, "us": odd}),
        tallies={(1, region): Tally(endpoints={odd: Endpoint()}) for region in ("eu", "us")},
        workers=(a_worker(odd),),
        interrupted=odd,
        machine={"hostname": odd},
    )
    keep(announced(run.plan, BEGAN_AT), tmp_path)
    record = concluded(run)
    keep(record, tmp_path)
    write_allure(record, tmp_path, began=BEGAN_AT, ended=BEGAN_AT)
    texts = [path.read_text("utf-8") for path in tmp_path.rglob("*") if path.is_file()]
    for text in [*texts, load_page.plain(record)]:
        assert plain(text) == text
    assert json.loads((tmp_path / "load.json").read_text("utf-8"))["machine"] == {
        "hostname": "odd\ufffd[2J\ufffd\ufffd"
    }


def test_a_full_disk_is_said_and_leaves_no_pass(tmp_path: pathlib.Path) -> None:
    """The limit on file sizes stands for the disk: the announcement still fits."""
    keep(announced(a_plan(), BEGAN_AT), tmp_path)
    record = concluded(valid_run())
    words = r"cannot be written: .*; without it there is no"
    with full_disk(2000), pytest.raises(LoadError, match=words):
        keep(record, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["load.json"]
    assert json.loads((tmp_path / "load.json").read_text(encoding="utf-8"))["result"] is None
