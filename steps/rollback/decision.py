"""Which way leads back, who may order it, who is called: METHOD-1, AUTH-1 and ESC-1."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from environments.release_file import releases_after
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from gates.decide.rollback.plan import (
    DATABASE,
    DNS,
    FIX_READY,
    FLAGS,
    OLD_CODE_RUNS,
    Choice,
    Facts,
    choose,
)
from gates.decide.schedule import WEEK, time_left
from probes.observation import utc_now
from settings.delivery import Images
from settings.people import Contact, People
from settings.rollback import RollbackPolicy
from steps.cluster.clusters import Clusters
from steps.kit.asked import Asked, Unread
from steps.kit.baseline import Baseline, baseline_of
from steps.kit.expect import expect, measured, unable
from steps.kit.platform import Platform
from steps.kit.release import described_release
from steps.kit.run import Run
from steps.kit.sentence import described, then, when
from steps.people import rules
from steps.people.people import judge_service
from steps.people.windows import open_windows
from steps.rollback import areas, data
from steps.rollback.reading import Reading, policy_of

_RULE = "rollback method"
_SHARED = (FLAGS, DNS, DATABASE)
"""What all regions share."""
_SECRET_LENGTH = 8
"""Shorter ones occur by chance."""

described("the people behind a rollback are looked up", People, "people")


@when("the way back from the release is looked for", target_fixture="baseline")
def look_for_it(asked: Asked) -> Baseline | None:
    return baseline_of(asked.platform, asked.check)


@then("one method fits what the release changed and what is true now")
def one_fits(run: Run, asked: Asked, baseline: Baseline | None) -> None:
    if baseline is None:
        raise Unread("the baseline")
    policy = policy_of(asked.platform)
    facts = _gathered(run.shared(Clusters.of), asked, baseline, policy)
    choice = choose(facts, policy, asked.platform.policy.deployment)
    asked.judge(
        partly(choice, asked.platform)
        or _with_secret(facts, asked.platform)
        or _chosen(choice, facts, baseline)
    )


def _gathered(
    clusters: Clusters, asked: Asked, baseline: Baseline, policy: RollbackPolicy
) -> Facts:
    """Return what is true now: a fact that can't be read is unknown, and hides none of the next."""
    reading = Reading(asked, baseline)
    asked.each((reading,), _describe)
    reading.ask(("flags", "flags before"), areas.flags)
    reading.ask(("code", "old workload"), partial(areas.code, clusters))
    reading.ask(("old image",), areas.images)
    reading.ask(("dns", "records before"), areas.records)
    reading.ask(("configuration",), partial(areas.configuration, clusters))
    reading.ask(("assets",), areas.assets)
    reading.declared("alert_rules")
    areas.commands(reading)
    reading.ask(("schema", OLD_CODE_RUNS), data.migrated)
    if reading.true.get(OLD_CODE_RUNS) is False:
        # Nothing else needs it, and reading a whole backup takes its time.
        reading.ask(data.OF_THE_BACKUP, partial(data.backup, policy))
    reading.ask((FIX_READY,), _fix)
    return reading.facts(_seconds_left(asked.platform))


def _describe(reading: Reading) -> None:
    reading.release = described_release(reading.asked)
    platform = reading.platform
    reading.put_plan(
        env=shlex.quote(platform.asked_as or platform.environment.settings.name),
        release=platform.release.tag,
        previous=reading.previous,
    )


def _seconds_left(platform: Platform) -> float | None:
    """Return what is left of the deployment window: 0 while none is open, None where none ends."""
    described = platform.environment.settings.deployment
    if described is None:
        return None
    left = time_left(open_windows(platform, described), utc_now())
    return None if left is not None and left >= WEEK else left.total_seconds() if left else 0.0


def _fix(reading: Reading) -> None:
    """Whether a release that replaces this one is described, with its images in the registry."""
    tag = reading.platform.release.tag
    found, broken = releases_after(reading.platform.environment, reading.platform.release)
    if not found:
        why = f"no release.yaml names {tag} as the one before it"
        reading.fact(FIX_READY, None if broken else False, broken or why)
        return
    fix, section = found[-1].file, reading.platform.section(Images)
    image_tag = section.tag.replace("{release}", fix.version.removeprefix("v"))
    missing = [
        repository
        for repository, digest in fix.images.items()
        if areas.registry_image(reading.asked, repository, image_tag).digest != digest
    ]
    why = f"the registry lacks {fix.version} of {', '.join(missing)}" if missing else ""
    if not fix.images:
        why = f"release.yaml of {fix.version} names no image"
    reading.fact(FIX_READY, not why, why)
    reading.put_plan(fix=fix.version)


def partly(choice: Choice, platform: Platform) -> Judgement | None:
    """Return why a plan for some regions decides nothing where it takes back what all of them share."""
    shared = [] if choice.plan is None else [way for way in choice.plan.ways if way in _SHARED]
    left_out = sorted(set(platform.environment.settings.regions) - set(platform.regions))
    if not shared or not left_out:
        return None
    others = ", ".join(left_out)
    sentence = f"{', '.join(shared)}: {others} share them, and this run leaves {others} out"
    return expect(None, "rollback", sentence, "a plan of all regions, without --region", rule=_RULE)


def _with_secret(facts: Facts, platform: Platform) -> Judgement | None:
    """Return the ERROR of a command, written in the environment file, that holds one of its secrets."""
    secrets = [one.get_secret_value() for one in platform.environment.secrets.values()]
    if not any(len(one) >= _SECRET_LENGTH and one in str(facts.values) for one in secrets):
        return None
    sentence = "a command of the section rollback holds a secret, so no plan is printed"
    clears = "the name of an environment variable in its place"
    return unable("rollback", sentence, clears, rule=_RULE)


def _chosen(choice: Choice, facts: Facts, baseline: Baseline) -> Judgement:
    kept = {"facts": facts.record(), "choice": choice.record(), "baseline": baseline.named}
    plan = choice.plan
    if plan is None or not choice.fits:
        word = "it is not known which" if choice.unknown else "no"
        sentence = f"{word} method fits: {'; '.join(choice.against)}"
        clears = "what is unknown made known, or what is missing brought"
        return expect(choice.fits, "rollback", sentence, clears, rule=_RULE, data=kept)
    sentence = f"the way back is {', '.join(plan.ways)}: {plan.minutes:.0f} min"
    sentence += f"; what stays is {', '.join(plan.stays)}" if plan.stays else ""
    figures = measured(_RULE, ", ".join(plan.ways))
    return expect(True, "rollback", sentence, **figures, data=kept)


@then("whoever may order this rollback has a person and a way to reach them")
def may_order(asked: Asked, people: People) -> None:
    authority, kind = policy_of(asked.platform).authority, described_release(asked).file.kind
    approves = authority.approves.get(kind)
    named = {"planned": authority.planned, "emergency": authority.emergency}
    kept = {**named, "approves": approves, "kind": kind}
    roles = dict.fromkeys(filter(None, (*named.values(), approves)))
    asked.judge(_all_reachable("authority", people, roles, {"authority": kept}))


@then("every level of the escalation has a person and a way to reach them")
def levels(asked: Asked, people: People) -> None:
    path = policy_of(asked.platform).escalation
    kept = [
        {
            "role": one.role,
            "reach": _reach(people.contacts.get(one.role)),
            "minutes": round(one.after / 60),
            "when_critical": one.when_critical,
        }
        for one in path
    ]
    roles = [one.role for one in path]
    asked.judge(_all_reachable("escalation", people, roles, {"escalation": kept}))


@then("somebody answers for every service now")
def somebody_answers(asked: Asked, people: People) -> None:
    asked.each(people.pagerduty.services, lambda name: judge_service(asked, name))


def _reach(contact: Contact | None) -> str:
    return "nobody" if contact is None else f"{contact.name}, {contact.phone or contact.email}"


def _all_reachable(
    what: str, people: People, roles: Iterable[str], kept: Mapping[str, Any]
) -> Judgement:
    """Judge that each role has a person who can be reached."""
    found = [rules.reachable(role, people.contacts.get(role)) for role in roles]
    wrong = [one for one in found if one.outcome is not Outcome.PASS]
    sentence = "; ".join(one.sentence for one in wrong or found)
    clears = "; ".join(one.clears for one in wrong)
    return expect(not wrong, what, sentence, clears, rule="contact", data=kept)
