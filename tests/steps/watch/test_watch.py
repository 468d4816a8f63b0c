"""One condition, evaluation by evaluation; and an outage on services that a test serves."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from gates.decide.outcome import Outcome
from gates.decide.trigger import Clock
from probes.observation import Deadline
from reports.events import EVALUATED, Watched, read_lines
from settings.rollback import TriggersPolicy
from steps.kit.asked import Asked
from steps.kit.baseline import SHARED, CannotCollectError
from steps.kit.check import Check
from steps.kit.platform import NotDescribedError, Platform
from steps.kit.request import EVENTS
from steps.watch import watching
from steps.watch.asking import Condition, Seen
from steps.watch.rules import Ended, Track, judge
from steps.watch.watching import Confounders, Watch
from tests.golden import Said
from tests.probes.servers import Behaviour, closed_port
from tests.steps import scenarios
from tests.steps.moody import DOWN, FAILING, UP, moody
from tests.steps.platforms import NOWHERE, a_platform, a_policy
from tests.steps.scripted_prometheus import ScriptedPrometheus
from tests.tables import cases

MEANS = {"x": True, ".": False, "?": None}
ENDED = Ended(wanted_seconds=10, seconds=10)


@dataclasses.dataclass
class Scripted(Condition):
    """A condition that says what a test wrote: `?` has no answer until `later` gives it one."""

    said: str
    later: str = ""
    proved: bool = True
    subject: str = "Error rate"
    for_seconds: float = 3
    limit: float | None = 0.01
    twice: bool = False
    every_seconds: float = 0.0
    asked: list[Sequence[float]] = dataclasses.field(default_factory=list)

    def ask(self, times: Sequence[float], now: float) -> tuple[Seen, ...]:
        self.asked.append(times)
        known = self.later if now >= len(self.later) > 0 else self.said
        return tuple(self._seen(at, known[int(at) - 1]) for at in times)

    def _seen(self, at: float, said: str) -> Seen:
        words = {"x": "3% of 900", ".": "0% of 900", "?": "Prometheus is unreachable"}[said]
        value = {"x": 0.03, ".": 0.0, "?": None}[said]
        return Seen(at, words, MEANS[said], value)

    def proves(self, *_: float) -> bool:
        return self.proved


def looked(condition: Scripted, *, missed: frozenset[int] = frozenset()) -> Track:
    """Evaluate at 1, 2, … but for the missed times, which come with the next one."""
    track = Track(("TRIG-1", "eu", condition.subject), Clock(condition.for_seconds, 2), condition)
    due: list[float] = []
    for at in range(1, len(condition.said) + 1):
        due.append(at)
        if at not in missed:
            track.look(due)
            due = []
    return track


def test_a_view_reads_what_a_track_says_of_itself() -> None:
    said = {"began": 0, "wanted_seconds": 9, "watched": [looked(Scripted("...")).described]}
    (shown,) = Watched.begun(said).conditions
    assert (shown.limit, shown.limit_words, shown.for_seconds) == (0.01, "1.00%", 3)
    with pytest.raises(ValueError, match="could not convert"):
        Watched.begun({**said, "watched": [{**said["watched"][0], "limit": "1.00%"}]})  # type: ignore[index] # a list


@cases(
    "condition ended",
    {
        "healthy all the time": (Scripted(".........."), ENDED),
        "bad for long enough": (Scripted("....xxxx"), ENDED),
        "bad, and not for long enough when it ended": (Scripted("........xx"), ENDED),
        "bad again and again, never for long enough": (Scripted(".x.x..x..."), ENDED),
        "bad twice, for less than long enough in all": (Scripted(".x.x......"), ENDED),
        "a gap that stays": (Scripted("....???..."), ENDED),
        "a gap that was closed by asking again": (
            Scripted("....???...", later=".........."),
            ENDED,
        ),
        "a gap that turns out bad": (Scripted("....????.x", later="....xxxx.x"), ENDED),
        "bad for long enough, by too few events": (Scripted("....xxxx..", proved=False), ENDED),
        "a short gap at its end": (Scripted(".........?"), ENDED),
        "shorter than what asks for a rollback": (Scripted(".."), Ended(2, 2)),
        "stopped": (Scripted("...."), Ended(10, 4)),
        "ended by another one": (Scripted("...."), Ended(10, 4, "TRIG-5")),
    },
)
def test_what_a_watch_comes_to(condition: Scripted, ended: Ended, said: Said) -> None:
    judgement = judge(looked(condition), ended)
    said([scenarios.sentence(judgement), judgement.clears, judgement.data])


def test_what_was_missed_is_evaluated_with_the_next_one_and_answered_once() -> None:
    condition = Scripted("..........")
    track = looked(condition, missed=frozenset({4, 5, 6}))
    assert condition.asked[3] == [4, 5, 6, 7]
    assert (track.evaluations, track.unanswered) == (10, 0)


POLICY = a_policy().model_copy(
    update={
        "triggers": TriggersPolicy.model_validate(
            {
                "every": "100ms",
                "gap": "300ms",
                "watched": [{"check": "TRIG-5", "title": "Outage", "unavailable_for": "300ms"}],
            }
        )
    }
)


@cases(
    "moods witness words",
    {
        "it answers": ([UP] * 20, True, "PASS: api: 7 evaluations in 1 s"),
        "it is gone": ([UP, UP, *[DOWN] * 20], True, "FAIL: api: connection lost, bad since"),
        "it answers 500": ([UP, *[FAILING] * 20], True, "FAIL: api: status 500, bad since"),
        "it was gone for a moment": ([UP, DOWN, *[UP] * 20], True, "PASS"),
        "the gate has no network": ([DOWN] * 20, False, "INCONCLUSIVE: api could not be watched"),
    },
)
def test_an_outage_fires_where_something_else_answers(
    tmp_path: pathlib.Path, moods: list[Behaviour], *, witness: bool, words: str
) -> None:
    with moody(UP, *moods) as api, moody() as other:
        controls = (other.url if witness else NOWHERE.format(closed_port()),)
        platform = a_platform(tmp_path, {"eu": api.url}, policy=POLICY, vantage_controls=controls)
        found = scenarios.told(scenarios.judged("TRIG-5", platform))
    assert [one for one in found if one.startswith(words)] == found


def test_a_watch_goes_on_where_another_one_was_stopped(tmp_path: pathlib.Path) -> None:
    with moody(UP, *[DOWN] * 3) as api, moody() as other:
        where = {"eu": api.url}
        platform = a_platform(tmp_path, where, policy=POLICY, vantage_controls=(other.url,))
        platform = dataclasses.replace(platform, watch_seconds=9.0)
        stopped = dataclasses.replace(platform, deadline=Deadline.after(0.25))
        with scenarios.a_run(stopped, tmp_path) as run:
            first = Watch.of(run)
        before = (tmp_path / EVENTS).rename(tmp_path / "before.jsonl")
        api.mood = DOWN
        again = dataclasses.replace(platform, watch_seconds=3.0, resumed=before)
        with scenarios.a_run(again, tmp_path) as run:
            watch = Watch.of(run)
    assert first.ended.by == ""
    assert (watch.ended.wanted_seconds, watch.ended.by) == (9.0, "TRIG-5")
    assert watch.ended.seconds > first.ended.seconds
    shown = read_lines((tmp_path / EVENTS).read_text().splitlines()).watched
    assert shown is not None
    assert [(one.key, one.status) for one in shown.conditions] == [
        (("TRIG-5", "eu", "api"), "fired")
    ]


def test_a_watch_that_was_killed_between_two_lines_asks_again_what_one_condition_lacks(
    tmp_path: pathlib.Path,
) -> None:
    with moody() as api, moody() as web:
        platform = a_platform(tmp_path, {"eu": api.url, "us": web.url}, policy=POLICY)
        platform = dataclasses.replace(platform, watch_seconds=9.0)
        stopped = dataclasses.replace(platform, deadline=Deadline.after(0.6))
        with scenarios.a_run(stopped, tmp_path) as run:
            Watch.of(run)
        lines = (tmp_path / EVENTS).read_text().splitlines(keepends=True)
        of_us = [one for one in lines if EVALUATED in one and '"us"' in one]
        before = tmp_path / "before.jsonl"
        before.write_text("".join(one for one in lines if one not in of_us[1:]))
        (tmp_path / EVENTS).unlink()
        again = dataclasses.replace(stopped, deadline=Deadline.after(1.0), resumed=before)
        with scenarios.a_run(again, tmp_path) as run:
            watch = Watch.of(run)
            check = Check("TRIG-5", platform.regions)
            watch.judge(Asked(again, check, platform.regions))
    eu, us = (scenarios.all_of(check, region)[0].data for region in platform.regions)
    assert us["evaluations"] == eu["evaluations"]
    # Nobody can say later whether a service was up: what was lost, and is asked again, has no answer.
    asked = [before, tmp_path / EVENTS]
    told = [json.loads(line) for path in asked for line in path.read_text().splitlines()]
    holds = {
        one["at"]: one["holds"]
        for one in told
        if one["event"] == EVALUATED and one["region"] == "us"
    }
    assert {holds[json.loads(line)["at"]] for line in of_us[1:]} == {None}
    assert us["without_an_answer"] == list(holds.values()).count(None)


def test_a_trigger_that_the_policy_lacks_is_not_watched_and_not_good(
    tmp_path: pathlib.Path,
) -> None:
    policy = POLICY.model_copy(update={"triggers": TriggersPolicy(every="100ms", gap="300ms")})
    with moody() as api, pytest.raises(NotDescribedError, match="lacks a trigger for TRIG-5; add"):
        scenarios.judged("TRIG-5", a_platform(tmp_path, {"eu": api.url}, policy=policy))


def test_a_prometheus_that_was_restarted_leaves_a_watch_undecided(
    tmp_path: pathlib.Path, prometheus: ScriptedPrometheus
) -> None:
    section = {"job": "api", "scrape_interval": "1s"}
    where: dict[str, Any] = {"prometheus_at": prometheus.url, "prometheus": section}
    seen = Confounders(a_platform(tmp_path, {"eu": "http://eu"}, policy=POLICY, **where))
    seen.look(last=False)
    seen.look(last=True)
    assert list(seen.judged("eu")) == []
    prometheus.restarts_now()
    seen.look(last=True)
    (found,) = seen.judged("eu")
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.sentence.startswith("Prometheus was restarted while the release was watched")


@pytest.mark.parametrize(("policy", "good"), [("hold", None), ("show", True)])
def test_what_was_changed_or_could_not_be_read_leaves_a_watch_undecided(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, policy: str, *, good: bool | None
) -> None:
    said = iter([{SHARED: {"a": "on"}}, {SHARED: {"a": "off"}}])
    triggers = TriggersPolicy.model_validate({"confounders": policy})
    platform = a_platform(
        tmp_path, {"eu": "http://eu"}, policy=POLICY.model_copy(update={"triggers": triggers})
    )
    monkeypatch.setattr(type(platform.environment), "sections", {"flags", "kubernetes"})

    def unread(_: Platform) -> Mapping[str, Any]:
        raise CannotCollectError("the cluster of eu: connection refused")

    read = (("flags", lambda _: next(said)), ("kubernetes", unread))
    monkeypatch.setattr(watching, "_READ", read)
    seen = Confounders(platform)
    seen.look(last=False)
    seen.look(last=True)
    found = [(one.outcome is Outcome.PASS, one.sentence) for one in seen.judged("eu")]
    assert [passed for passed, _ in found] == [good is True] * 2
    assert "flag a was changed while" in found[0][1]
    assert "is not known: the cluster of eu: connection refused" in found[1][1]
