"""Files of real tools are read; broken, endless, nested and hostile ones are refused, within the bounds."""

from __future__ import annotations

import json
import pathlib
import time
from collections.abc import Callable
from typing import Any

import pytest

import probes
from tests.golden import Said
from tests.tables import cases

REAL = pathlib.Path(__file__).parent / "real"
FORMATS = {
    "bandit.sarif": "sarif",
    "cyclonedx-npm.json": "inventory",
    "cyclonedx-py.json": "inventory",
    "cyclonedx-vex.json": "exceptions",
    "eslint.sarif": "sarif",
    "grype-cyclonedx.json": "vulnerabilities",
    "grype-image.json": "vulnerabilities",
    "grype.sarif": "sarif",
    "jest-failed.junit.xml": "junit",
    "openvex.json": "exceptions",
    "pytest-failed.junit.xml": "junit",
    "pytest.junit.xml": "junit",
    "semgrep.sarif": "sarif",
    "trivy-image.json": "vulnerabilities",
    "trivy-old-system.json": "vulnerabilities",
    "trivy-secrets.json": "vulnerabilities",
    "trivy-spdx.json": "inventory",
    "trivy-suppressed.json": "vulnerabilities",
}


def test_every_real_file_is_read() -> None:
    assert {file.name for file in REAL.iterdir()} == {*FORMATS, "README.md"}


def read(name: str, content: bytes) -> object:
    try:
        return probes.documents.READERS[FORMATS.get(name, name)](content)
    except probes.documents.DocumentError as exc:
        return f"refused: {exc}"


@pytest.mark.parametrize("name", FORMATS)
def test_a_real_file_says_what_its_tool_found(name: str, said: Said) -> None:
    said(read(name, (REAL / name).read_bytes()))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_real_file_that_is_cut_off_is_refused(name: str, share: float) -> None:
    content = (REAL / name).read_bytes().rstrip()
    assert str(read(name, content[: int(len(content) * share)])).startswith("refused: ")


def changed(name: str, **changes: Any) -> bytes:
    return json.dumps({**json.loads((REAL / name).read_bytes()), **changes}).encode()


def run(**changes: Any) -> bytes:
    return changed("semgrep.sarif", runs=[{"tool": {"driver": {"name": "zap"}}, **changes}])


def result(**changes: Any) -> bytes:
    rules = [
        {
            "id": "r",
            "defaultConfiguration": {"level": "error"},
            "properties": {"security-severity": "9.8"},
        }
    ]
    tool = {"driver": {"name": "zap", "rules": rules}}
    return run(tool=tool, results=[changes])


SUITES = '<testsuites tests="9"><testsuite name="a" tests="2" errors="1"><testcase/></testsuite></testsuites>'
ODD = {
    "HTML": ("junit", b"<html><body>login</body></html>"),
    "entities": ("junit", b'<!DOCTYPE x [<!ENTITY a "b">]><testsuite>&a;</testsuite>'),
    "an external entity": ("junit", b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><testsuite/>'),
    "a document type": ("junit", b"<!DOCTYPE testsuite><testsuite/>"),
    "UTF-16": ("junit", "<testsuite/>".encode("utf-16")),
    "a suite without tests": ("junit", b"<testsuites/>"),
    "fewer tests than it says": ("junit", SUITES.encode()),
    "a count that is none": ("junit", b'<testsuite tests="-1"/>'),
    "a commit and flaky tests": (
        "junit",
        b"""<testsuite name="s"><properties><property name="commit" value="0F9A1B2"/></properties>
        <testcase><flakyFailure/></testcase><testcase><rerunFailure/></testcase>
        <testcase status="skipped"/></testsuite>""",
    ),
    "no runs": ("sarif", changed("semgrep.sarif", runs=[])),
    "another version": ("sarif", changed("semgrep.sarif", version="2.0.0")),
    "a run that did not begin": ("sarif", run()),
    "a run that broke off": (
        "sarif",
        run(results=[], invocations=[{"executionSuccessful": False}]),
    ),
    "a run that does not say how it ended": ("sarif", run(results=[], invocations=[{}])),
    "a scanner without a name": ("sarif", run(results=[], tool={"driver": {"name": " "}})),
    "an empty image": (
        "vulnerabilities",
        changed("grype-image.json", matches=[], source={"target": {"layers": []}}),
    ),
    "nothing that was scanned": (
        "vulnerabilities",
        changed("grype-image.json", matches=[], source={}),
    ),
    "no components": (
        "vulnerabilities",
        b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "vulnerabilities": []}',
    ),
    "results in other files": (
        "sarif",
        run(results=[], externalPropertyFileReferences={"results": []}),
    ),
    "graver than its level": ("sarif", result(ruleId="r/sub", level="note")),
    "by its place": ("sarif", result(ruleIndex=0)),
    "a place that is none": ("sarif", result(ruleIndex=7)),
    "a score that is none": ("sarif", result(ruleId="x", properties={"security-severity": "high"})),
    "to be reviewed": ("sarif", result(ruleId="r", kind="review")),
    "passed": ("sarif", result(ruleId="r", kind="pass")),
    "accepted": ("sarif", result(ruleId="r", suppressions=[{"kind": "external"}])),
    "not accepted yet": (
        "sarif",
        result(ruleId="r", suppressions=[{"kind": "external", "status": "underReview"}]),
    ),
    "no packages scanned": ("vulnerabilities", changed("trivy-image.json", Results=None)),
    "fixed ones alone": (
        "vulnerabilities",
        changed(
            "grype-image.json", descriptor={"name": "grype", "configuration": {"only-fixed": True}}
        ),
    ),
    "a key twice": ("vulnerabilities", b'{"SchemaVersion": 2, "SchemaVersion": 2}'),
    "not an object": ("vulnerabilities", b"[]"),
    "of no tool": ("vulnerabilities", b"{}"),
    "SPDX 3": ("inventory", b'{"@graph": []}'),
    "an exception of no time": (
        "exceptions",
        changed("openvex.json", timestamp="2024-07-09T11:38:00"),
    ),
    "a time that is none": ("exceptions", changed("openvex.json", timestamp="yesterday")),
    "another format": ("exceptions", b'{"statements": []}'),
}


@cases("kind content", ODD)
def test_an_odd_file_is_refused_or_read_with_its_gaps(
    kind: str, content: bytes, said: Said
) -> None:
    said(read(kind, content))


def nested(depth: int) -> bytes:
    return (
        b'{"bomFormat":"CycloneDX","specVersion":"1.5","components":['
        + b'{"components":[' * depth
        + b"]}" * depth
        + b"]}"
    )


ENDLESS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "too many bytes": ("sarif", lambda: b" " * (9 << 20)),
    "lists without end": ("vulnerabilities", lambda: b'{"a":[' + b"[]," * 2_700_000 + b"[]]}"),
    "as many parts as are read": (
        "vulnerabilities",
        lambda: b'{"matches":[' + b'{"vulnerability":{"id":"a"}},' * 65_000 + b"{}]}",
    ),
    "one long text": ("sarif", ('{"a":"' + "\U0001f600" * 2_000_000 + '"}').encode),
    "nested without end": ("inventory", lambda: nested(60_000)),
    "nested deep": ("inventory", lambda: nested(400)),
    "elements without end": (
        "junit",
        lambda: b"<testsuite>" + b"<a/>" * 2_000_000 + b"</testsuite>",
    ),
    "as many elements as are read": (
        "junit",
        lambda: b"<testsuite>" + b'<testcase name="a"/>' * 95_000 + b"</testsuite>",
    ),
    "elements in elements": ("junit", lambda: b"<testsuite>" * 150_000),
    "one giant element": (
        "junit",
        lambda: b"<testsuite><testcase>" + b"<failure/>" * 195_000 + b"</testcase></testsuite>",
    ),
    "attributes without end": (
        "junit",
        lambda: b"<testsuite " + b" ".join(b'a%d=""' % n for n in range(195_000)) + b"/>",
    ),
    "laughing": (
        "junit",
        lambda: (
            b'<!DOCTYPE x [<!ENTITY a "'
            + b"ha" * 1000
            + b'"><!ENTITY b "'
            + b"&a;" * 1000
            + b'">]><testsuite>&b;</testsuite>'
        ),
    ),
}


def resident(word: str) -> int:
    """Return bytes of this process's memory: now (VmRSS), or the most since the last call (VmHWM)."""
    status = pathlib.Path("/proc/self/status").read_text()
    kilobytes = int(status.partition(f"{word}:")[2].split()[0])
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    return kilobytes * 1024


@cases("kind make", ENDLESS)
def test_no_file_takes_long_or_much(kind: str, make: Callable[[], bytes]) -> None:
    content = make()
    before, begun = resident("VmRSS"), time.process_time()
    read(kind, content)
    assert time.process_time() - begun < 2
    assert resident("VmHWM") - before < 200_000_000
