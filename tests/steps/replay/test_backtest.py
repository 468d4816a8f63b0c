"""`gate backtest` over the history of a server that answers, and refuses, as Prometheus does."""

from __future__ import annotations

import datetime as dt
import io
import json
import pathlib
import random
from collections.abc import Callable
from email.message import Message
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from gates.cli.main import main
from gates.decide.trigger import Clock, Event, Observation, State, step
from steps.replay import history, past
from tests.golden import Said
from tests.probes.servers import closed_port
from tests.steps.json_server import json_server
from tests.steps.platforms import NOWHERE, a_platform
from tests.tables import cases

BEGAN = dt.datetime(2026, 1, 31, 22, 0, tzinfo=dt.UTC).timestamp()
MINUTE, HOUR = 60.0, 3600.0
LABELS = (
    "release,at,label,since,until\n"
    "v1.1.0,2026-01-31T22:00:00Z,good,,\n"
    "v1.2.0,2026-01-31T23:00:00Z,bad,2026-01-31T23:20:00Z,2026-02-01T00:00:00Z\n"
)
REFUSED = "exceeded maximum resolution of 11,000 points per timeseries"


class Kept:
    """What a Prometheus kept: the share of errors by the minutes since the first release."""

    def __init__(self, errors: Callable[[float], float | None], events: float = 9000) -> None:
        self.errors, self.events = errors, events
        self.warnings: list[str] = []
        self.points: list[int] = []

    def answer(self, _method: str, target: str, _head: Message, form: bytes) -> tuple[int, object]:
        asked = parse_qs(urlsplit(target).query or form.decode())
        begin, end, every = (float(asked[name][0]) for name in ("start", "end", "step"))
        times = [begin + number * every for number in range(int((end - begin) / every + 1.001))]
        self.points.append(len(times))
        if len(times) > 11_000:
            return 400, {"status": "error", "errorType": "bad_data", "error": REFUSED}
        found = [(at, self.value(asked["query"][0], (at - BEGAN) / MINUTE)) for at in times]
        values = [[at, str(value)] for at, value in found if value is not None]
        result = [{"metric": {}, "values": values}] if values else []
        data = {"resultType": "matrix", "result": result}
        return 200, {"status": "success", "data": data, "warnings": self.warnings}

    def value(self, query: str, minutes: float) -> float | None:
        share = self.errors(minutes)
        if query.startswith("1 - max(up"):
            return None if share is None else 0.0
        if "increase" in query:
            return None if share is None else self.events
        return 0.001 if "duration" in query and share is not None else share


def errors(minutes: float) -> float | None:
    """Return 3 % from the second release's twentieth minute on; nothing is known of three minutes."""
    if 30 <= minutes < 33:
        return None
    return 0.03 if 80 <= minutes < 100 else 0.0005


@pytest.fixture
def ask(tmp_path: pathlib.Path) -> Callable[..., tuple[int, str, str]]:
    def asked(kept: Kept | None, *words: str, labels: str = LABELS) -> tuple[int, str, str]:
        (tmp_path / "labels.csv").write_text(labels)
        stdout, stderr = io.StringIO(), io.StringIO()
        line = ["backtest", "--env", str(tmp_path / "environment.yaml")]
        line += ["--from", "2026-01-31T22:00:00Z", "--to", "2026-02-01T01:00:00Z"]
        line += ["--releases", str(tmp_path / "labels.csv"), *words]
        answers = kept.answer if kept is not None else Kept(errors).answer
        with json_server(answers) as url:
            told = url if kept is not None else NOWHERE.format(closed_port())
            job = {"job": "api", "version": "v{release}"}
            requests = {"name": "requests_total", "labels": job, "status_label": "status"}
            a_platform(
                tmp_path,
                {"eu": NOWHERE.format(9)},
                prometheus_at=told,
                prometheus={"job": "api", "scrape_interval": "15s"},
                metrics={
                    "requests_total": requests,
                    "request_duration": {"name": "duration_seconds", "labels": job},
                },
            )
            return main(line, stdout, stderr), stdout.getvalue(), stderr.getvalue()

    return asked


def test_a_release_at_a_time_is_told_what_its_triggers_would_have_said(
    ask: Callable[..., tuple[int, str, str]], said: Said
) -> None:
    said(ask(Kept(errors)))


def test_two_policies_stand_side_by_side(
    ask: Callable[..., tuple[int, str, str]], tmp_path: pathlib.Path, said: Said
) -> None:
    triggers = yaml.safe_load(pathlib.Path("gates/policy/triggers.yaml").read_text())["triggers"]
    kept = [one for one in triggers["watched"] if one["check"] != "TRIG-1"]
    (tmp_path / "less.yaml").write_text(yaml.safe_dump({"triggers": {**triggers, "watched": kept}}))
    said(ask(Kept(errors), "--policy", str(tmp_path / "less.yaml"), "--rollback-minutes", "7"))


def test_what_too_few_events_prove_does_not_fire(
    ask: Callable[..., tuple[int, str, str]],
) -> None:
    code, out, _ = ask(Kept(errors, events=20), "--output", "json")
    found = json.loads(out)["policies"]["policy"]
    assert (code, found["matrix"]["bad"]) == (0, {"fired": 0, "undecided": 1, "quiet": 0})


def test_an_alarm_of_a_good_release_costs_a_rollback(
    ask: Callable[..., tuple[int, str, str]],
) -> None:
    labels = LABELS.replace("bad,2026-01-31T23:20:00Z", "good,")
    code, out, _ = ask(Kept(errors), "--output", "json", labels=labels)
    found = json.loads(out)["policies"]["policy"]
    assert (code, found["false_alarms"], found["false_alarms_minutes"]) == (0, 1, 5)


def test_a_long_history_is_asked_for_in_parts(
    ask: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = Kept(errors), Kept(errors)
    expected = ask(whole)
    monkeypatch.setattr(history, "MOST_POINTS", 50)
    assert ask(parts) == expected
    assert max(parts.points) == 50 < max(whole.points)


def test_a_history_that_can_not_be_read_is_no_result(
    ask: Callable[..., tuple[int, str, str]],
) -> None:
    partial = Kept(errors)
    partial.warnings = ["a store did not answer"]
    code, out, _ = ask(None)
    assert (code, out) == (20, "")
    assert ask(partial)[:2] == (20, "")


@cases(
    "labels",
    {
        "no header": "v1.1.0,2026-01-31T22:00:00Z,good\n",
        "no time": "release,at,label\nv1.1.0,yesterday,good\n",
        "no zone": "release,at,label\nv1.1.0,2026-01-31T22:00:00,good\n",
        "no release": "release,at,label\nnewest,2026-01-31T22:00:00Z,good\n",
        "another label": "release,at,label\nv1.1.0,2026-01-31T22:00:00Z,fine\n",
        "good, and bad since": "release,at,label,since\n"
        "v1.1.0,2026-01-31T22:00:00Z,good,2026-01-31T22:00:00Z\n",
        "a row that ends early": "release,at,label\nv1.1.0\n",
    },
)
def test_labels_that_can_not_be_read_are_one_sentence(labels: str, said: Said) -> None:
    with pytest.raises(past.LabelsError) as caught:
        past.releases(labels.splitlines(), BEGAN, BEGAN + HOUR)
    said(str(caught.value))


def test_no_release_in_that_time_is_wrong_usage(ask: Callable[..., tuple[int, str, str]]) -> None:
    assert ask(Kept(errors), labels="release,at,label\nv1.1.0,2026-02-01T01:00:00Z,good\n")[0] == 64


def test_a_replay_fires_whenever_the_clock_does() -> None:
    """What is skipped, evaluations at which nothing is pending, changes nothing."""
    chance = random.Random(3)  # noqa: S311 - cases, no secrets
    clock = Clock(for_seconds=3, gap_seconds=2)
    for _ in range(100):
        seen = [(float(at), chance.choice((True, False, False, None))) for at in range(40)]
        state, alarms = State(), []
        for at, holds in seen:
            state, events = step(clock, state, Observation(at, holds))
            if Event.FIRING in events:
                alarms.append((state.pending_since, at))
        found, after = past.replayed(clock, seen, lambda _: True)
        assert [(one.since, one.at) for one in found] == alarms
        assert after.undecided_since == state.undecided_since
