"""The history of a deployment in an environment's state: read by later phases, added to by the runner."""

from __future__ import annotations

from collections.abc import Iterable

from environments.store import DamagedRecordError, Store
from gates.decide.history import PhaseRun
from gates.decide.scope import LAST_PHASE, Phase


def folder(environment: str, release: str, phase: str) -> str:
    """Return the folder of a phase's runs in an environment's state."""
    return f"{environment}/{release}/phase-{phase}"


def runs_of(store: Store, environment: str, release: str, phases: Iterable[str]) -> list[PhaseRun]:
    """Return the complete runs of these phases or parts; raises StoreError."""
    return [
        _read(store, key)
        for phase in dict.fromkeys(phases)
        for key in store.newest_first(folder(environment, release, phase))
    ]


def all_runs(store: Store, environment: str, release: str, parts: Iterable[str]) -> list[PhaseRun]:
    """Return every complete run of the deployment, of whole phases and of these parts."""
    whole = (str(Phase(number)) for number in range(1, LAST_PHASE + 1))
    return runs_of(store, environment, release, (*whole, *parts))


def _read(store: Store, key: str) -> PhaseRun:
    try:
        return PhaseRun.from_record(store.read(key))
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise DamagedRecordError(
            f"{store.url}/{key} is no run of a phase: {type(exc).__name__} at {exc}. Find out who wrote it."
        ) from exc
