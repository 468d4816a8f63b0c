"""What a verdict shows as people's word is held against what they signed: whatever differs is said."""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from gates.decide.outcome import Outcome
from gates.decide.statements import Kind, Overridden, Waiver
from gates.run.audit import Against, audited
from gates.run.bundle import chain_of, sha256_of
from gates.run.opened import opened
from gates.run.override import overridden
from gates.run.runs import Run
from gates.run.vouched import unsigned
from steps.kit.statements import by_people
from tests.gates.run.sealed import BEGAN, Clinic, clinic
from tests.steps.statements.signing import Scene
from tests.steps.statements.test_statements import TWO, waive
from tests.tables import cases

DAY = dt.timedelta(days=1)


def later() -> int:
    """Return the number of a run that began after what people have signed here."""
    return int((dt.datetime.now(dt.UTC) - BEGAN).total_seconds() // 60) + 2


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clinic, Scene]:
    """Return a clinic, and those who sign for its release: two waived an item."""
    folder = tmp_path_factory.mktemp("vouched")
    scene = Scene(folder)
    waive(scene, *TWO)
    return clinic(folder, "statements: {approvers: people/approvers.yaml}\n"), scene


def given(scene: Scene) -> Waiver:
    (found,) = by_people(*scene.asked)[0]
    return found


@pytest.fixture(scope="module")
def waived(place: tuple[Clinic, Scene]) -> pathlib.Path:
    """Return a run that shows that waiver."""
    at, scene = place
    return at.run(later(), waivers=(given(scene),))


def said(at: Clinic, run: pathlib.Path, change: Callable[[dict[str, Any]], object]) -> str:
    """Return what does not bear a verdict out that somebody changed."""
    verdict = Run(run).record()
    change(verdict)
    return "; ".join(unsigned(run, opened(run), verdict, at.loaded))


def shows(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda verdict: verdict["waivers"][0].update(changes)


@cases(
    "change",
    {
        "of another item": shows(check="T7-DOCS-5"),
        "of something worse": shows(found=Outcome.FAIL.value),
        "for longer": shows(until="2027-01-31T22:00:00.000+00:00"),
        "for another reason": shows(reason="it is harmless"),
        "with another ticket": shows(ticket="UH-1"),
        "of somebody else": shows(by=["Vera Ito as vp-engineering"]),
        "that had ended by the run's end": lambda one: one.update(
            finished_at="2027-01-01T00:00:00.000+00:00"
        ),
        "that came after the run": lambda one: one.update(finished_at="2026-02-01T00:00:00+00:00"),
    },
)
def test_a_waiver_that_people_did_not_sign_so_is_said(
    place: tuple[Clinic, Scene], waived: pathlib.Path, change: Callable[[dict[str, Any]], object]
) -> None:
    at, _ = place
    assert said(at, waived, lambda _: None) == ""
    assert "a waiver of T7-DOCS-" in said(at, waived, change)


def test_a_run_with_a_forged_waiver_is_not_borne_out_and_one_that_was_signed_is(
    place: tuple[Clinic, Scene], waived: pathlib.Path
) -> None:
    at, scene = place
    against = Against(at.loaded, dt.datetime.now(dt.UTC) + DAY)
    assert audited(waived, lambda _: against, alone=False).exit_code == 0
    other = Waiver("T7-DOCS-5", Outcome.FAIL, given(scene).until, "r", "t", ("Vera Ito",))
    forged = audited(
        at.run(later() + 1, waivers=(other,)), lambda _: Against(at.loaded, against.now)
    )
    assert forged.exit_code == 20
    assert [one.file for one in forged.findings] == ["verdict.json"]
    assert "shows a waiver of T7-DOCS-5 that was not signed" in forged.findings[0].sentence


def test_a_release_without_statements_vouches_for_nothing(
    place: tuple[Clinic, Scene], waived: pathlib.Path
) -> None:
    at, _ = place
    bare = at.loaded.settings.model_copy(update={"statements": None})
    loaded = dataclasses.replace(at.loaded, settings=bare)
    found = [*unsigned(waived, opened(waived), Run(waived).record(), loaded)]
    assert "can't be held against their statements" in found[0]
    assert "a waiver of" in said(at, waived, lambda one: one.update(release="v1.3.0"))


@pytest.fixture(scope="module")
def decided(place: tuple[Clinic, Scene]) -> pathlib.Path:
    """Return a run on hold as a person decided it."""
    at, scene = place
    held = at.run(later() + 2, {"IV-HEALTH-1": [(Outcome.INCONCLUSIVE,)]})
    why = {"run": held.name, "run_digest": sha256_of(held / "verdict.json"), "reason": "known"}
    whose: dict[str, Any] = {"kind": Kind.PROCEED, "items": {}, **why}
    scene.sign("rosa.keller", "T7-DOCS-6", role="release-manager", **whose)
    (found,) = by_people(*scene.asked)[1].values()
    shown, untold = overridden(Run(held), found, at.loaded, at.out)
    assert untold is None
    return at.out / shown.run


def by(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda verdict: verdict["overridden"].update(changes)


@cases(
    "change why",
    {
        "for something else": (by(decision="rollback"), "shows a decision on run"),
        "by somebody else": (by(by=["Vera Ito as vp-engineering"]), "shows a decision on run"),
        "of another verdict": (by(sha256="5" * 64), "shows a decision on run"),
        "of a run that is not here": (by(run="x"), "whose folder is not beside this one"),
        "of a run that found something else": (
            lambda verdict: verdict.update(reasons=[]),
            "is another verdict than that of run",
        ),
    },
)
def test_a_decision_that_people_did_not_sign_so_is_said(
    place: tuple[Clinic, Scene],
    decided: pathlib.Path,
    change: Callable[[dict[str, Any]], object],
    why: str,
) -> None:
    at, _ = place
    assert Overridden.from_record(Run(decided).record()["overridden"]).decision is Kind.PROCEED
    assert said(at, decided, lambda _: None) == ""
    # The state knows it as people's word about that run, and not as another one that asked the same.
    own = next(one for one in chain_of(at.loaded, "v1.2.0").records() if one["run"] == decided.name)
    assert own["overridden"] == Run(decided).record()["overridden"]["run"]
    assert why in said(at, decided, change)
