"""Figures of the decision and of the fan-out over regions: no platform needed."""

from __future__ import annotations

import dataclasses
import http.server
import pathlib
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

from bench.figure import Figure
from environments.loader import load_file
from gates.decide.catalogue import Row
from gates.decide.fold import RegionResult, Stage, fold
from gates.decide.judgement import equals
from gates.decide.outcome import Decision, Meaning
from gates.decide.release import Release
from gates.load import load_policy
from probes.observation import Deadline
from steps.cluster.clusters import Clusters
from steps.kit.asked import Asked
from steps.kit.availability import Availability
from steps.kit.check import Check
from steps.kit.platform import Platform
from steps.service.endpoint import Endpoint

RESULTS = 100_000
ANSWER_SECONDS = 0.3
REGIONS = 10


def figures() -> Iterator[Figure]:
    """Yield the fold of 100,000 results, and ten regions against one."""
    yield Figure("fold of 100,000 check results", _fold_seconds(), 1.0, "s")
    yield Figure("ten regions at 300 ms against one", _fan_out_ratio(), 1.3, "x")


def _fold_seconds() -> float:
    template = Row(
        id="BENCH-0",
        phase="post-deploy",
        when="15m",
        owner="sre",
        severity="normal",
        smoke=False,
        on_fail=Meaning.HOLD,
        applies_if="",
    )
    rows = [
        dataclasses.replace(template, id=f"BENCH-{number}") for number in range(RESULTS // REGIONS)
    ]
    regions = [f"r{number}" for number in range(REGIONS)]
    judgement = (equals("status", 200, 200),)
    results = [RegionResult(row.id, region, judgement) for row in rows for region in regions]
    started = time.perf_counter()
    folded = fold(rows, regions, results, Stage.LIVE)
    seconds = time.perf_counter() - started
    if folded.decision is not Decision.GO:
        raise RuntimeError("the benchmark's results must fold to GO")
    return seconds


def _fan_out_ratio() -> float:
    with tempfile.TemporaryDirectory() as folder:
        servers = [_server() for _ in range(REGIONS)]
        try:
            addresses = [f"http://127.0.0.1:{server.server_address[1]}" for server in servers]
            one = _read_seconds(pathlib.Path(folder), addresses[:1])
            ten = _read_seconds(pathlib.Path(folder), addresses)
        finally:
            for server in servers:
                server.shutdown()
                server.server_close()
    return ten / one


def _read_seconds(folder: pathlib.Path, addresses: list[str]) -> float:
    file = folder / f"environment-{len(addresses)}.yaml"
    regions = "".join(
        f"  r{number}: {{services: {{api: '{url}'}}, prometheus: 'http://127.0.0.1:9'}}\n"
        for number, url in enumerate(addresses)
    )
    file.write_text(
        "schema: 1\nname: bench\nowner: nobody\nservices: {api: {health: {live: {path: /}}}}\n"
        f"regions:\n{regions}",
        encoding="utf-8",
    )
    loaded = load_file(file)
    platform = Platform(
        environment=loaded,
        policy=load_policy(),
        release=Release(1, 0, 0),
        regions=tuple(loaded.settings.regions),
        switched_at=None,
        deadline=Deadline.after(60),
        run_id="bench",
    )
    asked = Asked(platform, Check("B-1", platform.regions), platform.regions)
    described, clusters = platform.endpoint("api", "live"), Clusters(platform)
    endpoint = Endpoint(asked, Availability(platform), clusters, "api", described)
    endpoint.read()
    started = time.perf_counter()
    endpoint.read(3)
    return time.perf_counter() - started


def _server() -> http.server.ThreadingHTTPServer:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class _Slow(http.server.BaseHTTPRequestHandler):
    """Answers every GET after 300 ms."""

    def do_GET(self) -> None:
        """Answer."""
        time.sleep(ANSWER_SECONDS)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
