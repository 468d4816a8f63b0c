"""What somebody may do to a run, its bundle and the state: edits, and everything digested anew."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

from environments.store import digest_of
from gates.decide.outcome import Outcome
from gates.run import bundle
from gates.run.audit import Against, audited
from gates.run.bundle import ABOUT, NAME
from tests.gates.run.sealed import NOW, Clinic

FAILED = {"IV-HEALTH-1": [(Outcome.FAIL,)]}
"""What a run found that is ROLLBACK."""
HOLD = 20
Change = Callable[[Any], object]


def flip_unnoticed(
    at: Clinic, known: Against, run: pathlib.Path, path: pathlib.Path, position: int, bit: int
) -> str | None:
    """Change one bit of a stored file for a moment; None where `gate verify` names that file.

    What the state says is read anew only where it is what changes.
    """
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[position] ^= 1 << bit
    path.write_bytes(changed)
    try:
        against = Against(at.loaded, NOW) if path.parent == at.chain() else known
        found = audited(run, lambda _: against)
    finally:
        path.write_bytes(whole)
    name = path.relative_to(run).as_posix() if run in path.parents else path.name
    said = " ".join(f"{one.file} {one.sentence}" for one in found.findings)
    if found.exit_code == HOLD and name in said:
        return None
    return f"bit {bit} of byte {position} of {name}: code {found.exit_code}, {said}"


@contextlib.contextmanager
def edited(path: pathlib.Path) -> Iterator[Any]:
    """Give what a JSON file holds, and write it back however it was changed."""
    held = json.loads(path.read_text(encoding="utf-8"))
    yield held
    path.write_text(json.dumps(held, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@contextlib.contextmanager
def statement(run: pathlib.Path) -> Iterator[Any]:
    """Give a bundle's statement, and write its envelope again."""
    envelope = json.loads((run / NAME).read_text())
    held = json.loads(base64.b64decode(envelope["payload"]))
    yield held
    payload = json.dumps(held, separators=(",", ":"), ensure_ascii=False).encode()
    again = {**envelope, "payload": base64.b64encode(payload).decode()}
    (run / NAME).write_text(bundle.as_file(again))


def remade(at: Clinic, run: pathlib.Path) -> None:
    """Digest every file anew, and the bundle in the state: whoever may write everywhere can."""
    with statement(run) as stated:
        kept = [one for one in stated["subject"] if "annotations" in one]
        files = [
            {"name": name, "digest": {"sha256": _sha256(run / name)}}
            for name in bundle.files_in(run)
        ]
        stated["subject"] = [*files, *kept]
        name = stated["predicate"][ABOUT]["run"]
    for path in sorted(at.chain().glob("*.json")):
        if json.loads(path.read_text())["record"]["run"] == name:
            with record(path) as held:
                held["bundle"] = _sha256(run / NAME)


@contextlib.contextmanager
def record(path: pathlib.Path) -> Iterator[Any]:
    """Give a record of the state, and write it back with its digest."""
    with edited(path) as held:
        yield held["record"]
        held["sha256"] = digest_of(held["record"])


def everywhere(run: pathlib.Path, change: Change) -> None:
    """Make a change to the verdict and to what the bundle says of the run."""
    with edited(run / "verdict.json") as verdict:
        change(verdict)
    with statement(run) as stated:
        change(stated["predicate"][ABOUT])


def _sha256(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
