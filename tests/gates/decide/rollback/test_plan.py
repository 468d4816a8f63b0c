"""Which method fits: every kind of release, with everything that may be true, false or unknown now."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gates.decide.rollback.plan import FACTS, FIX_READY, PARTS, Choice, Facts, choose
from gates.load import load_policy
from settings.rollback import FIELDS
from tests.tables import beside

TABLE = beside(__file__, "choices.yaml")
WORDS = {"yes": True, "no": False, "unknown": None}
VALUES = {
    each: ({name: f"<{name}>" for name in sorted(FIELDS[each] | FIELDS["plan"])},)
    for each in FIELDS
}


def facts(in_force: str = "code", but: str = "", **more: Any) -> Facts:
    """Return facts of a release that changed these parts; all is true but for what is said."""
    known: dict[str, bool | None] = {fact: fact != FIX_READY for fact in FACTS}
    changed: dict[str, bool | None] = {part: part in in_force.split() for part in PARTS}
    left = None
    for said in filter(None, but.split(", ")):
        name, word = said.rsplit(": ", 1)
        if name == "minutes left":
            left = 60 * float(word)
        else:
            assert name in (changed if name in PARTS else known), name
            (changed if name in PARTS else known)[name] = WORDS[word]
    given = {"lost": {"visits": 3}, "values": VALUES, "seconds_left": left, **more}
    return Facts(changed, known, **given)


POLICY = load_policy()


def chosen(given: Facts) -> Choice:
    assert POLICY.rollback is not None
    return choose(given, POLICY.rollback, POLICY.deployment)


def said(choice: Choice) -> str:
    """Return a choice in a line: its ways, or why not; in brackets a plan that lacks time."""
    ways = "" if choice.plan is None else " + ".join(choice.plan.ways)
    if choice.fits:
        return ways
    word = "UNKNOWN" if choice.unknown else "NONE"
    return f"{word}{ways and f' ({ways})'}: {' | '.join(choice.against)}"


@pytest.mark.parametrize(("in_force", "but", "wanted"), TABLE, ids=lambda one: one or "nothing")
def test_a_choice_is_what_the_table_says(in_force: str, but: str, wanted: str) -> None:
    assert said(chosen(facts(in_force, but))) == wanted


def test_the_table_asks_everything() -> None:
    assert len(TABLE) >= 80
    asked = {tuple(one.rsplit(": ", 1)) for _, but, _ in TABLE for one in but.split(", ") if one}
    assert asked >= {(name, word) for name in FACTS for word in ("no", "unknown")} - {
        (FIX_READY, "no")  # what is so anyway
    }
    assert asked >= {(part, "unknown") for part in PARTS}
    assert {part for in_force, *_ in TABLE for part in in_force.split()} == set(PARTS)


def test_a_fact_that_nobody_read_is_unknown() -> None:
    assert said(chosen(Facts({}, {}))).startswith("UNKNOWN: flags: unknown | ")


@pytest.mark.parametrize("in_force", ["code", "code flags dns", "schema", "code assets schema"])
@pytest.mark.parametrize("fact", [*FACTS, *PARTS])
def test_losing_sight_of_a_fact_never_changes_the_method(in_force: str, fact: str) -> None:
    schema = "old code runs: no, " if "schema" in in_force else ""
    seen, unseen = (chosen(facts(in_force, schema + but)) for but in ("", f"{fact}: unknown"))
    assert not unseen.fits or unseen.plan == seen.plan


def test_a_plan_is_in_safe_order_with_todays_values() -> None:
    plan = chosen(facts("code flags dns schema assets configuration", "old code runs: no")).plan
    assert plan is not None
    assert plan.lost == {"visits": 3}
    assert plan.no_return == "Put the restored database in the place of the live one"
    ways = list(dict.fromkeys(step.way for step in plan.steps))
    assert ways == [*("feature flags", "database", "configuration", "kubernetes", "dns", "assets")]
    assert not re.search(r"\{[a-z_]+\}", str(plan.record()))


def test_a_plan_without_the_database_loses_nothing_and_can_be_undone() -> None:
    plan = chosen(facts("code flags schema", "")).plan
    assert plan is not None
    assert (plan.lost, plan.no_return, plan.minutes) == ({}, "", 6.0)
    assert plan.stays == ("the schema: the version before runs on it",)


def test_a_plan_says_what_people_have_to_know() -> None:
    why = {
        "backup": "nightly.dump, 20 min old",
        "old code runs": "it only adds",
        "old image": "gone",
    }
    restore = chosen(facts("code schema", "old code runs: no", why=why)).plan
    stays, code = (chosen(facts(one, why=why)).plan for one in ("code schema", "code"))
    assert restore is not None
    assert stays is not None
    assert code is not None
    assert (restore.restores, restore.stays) == ("nightly.dump, 20 min old", ())
    assert (stays.restores, stays.stays) == ("", ("the schema: it only adds",))
    assert (code.restores, code.stays) == ("", ())
    lost = next(step for step in restore.steps if step.title.startswith("Count"))
    assert lost.expect == "about what the baseline counted: <counted>"
    assert lost.erratum == "Method 4 counts two of the three tables of 2.1."
    assert "gone" in said(chosen(facts("code", "old image: no", why=why)))


def test_a_plan_without_values_has_no_steps_and_needs_no_phases() -> None:
    policy = load_policy().rollback
    assert policy is not None
    plan = choose(facts("assets", values={}), policy, None).plan
    assert plan is not None
    assert (plan.steps, plan.minutes) == ((), 15)


def test_no_plan_undoes_a_revision_or_lets_the_database_go_on_after_an_error() -> None:
    every = load_policy().rollback
    assert every is not None
    commands = [command for step in every.steps for command in step.commands]
    assert [one for one in commands if "rollout undo" in one and "--to-revision" not in one] == []
    assert [one for one in commands if "pg_restore" in one and "--exit-on-error" not in one] == []
    assert not re.search(r"(?i)password|token|secret", " ".join(commands))
