"""What people sign by command, with OpenSSH's own program, and what comes of it."""

from __future__ import annotations

import argparse
import datetime as dt
import io
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from gates.cli import people
from gates.cli.main import main
from gates.decide import statements as rules
from gates.decide.fold import Stage
from gates.decide.judgement import below
from gates.decide.outcome import Decision, Meaning, Outcome
from gates.decide.statements import Kind
from gates.run.runs import newest_first
from probes.observation import utc_now
from steps.kit.statements import Books, asking, by_people, words_against
from tests.gates.cli.evidence import leave, run_id
from tests.reports import verdicts
from tests.sandbox.platforms import eventually
from tests.steps.statements.signing import Scene
from tests.tables import cases

pytestmark = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="OpenSSH's client is not installed"
)
RUNBOOK = "T7-DOCS-4"


@pytest.fixture
def scene(tmp_path: pathlib.Path) -> Scene:
    made = Scene(tmp_path)
    made.platform  # noqa: B018 - writes the environment's file
    return made


def gate(scene: Scene, who: str, command: str, *more: str) -> tuple[int, str]:
    """Call a command as somebody, with their key; return its code and what it says."""
    out, err = io.StringIO(), io.StringIO()
    key = ("--key", str(scene.folder / "people" / who), "--yes")
    where = ("--env", str(scene.folder / "environment.yaml"), "--release", "v1.2.0")
    name, *rest = command.split()
    code = main([name, *rest, *(where if name != "decide" else ()), *key, *more], out, err)
    return code, out.getvalue() + err.getvalue()


def test_one_signature_is_of_all_that_is_left_for_a_role(scene: Scene) -> None:
    code, said = gate(scene, "quinn.adler", "attest --all --as qa-lead")
    assert code == 0
    assert "You sign it as Quinn Adler, qa-lead, with SHA256:" in said
    assert "T1-GONOGO-6: 1 of 1 signed" in said
    assert len(list(scene.record(1).parent.iterdir())) == 1
    again = gate(scene, "quinn.adler", "attest --all --as qa-lead")
    assert again == (0, "Nothing is left to sign for you.\n")


def test_only_what_is_due_is_signed_with_all(scene: Scene) -> None:
    code, said = gate(scene, "quinn.adler", "attest --all --at T-3d --as qa-lead")
    assert (code, "T1-GONOGO-6" in said) == (0, False)


def test_a_new_signature_names_the_receipts_that_it_takes_the_place_of(scene: Scene) -> None:
    for _ in range(2):
        assert gate(scene, "quinn.adler", "approve --as qa-lead")[0] == 0
    first, second = scene.ledger.signed
    assert second.statement.supersedes == (first.digest,)


def test_an_approval_of_who_runs_the_gate_is_received_and_does_not_count(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTOR", "Quinn.Adler@unifiedhealth.example")
    code, said = gate(scene, "quinn.adler", "approve --as qa-lead")
    assert code == 20
    assert "0 of 1 signed; not counted: receipt 1 of quinn.adler is of who runs the gate" in said


@cases(
    "who command said",
    {
        "an item that nobody signs": (
            "quinn.adler",
            "attest IV-HEALTH-1 --as qa-lead",
            "IV-HEALTH-1: nobody signs it",
        ),
        "an item of another role": (
            "quinn.adler",
            "attest T7-DOCS-2 --as qa-lead",
            "T7-DOCS-2: product-manager has to sign it, and you sign as qa-lead.",
        ),
        "a role of somebody else": (
            "quinn.adler",
            "approve --as vp-engineering",
            "--as vp-engineering: the approvers file has Quinn Adler as qa-lead.",
        ),
        "a role that gives no approval": (
            "rosa.keller",
            "approve --as release-manager",
            "this role gives no approval",
        ),
        "nothing named": ("quinn.adler", "attest --as qa-lead", "name the items to sign"),
        "a key that is not an approver's": (
            "approvers.yaml",
            "approve --as qa-lead",
            "is not a key of an approver",
        ),
        "the runbook without the runbook": (
            "rosa.keller",
            f"attest {RUNBOOK} --as release-manager",
            f"{RUNBOOK}: is signed together with the file of SHA-256 6b2194baa2b4",
        ),
        "a waiver of what nobody saw": (
            "rosa.keller",
            "waive T7-DOCS-6 --as release-manager --reason r --ticket t --until 1d --out FOLDER",
            "T7-DOCS-6: no run of this release asked it; run the gate first.",
        ),
        "a waiver without its ticket": (
            "rosa.keller",
            "waive T7-DOCS-6 --as release-manager --reason r --until 1d",
            "a waiver has --reason, --ticket and --until, all of them.",
        ),
        "a waiver that nobody began": (
            "rosa.keller",
            "waive T7-DOCS-6 --as release-manager",
            "T7-DOCS-6: nobody began a waiver",
        ),
    },
)
def test_what_can_t_be_signed_is_refused_before_anything_is(
    scene: Scene, who: str, command: str, said: str
) -> None:
    code, found = gate(scene, who, command.replace("FOLDER", str(scene.folder)))
    assert (code, scene.record(1).exists()) == (64, False)
    assert said in found


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run an SSH agent that holds nothing yet."""
    with tempfile.TemporaryDirectory() as short:
        socket = pathlib.Path(short) / "agent"
        process = subprocess.Popen(
            ["ssh-agent", "-D", "-a", str(socket)],  # noqa: S607 - OpenSSH's, on the PATH
            stdout=subprocess.DEVNULL,
        )
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        eventually("the agent listens", socket.exists)
        yield
        process.terminate()
        process.wait(10)


@pytest.mark.usefixtures("agent")
@cases("given", {"the public key of a file": True, "no file at all": False})
def test_an_agent_signs_with_a_key_that_lies_nowhere(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, given: object
) -> None:
    private = scene.folder / "people" / "quinn.adler"
    add = ["ssh-add", "-q", str(private)]
    subprocess.run(add, check=True, timeout=10)
    private.unlink()
    monkeypatch.setattr(people, "_SSH", scene.folder / "nowhere")
    key = ["--key", f"{private}.pub"] if given else []
    where = ["--env", str(scene.folder / "environment.yaml"), "--release", "v1.2.0"]
    out, err = io.StringIO(), io.StringIO()
    code = main(["approve", *where, "--as", "qa-lead", "--yes", *key], out, err)
    assert (code, err.getvalue()) == (0, "")
    assert "T1-GONOGO-6: 1 of 1 signed" in out.getvalue()


def test_nobody_signs_unasked(scene: Scene) -> None:
    out, err = io.StringIO(), io.StringIO()
    key = str(scene.folder / "people" / "quinn.adler")
    where = ["--env", str(scene.folder / "environment.yaml"), "--release", "v1.2.0"]
    assert main(["approve", *where, "--as", "qa-lead", "--key", key], out, err) == 64
    assert "write --yes to sign what is shown" in err.getvalue()


ITEM, NEVER, WELL = "T7-DOCS-6", "T7-SEC-4", "T7-DOCS-2"
RED = ((ITEM, "us"), (NEVER, "us"))


def left(scene: Scene, **changes: Any) -> pathlib.Path:
    """Leave a run that was NO_GO for one check of this release."""
    red = below("database median", 61.0, 50, "ms")
    found = {
        (check, region): (
            red if (check, region) in RED else verdicts.passing()["IV-HEALTH-1", "eu"][0],
        )
        for check in (ITEM, NEVER, WELL)
        for region in verdicts.REGIONS
    }
    rows = (
        *verdicts.ROWS,
        *(verdicts.row(one, "team", Meaning.HOLD) for one in (ITEM, NEVER, WELL)),
    )
    verdict = verdicts.verdict_of(verdicts.passing() | found, stage=Stage.BEFORE, rows=rows)
    whose = {"environment": "clinic", "asked_as": str(scene.folder / "environment.yaml")}
    leave(scene.folder / "out", run_id(1), verdict, **{**whose, **changes})
    return scene.folder / "out"


TERMS = ("--reason", "it is known and harmless", "--ticket", "UH-1201", "--until", "2d")


def test_a_waiver_takes_two_people_and_what_a_run_has_found(scene: Scene) -> None:
    out = ("--out", str(left(scene)))
    first = gate(scene, "paul.moreau", "waive T7-DOCS-6 --as product-manager", *TERMS, *out)
    assert first[0] == 20
    assert "T7-DOCS-6: received; 2 people have to agree" in first[1]
    again = gate(scene, "paul.moreau", "waive T7-DOCS-6 --as product-manager", *out)
    assert again[0] == 64
    second = gate(scene, "emil.haas", "waive T7-DOCS-6 --as engineering-manager", *out)
    assert second[0] == 0
    assert "by Paul Moreau as product-manager and Emil Haas as engineering-manager" in second[1]
    (given,) = by_people(*scene.asked)[0]
    assert (given.check, given.found, given.ticket) == ("T7-DOCS-6", Outcome.FAIL, "UH-1201")


@cases(
    "command changes said",
    {
        "of data, security and availability": (
            "waive T7-SEC-4 --as product-manager",
            {},
            "T7-SEC-4 is of data, security or availability",
        ),
        "of what passed": ("waive IV-PERF-9 --as product-manager", {}, "no run of this release"),
        "of what is good": (
            "waive T7-DOCS-2 --as product-manager",
            {},
            "T7-DOCS-2 was PASS; only FAIL and INCONCLUSIVE can be waived",
        ),
        "of another environment": (
            "waive T7-DOCS-6 --as product-manager",
            {"environment": "other"},
            "no run of this release asked it",
        ),
        "as a role that may not": (
            "waive T7-DOCS-6 --as security-lead",
            {},
            "engineering-manager or release-manager",
        ),
        "for longer than a week": (
            "waive T7-DOCS-6 --as product-manager --until 8d",
            {},
            "--until: at the most 7 d from now.",
        ),
        "until yesterday": (
            "waive T7-DOCS-6 --as product-manager --until 2026-01-01T00:00Z",
            {},
            "--until: write how long",
        ),
    },
)
def test_what_nobody_may_waive_is_refused(
    scene: Scene, command: str, changes: dict[str, str], said: str
) -> None:
    out = ("--out", str(left(scene, **changes)))
    terms = TERMS if "--until" not in command else TERMS[:4]
    who = "sofia.lind" if "security" in command else "paul.moreau"
    code, found = gate(scene, who, command, *terms, *out)
    assert (code, scene.record(1).exists()) == (64, False)
    assert said in found


def held(scene: Scene, **changes: Any) -> pathlib.Path:
    whose = {"environment": "clinic", "asked_as": str(scene.folder / "environment.yaml")}
    leave(scene.folder / "out", run_id(1), verdicts.hold(), **whose, **changes)
    return scene.folder / "out"


def test_a_hold_that_people_decided_is_shown_as_that_and_stays_one(scene: Scene) -> None:
    out = held(scene)
    code, said = gate(
        scene,
        "rosa.keller",
        "decide proceed --as release-manager",
        *("--reason", "the patients are well", "--out", str(out)),
    )
    assert code == 20
    assert "decision: OVERRIDDEN (exit code 20)" in said
    (shown,) = (run for run in newest_first(out) if "-decide-" in run.id)
    verdict = shown.verdict()
    assert (verdict.decision, verdict.exit_code, verdict.is_go) == (Decision.HOLD, 20, False)
    assert "OVERRIDDEN" in (shown.path / "summary.md").read_text()
    (found,) = by_people(*scene.asked)[1].values()
    assert (found.run, found.by) == (run_id(1), ("Rosa Keller as release-manager",))
    again = gate(
        scene,
        "rosa.keller",
        f"decide proceed {shown.id} --as release-manager --reason x --out {out}",
    )
    assert again[0] == 64


def decided(scene: Scene) -> list[tuple[str, str]]:
    """Return what people decided in the end, and who."""
    found = by_people(*scene.asked)[1].values()
    return [(one.decision.value, " and ".join(one.by)) for one in found]


def test_the_newest_word_of_each_person_counts_and_no_older_one(scene: Scene) -> None:
    out = held(scene)

    def say(who: str, what: str, role: str) -> None:
        command = f"decide {what} {run_id(1)} --as {role} --out {out}"
        assert gate(scene, who, command, "--reason", "it is known")[0] == 20

    rosa, vera = "Rosa Keller as release-manager", "Vera Ito as vp-engineering"
    say("rosa.keller", "proceed", "release-manager")
    say("rosa.keller", "rollback", "release-manager")
    assert decided(scene) == [("rollback", rosa)]
    say("vera.ito", "proceed", "vp-engineering")
    assert decided(scene) == [("proceed", vera)]
    say("vera.ito", "rollback", "vp-engineering")
    assert decided(scene) == [("rollback", f"{rosa} and {vera}")]


def test_two_people_who_each_changed_their_mind_never_agreed(scene: Scene) -> None:
    """Nor does a word that counts for nothing leave the one before it in force."""
    of: dict[str, Any] = {"run": "r", "run_digest": "5" * 64, "reason": "why", "items": {}}
    for who, kind, role in (
        ("rosa.keller", Kind.PROCEED, "release-manager"),
        ("rosa.keller", Kind.ROLLBACK, "release-manager"),
        ("vera.ito", Kind.PROCEED, "vp-engineering"),
    ):
        scene.sign(who, "T7-DOCS-6", kind=kind, role=role, **of)
    policy = scene.asked[1].statements.decide
    assert policy is not None
    found = asking(*scene.asked)
    both = policy.model_copy(update={"people": 2})
    assert rules.decisions(found.ledger, both, found.around) == {}
    scene.sign(
        "vera.ito", "T7-DOCS-6", kind=Kind.ROLLBACK, role="vp-engineering", **of | {"reason": ""}
    )
    assert decided(scene) == [("rollback", "Rosa Keller as release-manager")]
    nameless = of | {"run_digest": ""}
    scene.sign("rosa.keller", "T7-DOCS-6", kind=Kind.PROCEED, role="release-manager", **nameless)
    assert decided(scene) == [("rollback", "Rosa Keller as release-manager")]


def test_an_older_decision_does_not_come_back_when_the_newer_one_expires(scene: Scene) -> None:
    of: dict[str, Any] = {"run": "r", "run_digest": "5" * 64, "reason": "why", "items": {}}
    of["role"] = "release-manager"
    scene.sign("rosa.keller", "T7-DOCS-6", kind=Kind.PROCEED, **of)
    soon = utc_now() + dt.timedelta(hours=1)
    scene.sign("rosa.keller", "T7-DOCS-6", kind=Kind.ROLLBACK, **of, expires_at=soon)
    assert decided(scene) == [("rollback", "Rosa Keller as release-manager")]
    policy = scene.asked[1].statements.decide
    assert policy is not None
    later = utc_now() + dt.timedelta(hours=2)
    loaded, _, release = scene.asked
    found = Books.of(loaded, release).ledger(later)
    assert rules.decisions(found, policy, rules.Around(later)) == {}


JOINED = {"run": run_id(2, "phase"), "folder": "eu", "sha256": "5" * 64}


@cases(
    "changes said",
    {
        "a run that the history does not know": (
            {},
            "its verdict is none that the history of v1.2.0",
        ),
        "a run that was joined": (
            {"joined": [JOINED]},
            f"was joined, and phases build on {JOINED['run']}: decide there.",
        ),
    },
)
def test_of_a_phase_only_what_the_next_one_builds_on_is_decided(
    scene: Scene, changes: dict[str, Any], said: str
) -> None:
    of_a_phase = {"gate": "phase", "phase": "7", "window": None}
    out = held(scene, **of_a_phase, **changes)
    command = f"decide proceed {run_id(1)} --as release-manager --reason x --out {out}"
    code, found = gate(scene, "rosa.keller", command)
    assert (code, scene.record(1).exists()) == (64, False)
    assert said in found


def test_people_decide_about_nothing_but_a_hold(scene: Scene) -> None:
    out = left(scene)
    command = f"decide proceed --as release-manager --reason x --out {out}"
    code, said = gate(scene, "rosa.keller", command)
    assert (code, "is not on HOLD; people decide about nothing else" in said) == (64, True)


def test_who_runs_the_gate_does_not_decide_its_hold(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTOR", "rosa.keller@unifiedhealth.example")
    command = f"decide proceed --as release-manager --reason x --out {held(scene)}"
    code, said = gate(scene, "rosa.keller", command)
    assert (code, "is of who runs the gate" in said) == (20, True)
    assert by_people(*scene.asked)[1] == {}


DECLARE = "declare TRIG-3 --as on-call-engineer --reason gone"


def test_a_declared_trigger_is_ten_with_the_way_back_and_holds_until_two_people_withdraw_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTOR", "rosa.keller@unifiedhealth.example")  # her own run: she may
    asked: list[object] = []

    def plan(arguments: argparse.Namespace, *_: object) -> int:
        asked.append((arguments.env, arguments.release, arguments.region, arguments.only))
        return 20

    monkeypatch.setattr("gates.cli.rollback.run", plan)
    code, said = gate(scene, "rosa.keller", DECLARE)
    assert code == 10
    assert "TRIG-3 was declared by Rosa Keller as on-call-engineer at 20" in said
    assert asked == [(str(scene.folder / "environment.yaml"), "v1.2.0", [], [])]
    (why,) = words_against(*scene.asked)
    assert why.endswith("UTC: gone; it stands until it is withdrawn")
    withdraw = "declare TRIG-3 --withdraw --reason found --as {}"
    first = gate(scene, "rosa.keller", withdraw.format("release-manager"))
    assert (first[0], "2 people have to withdraw it" in first[1]) == (20, True)
    second = gate(scene, "emil.haas", withdraw.format("engineering-manager"))
    assert (second[0], "it is withdrawn. Ask the gate again." in second[1]) == (20, True)
    assert words_against(*scene.asked) == ()


@cases(
    "command said",
    {
        "no trigger": (
            "declare IV-HEALTH-1 --as qa-lead --reason x",
            "is not a trigger; there is: TRIG-1",
        ),
        "nothing to withdraw": (
            "declare TRIG-3 --withdraw --as security-lead --reason x",
            "nobody declared it, so nothing is withdrawn",
        ),
        "a role that may not withdraw": (
            "declare TRIG-3 --withdraw --as qa-lead --reason x",
            "--as qa-lead: release-manager or security-lead",
        ),
    },
)
def test_what_can_t_be_declared_is_refused(scene: Scene, command: str, said: str) -> None:
    who = "sofia.lind" if "security" in command else "quinn.adler"
    code, found = gate(scene, who, command)
    assert (code, scene.record(1).exists()) == (64, False)
    assert said in found
