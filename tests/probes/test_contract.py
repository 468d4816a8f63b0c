"""The process of a contract pass: which documents it takes, what its guard lets through, what it shows."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from probes import contract
from probes.contract import document
from probes.contract.guard import Guard, RefusedError
from probes.observation import Deadline, FailureKind
from tests.golden import Said
from tests.steps.contract.things import DOCUMENT, things
from tests.tables import cases


def with_part(**parts: Any) -> bytes:
    return json.dumps({**DOCUMENT, **parts}).encode()


BILLION = "openapi: 3.1.0\na: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\npaths: {}\n"
REFERENCE = {"get": {"responses": {"200": {"$ref": "#/components/responses/nowhere"}}}}


@cases(
    "content",
    {
        "nothing": b"",
        "bytes that are no text": b"\xff\xfe\x00",
        "a list": b"[]",
        "another document": b'{"title": "Things"}',
        "Swagger 2.0": b'{"swagger": "2.0", "info": {}, "paths": {}}',
        "a version of tomorrow": with_part(openapi="3.9.0"),
        "nested a million times": b'{"openapi": "3.1.0", "x":' + b"[" * 1_000_000,
        "YAML that grows": BILLION.encode(),
        "a part on another host": with_part(paths={"/x": {"$ref": "https://example.org/x.json"}}),
        "a part that is a file here": with_part(paths={"/x": {"$ref": "file:///etc/passwd"}}),
        "a reference to nothing": with_part(paths={"/x": REFERENCE}),
        "a status that is none": with_part(paths={"/x": {"get": {"responses": {"20": {}}}}}),
    },
)
def test_what_can_not_be_asked_by_is_said(content: bytes, said: Said) -> None:
    with pytest.raises(document.Unfit) as caught:
        document.read(content)
    said([caught.value.sentence, "invalid" if caught.value.invalid else "not read"])


def test_a_sound_document_is_read_from_json_and_from_yaml() -> None:
    as_yaml = """
openapi: 3.0.3
info: {title: T, version: "1"}
paths: {/x: {get: {responses: {200: {description: d}}}}}
"""
    assert document.operations(document.read(as_yaml.encode())) == ["GET /x"]
    assert len(document.operations(document.read(with_part()))) == 7


@cases(
    "asked passes",
    {
        "an operation that may be asked": ("GET http://api.example/base/things/a%2Fb?x=1", True),
        "its address with its port": ("GET http://api.example:80/base/things/a", True),
        "another method of the same path": ("DELETE http://api.example/base/things/a", False),
        "a method of no operation": ("TRACE http://api.example/base/things/a", False),
        "what is left out, although another fits": (
            "GET http://api.example/base/things/all",
            False,
        ),
        "a path of no operation": ("GET http://api.example/base/other", False),
        "another host": ("GET http://other.example/base/things/a", False),
        "another port": ("GET http://api.example:8080/base/things/a", False),
        "without the base path": ("GET http://api.example/things/a", False),
    },
)
def test_the_guard_lets_through_what_may_be_asked_and_nothing_else(
    asked: str, *, passes: bool
) -> None:
    operations = ["GET /things/{id}", "DELETE /things/{id}", "GET /things/all"]
    guard = Guard("http://api.example/base", operations[:1], operations)
    method, _, url = asked.partition(" ")
    if passes:
        guard.let(method, urlsplit(url))
    else:
        with pytest.raises(RefusedError):
            guard.let(method, urlsplit(url))
    assert guard.refused == (not passes)


def test_a_request_is_shown_as_a_line_for_a_shell_without_its_secrets(said: Said) -> None:
    headers = {"Authorization": ["Bearer sentinel-1"], "X-Synthetic-Tag": ["t"], "Accept": ["*/*"]}
    bodies = [
        None,
        b'{"password": "sentinel-2", "list": [{"cardNumber": "sentinel-3"}], "name": "sentinel-4"}',
        b"it's \x00\xff",
    ]
    from probes.contract import causes  # noqa: PLC0415 - a second for whoever collects

    lines = [
        causes.curl(
            SimpleNamespace(
                method="POST", uri="http://a/x?k=sentinel-4", headers=headers, body=one
            ),
            ["sentinel-4"],
        )
        for one in bodies
    ]
    assert "sentinel" not in str(lines)
    said(lines)


def test_a_pass_that_takes_too_long_is_ended_and_asks_no_more() -> None:
    def slow(_: str, answer: Any) -> Any:
        time.sleep(0.5)
        return answer

    with things(slow) as server:
        order = contract.Order(server.url, json.dumps(DOCUMENT).encode())
        observed = contract.tested(order, deadline=Deadline.after(5.0))
        asked = len(server.asked)
        time.sleep(1.0)
        assert len(server.asked) <= asked + 1
    assert observed.failure is not None
    assert observed.failure.kind is FailureKind.TIMEOUT
