"""Runs, bundles and the state, tampered with: never borne out, and the reason is said."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from environments.yaml_file import ConfigurationError
from gates.decide.outcome import Outcome
from gates.run.audit import Against, Audited, audited
from gates.run.bundle import ABOUT, NAME, NAMESPACE, signer
from probes import signatures
from tests.gates.run import recorded
from tests.gates.run.sealed import NOW, Clinic, a_key, clinic, signing_clinic
from tests.gates.run.tampered import FAILED, edited, everywhere, record, remade, statement
from tests.tables import cases


def audit(at: Clinic, run: pathlib.Path) -> Audited:
    return audited(run, lambda _: Against(at.loaded, NOW))


def said_of(found: Audited) -> str:
    return "; ".join(f"{one.file} {one.sentence}" for one in found.findings)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """Return a clinic that was asked once: ROLLBACK."""
    made = clinic(tmp_path_factory.mktemp("left"))
    made.run(found=FAILED)
    return made


@pytest.fixture
def at(left: Clinic, tmp_path: pathlib.Path) -> Clinic:
    """Return a copy of it, to be tampered with."""
    shutil.copytree(left.folder, tmp_path / "copy")
    return Clinic(tmp_path / "copy")


def of(name: str) -> Callable[[pathlib.Path], pathlib.Path]:
    return lambda run: run / name


def unlink(name: str) -> Callable[[pathlib.Path], None]:
    return lambda run: (run / name).unlink()


def append(name: str, text: str) -> Callable[[pathlib.Path], None]:
    def change(run: pathlib.Path) -> None:
        with (run / name).open("a") as file:
            file.write(text)

    return change


def write(name: str, text: str) -> Callable[[pathlib.Path], object]:
    return lambda run: (run / name).write_text(text)


def says_go(run: pathlib.Path) -> None:
    with edited(run / "verdict.json") as verdict:
        verdict.update(decision="GO", exit_code=0)


def without_the_fail(run: pathlib.Path) -> None:
    path = run / "events.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"FAIL"', b'"PASS"'))


def linked(run: pathlib.Path) -> None:
    (run / "summary.md").rename(run.parent / "kept.md")
    (run / "summary.md").symlink_to(run.parent / "kept.md")


def a_folder(run: pathlib.Path) -> None:
    (run / "summary.md").unlink()
    (run / "summary.md").mkdir()


def a_pipe(run: pathlib.Path) -> None:
    (run / "summary.md").unlink()
    os.mkfifo(run / "summary.md")


def twice(run: pathlib.Path) -> None:
    text = (run / NAME).read_text()
    (run / NAME).write_text(text.replace('{\n "payloadType"', '{\n "payload": "",\n "payloadType"'))


def enveloped(**changes: Any) -> Callable[[pathlib.Path], None]:
    def change(run: pathlib.Path) -> None:
        with edited(run / NAME) as envelope:
            envelope.update(changes)

    return change


def stated(change: Callable[[Any], object]) -> Callable[[pathlib.Path], None]:
    def changed(run: pathlib.Path) -> None:
        with statement(run) as held:
            change(held)

    return changed


@cases(
    "change said",
    {
        "the verdict says GO": (says_go, "verdict.json was changed"),
        "the line that failed passed": (without_the_fail, "events.jsonl was changed"),
        "a picture is another": (write("evidence/picture.png", "x"), "evidence/picture.png was"),
        "a picture is gone": (unlink("evidence/picture.png"), "picture.png is missing"),
        "the lines are gone": (unlink("events.jsonl"), "events.jsonl is missing"),
        "the verdict is gone": (unlink("verdict.json"), "verdict.json is missing"),
        "a file was added": (write("evidence/more.png", "x"), "more.png was not left by the run"),
        "a file is a link": (linked, "summary.md is not a file any more"),
        "a file is a folder": (a_folder, "summary.md is missing"),
        "a file is a pipe": (a_pipe, "summary.md is not a file any more"),
        "the manifest asks less": (write("manifest.json", "{}"), "manifest.json was changed"),
        "the page says something else": (append("sign-off.html", "GO"), "sign-off.html was"),
        "the bundle is gone": (unlink(NAME), "bundle.json can't be read: No such file"),
        "the bundle is empty": (write(NAME, ""), "bundle.json was changed"),
        "the bundle is a list": (write(NAME, "[]\n"), "bundle.json was changed"),
        "the bundle has a space more": (append(NAME, " "), "the one spelling that a gate writes"),
        "the bundle has a payload twice": (twice, "the one spelling that a gate writes"),
        "the envelope is of another type": (enveloped(payloadType="text/plain"), "not the test"),
        "the envelope has no payload": (enveloped(payload=""), "bundle.json was changed"),
        "the envelope's payload is not base64": (enveloped(payload="%"), "bundle.json was changed"),
        "the statement is of another kind": (
            stated(lambda held: held.update(predicateType="https://slsa.dev/provenance/v1")),
            "bundle.json is not the test result of a run",
        ),
        "the statement is another version": (
            stated(lambda held: held.update(_type="https://in-toto.io/Statement/v0.1")),
            "bundle.json is not the test result of a run",
        ),
        "the statement lacks the run": (
            stated(lambda held: held["predicate"][ABOUT].pop("run")),
            "bundle.json was changed: it is not the statement of a run",
        ),
        "the statement leaves a file out": (
            stated(lambda held: held["subject"].pop()),
            "the environment's state names another one",
        ),
        "the statement names another file before it": (
            stated(lambda held: held["predicate"][ABOUT].update(chain={"number": 2})),
            "the environment's state names another one",
        ),
    },
)
def test_a_changed_folder_is_not_borne_out(
    at: Clinic, change: Callable[[pathlib.Path], object], said: str
) -> None:
    (run,) = at.out.iterdir()
    assert audit(at, run).exit_code == 10
    change(run)
    found = audit(at, run)
    assert found.exit_code == 20
    assert said in said_of(found)


def test_all_digested_anew_is_still_not_what_the_state_names(at: Clinic) -> None:
    (run,) = at.out.iterdir()
    kept = at.chain() / "000001.json"
    before = kept.read_bytes()
    without_the_fail(run)
    remade(at, run)
    kept.write_bytes(before)
    assert "the environment's state names another one of this run" in said_of(audit(at, run))


def updated(**changes: Any) -> Callable[[pathlib.Path], None]:
    return lambda run: everywhere(run, lambda held: held.update(changes))


def of_the_bundle(change: Callable[[Any], object]) -> Callable[[pathlib.Path], None]:
    return stated(lambda held: change(held["predicate"]))


def passes(predicate: Any) -> None:
    predicate["passedTests"] += predicate["failedTests"]
    predicate["failedTests"] = []


def green(run: pathlib.Path) -> None:
    """Call all of it GO, but leave the lines."""
    everywhere(
        run, lambda held: held.update(decision="GO", exit_code=0, regions={"eu": "GO", "us": "GO"})
    )


def green_and(**changes: Any) -> Callable[[pathlib.Path], None]:
    def change(run: pathlib.Path) -> None:
        green(run)
        updated(**changes)(run)

    return change


def judged_green(run: pathlib.Path) -> None:
    with edited(run / "verdict.json") as verdict:
        for check in verdict["checks"]:
            for result in check["regions"].values():
                for one in result["judgements"]:
                    one["outcome"] = one["outcome"].replace("FAIL", "PASS")


def rows(change: Callable[[list[Any]], object]) -> Callable[[pathlib.Path], None]:
    """Change the requirements of verdict and bundle."""

    def changed(run: pathlib.Path) -> None:
        everywhere(run, lambda held: change(held.get("requirements", held.get("checks"))))

    return changed


def first(**changes: Any) -> Callable[[pathlib.Path], None]:
    return rows(lambda held: held[0].update(changes))


def asked_less(run: pathlib.Path) -> None:
    """Leave a check that passed out of everything."""
    rows(lambda held: held.pop(1))(run)
    with edited(run / "manifest.json") as manifest:
        gone = manifest["checks"].pop(1)
    lines = (run / "events.jsonl").read_bytes().split(b"\n")
    (run / "events.jsonl").write_bytes(b"\n".join(lines[:1] + lines[2:]))
    with statement(run) as held:
        passed = held["predicate"]["passedTests"]
        held["predicate"]["passedTests"] = [one for one in passed if not one.startswith(f"{gone}/")]


def configured(run: pathlib.Path) -> None:
    def change(predicate: Any) -> None:
        for one in predicate["configuration"]:
            if one["name"].endswith("objectives.yaml"):
                one["digest"]["sha256"] = "0" * 64

    of_the_bundle(change)(run)


def line(*events: Any) -> Callable[[pathlib.Path], None]:
    return append("events.jsonl", recorded.text(*events).decode())


AGAIN = recorded.finished("IV-HEALTH-1", Outcome.PASS)
EXCUSED = recorded.finished("IV-HEALTH-1", Outcome.NOT_APPLICABLE)
STRANGER = recorded.finished("IV-HEALTH-99", Outcome.PASS)
LATER = "2031-01-31T22:00:00.000+00:00"


@cases(
    "change code said",
    {
        "called GO": (green, 20, "events.jsonl leads to ROLLBACK, verdict.json says GO"),
        "called GO in a region": (
            updated(regions={"eu": "GO", "us": "ROLLBACK"}),
            20,
            "events.jsonl leads to ROLLBACK in eu, not GO",
        ),
        "exit code 0": (updated(exit_code=0), 20, "has exit code 0, not that of ROLLBACK"),
        "judged green in the verdict": (judged_green, 20, "verdict.json differ on IV-HEALTH-1"),
        "the verdict alone": (says_go, 20, "says decision GO, bundle.json says ROLLBACK"),
        "another state": (updated(state="failed"), 20, "a run that did not end: failed"),
        "interrupted": (updated(state="interrupted"), 20, "leads to HOLD"),
        "failed tests called passed": (of_the_bundle(passes), 20, "other passedTests"),
        "a test in no list": (
            of_the_bundle(lambda held: held["passedTests"].pop()),
            20,
            "lists other passedTests than were measured",
        ),
        "undecided tests that were none": (
            of_the_bundle(lambda held: held[ABOUT]["undecidedTests"].append("X/eu")),
            20,
            "lists other undecidedTests",
        ),
        "the result PASSED": (
            of_the_bundle(lambda held: held.update(result="PASSED")),
            20,
            "says PASSED of a run that is ROLLBACK",
        ),
        "a requirement less": (asked_less, 78, "features/catalogue.csv and bundle.json differ on"),
        "a requirement less in the bundle": (
            of_the_bundle(lambda held: held[ABOUT]["requirements"].pop()),
            20,
            "lists other requirements than verdict.json",
        ),
        "a requirement twice": (
            of_the_bundle(
                lambda held: held[ABOUT]["requirements"].append(held[ABOUT]["requirements"][0])
            ),
            20,
            "lists other requirements than verdict.json",
        ),
        "a failure that is advisory": (first(on_fail="advisory"), 20, "leads to GO"),
        "a failure before the deployment": (first(stage="before the deployment"), 20, "to NO_GO"),
        "a check that does not apply": (
            first(not_applicable="the environment has no x section"),
            20,
            "manifest.json lists other checks",
        ),
        "sections that are gone": (updated(sections=[]), 78, "has other sections than the run"),
        "another environment": (updated(environment="x"), 20, "is of x, not of clinic"),
        "another release": (updated(release="v1.3.0"), 20, "is 0 times in the environment's state"),
        "another question": (
            of_the_bundle(lambda held: held[ABOUT]["question"].update(window="1h")),
            20,
            "verdict.json answers another question",
        ),
        "ended before it began": (updated(started_at=LATER), 20, "ended before it began"),
        "ended in the future": (updated(finished_at=LATER), 20, "which is still to come"),
        "times that are none": (updated(finished_at="soon"), 20, "another thing than a gate"),
        "another policy": (configured, 78, "gates/policy/objectives.yaml is not the file here"),
        "a line more": (line(AGAIN), 20, "disagree on IV-HEALTH-1 DOUBLED in eu"),
        "a line that is none": (line("GO"), 20, "is silent about: line"),
        "a line that excuses": (line(EXCUSED), 20, "disagree on IV-HEALTH-1 DOUBLED"),
        "a line of a stranger": (line(STRANGER), 20, "is silent about: a result of IV-HEALTH-99"),
        "a manifest of one region": (
            lambda run: (run / "manifest.json").write_text(
                json.dumps(json.loads((run / "manifest.json").read_text()) | {"regions": ["eu"]})
            ),
            20,
            "manifest.json lists other regions",
        ),
        "an only that was not": (updated(only=["IV-HEALTH-1"]), 78, "differ on IV-"),
        "a GO of a part": (
            green_and(only=["IV-HEALTH-1"]),
            20,
            "verdict.json says GO of a part of the checks (--only), which is never GO",
        ),
        "called GO, with times that are none": (
            green_and(finished_at="soon"),
            20,
            "verdict.json says GO; verdict.json has exit code 0, not that of ROLLBACK",
        ),
        "a run that is a number": (
            updated(run=7),
            20,
            "bundle.json is not the test result of a run",
        ),
        "regions that are a list": (updated(regions=["eu"]), 20, "another thing than a gate"),
    },
)
def test_all_digested_anew_is_not_borne_out_by_the_rest(
    at: Clinic, change: Callable[[pathlib.Path], object], code: int, said: str
) -> None:
    (run,) = at.out.iterdir()
    change(run)
    remade(at, run)
    found = audit(at, run)
    assert said in said_of(found)
    assert found.exit_code == code


def again(path: pathlib.Path, **changes: Any) -> None:
    with record(path) as held:
        held.update(changes)


def swapped(folder: pathlib.Path, _: Clinic) -> None:
    (folder / "000001.json").rename(folder / "x")
    (folder / "000002.json").rename(folder / "000001.json")
    (folder / "x").rename(folder / "000002.json")


def of_another(release: str, environment: str = "clinic") -> Callable[[pathlib.Path, Clinic], None]:
    """Put the chain of another release or environment in its place."""

    def change(folder: pathlib.Path, at: Clinic) -> None:
        other = at.state / environment / release / "bundles"
        shutil.copytree(folder, other)
        for path in other.iterdir():
            again(path, release=release, environment=environment)
        shutil.rmtree(folder)
        shutil.copytree(other, folder)

    return change


def is_a_link(folder: pathlib.Path, at: Clinic) -> None:
    shutil.move(folder, at.folder / "elsewhere")
    folder.symlink_to(at.folder / "elsewhere")


BROKEN = "bundle.json can't be held against the environment's state: "


@cases(
    "change said",
    {
        "all records are gone": (lambda one, _: shutil.rmtree(one), "0 times in the environment"),
        "the last record is gone": (
            lambda one, _: (one / "000002.json").unlink(),
            "bundle.json is 0 times in the environment's state",
        ),
        "the first record is gone": (
            lambda one, _: (one / "000001.json").unlink(),
            "records are missing",
        ),
        "a record is edited": (
            lambda one, _: (one / "000001.json").write_text("{}"),
            "000001.json is damaged",
        ),
        "a record before it is edited and digested anew": (
            lambda one, _: again(one / "000001.json", decision="ROLLBACK"),
            "the previous of 000002.json",
        ),
        "its record is edited and digested anew": (
            lambda one, _: again(one / "000002.json", bundle="0" * 64),
            "bundle.json was changed: the environment's state names another one",
        ),
        "its record is of another run": (
            lambda one, _: again(one / "000002.json", run="20260131T220000Z-post-deploy-ffffff"),
            "bundle.json is 0 times",
        ),
        "its record has another place": (
            lambda one, _: again(one / "000002.json", number=3),
            "the number of 000002.json is 3",
        ),
        "records are swapped": (swapped, "the number of 000001.json is 2"),
        "a record is there twice": (
            lambda one, _: shutil.copy(one / "000002.json", one / "000003.json"),
            "the number of 000003.json is 2",
        ),
        "its record comes again at the end": (
            lambda one, _: added_again(one),
            "bundle.json is 2 times in the environment's state",
        ),
        "the first record comes last, chained anew": (
            lambda one, _: only_the_second(one),
            "bundle.json names another run before it",
        ),
        "the chain of another release": (of_another("v1.3.0"), "the release of 000001.json"),
        "the chain of another environment": (of_another("v1.2.0", "x"), "the environment of"),
        "the chain is a link": (is_a_link, "is a symbolic link"),
        "a record that nobody wrote": (
            lambda one, _: (one / "more.json").write_text("{}"),
            "some are there that no gate wrote",
        ),
        "a record that is a list": (
            lambda one, _: (one / "000001.json").write_text("[]"),
            "000001.json is damaged",
        ),
    },
)
def test_a_changed_chain_bears_nothing_out(
    two: tuple[Clinic, pathlib.Path],
    change: Callable[[pathlib.Path, Clinic], object],
    said: str,
) -> None:
    at, run = two
    change(at.chain(), at)
    found = audit(at, run)
    assert said in said_of(found)
    assert found.exit_code == 20


def added_again(folder: pathlib.Path) -> None:
    last = json.loads((folder / "000002.json").read_text())
    shutil.copy(folder / "000002.json", folder / "000003.json")
    again(folder / "000003.json", number=3, previous=last["sha256"])


def only_the_second(folder: pathlib.Path) -> None:
    (folder / "000002.json").rename(folder / "000001.json")
    again(folder / "000001.json", number=1, previous=None)


@pytest.fixture(scope="module")
def left_twice(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    made = clinic(tmp_path_factory.mktemp("twice"))
    made.run(0)
    made.run(1)
    return made


@pytest.fixture
def two(left_twice: Clinic, tmp_path: pathlib.Path) -> tuple[Clinic, pathlib.Path]:
    """Return a copy of a clinic that was asked twice, GO, and the second run."""
    shutil.copytree(left_twice.folder, tmp_path / "copy")
    at = Clinic(tmp_path / "copy")
    run = max(at.out.iterdir())
    assert audit(at, run).findings == ()
    return at, run


def test_a_go_that_was_taken_back_later_is_out_of_date(
    two: tuple[Clinic, pathlib.Path],
) -> None:
    at, run = two
    red = at.run(2, FAILED)
    said = f"bundle.json is out of date: run {red.name} asked the same later and said ROLLBACK"
    assert said_of(audit(at, run)) == said
    assert audit(at, red).exit_code == 10


def test_a_check_that_was_tried_alone_takes_no_go_back_unless_it_is_bad(
    two: tuple[Clinic, pathlib.Path],
) -> None:
    at, run = two
    only = ("IV-HEALTH-1",)
    at.run(2, only=only)
    assert audit(at, run).findings == ()
    undecided = at.run(3, {"IV-HEALTH-1": [(Outcome.INCONCLUSIVE,)]}, only=only)
    said = f"run {undecided.name} asked the same later and said HOLD"
    assert said_of(audit(at, run)) == f"bundle.json is out of date: {said}"


def test_a_go_in_the_folder_of_another_run_is_not_that_one(
    two: tuple[Clinic, pathlib.Path],
) -> None:
    at, run = two
    red = at.run(2, FAILED)
    shutil.rmtree(red)
    shutil.copytree(run, red)
    assert f"bundle.json is of run {run.name}, in the folder of {red.name}" in said_of(
        audit(at, red)
    )


@pytest.fixture(scope="module")
def left_signed(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    made = signing_clinic(tmp_path_factory.mktemp("signed"))
    made.run(0)
    made.run(1)
    return made


@pytest.fixture
def signed(left_signed: Clinic, tmp_path: pathlib.Path) -> tuple[Clinic, pathlib.Path]:
    """Return a copy of a clinic whose runner signs, asked twice, and the second run."""
    shutil.copytree(left_signed.folder, tmp_path / "copy")
    at = Clinic(tmp_path / "copy")
    run = max(at.out.iterdir())
    assert audit(at, run).findings == ()
    return at, run


def resigned(at: Clinic, run: pathlib.Path, key: str, namespace: str = NAMESPACE) -> None:
    """Sign a bundle with a key, whatever it says by now, and have the state name it."""
    with edited(run / NAME) as envelope:
        payload = base64.b64decode(envelope["payload"])
        made = signatures.signed(envelope["payloadType"], payload, key.encode(), namespace)
        envelope.update(made.record())
    with record(at.chain() / "000002.json") as held:
        held["bundle"] = hashlib.sha256((run / NAME).read_bytes()).hexdigest()


def keyed(at: Clinic, **changes: str) -> None:
    with edited(at.folder / "approvers.yaml") as held:
        held["people"]["ci"]["keys"][0].update(changes)


def unsigned(at: Clinic, run: pathlib.Path) -> None:
    with edited(run / NAME) as envelope:
        envelope["signatures"] = []
    remade(at, run)


def signature_of_the_first(at: Clinic, run: pathlib.Path) -> None:
    other = json.loads((min(at.out.iterdir()) / NAME).read_text())
    with edited(run / NAME) as envelope:
        envelope["signatures"] = other["signatures"]
    remade(at, run)


def of_a_runner(at: Clinic) -> str:
    return (at.folder / "runner").read_text()


def edited_and_remade(at: Clinic, run: pathlib.Path) -> None:
    updated(finished_at="2026-01-31T22:01:10.000+00:00")(run)
    remade(at, run)


def received_before(at: Clinic, _: pathlib.Path) -> None:
    with record(at.chain() / "000002.json") as held:
        held["received_at"] = "2026-01-31T22:00:00+00:00"


def another(at: Clinic, run: pathlib.Path) -> None:
    resigned(at, run, a_key()[0])


@cases(
    "change code said",
    {
        "the signature is gone": (unsigned, 20, "bundle.json is not signed by a runner"),
        "it is another run's": (signature_of_the_first, 20, "by no runner of the approvers file"),
        "it is a stranger's": (another, 20, "by no runner of the approvers file"),
        "it is a runner's, as a statement": (
            lambda at, run: resigned(at, run, of_a_runner(at), "gate-statement"),
            20,
            "by no runner of the approvers file",
        ),
        "what it signed was edited": (edited_and_remade, 20, "by no runner of the approvers file"),
        "it names another key": (
            another,
            20,
            "is not signed with the key that verdict.json names",
        ),
        "the key was revoked before": (
            lambda at, _: keyed(at, revoked_from="2026-02-01T00:00:00Z"),
            20,
            "with a key that did not count then",
        ),
        "the key is not valid yet": (
            lambda at, _: keyed(at, valid_from="2099-02-01T00:00:00Z"),
            20,
            "with a key that did not count then",
        ),
        "the key was not valid any more": (
            lambda at, _: keyed(at, valid_until="2026-02-01T00:00:00Z"),
            20,
            "with a key that did not count then",
        ),
        "the receipt is dated back": (received_before, 20, "received before a run that stands"),
        "the approvers file is gone": (
            lambda at, _: (at.folder / "approvers.yaml").unlink(),
            78,
            "approvers.yaml",
        ),
        "the approvers file holds no key": (
            lambda at, _: keyed(at, key="ssh-ed25519 AAAA"),
            78,
            "people.ci.keys",
        ),
    },
)
def test_a_signature_that_does_not_count_vouches_for_nothing(
    signed: tuple[Clinic, pathlib.Path],
    change: Callable[[Clinic, pathlib.Path], object],
    code: int,
    said: str,
) -> None:
    at, run = signed
    change(at, run)
    found = audit(at, run)
    assert said in said_of(found)
    assert found.exit_code == code


def test_a_key_that_was_revoked_later_vouches_for_what_it_signed_before(
    signed: tuple[Clinic, pathlib.Path],
) -> None:
    at, run = signed
    keyed(at, revoked_from="2099-02-01T00:00:00Z")
    assert audit(at, run).findings == ()


def test_a_key_that_is_none_is_refused_before_anything_is_asked(tmp_path: pathlib.Path) -> None:
    made = clinic(tmp_path, "signing: {key: file:runner}\n")
    (tmp_path / "runner").write_text("a password")
    with pytest.raises(ConfigurationError, match=r"signing\.key: the key is not a private SSH key"):
        signer(made.loaded)
