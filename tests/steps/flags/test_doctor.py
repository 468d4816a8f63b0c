"""The doctor on the audit log: it opens to the gate's token, and to nobody else."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from steps.flags.doctor import examine_audit
from steps.kit.findings import Subject
from tests.steps.audit_server import TOKEN, audit_server, section
from tests.steps.platforms import a_platform
from tests.tables import cases


@cases(
    "bent",
    {
        "it opens to the token alone": {},
        "it opens to anybody": {"open_to_all": True},
        "a token that is refused": {"log_status": 401},
        "a log that is away": {"log_status": 503},
        "no log at that path": {"log_status": 404},
    },
)
def test_what_is_said_of_the_audit_log(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    bent: dict[str, Any],
    said: Callable[..., None],
) -> None:
    monkeypatch.setenv("AUDIT_TOKEN", TOKEN)
    with audit_server() as server:
        for name, value in bent.items():
            setattr(server, name, value)
        platform = a_platform(tmp_path, {"eu": server.url}, audit=section(server.url))
        found = examine_audit(Subject(platform, release_known=True))
    places = {str(tmp_path): "FOLDER", server.url.partition("//")[2]: "SERVER"}
    said([one.record() for one in found], places)
