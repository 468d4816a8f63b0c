"""The proof: what a real cluster showed is judged as a person judges it, and shown by the stand-in too."""

from __future__ import annotations

import dataclasses
import pathlib
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from gates.decide.release import Release
from prove.kubernetes.kubelets import DIGEST
from prove.kubernetes.likeness import STORIES, differences
from prove.kubernetes.recordings import load, replay
from prove.proof import Cases
from sandbox.systems.cluster.state import APP
from steps.kit.platform import Platform
from tests.probes.standin_server import listening
from tests.steps.cluster_platform import a_cluster_platform, sentences, write_evidence
from tests.steps.scenarios import a_run, judged

PROMISE = "what a real Kubernetes showed is judged as by hand, and the stand-in shows the same"
EXPECTED = pathlib.Path(__file__).parent / "expected.yaml"
_STATEFUL = "stateful-set"


def cases(_seed: int) -> Cases:
    """Yield each situation that the stand-in knows, then each recording that the checks judge."""
    for name in STORIES:
        yield "; ".join(differences(name)) or None
    for name, wanted in expected().items():
        yield "; ".join(misjudged(name, wanted)) or None


def expected() -> Mapping[str, Mapping[str, str]]:
    """Return by recording what each check has to say."""
    return dict(yaml.safe_load(EXPECTED.read_text(encoding="utf-8")))


CASES = len(STORIES) + len(expected())


def misjudged(name: str, wanted: Mapping[str, str]) -> Iterator[str]:
    """Yield in words which checks judge a recording otherwise than they have to."""
    with listening(replay(load(name))) as url, tempfile.TemporaryDirectory() as folder:
        platform = _platform(pathlib.Path(folder), url, stateful=name.startswith(_STATEFUL))
        with a_run(platform, pathlib.Path(folder)) as run:
            noted = {check_id: judged(check_id, platform, run=run) for check_id in wanted}
        for check_id, check in noted.items():
            outcome = wanted[check_id]
            (region,) = platform.regions
            if str(check.outcome(region)) != outcome:
                said = sentences(check).replace("\n", "; ")
                yield f"{name}: {check_id} is {check.outcome(region)}, not {outcome}: {said}"


def _platform(folder: pathlib.Path, url: str, *, stateful: bool) -> Platform:
    changes: dict[str, Any] = {"replicas": {"normal": 2, "temporary": 4}} if stateful else {}
    platform = a_cluster_platform(folder, url, **changes)
    release = Release.parse("v1.3.0") if stateful else platform.release
    names = {"name": APP, "digest": DIGEST}
    file = write_evidence(folder, release=f"v{release.number}", artefacts=[names])
    target = folder / f"v{release.number}"
    if file.parent != target:
        file.parent.rename(target)
    return dataclasses.replace(platform, release=release)
