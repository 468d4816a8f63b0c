"""What is decided beside the method itself: whose regions, and who decides and is called."""

from __future__ import annotations

import dataclasses
import pathlib

from gates.decide.outcome import Outcome
from steps.rollback import decision
from tests.gates.decide.rollback.test_plan import chosen, facts
from tests.steps.platforms import NOWHERE, a_platform
from tests.tables import cases


@cases(
    "in_force regions held",
    {
        "what all regions share, for one": ("dns", ("eu",), True),
        "flags, for one": ("flags code", ("eu",), True),
        "pods alone, for one": ("code", ("eu",), False),
        "what all regions share, for all": ("dns", ("eu", "us"), False),
        "nothing chosen": ("", ("eu",), False),
    },
)
def test_a_plan_for_some_regions_takes_nothing_back_that_the_others_share(
    tmp_path: pathlib.Path, in_force: str, regions: tuple[str, ...], held: object
) -> None:
    platform = a_platform(tmp_path, {"eu": NOWHERE.format(1), "us": NOWHERE.format(2)})
    part = dataclasses.replace(platform, regions=regions)
    found = decision.partly(chosen(facts(in_force)), part)
    assert (found is not None) is held
    assert found is None or found.outcome is Outcome.INCONCLUSIVE
