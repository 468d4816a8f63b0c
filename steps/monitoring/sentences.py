"""Alert rules, targets, Alertmanager, dashboards, and the people behind them."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_bdd import then, when

from steps.kit.check import Check
from steps.kit.run import Run
from steps.monitoring.alerts import Watch
from steps.monitoring.dashboards import Dashboards, Loaded
from steps.people.rota import Backing


@when("the monitoring is looked at", target_fixture="watch")
def look_at_monitoring(run: Run, check: Check) -> Watch:
    return Watch(run.platform, check)


@then("the release's alert rules are loaded as shipped and evaluated in every region")
def rules_as_shipped(watch: Watch) -> None:
    watch.rules_as_shipped()


@then("every job has all its targets in every region and all of them are up")
def targets_up(watch: Watch) -> None:
    watch.targets_up()


@then("alerts of every severity reach their receiver and the watchdog arrives")
def alerts_arrive(watch: Watch) -> None:
    watch.alerts_arrive()


@when("the dashboards are read", target_fixture="dashboards")
def read_dashboards(run: Run, check: Check) -> tuple[Dashboards, Sequence[Loaded]]:
    dashboards = Dashboards(run.platform, check)
    return dashboards, dashboards.read()


@then("every dashboard is there and asks something")
def all_loaded(dashboards: tuple[Dashboards, Sequence[Loaded]]) -> None:
    """Judged while they were read: a dashboard that is missing has nothing to look at."""


@then("every dashboard has the panels of the release")
def of_the_release(dashboards: tuple[Dashboards, Sequence[Loaded]]) -> None:
    reader, loaded = dashboards
    reader.of_the_release(loaded)


@then("every query of theirs returns data")
def data_flow(dashboards: tuple[Dashboards, Sequence[Loaded]]) -> None:
    reader, loaded = dashboards
    reader.flow(loaded)


@when("the scrapes of every job are counted step by step", target_fixture="scrapes")
def count_scrapes(run: Run, check: Check) -> Dashboards:
    return Dashboards(run.platform, check)


@then("there was no gap in any region")
def no_gap(scrapes: Dashboards) -> None:
    scrapes.without_gaps()


@when("the people behind the deployment are looked up", target_fixture="backing")
def look_up_people(run: Run, check: Check) -> Backing:
    return Backing(run.platform, check)


@then("somebody is on call in the deployment window and through the day after")
def on_call(backing: Backing) -> None:
    backing.somebody_on_call()


@then("the Slack channels are open and the PagerDuty services take incidents")
def channels(backing: Backing) -> None:
    backing.channels_open()
    backing.services_take_incidents()


@then("every role has a person and a way to reach them")
def contacts(backing: Backing) -> None:
    backing.contacts_named()
