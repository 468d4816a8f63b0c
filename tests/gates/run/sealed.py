"""Whole runs as the gate leaves them, evidence bundle and state included, made without asking anything."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from environments.loader import Loaded, described
from gates.decide.fold import fold
from gates.decide.outcome import Outcome
from gates.decide.scope import Gate, PostDeploy
from gates.load import Checks, load_catalogue
from gates.run import lines, verdict
from gates.run.bundle import Sealing, signer
from gates.run.manifest import manifest
from tests.environments import files
from tests.gates.run import recorded

BEGAN = dt.datetime(2026, 1, 31, 22, 0, tzinfo=dt.UTC)
"""Of the first run; each one after it began a minute later."""
NOW = BEGAN + dt.timedelta(days=365)
PICTURE = bytes(range(256)) * 4
Outcomes = Mapping[str, Iterable[tuple[Outcome, ...]]]
"""By check: what each of its runs found. A check that is not named passed once."""


@dataclasses.dataclass(frozen=True, slots=True)
class Clinic:
    """An environment with its state, and the runs that were asked of it."""

    folder: pathlib.Path

    @property
    def out(self) -> pathlib.Path:
        return self.folder / "out"

    @property
    def state(self) -> pathlib.Path:
        return self.folder / "state"

    @property
    def file(self) -> pathlib.Path:
        return self.folder / "clinic.yaml"

    @property
    def loaded(self) -> Loaded:
        loaded = described(str(self.file))
        assert loaded is not None
        return loaded

    def chain(self, release: str = "v1.2.0") -> pathlib.Path:
        """Return the folder in which the state names the bundles."""
        return self.state / "clinic" / release / "bundles"

    def run(
        self,
        number: int = 0,
        found: Outcomes | None = None,
        gate: Gate | None = None,
        *,
        regions: tuple[str, ...] = ("eu", "us"),
        **changes: Any,
    ) -> pathlib.Path:
        """Leave a run that came to its end; `changes` are made to its verdict before it is kept."""
        gate, began = gate or PostDeploy("15m"), BEGAN + dt.timedelta(minutes=number)
        name = f"{began:%Y%m%dT%H%M%SZ}-{gate.kind}-{number:06x}"
        path = self.out / name
        path.mkdir(parents=True)
        loaded = self.loaded
        scope = gate.scope(load_catalogue(), switched=True)
        asked = manifest(scope.rows, loaded.sections)
        events = [
            recorded.finished(row.id, *outcomes, regions=regions)
            for row in asked.required
            for outcomes in (found or {}).get(row.id, [(Outcome.PASS,)])
        ]
        measured = lines.read(recorded.file(path, recorded.text(*events)))
        wanted = {"checks": asked.ids, "regions": list(regions)}
        (path / "manifest.json").write_text(json.dumps(wanted))
        attach(path)
        excused = verdict.not_applicable_results(asked, regions)
        folded = fold(
            asked.rows, regions, (*measured.results, *excused), scope.stages, measured.problems
        )
        opened = dataclasses.replace(
            verdict.opening(gate, name, "clinic", str(self.file), "v1.2.0", began),
            stage=scope.stage,
            environment_regions=("eu", "us"),
            sections=tuple(sorted(loaded.sections)),
            traffic_switched_at="2026-01-31T22:00:00+00:00",
            signed_by=signer(loaded),
            digests={**verdict.digests(Checks()), "environment": verdict.digest_of(self.file)},
        )
        decided = verdict.decided(opened, folded, asked, scope.stages, measured)
        code, end = folded.decision.exit_code, began + dt.timedelta(seconds=20)
        closed = verdict.closed(decided, state="complete", exit_code=code, now=end)
        changed = dataclasses.replace(closed, **changes)
        verdict.keep(path, changed)
        assert Sealing(Checks(), loaded).seal(path, changed) is None
        return path


def attach(run: pathlib.Path) -> None:
    """Leave what a check attached: bytes, no text."""
    (run / "evidence").mkdir()
    (run / "evidence" / "picture.png").write_bytes(PICTURE)


def clinic(folder: pathlib.Path, more: str = "") -> Clinic:
    """Return an environment that keeps its state beside its file."""
    folder.mkdir(parents=True, exist_ok=True)
    files.write(folder, f"{files.VALID}state: {{url: state}}\n{more}")
    return Clinic(folder)


def a_key() -> tuple[str, str]:
    """Return a new private key, and its public one as approvers files name it."""
    made = Ed25519PrivateKey.generate()
    private = made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = made.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return private.decode(), public.decode()


def signing_clinic(folder: pathlib.Path) -> Clinic:
    """Return one whose runner has a key that the approvers file names."""
    private, public = a_key()
    made = clinic(folder, "signing: {key: file:runner}\nstatements: {approvers: approvers.yaml}\n")
    (folder / "runner").write_text(private)
    key = {"key": public, "valid_from": BEGAN.isoformat()}
    runner = {"name": "the runner", "roles": ["runner"], "keys": [key]}
    people = {"ci": runner}
    (folder / "approvers.yaml").write_text(json.dumps({"schema": 1, "people": people}))
    return made
