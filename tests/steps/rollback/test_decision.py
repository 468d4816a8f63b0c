"""What is decided beside the method itself: whose regions, and who decides and is called."""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
from typing import Any

from gates.decide.outcome import Outcome
from steps.rollback import decision
from tests.gates.decide.rollback.test_plan import chosen, facts
from tests.probes.servers import closed_port
from tests.steps.platforms import NOWHERE, a_platform
from tests.steps.scenarios import judged, told
from tests.steps.statements.signing import NOW, Scene
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


CONTACT = {"name": "Robin Release", "phone": "+49 30 5550101"}
ROLES = ("Release Manager", "On-Call Engineer", "DevOps Lead", "VP Engineering")


def people(folder: pathlib.Path, **contacts: Any) -> dict[str, Any]:
    """Return the section of people; PagerDuty is not there."""
    (folder / "token").write_text("sentinel-9f2")
    nowhere = NOWHERE.format(closed_port())
    return {
        "window": {"begins": "2026-01-31T22:00:00Z", "ends": "2026-02-01T06:00:00Z"},
        "pagerduty": {
            "url": nowhere,
            "token": "file:token",
            "schedules": ["PRIMARY"],
            "services": ["PLATFORM"],
        },
        "slack": {"url": nowhere, "token": "file:token", "channels": ["incidents"]},
        "roles": list(ROLES),
        "contacts": dict.fromkeys(ROLES, CONTACT) | contacts,
    }


VP, OTHER = "vera.ito", "rosa.keller"
TOO_OLD = {"signed_at": NOW - dt.timedelta(hours=13)}


@cases(
    "kind signed outcome",
    {
        "a standard release needs no approval": ("standard", None, Outcome.PASS),
        "a major one does": ("major", None, Outcome.INCONCLUSIVE),
        "approved": ("major", (VP, {}), Outcome.PASS),
        "approved by another": ("major", (OTHER, {}), Outcome.INCONCLUSIVE),
        "approved yesterday": ("major", (VP, TOO_OLD), Outcome.INCONCLUSIVE),
    },
)
def test_a_major_releases_rollback_is_approved(
    tmp_path: pathlib.Path,
    kind: str,
    signed: tuple[str, dict[str, Any]] | None,
    outcome: Outcome,
) -> None:
    scene = Scene(tmp_path)
    scene.sections["people"] = people(tmp_path)
    scene.release["kind"] = kind
    scene.write()
    if signed is not None:
        who, changed = signed
        scene.sign(who, "AUTH-1", **changed)
    check = judged("AUTH-1", scene.platform)
    assert check.outcome("eu") is outcome, told(check)


def test_nobody_to_order_it_fails_and_nothing_to_read_is_our_error(tmp_path: pathlib.Path) -> None:
    scene = Scene(tmp_path)
    scene.sections["people"] = people(tmp_path, **{"Release Manager": {"name": "TBD"}})
    assert judged("AUTH-1", scene.platform).outcome("eu") is Outcome.FAIL
    scene.sections["people"] = people(tmp_path)
    scene.approvers.write_text("no: approvers")
    assert judged("AUTH-1", scene.platform).outcome("eu") is Outcome.ERROR


def test_the_escalation_is_never_green_by_contacts_alone(tmp_path: pathlib.Path) -> None:
    unread = a_platform(tmp_path, {"eu": NOWHERE.format(1)}, people=people(tmp_path))
    assert judged("ESC-1", unread).outcome("eu") is Outcome.ERROR
    gap = people(tmp_path, **{"DevOps Lead": {"name": "TBD"}})
    nobody = a_platform(tmp_path, {"eu": NOWHERE.format(1)}, people=gap)
    check = judged("ESC-1", nobody)
    assert check.outcome("eu") is Outcome.FAIL
    assert any("DevOps Lead: the name is a placeholder" in one for one in told(check))
