"""Who fires a trigger by their word, and who takes it back."""

from __future__ import annotations

import datetime as dt
import pathlib
from typing import Any

import pytest

from gates.decide.declared import declared, unclear
from gates.decide.statements import Kind
from tests.steps.statements.signing import Scene
from tests.tables import cases

OWN = "T7-SEC-4"
REASON = "bookings of today are gone"


@pytest.fixture
def scene(tmp_path: pathlib.Path) -> Scene:
    return Scene(tmp_path)


def declare(scene: Scene, who: str = "sofia.lind", **changed: Any) -> None:
    scene.sign(
        who,
        OWN,
        **{"kind": Kind.DECLARE, "items": {"TRIG-3": "fires"}, "reason": REASON, **changed},
    )


def withdraw(scene: Scene, who: str, **changed: Any) -> None:
    stands = found(scene)["TRIG-3"]
    items = {"TRIG-3": stands.digest}
    scene.sign(
        who, OWN, **{"kind": Kind.WITHDRAW, "items": items, "reason": "found again", **changed}
    )


def found(scene: Scene) -> Any:
    return declared(scene.ledger, scene.platform.policy.statements.declare)


def test_one_word_stands_with_name_time_and_reason(scene: Scene) -> None:
    assert found(scene) == {}
    declare(scene)
    (said,) = map(str, found(scene).values())
    assert said.startswith("TRIG-3 was declared by Sofia Lind as security-lead at 20")
    assert said.endswith(f"UTC: {REASON}")


@cases(
    "changed",
    {
        "without a reason": {"reason": ""},
        "as a role that may not": {"role": "nobody"},
        "by a key of somebody else": {"key": "paul.moreau"},
    },
)
def test_what_is_no_word(scene: Scene, changed: dict[str, Any]) -> None:
    declare(scene, **changed)
    assert found(scene) == {}


def test_two_people_take_it_back_and_one_does_not(scene: Scene) -> None:
    declare(scene)
    withdraw(scene, "sofia.lind")
    withdraw(scene, "sofia.lind")
    withdraw(scene, "paul.moreau")  # a product manager may declare, and not withdraw
    assert set(found(scene)) == {"TRIG-3"}
    withdraw(scene, "emil.haas")
    assert found(scene) == {}


def test_a_word_that_comes_after_it_was_taken_back_stands(scene: Scene) -> None:
    declare(scene)
    withdraw(scene, "sofia.lind")
    declare(scene, "vera.ito")  # another one: what was begun against the first does not count
    withdraw(scene, "emil.haas")
    assert set(found(scene)) == {"TRIG-3"}


def test_a_declaration_that_can_t_be_counted_is_not_none(scene: Scene) -> None:
    """Otherwise an edit of release.yaml, or a key that is taken away, would take a word back."""
    declare(scene)
    scene.sign("quinn.adler", "T1-GONOGO-6", expires_at=dt.datetime.now(dt.UTC))
    scene.release["changes"] = {**scene.release["changes"], "dns": False}
    scene.write()
    assert found(scene) == {}
    (why,) = unclear(scene.ledger)
    assert why.startswith(
        "whether somebody declared a trigger is not known: receipt 1 of sofia.lind"
    )
