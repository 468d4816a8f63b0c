"""What counts as signed, and why what does not count is as if it were not there."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import json
import pathlib
import re
from collections.abc import Callable
from typing import Any

import pytest

from gates.decide.outcome import Outcome
from sandbox.systems.statements import people
from steps.kit import statements as kit
from tests.golden import Said
from tests.steps.scenarios import judged, told
from tests.steps.statements.signing import NOW, Scene
from tests.tables import cases

ITEM, WHO = "T1-GONOGO-6", "quinn.adler"
DOCS = "T7-DOCS-2"
DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def scene(tmp_path: pathlib.Path) -> Scene:
    return Scene(tmp_path)


def test_every_item_passes_once_each_of_six_people_has_signed(scene: Scene) -> None:
    """Each of them in one envelope for each role."""
    store = scene.books.chain.store
    people.sign_everything(scene.folder / "people", store, scene.books.subject)
    found = {
        item: judged(item, scene.platform).outcome("eu")
        for item in scene.platform.policy.statements.items
        if item not in OTHERS
    }
    assert set(found.values()) == {Outcome.PASS}


OTHERS = ("T7-DOCS-5", "T7-TEST-6", "T7-TEST-8", "T3-COMM-1", "T2H-TASK-8", "AUTH-1")
"""Signed beside what is measured, in features of other areas."""


def signed(scene: Scene, **changed: Any) -> int:
    return scene.sign(WHO, ITEM, **changed)


def edited(scene: Scene) -> None:
    """Change what a received envelope says; its signature is of another text then."""
    signed(scene)

    def change(record: dict[str, Any]) -> None:
        payload = json.loads(base64.b64decode(record["envelope"]["payload"]))
        payload["predicate"]["expires_at"] = "2030-01-01T00:00:00.000+00:00"
        text = json.dumps(payload, separators=(",", ":"), ensure_ascii=False)
        record["envelope"]["payload"] = base64.b64encode(text.encode()).decode()

    scene.rewrite(1, change)


def payload(scene: Scene, change: Callable[[dict[str, Any]], object]) -> None:
    """Have the right key sign a payload that the gate does not write."""
    held = scene.statement(WHO, ITEM).in_toto()
    change(held)

    class Other:
        @staticmethod
        def payload() -> bytes:
            return json.dumps(held).encode()

    scene.receive(people.signed(Other(), scene.folder / "people" / WHO))  # type: ignore[arg-type]  # another thing on purpose


def envelope(scene: Scene, **changed: Any) -> None:
    made = people.signed(scene.statement(WHO, ITEM), scene.folder / "people" / WHO)
    scene.receive({**made, **changed})


def received(scene: Scene, after: dt.timedelta, **changed: Any) -> None:
    """Have the gate receive it at another time than now, as somebody would who may write the state."""
    signed(scene, **changed)
    at = (NOW + after).isoformat()
    scene.rewrite(1, lambda record: record.update(received_at=at))


def forged_approvers(scene: Scene, **changed: Any) -> Scene:
    """Write a receipt that holds another approvers file than was ever reviewed."""
    before = scene.approvers.read_text()
    scene.person(WHO, **changed)
    signed(scene)
    scene.approvers.write_text(before)
    return scene


def of(scene: Scene, **changed: Any) -> Any:
    """Return what would be signed of another subject."""
    return dataclasses.replace(scene.books.subject, **changed)


ATTACKS: dict[str, Callable[[Scene], object]] = {
    "nobody signed": lambda scene: scene,
    "forged: signed with another one's key": lambda s: signed(s, key="paul.moreau"),
    "forged: in the name of somebody unknown": lambda s: signed(s, person="nobody.known"),
    "edited after it was signed": edited,
    "not signed at all": lambda s: envelope(s, signatures=[]),
    "a payload of another type": lambda s: envelope(s, payloadType="text/plain"),
    "an envelope that is not one": lambda s: s.receive({"payload": "e30="}),
    "no envelope": lambda s: s.receive([]),  # type: ignore[arg-type]  # another thing on purpose
    "another kind of statement of in-toto": lambda s: payload(
        s, lambda held: held.update(predicateType="https://slsa.dev/provenance/v1")
    ),
    "a field that nobody knows": lambda s: payload(
        s, lambda held: held["predicate"].update(more=True)
    ),
    "a time without its zone": lambda s: payload(
        s, lambda held: held["predicate"].update(signed_at="2026-11-30T10:00:00.000")
    ),
    "replayed from another environment": lambda s: signed(s, subject=of(s, environment="staging")),
    "replayed from another release": lambda s: signed(s, subject=of(s, release="v1.1.0")),
    "of another commit": lambda s: signed(s, subject=of(s, commit="6" * 40)),
    "of another version of release.yaml": lambda s: signed(s, subject=of(s, digest="7" * 64)),
    "expired": lambda s: signed(s, expires_at=NOW - HOUR),
    "older than policy allows, whatever it says of itself": lambda s: signed(
        s, signed_at=NOW - 4 * DAY, expires_at=NOW + 365 * DAY
    ),
    "kept back for a week, then handed in": lambda s: signed(s, signed_at=NOW - 7 * DAY),
    "signed as a role that is not theirs": lambda s: signed(s, role="vp-engineering"),
    "signed as a role that has nothing to say here": lambda s: s.sign("rosa.keller", ITEM),
    "signed by somebody of another role, as this one": lambda s: s.sign(
        "rosa.keller", ITEM, role="qa-lead"
    ),
    "signed under another wording": lambda s: signed(s, items={ITEM: "Everything is fine."}),
    "another item was signed": lambda s: s.sign("paul.moreau", DOCS),
    "the key was revoked before": lambda s: (
        signed(s),
        s.key(WHO, revoked_from=(NOW - HOUR).isoformat()),
    ),
    "the key is revoked, and the signer claims an earlier time": lambda s: (
        signed(s, signed_at=NOW - 2 * DAY),
        s.key(WHO, revoked_from=(NOW - DAY).isoformat()),
    ),
    "the key was revoked in the file of then": lambda s: (
        s.key(WHO, revoked_from=(NOW - HOUR).isoformat()),
        signed(s),
        s.key(WHO, revoked_from=None),
    ),
    "the key was not valid yet": lambda s: (
        s.key(WHO, valid_from=(NOW + DAY).isoformat()),
        signed(s),
    ),
    "the key was no longer valid": lambda s: (
        s.key(WHO, valid_until=(NOW - HOUR).isoformat()),
        signed(s),
    ),
    "the key is gone from the file": lambda s: (signed(s), s.key(WHO, key=OTHER_KEY)),
    "the role was taken away": lambda s: (signed(s), s.person(WHO, roles=["on-call-engineer"])),
    "a role that only the receipt's approvers file gives": lambda s: (
        forged_approvers(s, roles=["vp-engineering", "qa-lead"]),
        s.person(WHO, roles=["on-call-engineer"]),
    ),
    "received in the future": lambda s: received(s, 2 * HOUR),
    "signed after it was received": lambda s: received(s, -2 * HOUR, signed_at=NOW),
    "a receipt without a time": lambda s: received_as(s, received_at="yesterday"),
    "a receipt without the zone of its time": lambda s: received_as(
        s, received_at="2026-11-30T10:00:00"
    ),
    "a receipt without approvers": lambda s: received_as(s, approvers="people: {}"),
    "one receipt was removed": lambda s: (signed(s), signed(s), removed(s)),
    "receipts were put in another order": lambda s: (signed(s), signed(s), swap(s)),
    "a receipt of another release was put here": lambda s: received_as(s, release="v1.1.0"),
    "a receipt was changed": lambda s: (
        signed(s),
        s.record(1).write_text(s.record(1).read_text().replace("received_at", "received_to", 1)),
    ),
    "an earlier receipt was written anew": lambda s: (
        signed(s),
        signed(s),
        s.rewrite(1, lambda record: record.update(received_at=NOW.isoformat())),
    ),
    "receipts go back in time": lambda s: (
        signed(s),
        signed(s),
        s.rewrite(2, lambda record: record.update(received_at=(NOW - DAY).isoformat())),
    ),
    "who runs the gate approves": lambda s: (
        s.person(WHO, accounts=[kit.runner().upper()]),
        signed(s),
    ),
}
VARIES = re.compile(r"\d{4}-\d\d-\d\d \S+(?= UTC)|\b[0-9a-f]{64}\b")
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB"


def received_as(scene: Scene, **changed: Any) -> None:
    signed(scene)
    scene.rewrite(1, lambda record: record.update(changed))


def removed(scene: Scene) -> Scene:
    scene.record(1).unlink()
    return scene


def swap(scene: Scene) -> Scene:
    first, second = scene.record(1), scene.record(2)
    held = first.read_text()
    first.write_text(second.read_text())
    second.write_text(held)
    return scene


@cases("attack", dict(ATTACKS))
def test_what_does_not_count_is_as_if_absent_and_said_why(
    scene: Scene, said: Said, attack: Callable[[Scene], object]
) -> None:
    attack(scene)
    check = judged(ITEM, scene.platform)
    assert check.outcome("eu") is Outcome.INCONCLUSIVE
    said([VARIES.sub("…", one) for one in told(check)], {str(scene.folder): "FOLDER"})
