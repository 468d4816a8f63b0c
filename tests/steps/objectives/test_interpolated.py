"""An interpolated objective, measured: a platform whose histogram has no bound at the target."""

from __future__ import annotations

import pathlib

from environments.loader import load_file
from gates.decide.outcome import Outcome
from gates.decide.release import Release
from gates.load import load_policy
from probes.observation import Deadline
from steps.kit.platform import Platform
from tests.faults.runs import FEW, with_traffic
from tests.gates.decide.values import a_quantile_objective
from tests.sandbox.platforms import Sandbox
from tests.steps.scenarios import judged


def test_a_real_prometheus_interpolates_and_its_counts_prove_it(
    platform: Sandbox, tmp_path: pathlib.Path
) -> None:
    policy = load_policy()
    counted = policy.objective("IV-PERF-1")
    objective = a_quantile_objective(
        check="IV-PERF-2",
        bucket_bounds=counted.bucket_bounds,
        target={"quantile": 0.95, "target_seconds": 0.6},
        rollback=None,
    )
    environment = load_file(with_traffic(platform, tmp_path / "few.yaml", FEW))
    measured = Platform(
        environment=environment,
        policy=policy.model_copy(update={"objectives": (objective,)}),
        release=Release.parse("v1.2.0"),
        regions=("eu",),
        switched_at=environment.settings.traffic.switched_at,
        deadline=Deadline.after(60),
        run_id="20260131T220000Z-test-abc123",
    )
    (judgement,) = judged("IV-PERF-2", measured).noted()["eu"].judgements
    assert judgement.outcome is Outcome.PASS, judgement.sentence
    assert judgement.data["samples"] >= 59
    assert isinstance(judgement.observed, float)
    assert 0 < judgement.observed <= 0.5
