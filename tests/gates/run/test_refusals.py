"""What a run refuses before it measures, asked in this process: its verdict says refused, with 64 or 78."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from gates.decide.scope import PostDeploy
from gates.decide.verdict import Verdict
from gates.load import load_policy
from gates.run import runner
from gates.run.runner import Callbacks, Question, Runner
from tests.tables import cases

ENVIRONMENT = """
schema: 1
name: there
owner: nobody
services: {api: {health: {liveness: {path: /health}}}}
regions: {r1: {services: {api: "http://127.0.0.1:9"}, prometheus: "http://127.0.0.1:9"}}
"""
MISSING = "redis: {host: 127.0.0.1, user: gate, password: 'env:GATE_NO_SUCH_SECRET'}\n"


def a_runner(folder: pathlib.Path, env: str = "", more: str = "", **asked: Any) -> Runner:
    """Return what would ask a gate of one region."""
    (folder / "there.yaml").write_text(ENVIRONMENT + more)
    usual = {"gate": PostDeploy("15m"), "release": "v1.2.0", "regions": (), "switched_at": None}
    question = Question(env=env or str(folder / "there.yaml"), **{"debug": False, **usual, **asked})
    callbacks = Callbacks(
        note=lambda _text: None,
        begins=lambda _checks, _regions: None,
        event=lambda _event: None,
        interrupted=lambda: False,
    )
    return Runner(question, callbacks, folder / "out")


def refused(folder: pathlib.Path, **asked: Any) -> Verdict:
    """Ask a gate that must refuse, and return its verdict."""
    verdict = a_runner(folder, **asked).run()
    assert (verdict.state, verdict.decision) == ("refused", None)
    return verdict


def test_what_rolls_back_is_deferred_by_no_hotfix(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = load_policy()
    assert policy.deployment is not None
    deployment = policy.deployment.model_copy(update={"hotfix": ("IV-HEALTH-1",)})
    wrong = policy.model_copy(update={"deployment": deployment})
    monkeypatch.setattr(runner, "load_policy", lambda _: wrong)
    verdict = refused(tmp_path)
    assert verdict.exit_code == 78
    assert "deployment.hotfix names IV-HEALTH-1 (post-deploy, rollback)" in " ".join(
        verdict.sentences
    )


@cases(
    "asked",
    {
        "no release where none is the default": {"release": None},
        "an empty release": {"release": ""},
        "a release that is none": {"release": "latest"},
        "an unknown region": {"regions": ("mars",)},
        "a time without a zone": {"switched_at": "2026-01-31T22:00:00"},
        "a time to come": {"switched_at": "2126-01-31T22:00:00Z"},
        "no time at all": {"switched_at": "noon"},
        "a missing secret": {"more": MISSING},
        "unedited marks": {"env": "prod"},
    },
)
def test_asking_for_what_does_not_exist_is_64_and_a_file_that_is_not_finished_78(
    tmp_path: pathlib.Path, asked: dict[str, Any], said: Callable[..., None]
) -> None:
    verdict = refused(tmp_path, **asked)
    said([verdict.exit_code, verdict.sentences[:3]], {str(tmp_path): "FOLDER"})
