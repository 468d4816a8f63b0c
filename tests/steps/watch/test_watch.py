"""One condition, evaluation by evaluation; and an outage on services that a test serves."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

from gates.decide.trigger import Clock
from probes.observation import Deadline
from settings.triggers import TriggersPolicy
from steps.kit.request import EVENTS
from steps.watch import rules
from steps.watch.asking import Seen
from steps.watch.watching import Track, Watch
from tests.golden import Said
from tests.probes.servers import Behaviour, closed_port
from tests.steps import scenarios
from tests.steps.moody import DOWN, FAILING, UP, moody
from tests.steps.platforms import NOWHERE, a_platform, a_policy
from tests.tables import cases

MEANS = {"x": True, ".": False, "?": None}
ENDED = rules.Ended(wanted_seconds=10, seconds=10)


@dataclasses.dataclass
class Scripted:
    """A condition that says what a test wrote: `?` has no answer until `later` gives it one."""

    said: str
    later: str = ""
    proved: bool = True
    subject: str = "Error rate"
    for_seconds: float = 3
    limit: float | None = 0.01
    asked: list[Sequence[float]] = dataclasses.field(default_factory=list)

    def ready_in_seconds(self) -> float:
        return 0

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


@cases(
    "condition ended",
    {
        "healthy all the time": (Scripted(".........."), ENDED),
        "bad for long enough": (Scripted("....xxxx"), ENDED),
        "bad, and not for long enough when it ended": (Scripted("........xx"), ENDED),
        "a gap that stays": (Scripted("....???..."), ENDED),
        "a gap that was closed by asking again": (
            Scripted("....???...", later=".........."),
            ENDED,
        ),
        "a gap that turns out bad": (Scripted("....????.x", later="....xxxx.x"), ENDED),
        "bad for long enough, by too few events": (Scripted("....xxxx..", proved=False), ENDED),
        "stopped": (Scripted("...."), rules.Ended(10, 4)),
        "ended by another one": (Scripted("...."), rules.Ended(10, 4, "TRIG-5")),
    },
)
def test_what_a_watch_comes_to(condition: Scripted, ended: rules.Ended, said: Said) -> None:
    judgement = rules.judge(looked(condition).watched(), ended)
    said([scenarios.sentence(judgement), judgement.clears, judgement.data])


def test_what_was_missed_is_evaluated_with_the_next_one_and_answered_once() -> None:
    condition = Scripted("..........")
    track = looked(condition, missed=frozenset({4, 5, 6}))
    assert condition.asked[3] == [4, 5, 6, 7]
    assert (track.watched().evaluations, track.watched().unanswered) == (10, 0)


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
