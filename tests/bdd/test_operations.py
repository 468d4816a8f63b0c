"""Beside the contract checks each operation of the served document is a test, where pytest is run by hand."""

from __future__ import annotations

import json
import pathlib
import subprocess

import pytest

from tests.bdd.test_outside import HARNESS
from tests.checkout import ROOT
from tests.probes.servers import closed_port
from tests.steps.contract.things import TOKEN, things


@pytest.fixture
def run(tmp_path: pathlib.Path) -> object:
    """Return what runs the contract's tests at an address, and returns pytest's code and words."""

    def at(url: str, *line: str) -> tuple[int, str]:
        environment = {
            "schema": 1,
            "name": "there",
            "owner": "nobody",
            "release": "v1.2.0",
            "time_scale": 60,
            "services": {"api": {"replicas": 1, "health": {}}},
            "regions": {"r1": {"services": {"api": url}, "prometheus": "http://127.0.0.1:9"}},
            "contract": {"service": "api", "values": {"thing_id": "t-1"}, "token": "file:token"},
        }
        (tmp_path / "token").write_text(TOKEN)
        file = tmp_path / "there.yaml"
        file.write_text(json.dumps(environment))
        where = ["--env", str(file), "--run-dir", str(tmp_path / "run")]
        done = subprocess.run(
            [*HARNESS, "-m", "contract", "-rA", "-p", "no:cacheprovider", *where, *line],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return at


def test_an_operation_can_be_chosen_and_only_reads_are_sent(run: object) -> None:
    broken = {"GET /state": (200, {"id": 1, "size": "sentinel"})}
    with things(broken.get) as server:
        code, said = run(server.url, "-k", "state or POST or open")  # type: ignore[operator]  # the fixture's function
    assert code == 1, said
    assert "PASSED ::contract/operations::GET /open" in said
    assert "FAILED ::contract/operations::GET /state" in said
    assert "breaks the document's rule “type id”" in said
    assert "contract.writes is false here: only GET and HEAD are sent" in said
    assert "sentinel" not in said
    assert {one.partition(" ")[0] for one in server.asked} == {"GET"}


def test_an_api_that_is_down_is_one_failed_test(run: object) -> None:
    code, said = run(f"http://127.0.0.1:{closed_port()}", "-k", "GET or document")  # type: ignore[operator]  # the fixture's function
    assert code == 1, said
    assert "1 failed" in said
    assert "nothing can be said of the contract" in said or "no network here" in said
