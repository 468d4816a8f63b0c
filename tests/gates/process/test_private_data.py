"""What a server plants in its answers reaches no artefact, no log, no terminal."""

from __future__ import annotations

import contextlib
import itertools
import json
import pathlib

from tests.gates.process.gates import ForkedGate, checks_of_its_own
from tests.gates.process.test_refusals import write
from tests.probes.servers import say, serving

PLANTED = ("123-45-6789", "Maria.Schmidt", "MRN0042424242", "555.123.4567", "1984.05.12")
HALF_AN_EMOJI, ESCAPE = "\\ud83d", "\\u001b[2J"

ENVIRONMENT = """
schema: 1
name: there
owner: nobody
checks: checks
services:
  api:
    health:
      liveness: {path: /health, status_field: status, version_field: version, healthy: healthy}
      database: {path: /health, status_field: status, latency_field: latency_ms}
      cache: {path: /health, status_field: status, latency_field: latency_ms}
      services: {path: /health, services_field: services, status_field: status}
external: {service: api, endpoint: services, expected: [mail, pay]}
regions:
"""
REGION = '  r{number}: {{services: {{api: "{url}"}}, prometheus: "{url}"}}\n'


def planted(text: str) -> bytes:
    """Return an answer with a text in every place that a check may look at."""
    said = {
        "status": text,
        "version": text,
        "latency_ms": text,
        "services": {text: {"status": text}, "mail": {"status": text}, "pay": text},
        text: text,
    }
    body = json.dumps(said).replace('"status"', f'"{HALF_AN_EMOJI}{ESCAPE}": 1, "status"', 1)
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json; name={text}\r\nX-Patient: {text}\r\n"
    )
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


def test_a_planted_text_is_in_no_artefact_and_on_no_terminal(tmp_path: pathlib.Path) -> None:
    """Each region's server has a text of its own."""
    gate = ForkedGate(tmp_path, tmp_path / "no-platform")
    policy = checks_of_its_own(tmp_path / "checks") / "policy/gate.yaml"
    policy.write_text(policy.read_text().replace("confirm_for: 2m", "confirm_for: 1s"))
    with contextlib.ExitStack() as servers:
        urls = [servers.enter_context(serving(say(planted(text)))).url for text in PLANTED]
        regions = [REGION.format(number=number, url=url) for number, url in enumerate(urls)]
        asked = ("--env", write(gate, ENVIRONMENT + "".join(regions)), "--release", "v1.2.0")
        said = [gate.run("post-deploy", *asked), gate.run("doctor", *asked)]
    said += [gate.run("explain"), gate.run("status")]
    verdict = gate.verdict()
    assert set(verdict["regions"].values()) <= {"HOLD", "ROLLBACK"}
    for text in PLANTED:
        assert f"a text of {len(text)} characters" in json.dumps(verdict)
    artefacts = [path for path in gate.runs()[-1].rglob("*") if path.is_file()]
    texts = [path.read_bytes().decode("utf-8") for path in artefacts]
    texts += itertools.chain.from_iterable((done.stdout, done.stderr) for done in said)
    assert not [shown for shown in texts if any(text in shown for text in (*PLANTED, "\x1b"))]
