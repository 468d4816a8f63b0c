"""`gate verify`: a run as it was left is borne out; whatever was changed since is found and named."""

from __future__ import annotations

import pathlib
import random
import shutil
from collections.abc import Callable

import pytest

from environments import loader
from gates.cli.verify import _exit_code as exit_code
from gates.decide.outcome import Outcome
from gates.run.audit import Against, Audited
from gates.run.bundle import NAME
from tests.gates.cli.evidence import called
from tests.gates.run.sealed import NOW, Clinic, clinic
from tests.gates.run.tampered import flip_unnoticed
from tests.tables import cases


def verified(at: Clinic, *arguments: str) -> tuple[int, str, str]:
    return called("verify", at.out, "--env", str(at.file), *arguments, now=NOW)


def test_a_run_as_it_was_left_is_borne_out(tmp_path: pathlib.Path) -> None:
    at = clinic(tmp_path)
    run = at.run()
    code, said, _ = verified(at)
    assert said == f"{run.name}: GO of v1.2.0 on clinic, verified\n"
    assert code == 0


def test_a_go_of_one_region_is_none_of_the_environment(tmp_path: pathlib.Path) -> None:
    """Until the others were asked the same, or the runs were joined."""
    at = clinic(tmp_path)
    eu = at.run(0, regions=("eu",))
    alone = f"{eu.name}: GO of v1.2.0 on clinic, eu alone, verified\n"
    assert verified(at, str(eu))[:2] == (20, alone)
    us = at.run(1, regions=("us",))
    assert verified(at, str(eu), str(us))[0] == 0
    assert verified(at, "--release", "v1.2.0")[0] == 0
    at.run(2, {"IV-HEALTH-1": [(Outcome.FAIL,)]}, regions=("eu",))
    assert verified(at, "--release", "v1.2.0")[0] == 10
    at.run(3)
    assert verified(at, "--release", "v1.2.0")[0] == 0


def test_an_environment_of_which_no_run_is_here_is_not_passed_over(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --env a release is verified wherever its state knows of a run."""
    here, there = clinic(tmp_path / "here"), clinic(tmp_path / "there")
    here.run()
    gone = there.run(1, {"IV-HEALTH-1": [(Outcome.FAIL,)]})
    unfinished = tmp_path / "unfinished.yaml"
    unfinished.write_text("owner: EDIT-ME\n")
    monkeypatch.setattr(loader, "names", lambda: [str(here.file), str(there.file), str(unfinished)])

    def whole() -> tuple[int, str, str]:
        return called("verify", here.out, "--release", "v1.2.0", now=NOW)

    code, said, told = whole()
    assert code == 20
    assert f"{gone.name}: ROLLBACK of v1.2.0 on clinic, NOT VERIFIED" in said
    assert f"the runs of {unfinished} were not looked for: " in told
    (there.chain() / "000001.json").write_text("{}")
    code, said, _ = whole()
    assert (code, "other runs: no decision of v1.2.0 on clinic, NOT VERIFIED" in said) == (20, True)


def flipped(path: pathlib.Path, position: int) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def test_a_flipped_byte_is_found_in_whichever_file_and_the_file_is_named(
    tmp_path: pathlib.Path,
) -> None:
    at = clinic(tmp_path)
    run = at.run(found={"IV-HEALTH-1": [(Outcome.FAIL,)]})
    chance = random.Random(7)  # noqa: S311 - cases, no secrets
    known = Against(at.loaded, NOW)
    stored = [one for folder in (run, at.chain()) for one in folder.rglob("*") if one.is_file()]
    assert len(stored) > 50
    for path in stored:
        size = path.stat().st_size
        for position in {0, size - 1, chance.randrange(size)}:
            assert flip_unnoticed(at, known, run, path, position, chance.randrange(8)) is None
    assert verified(at)[0] == 10


Joined = tuple[Clinic, pathlib.Path]


@pytest.fixture
def joined(tmp_path: pathlib.Path) -> Joined:
    """Return a clinic whose regions were asked each by itself, and the run that was made of both."""
    at = clinic(tmp_path)
    runs = [at.run(number, regions=(region,)) for number, region in enumerate(("eu", "us"))]
    code, *_ = called("join", at.out, *(str(run) for run in runs))
    assert code == 20  # they are of long ago
    return at, next(at.out.glob("*-join-*"))


def test_a_joined_run_is_borne_out_by_those_of_its_regions(joined: Joined) -> None:
    at, run = joined
    code, said, _ = verified(at, str(run))
    assert (code, said) == (20, f"{run.name}: HOLD of v1.2.0 on clinic, verified\n")
    assert verified(at, str(at.out))[1].count(", verified\n") == 3


@cases(
    "change said",
    {
        "a region's run is gone": (shutil.rmtree, "was joined, and its folder is not beside"),
        "its verdict is another": (
            lambda run: (run / "verdict.json").write_text("{}"),
            "verdict.json is not the file that was joined",
        ),
        "its lines are others": (
            lambda run: flipped(run / "events.jsonl", 40),
            "events.jsonl was changed",
        ),
        "its bundle is gone": (lambda run: (run / NAME).unlink(), "bundle.json can't be read"),
    },
)
def test_a_joined_run_is_not_borne_out_by_others(
    joined: Joined, change: Callable[[pathlib.Path], object], said: str
) -> None:
    at, run = joined
    change(min(at.out.glob("*-post-deploy-0*")))
    code, found, _ = verified(at, str(run))
    assert code == 20
    assert said in found


def test_a_red_run_can_not_be_left_out_of_a_release(tmp_path: pathlib.Path) -> None:
    """Nor called refused: the state knows of it."""
    at = clinic(tmp_path)
    red, green = at.run(0, {"IV-HEALTH-1": [(Outcome.FAIL,)]}), at.run(1)
    of = "of v1.2.0 on clinic"
    whole = f"{red.name}: ROLLBACK {of}, verified\n{green.name}: GO {of}, verified\n"
    # The last run of a question counts.
    assert verified(at, "--release", "v1.2.0")[:2] == (0, whole)
    shutil.rmtree(red)
    code, said, _ = verified(at, "--release", "v1.2.0")
    assert code == 20
    assert f"{red.name}: ROLLBACK {of}, NOT VERIFIED" in said
    assert "bundle.json is in the environment's state, and the run's folder is not here" in said


def test_a_file_that_came_with_a_run_is_not_believed(tmp_path: pathlib.Path) -> None:
    at = clinic(tmp_path)
    at.run()
    code, _, said = called("verify", at.out, now=NOW)
    assert code == 64
    assert "which is none of the environments here; say with --env" in said


@cases(
    "decisions code",
    {
        "GO, and one check tried since": (("GO", "HOLD as a trial"), 0),
        "GO, and one check bad since": (("GO", "ROLLBACK"), 10),
        "GO, and undecided since": (("GO", "HOLD"), 20),
        "nothing but a trial": (("HOLD as a trial",), 20),
        "a trial, and the whole since": (("HOLD as a trial", "GO"), 0),
    },
)
def test_a_release_is_what_was_said_last_of_the_whole(
    decisions: tuple[str, ...], code: int
) -> None:
    codes = {"GO": 0, "ROLLBACK": 10, "HOLD": 20}
    found = [
        Audited(
            f"run-{number}",
            (said := one.split()[0]),
            codes[said],
            (),
            question=("clinic", "v1.2.0", "post-deploy"),
            started_at=f"2026-12-01T0{number}:00:00",
            regions=("eu",),
            is_trial=one.endswith("as a trial"),
        )
        for number, one in enumerate(decisions)
    ]
    assert exit_code(found) == code
