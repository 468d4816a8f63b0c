"""`gate notify`: what receivers get, which of them, and what is said when one can't be reached."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import pathlib
import socket
import threading
from collections.abc import Callable

import pytest

from gates.cli import notify
from reports.notice import MOST_CHARACTERS, PAYLOADS, message, notice
from tests.environments.files import VALID, write
from tests.gates.cli.evidence import called, leave, run_id
from tests.golden import Said
from tests.probes.servers import Server, read_request, serving
from tests.reports import verdicts
from tests.tables import cases

pytestmark = pytest.mark.usefixtures("secrets")
RUN = run_id(1)
KEY = "whsec_" + base64.b64encode(b"sentinel-signing").decode()
SECTION = """
notify:
  link: https://ci.example.org/runs/{run}
  receivers:
    release-channel: {kind: slack, url: env:HOOK, decisions: [GO, ROLLBACK]}
    night-shift: {kind: webhook, url: env:HOOK, key: env:KEY, decisions: [ROLLBACK]}
"""


def answers(*statuses: int) -> Callable[[socket.socket, threading.Event], None]:
    """Answer one request after another with these statuses, the last one again and again."""
    left = list(statuses)

    def behave(connection: socket.socket, _over: threading.Event) -> None:
        read_request(connection)
        status = left.pop(0) if len(left) > 1 else left[0]
        connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())

    return behave


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "LONGEST_PAUSE_SECONDS", 0.0)
    monkeypatch.setenv("KEY", KEY)


def told(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch, hook: str, verdict: str
) -> tuple[int, str, str]:
    monkeypatch.setenv("HOOK", hook)
    leave(folder, RUN, verdicts.EVERY[verdict]())
    return called("notify", folder, "--env", str(write(folder, VALID + SECTION)))


@pytest.mark.parametrize("kind", PAYLOADS)
@cases("verdict", {name: (name,) for name in ("go", "rollback", "hold", "missing")})
def test_what_each_kind_of_receiver_gets(kind: str, verdict: str, said: Said) -> None:
    facts = notice(verdicts.EVERY[verdict](), "https://ci.example.org/runs/{run}")
    said(json.loads(message(kind, facts, "sentinel-key", 0)[0]))


def test_a_webhooks_message_is_signed_and_only_who_wants_a_decision_gets_it(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(answers(204)) as server:
        assert told(tmp_path / "a", monkeypatch, server.url, "go")[:2] == (
            0,
            "release-channel: sent\n",
        )
        assert len(server.requests) == 1
        code, out, _ = told(tmp_path / "b", monkeypatch, server.url, "rollback")
    assert (code, out) == (0, "release-channel: sent\nnight-shift: sent\n")
    signed = next(one for one in server.requests if b"webhook-signature" in one.lower())
    head, _, body = signed.partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    content = f"{RUN}.{fields['webhook-timestamp']}.".encode() + body
    digest = hmac.new(b"sentinel-signing", content, hashlib.sha256).digest()
    assert fields["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


def test_a_busy_receiver_is_tried_again(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(answers(503, 429, 200)) as server:
        assert told(tmp_path, monkeypatch, server.url, "go")[0] == 0
    assert len(server.requests) == notify.TRIES


def unreachable(_server: Server) -> str:
    return "http://127.0.0.1:1/sentinel-path"


def no_address(_server: Server) -> str:
    return "sentinel-no-address"


def itself(server: Server) -> str:
    return f"{server.url}/sentinel-path"


@cases(
    "hook statuses requests",
    {
        "always busy": (itself, (500,), 3),
        "gone": (itself, (404,), 1),
        "leads elsewhere": (itself, (302,), 1),
        "unreachable": (unreachable, (200,), 0),
        "no address": (no_address, (200,), 0),
    },
)
def test_a_receiver_that_was_not_reached_is_named_without_its_address(
    hook: Callable[[Server], str],
    statuses: tuple[int, ...],
    requests: int,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    said: Said,
) -> None:
    with serving(answers(*statuses)) as server:
        code, out, err = told(tmp_path, monkeypatch, hook(server), "go")
    assert (code, err, len(server.requests)) == (70, "", requests)
    assert "sentinel" not in out
    said(out)


def test_without_the_section_nobody_is_told(tmp_path: pathlib.Path) -> None:
    leave(tmp_path, RUN)
    code, _, err = called("notify", tmp_path, "--env", str(write(tmp_path, VALID)))
    assert (code, err) == (
        78,
        "gate notify: clinic has no section notify, so there is nobody to tell; add it.\n",
    )


def test_foreign_text_stays_text_and_short() -> None:
    sentence = "<!channel> [x](http://evil) \x1b[31m" + "y" * 5000
    facts = notice(verdicts.held(sentence), None)
    assert len(facts.why) == MOST_CHARACTERS
    slack = PAYLOADS["slack"](facts, "")
    assert {block["text"]["type"] for block in slack["blocks"]} == {"plain_text"}
    assert "<" not in slack["text"]
    assert "\x1b" not in json.dumps(slack)
