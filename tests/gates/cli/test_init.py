"""`gate init` from outside: a proposal from a real Prometheus that loads once its marks are gone."""

from __future__ import annotations

import contextlib
import io
import pathlib
import re
from collections.abc import Callable, Iterator

import httpx
import pytest

from environments.yaml_file import ConfigurationError, parse, read_yaml
from gates.cli.main import main
from gates.doctor import init as guesses
from gates.doctor.init import Asked, Health, Seen, environment_file
from settings.environment import Environment
from tests.probes.real_servers import prometheus_server
from tests.probes.servers import (
    Behaviour,
    Server,
    answer,
    close_after_request,
    closed_port,
    serving,
    wait_until,
)
from tests.tables import cases


@pytest.fixture(scope="module")
def prometheus() -> Iterator[str]:
    with prometheus_server() as url:
        asked = f"{url}/api/v1/query?query=prometheus_http_request_duration_seconds_bucket"
        wait_until(lambda: bool(httpx.get(asked).json()["data"]["result"]), "it scraped itself")
        yield url


def init(*arguments: object) -> tuple[int, str, str]:
    """Call the command in this process; return code, stdout and stderr."""
    stdout, stderr = io.StringIO(), io.StringIO()
    code = main(["init", *map(str, arguments)], stdout, stderr)
    return code, stdout.getvalue(), stderr.getvalue()


def test_a_live_prometheus_is_proposed_with_metrics_labels_bounds_and_interval(
    prometheus: str, tmp_path: pathlib.Path
) -> None:
    file = tmp_path / "clinic.yaml"
    code, out, said = init("--prometheus", prometheus, "--service", prometheus, "--output", file)
    assert (code, out) == (0, ""), said
    assert f"gate doctor --env {file}" in said
    text = file.read_text(encoding="utf-8")
    assert "bucket_bounds: [0.1, 0.2, 0.4, 1, 3, 8, 20, 60, 120]" in text
    with pytest.raises(ConfigurationError) as refused:
        parse(Environment, read_yaml(file, "clinic"), "clinic")
    assert all("EDIT-ME" in sentence for sentence in refused.value.sentences)
    # A Prometheus has no health endpoint of JSON, and nobody but its owner knows its owner.
    assert len(refused.value.sentences) == 2
    file.write_text(re.sub(r'"EDIT-ME: [^"]*"', "/-/healthy", text), encoding="utf-8")
    found = parse(Environment, read_yaml(file, "clinic"), "clinic")
    assert found.name == "clinic"
    assert found.prometheus is not None
    assert (found.prometheus.job, found.prometheus.scrape_interval) == ("itself", 0.2)
    duration, total = found.metrics["request_duration"], found.metrics["requests_total"]
    assert duration.name == "prometheus_http_request_duration_seconds"
    assert duration.labels == {"job": "itself"}
    assert (total.name, total.status_label) == ("prometheus_http_requests_total", "code")


def test_without_an_output_the_proposal_is_the_product(prometheus: str) -> None:
    code, out, told = init("--prometheus", prometheus)
    assert code == 0
    assert out.startswith("# Proposed by gate init")
    assert "request-duration histograms: prometheus_http_request_duration_seconds of" in told
    # With nothing to look at everything is left to a person.
    code, out, told = init()
    assert code == 0
    assert out.count("EDIT-ME:") >= 6
    assert "so nothing was read" in told


def test_what_an_ill_service_says_is_not_taken_for_healthy() -> None:
    ill = Seen(health=Health("/health", guesses.health_fields({"status": "degraded"})))
    text = environment_file(Asked("clinic", None, None), ill)
    assert 'status_field: "status", healthy: "EDIT-ME' in text
    assert "degraded" not in text


def test_a_file_that_exists_is_left_alone_unless_forced(
    prometheus: str, tmp_path: pathlib.Path
) -> None:
    file = tmp_path / "clinic.yaml"
    file.write_text("mine", encoding="utf-8")
    code, out, told = init("--prometheus", prometheus, "--output", file)
    assert (code, out, file.read_text(encoding="utf-8")) == (64, "", "mine")
    assert "--force" in told
    assert init("--prometheus", prometheus, "--output", file, "--force")[0] == 0
    assert "name: clinic" in file.read_text(encoding="utf-8")


@cases(
    "option behaviour",
    {
        "a Prometheus that is down": ("--prometheus", None),
        "a service that is down": ("--service", None),
        "a Prometheus that hangs up": ("--prometheus", close_after_request),
        "a service that hangs up": ("--service", close_after_request),
        "no Prometheus": ("--prometheus", answer(b"<html>", content_type="text/html")),
        "one that is starting": ("--prometheus", answer(b"", status="503 Service Unavailable")),
        "a dead one behind a proxy": ("--service", answer(b"", status="502 Bad Gateway")),
    },
)
def test_a_server_that_says_nothing_is_one_sentence_and_no_file_and_not_one_that_has_nothing(
    option: str, behaviour: Behaviour | None, tmp_path: pathlib.Path, said: Callable[..., None]
) -> None:
    file, down = tmp_path / "clinic.yaml", contextlib.nullcontext(Server(closed_port()))
    with serving(behaviour) if behaviour else down as server:
        told = init(option, server.url, "--output", file)
    assert not file.exists()
    said(told, {f":{server.port}": ":PORT"})


@cases(
    "arguments",
    {
        "an address without http": ["--prometheus", "somewhere"],
        "an address with a password": ["--prometheus", "http://user:word@host"],
        "a file that is not an environment's": ["--output", "Clinic.txt"],
        "a folder that is not there": ["--output", "/nowhere/at/all/clinic.yaml"],
        "an option that is none": ["--overwrite"],
    },
)
def test_wrong_usage_ends_with_64(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, said = init(*arguments)
    assert (code, out) == (64, "")
    assert "gate:" in said + capsys.readouterr().err
