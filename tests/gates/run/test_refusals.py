"""What a run refuses before it measures, asked in this process: its verdict says refused, with 64 or 78."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

from gates.decide.scope import PostDeploy
from gates.decide.verdict import Verdict
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


def refused(folder: pathlib.Path, env: str = "", more: str = "", **asked: Any) -> Verdict:
    """Ask a gate that must refuse, and return its verdict."""
    (folder / "there.yaml").write_text(ENVIRONMENT + more)
    question = Question(
        gate=PostDeploy("15m"),
        env=env or str(folder / "there.yaml"),
        **{"release": "v1.2.0", "regions": (), "switched_at": None, "debug": False, **asked},
    )
    callbacks = Callbacks(
        note=lambda _text: None,
        begins=lambda _checks, _regions: None,
        event=lambda _event: None,
        interrupted=lambda: False,
    )
    verdict = Runner(question, callbacks, folder / "out").run()
    assert (verdict.state, verdict.decision) == ("refused", None)
    return verdict


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
