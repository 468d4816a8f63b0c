"""What counts as signed, and why what does not count is as if it were not there."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import json
import pathlib
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from gates.decide import statements as core
from gates.decide.fold import Stage, fold
from gates.decide.outcome import Meaning, Outcome
from gates.decide.statements import Kind, Link
from sandbox.systems.statements import people
from steps.kit import statements as kit
from steps.kit.findings import Subject
from steps.statements.doctor import examine_statements
from steps.statements.signed import documented
from tests.gates.decide.values import a_result, a_row
from tests.golden import Said
from tests.steps.scenarios import judged, told
from tests.steps.statements.signing import ALWAYS, NOW, RELEASE, Scene
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


OTHERS = (
    *("T7-DOCS-5", "T7-TEST-6", "T7-TEST-8", "T3-COMM-1", "T2H-TASK-8", "T1-FINAL-5"),
    *("AUTH-1", "H24-3", "H24-4", "H24-5", "H24-6", "RB-DB-7", "RB-FLAG-2"),
)
"""Signed beside what is measured, in features of other areas."""


@cases(
    "switched outcome",
    {
        "after the rollback": (NOW - HOUR, Outcome.PASS),
        "before it": (NOW + HOUR, Outcome.INCONCLUSIVE),
        "nobody knows when it was": (None, Outcome.INCONCLUSIVE),
    },
)
def test_what_follows_a_rollback_is_signed_since_it(
    scene: Scene, switched: dt.datetime | None, outcome: Outcome
) -> None:
    scene.sign("emil.haas", "RB-DAY-1", role="engineering-manager")
    back = dataclasses.replace(scene.platform, switched_at=switched)
    assert judged("RB-DAY-1", back).outcome("eu") is outcome


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


OPEN, REASON, TICKET = "T7-DOCS-6", "it is known", "UH-1201"
TWO = ("paul.moreau", "emil.haas")


def waive(scene: Scene, *who: str, **changed: Any) -> Scene:
    """Have people sign that an item may pass, all with the same words."""
    terms = {
        "kind": Kind.WAIVE,
        "items": {OPEN: "INCONCLUSIVE"},
        "expires_at": NOW + 2 * DAY,
        "reason": REASON,
        "ticket": TICKET,
    }
    for one in who:
        scene.sign(one, ITEM, **{**terms, **changed})
    return scene


def waived(scene: Scene) -> dict[str, str]:
    return {one.check: str(one) for one in kit.by_people(*scene.asked)[0]}


def test_two_people_let_an_item_pass(scene: Scene) -> None:
    waive(scene, *TWO)
    until = f"{NOW + 2 * DAY:%Y-%m-%d %H:%M} UTC"
    assert waived(scene) == {
        OPEN: f"waived until {until} by Paul Moreau as product-manager and Emil Haas as "
        f"engineering-manager: {REASON} ({TICKET})"
    }


def second_key(scene: Scene) -> None:
    """Give one person a second key, and have them sign with both."""
    held = json.loads(scene.approvers.read_text())["people"]["paul.moreau"]["keys"]
    line = (scene.folder / "people" / "vera.ito.pub").read_text()
    scene.person("vera.ito", keys=[{"key": OTHER_KEY, "valid_from": "2026-01-01T00:00:00Z"}])
    scene.person("paul.moreau", keys=[*held, {**held[0], "key": line}])
    waive(scene, "paul.moreau")
    waive(scene, "paul.moreau", key="vera.ito")


def apart(scene: Scene, **changed: Any) -> None:
    waive(scene, "paul.moreau")
    waive(scene, "emil.haas", **changed)


NOT_WAIVED: dict[str, Callable[[Scene], object]] = {
    "by one person alone": lambda s: waive(s, "paul.moreau"),
    "by one person twice": lambda s: waive(s, "paul.moreau", "paul.moreau"),
    "by one person with two keys": second_key,
    "by two people for two reasons": lambda s: apart(s, reason="another one"),
    "by two people for two tickets": lambda s: apart(s, ticket="UH-1"),
    "by two people for two times": lambda s: apart(s, expires_at=NOW + DAY),
    "by two people of whom one may not": lambda s: waive(s, "paul.moreau", "sofia.lind"),
    "with another one's key": lambda s: waive(s, *TWO, key="paul.moreau"),
    "of data, security or availability": lambda s: waive(s, *TWO, items={"T7-SEC-4": "FAIL"}),
    "of an approval": lambda s: waive(s, *TWO, items={ITEM: "INCONCLUSIVE"}),
    "of what broke": lambda s: waive(s, *TWO, items={OPEN: "ERROR"}),
    "of what did not run": lambda s: waive(s, *TWO, items={OPEN: "MISSING"}),
    "without a reason": lambda s: waive(s, *TWO, reason=""),
    "without a ticket": lambda s: waive(s, *TWO, ticket=""),
    "for longer than policy allows": lambda s: waive(s, *TWO, expires_at=NOW + 8 * DAY),
    "dated back, for longer than policy allows": lambda s: waive(
        s, *TWO, signed_at=NOW - 6 * DAY, expires_at=NOW + 2 * DAY
    ),
    "until an hour ago": lambda s: waive(s, *TWO, expires_at=NOW - HOUR),
    "for another release": lambda s: waive(s, *TWO, subject=of(s, release="v1.1.0")),
    "by a statement of another kind": lambda s: waive(s, *TWO, kind=Kind.ATTEST),
    "by who runs the gate": lambda s: (
        waive(s, *TWO),
        s.person("emil.haas", accounts=[kit.runner()]),
    ),
    "by a key that is revoked": lambda s: (
        waive(s, *TWO),
        s.key("emil.haas", revoked_from=(NOW - HOUR).isoformat()),
    ),
}


def again(scene: Scene, *who: str, **changed: Any) -> None:
    """Have people waive anew, in place of what they signed first."""
    first = {one.statement.person: one.digest for one in reversed(scene.ledger.signed)}
    for one in who:
        waive(scene, one, **{"supersedes": (first[one],), **changed})


SHORTER = NOW + DAY


def test_a_newer_waiver_takes_the_place_of_the_older_one(scene: Scene) -> None:
    """By as many people; and when it has ended, the older one does not come back."""
    waive(scene, *TWO)
    again(scene, "paul.moreau", expires_at=SHORTER)
    assert waived(scene) == {}
    again(scene, "emil.haas", expires_at=SHORTER)
    assert f"until {SHORTER:%Y-%m-%d %H:%M} UTC" in waived(scene)[OPEN]
    ended = scene.books.ledger(SHORTER + HOUR)
    policy, around = scene.asked[1].statements.waivers, kit.asking(*scene.asked).around
    assert policy is not None
    assert core.waivers(ended, policy, around) == ()


def test_nobody_takes_back_what_another_one_signed(scene: Scene) -> None:
    waive(scene, *TWO)
    other = scene.ledger.signed[0].digest
    waive(scene, "emil.haas", reason="another one", supersedes=(other,))
    assert OPEN in waived(scene)


@cases("attempt", dict(NOT_WAIVED))
def test_what_is_not_waived(scene: Scene, attempt: Callable[[Scene], object]) -> None:
    attempt(scene)
    assert waived(scene) == {}


def test_what_was_waived_as_undecided_counts_once_it_is_measured_as_bad(scene: Scene) -> None:
    waive(scene, *TWO)
    given, _ = kit.by_people(*scene.asked)
    row, judged_as = a_row(OPEN, Meaning.HOLD), {}
    for outcome in Outcome:
        results = [a_result(outcome, check=OPEN, region="eu"), a_result(Outcome.PASS, region="eu")]
        folded = fold([row, a_row("IV-A-1")], ["eu"], results, Stage.LIVE, (), given)
        judged_as[outcome.value] = folded.decision.value
    assert judged_as == {
        "NOT_APPLICABLE": "GO",
        "PASS": "GO",
        "INCONCLUSIVE": "GO",
        "ERROR": "HOLD",
        "FAIL": "HOLD",
    }


def test_the_only_author_of_a_release_does_not_approve_it(scene: Scene) -> None:
    """Under whatever address of theirs; one of two authors may."""
    signed(scene)
    found = kit.asking(*scene.asked)
    mail = f"{WHO}@unifiedhealth.example"

    def good(*authors: str) -> bool:
        around = dataclasses.replace(found.around, authors=frozenset(authors))
        return dataclasses.replace(found, around=around).count(ITEM).good

    assert good("somebody@else.example")
    assert good(mail, "somebody@else.example")
    assert not good(mail)


def test_as_many_people_as_policy_asks_for_have_to_sign(scene: Scene) -> None:
    found = kit.asking(*scene.asked)
    rule = found.items["T7-DOCS-4"].model_copy(update={"people": 2, "file": None})

    def good() -> bool:
        again = kit.asking(*scene.asked)
        return dataclasses.replace(again, items={"T7-DOCS-4": rule}).count("T7-DOCS-4").good

    scene.sign("rosa.keller", "T7-DOCS-4")
    scene.sign("rosa.keller", "T7-DOCS-4", role="devops-lead")
    assert not good()
    scene.person("emil.haas", roles=["engineering-manager", "devops-lead"])
    scene.sign("emil.haas", "T7-DOCS-4", role="devops-lead")
    assert good()


SATURDAY = {"windows": [{"opens": "Saturday 22:00", "closes": "Sunday 06:00"}]}


@cases(
    "release deployment unsigned",
    {
        "a standard release in its window": ({}, ALWAYS, "PASS"),
        "a major release": (
            {"version": "v1.2.0", "kind": "major", "previous": "v0.9.0"},
            ALWAYS,
            "INCONCLUSIVE",
        ),
        "outside of the windows": (
            {"planned_start": "2026-12-02T12:00:00Z"},
            SATURDAY,
            "INCONCLUSIVE",
        ),
        "in the window": ({"planned_start": "2026-12-05T23:00:00Z"}, SATURDAY, "PASS"),
    },
)
def test_the_vice_president_approves_major_releases_and_emergencies(
    tmp_path: pathlib.Path, release: dict[str, Any], deployment: dict[str, Any], unsigned: str
) -> None:
    scene = Scene(tmp_path, {**RELEASE, **release}, {"deployment": deployment})
    assert judged("T1-GONOGO-9", scene.platform).outcome("eu") == unsigned
    scene.sign("vera.ito", "T1-GONOGO-9")
    assert judged("T1-GONOGO-9", scene.platform).outcome("eu") is Outcome.PASS


def test_the_runbooks_documents_are_missing_until_somebody_names_them(scene: Scene) -> None:
    policy = scene.platform.policy.statements
    pinned = Link("runbook.md", str(policy.items["T7-DOCS-4"].file))
    scene.sign("rosa.keller", "T7-DOCS-4", evidence=(pinned,))
    assert judged("T7-DOCS-4", scene.platform).outcome("eu") is Outcome.PASS
    said = documented(policy.runbook.documents, {"Rollback Runbook": "https://docs.example"})
    assert said.outcome is Outcome.INCONCLUSIVE
    assert said.sentence == (
        "the runbook names 4 documents; nobody says where Pre-Launch Checklist, Smoke Test Script, "
        "Go-Live Communication Plan are"
    )
    scene.sign("rosa.keller", "T7-DOCS-4", evidence=(Link("runbook.md", "0" * 64),))
    assert judged("T7-DOCS-4", scene.platform).outcome("eu") is Outcome.PASS


def doctor(scene: Scene) -> list[str]:
    section = scene.platform.environment.settings.statements
    assert section is not None
    subject = Subject(scene.platform, release_known=True)
    return [f"{one.level}: {one.sentence}" for one in examine_statements(subject, section)]


def test_the_doctor_names_what_nobody_can_sign(scene: Scene) -> None:
    assert doctor(scene) == ["OK: 6 people can sign all that policy asks for"]
    scene.key("vera.ito", valid_until=(NOW + DAY).isoformat())
    scene.key("quinn.adler", revoked_from=NOW.isoformat())
    bad, soon = doctor(scene)
    assert bad == (
        "BAD: nobody can sign as policy asks: T7-TEST-6 (qa-lead); T7-TEST-8 (qa-lead); "
        "T1-GONOGO-6 (qa-lead); RB-WEEK-3 (qa-lead)"
    )
    assert soon == "WARN: the last key of Vera Ito ends within two weeks"
    scene.approvers.write_text("schema: 1")
    assert "people: is missing" in doctor(scene)[0]


AUTHOR, OTHER = f"{WHO}@unifiedhealth.example", "somebody@else.example"


def written_by(scene: Scene, *authors: str) -> None:
    """Make the repository of a release that these wrote, after one of somebody else's."""
    repository = scene.folder / "repository"
    repository.mkdir()

    def git(*arguments: str, mail: str = "before@unifiedhealth.example") -> str:
        who = ("-c", "user.name=N", "-c", f"user.email={mail}")
        done = subprocess.run(
            ["git", "-C", str(repository), *who, *arguments],  # noqa: S607 - whichever git there is
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "before")
    git("tag", "v1.1.0")
    for author in authors:
        git("commit", "-q", "--allow-empty", "-m", "change", mail=author)
    scene.release["commit"] = git("rev-parse", "HEAD")
    scene.sections["source"] = {"repository": "repository"}
    scene.write()


@cases(
    "authors said",
    {
        "alone": ((AUTHOR.upper(),), "is of the only author of the release's commits"),
        "with another one": ((AUTHOR, OTHER), ""),
        "not at all": ((OTHER,), ""),
        "nobody knows": ((), "its commits can't be read"),
    },
)
def test_who_alone_wrote_a_release_neither_approves_nor_waives_it(
    scene: Scene, authors: tuple[str, ...], said: str
) -> None:
    written_by(scene, *authors)
    signed(scene)
    check = judged(ITEM, scene.platform)
    assert check.outcome("eu") is (Outcome.INCONCLUSIVE if said else Outcome.PASS)
    assert said in told(check)[0]
    scene.person("emil.haas", accounts=[AUTHOR])
    scene.person(WHO, accounts=[])
    waive(scene, *TWO)
    assert (OPEN in waived(scene)) is (not said)
