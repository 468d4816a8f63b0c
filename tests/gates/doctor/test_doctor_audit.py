from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator

import pytest

from steps.flags.doctor import examine_audit
from steps.kit.findings import Level, Subject
from tests.steps.audit_server import TOKEN, AuditServer, audit_server, section
from tests.steps.platforms import a_platform

Found = Callable[[], list[tuple[Level, str]]]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AuditServer]:
    monkeypatch.setenv("AUDIT_TOKEN", TOKEN)
    with audit_server() as serving:
        yield serving


@pytest.fixture
def found(server: AuditServer, tmp_path: pathlib.Path) -> Found:
    def examine() -> list[tuple[Level, str]]:
        platform = a_platform(tmp_path, {"eu": server.url}, audit=section(server.url))
        findings = examine_audit(Subject(platform, release_known=True))
        return [(one.level, one.sentence) for one in findings]

    return examine


def test_a_log_that_opens_to_the_token_alone_is_well(found: Found) -> None:
    assert found() == [(Level.OK, "the gate's token reads its entries")]


def test_a_log_that_opens_to_anybody_is_not(server: AuditServer, found: Found) -> None:
    server.open_to_all = True
    assert found()[1] == (Level.BAD, "anybody can read it, without a valid token")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        pytest.param(401, "refused", id="a token that is refused"),
        pytest.param(503, "", id="a log that is away"),
        pytest.param(404, "The audit log answered with status 404.", id="no log at that path"),
    ],
)
def test_what_the_gate_cannot_read_is_bad(
    server: AuditServer, found: Found, status: int, said: str
) -> None:
    server.log_status = status
    ((level, sentence),) = found()
    assert level is Level.BAD
    assert said in sentence
