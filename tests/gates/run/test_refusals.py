"""What a run refuses before it measures, asked in this process: its verdict says refused, with 64 or 78."""

from __future__ import annotations

import pathlib
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
    "asked says",
    {
        "no release where none is the default": ({"release": None}, "--release is missing"),
        "an empty release": ({"release": ""}, "is not a release"),
        "a release that is none": ({"release": "latest"}, "“latest” is not a release"),
        "an unknown region": ({"regions": ("mars",)}, "there is no such region"),
        "a time without a zone": ({"switched_at": "2026-01-31T22:00:00"}, "needs a time zone"),
        "a time to come": ({"switched_at": "2126-01-31T22:00:00Z"}, "is still to come"),
        "no time at all": ({"switched_at": "noon"}, "write it like"),
    },
)
def test_asking_for_what_does_not_exist_is_64(
    tmp_path: pathlib.Path, asked: dict[str, Any], says: str
) -> None:
    verdict = refused(tmp_path, **asked)
    assert verdict.exit_code == 64
    assert says in " ".join(verdict.sentences)


def test_a_missing_secret_is_78_and_named(tmp_path: pathlib.Path) -> None:
    section = "redis: {host: 127.0.0.1, user: gate, password: 'env:GATE_NO_SUCH_SECRET'}\n"
    verdict = refused(tmp_path, more=section)
    assert verdict.exit_code == 78
    assert "GATE_NO_SUCH_SECRET is not set" in " ".join(verdict.sentences)


def test_unedited_marks_of_prod_are_78_and_all_listed(tmp_path: pathlib.Path) -> None:
    verdict = refused(tmp_path, "prod")
    assert verdict.exit_code == 78
    assert " ".join(verdict.sentences).count("EDIT-ME") > 3
