"""Proof that `gate verify` finds a changed byte, whichever it is, and names the file that has it."""

from __future__ import annotations

import pathlib
import random
import tempfile

from gates.run.audit import Against
from prove import Cases, Remark
from tests.gates.run.sealed import NOW, clinic
from tests.gates.run.tampered import FAILED, flip_unnoticed

PROMISE = (
    "no byte of a run's files or of its chain is changed without `gate verify` naming the file"
)
AT_LEAST = 10_000


def named(seed: int) -> Cases:
    """Yield a flipped bit a case: one of every file in turn, anywhere in it."""
    chance = random.Random(seed)  # noqa: S311 - repeatable
    with tempfile.TemporaryDirectory(prefix="prove-") as folder:
        at = clinic(pathlib.Path(folder))
        run = at.run(found=FAILED)
        stored = sorted(
            one for place in (run, at.chain()) for one in place.rglob("*") if one.is_file()
        )
        known = Against(at.loaded, NOW)
        yield Remark(f"{len(stored)} files of {sum(one.stat().st_size for one in stored):,} bytes")
        while True:
            for path in stored:
                position = chance.randrange(path.stat().st_size)
                yield flip_unnoticed(at, known, run, path, position, chance.randrange(8))
