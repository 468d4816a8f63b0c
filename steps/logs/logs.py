"""The logs of the API, the audit service and the security monitor after the release, region by region."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from pytest_bdd import parsers

from gates.decide.judgement import Judgement
from probes.log_lines import Log
from steps.cluster.clusters import Clusters
from steps.kit.asked import Asked
from steps.kit.baseline import before as baseline_before
from steps.kit.expect import nothing_to_judge
from steps.kit.run import Run
from steps.kit.sentence import then, when
from steps.logs import rules
from steps.logs.reading import BEFORE, Reading
from steps.stability.rules import Was

_SECONDS = {"hour": 3600.0, "day": 86_400.0}
_NAMES = {"app": "the app", "audit": "the audit service", "security": "the security monitor"}
Judge = Callable[[str, Log, Was | None], Iterator[Judgement]]


@when(parsers.parse("the logs of the last {span} are read in every region"), target_fixture="logs")
def the_logs(run: Run, span: str) -> Reading:
    return Reading(run.shared(Clusters.of), _SECONDS[span])


@then("the app logged no critical error, and none that is new or more frequent than before")
def app_without_errors(asked: Asked, logs: Reading) -> None:
    _each(asked, logs, "app", _errors(logs))


@then("the audit service was at work, and logged no error that is new or more frequent than before")
def audit_service_at_work(asked: Asked, logs: Reading) -> None:
    if asked.platform.environment.settings.logs is None:
        asked.judge(
            nothing_to_judge("the audit service's log", "the environment describes no logs")
        )
        return
    _each(asked, logs, "audit", _errors(logs))


@then("the security monitor was at work, and reported no alert")
def no_alerts(asked: Asked, logs: Reading) -> None:
    def judge(subject: str, log: Log, _: object) -> Iterator[Judgement]:
        yield rules.alerts(subject, log, logs.section.alerts)

    _each(asked, logs, "security", judge)


@then("the security monitor counted no spike of failed logins against the time before")
def no_spike(asked: Asked, logs: Reading) -> None:
    def count(events: Mapping[str, int]) -> int:
        return sum(events.get(one, 0) for one in logs.section.failed_logins)

    def judge(subject: str, log: Log, before: Was | None) -> Iterator[Judgement]:
        if before is not None:
            was = rules.counted_before(before, count(before.facts["events"]))
            now, seconds = count(log.counts.events), logs.period().seconds(log)
            growth = asked.platform.policy.logs.failed_logins
            yield rules.grown(f"{subject}, failed logins", now, was, growth, seconds)

    _each(asked, logs, "security", judge)


def _errors(logs: Reading) -> Judge:
    def judge(subject: str, log: Log, before: Was | None) -> Iterator[Judgement]:
        yield from rules.errors(subject, log, before, logs.platform.policy.logs, logs.period())

    return judge


def _each(asked: Asked, logs: Reading, program: str, judge: Judge) -> None:
    """Read a program's log in every region, judge that it is whole, and then what is in it."""
    known = baseline_before(asked.platform, asked.check, BEFORE)
    subject = f"the log of {_NAMES[program]}"

    def measure(here: Asked) -> None:
        log = here.read(subject, lambda: logs.of(here.region, program))
        here.judge(rules.whole(subject, log, asked.platform.policy.logs, logs.period()))
        if program == "app":
            look = logs.clusters.looked_at(here)
            names = [one.name for one in look.pods(look.release)]
            here.judge(rules.of_the_release(subject, names, log))
        earlier = known.get(here.region)
        was = Was(earlier.facts[program], earlier.baseline) if earlier is not None else None
        here.judge(*judge(subject, log, was))

    logs.clusters.in_each_region(asked, measure)
