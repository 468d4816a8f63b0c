"""How long people wait for the pages and what those cost, against the policy and the release before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import probes
from environments.yaml_file import ConfigurationError, read_json
from gates.decide.judgement import Judgement
from gates.decide.suite import Kind
from settings.browser import Browser, VitalsPolicy
from smoke import loads
from smoke.examined import Loaded
from steps.browser import accessibility_rules, vitals_rules
from steps.browser.walked import Walk, Walked, conclude, walked
from steps.kit.asked import Asked
from steps.kit.expect import nothing_to_judge, unable
from steps.kit.platform import Platform
from steps.kit.run import Run
from steps.kit.sentence import then, when

_KIND = Kind.VITALS


@when("each page of the web application is loaded afresh", target_fixture="loaded")
def loaded(run: Run) -> Walked[Loaded]:
    return run.shared(_loaded)


def _loaded(run: Run) -> Walked[Loaded]:
    seconds = run.platform.policy.vitals.budget
    return walked(run, Walk("vitals", loads.load, seconds, (probes.looks.WATCH,)))


@then("none is slower, heavier or less steady than the policy allows, or than the release before")
def within_limits(run: Run, asked: Asked, loaded: Walked[Loaded]) -> None:
    found, policy = loaded.read(asked), run.platform.policy.vitals
    judgements = [
        *accessibility_rules.not_seen(found.missing),
        *(
            one
            for page, took in found.pages.items()
            for one in vitals_rules.within(page, took, policy)
        ),
        *_compared(run.platform, found, policy),
    ]
    facts = {
        name: value
        for page, took in found.pages.items()
        for name, value in vitals_rules.facts_of(page, took)
    }
    conclude(run, asked, _KIND, loaded, judgements, facts=facts)


def _compared(platform: Platform, found: Loaded, policy: VitalsPolicy) -> Iterator[Judgement]:
    """Yield what became of each page since the release before, if its evidence is kept."""
    subject, kept = "web vitals of the release before", platform.section(Browser).previous_vitals
    if kept is None:
        yield nothing_to_judge(subject, "browser.previous_vitals names none")
        return
    try:
        before = read_json(platform.beside(kept))
    except ConfigurationError as exc:
        yield unable(subject, f"{subject}: {exc}", f"{kept} as evidence has it")
        return
    facts = before.get("facts")
    if before.get("kind") != _KIND.value or not isinstance(facts, Mapping):
        yield unable(subject, f"{subject}: {kept} is not evidence of them", f"another {kept}")
        return
    for page, took in found.pages.items():
        yield from vitals_rules.worse(page, took, facts, policy)
