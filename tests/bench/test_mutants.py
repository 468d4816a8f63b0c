"""Mutants of the reference API: drawn by seed out of its document, each another one."""

from __future__ import annotations

import collections
import json
from typing import get_args

from bench.mutants import draw
from sandbox.app.bent import Bent
from tests.checkout import ROOT

DOCUMENT = json.loads((ROOT / "contract" / "openapi" / "v1.2.0.json").read_bytes())


def test_the_same_seed_draws_the_same_mutants_and_another_one_others() -> None:
    first, again, other = (draw(DOCUMENT, 25, seed) for seed in (1, 1, 2))
    assert first == again
    assert len({one.model_dump_json() for one in first}) == 25
    assert first != other


def test_every_kind_of_change_is_drawn_as_often_as_the_others() -> None:
    drawn = draw(DOCUMENT, 66, 7)
    count = collections.Counter(one.change for one in drawn)
    assert count.keys() == set(get_args(Bent.model_fields["change"].annotation))
    assert max(count.values()) < 20


def test_a_field_that_may_be_null_or_missing_is_not_bent_so() -> None:
    every = draw(DOCUMENT, 10_000, 1)
    assert len(every) < 1000
    of_health = [one for one in every if one.operation == "GET /health/db"]
    assert {one.field for one in of_health if one.change == "null"} == {"status"}
    assert {one.field for one in of_health if one.change == "lacks"} == {"status"}
    birth = [one.change for one in every if one.field == "birthDate"]
    assert sorted(birth) == ["lacks", "retyped"]
