"""`gate verify`: a run as it was left is borne out; whatever was changed since is found and named."""

from __future__ import annotations

import pathlib
import random
from collections.abc import Callable

from gates.decide.outcome import Outcome
from gates.run.audit import Against, audited
from tests.gates.cli.evidence import called
from tests.gates.run.sealed import NOW, Clinic, clinic


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
