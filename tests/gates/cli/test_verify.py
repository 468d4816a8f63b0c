"""`gate verify`: a run as it was left is borne out; whatever was changed since is found and named."""

from __future__ import annotations

import pathlib
import random
import shutil
from collections.abc import Callable

import pytest

from gates.decide.outcome import Outcome
from gates.run.audit import Against, audited
from gates.run.bundle import NAME
from tests.gates.cli.evidence import called
from tests.gates.run.sealed import NOW, Clinic, clinic
from tests.tables import cases


def verified(at: Clinic, *arguments: str) -> tuple[int, str, str]:
    return called("verify", at.out, "--env", str(at.file), *arguments, now=NOW)


def test_a_run_as_it_was_left_is_borne_out(tmp_path: pathlib.Path) -> None:
    at = clinic(tmp_path)
    run = at.run()
    code, said, _ = verified(at)
    assert said == f"{run.name}: GO, verified\n"
    assert code == 0


def held_against(at: Clinic, known: Against | None = None) -> Callable[[object], Against]:
    """Return what gives each run the same; read anew unless it is given."""
    return lambda _: known or Against(at.loaded, NOW)


def flipped(path: pathlib.Path, position: int, bit: int = 0) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
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
        whole = path.read_bytes()
        for position in {0, len(whole) - 1, chance.randrange(len(whole))}:
            flipped(path, position, chance.randrange(8))
            found = audited(run, held_against(at, None if path.parent == at.chain() else known))
            named = path.relative_to(run).as_posix() if run in path.parents else path.name
            said = [f"{one.file} {one.sentence}" for one in found.findings]
            assert found.exit_code == 20, (named, position)
            assert named in " ".join(said), (named, position, said)
            path.write_bytes(whole)
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
    assert (code, said) == (20, f"{run.name}: HOLD, verified\n")
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
    whole = f"{red.name}: ROLLBACK, verified\n{green.name}: GO, verified\n"
    # The last run of a question counts.
    assert verified(at, "--release", "v1.2.0")[:2] == (0, whole)
    shutil.rmtree(red)
    code, said, _ = verified(at, "--release", "v1.2.0")
    assert code == 20
    assert f"{red.name}: ROLLBACK, NOT VERIFIED" in said
    assert "bundle.json is in the environment's state, and the run's folder is not here" in said


def test_a_file_that_came_with_a_run_is_not_believed(tmp_path: pathlib.Path) -> None:
    at = clinic(tmp_path)
    at.run()
    code, _, said = called("verify", at.out, now=NOW)
    assert code == 64
    assert "which is none of the environments here; say with --env" in said
