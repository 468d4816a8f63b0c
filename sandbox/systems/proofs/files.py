"""Writes what the release's pipelines leave: each file in its tool's form, and files.json, their list."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from typing import TYPE_CHECKING, Any

from sandbox.core.layout import PREVIOUS, RELEASE
from sandbox.core.state import write_private
from sandbox.systems.delivery.builds import REPOSITORIES, image_digest
from sandbox.systems.proofs import staging
from sandbox.systems.source import repository

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sandbox.core.layout import Layout

LIST = "files.json"
_TESTS = {
    "unit.junit.xml": {"booking": 60, "patients": 40},
    "integration.junit.xml": {"api": 30},
    "e2e.junit.xml": {"journeys": 8},
    "mobile-ios.junit.xml": {"iPhone": 6},
    "mobile-android.junit.xml": {"Pixel": 6},
}
_SCANNERS = {"sast.sarif": "Semgrep OSS", "dast.sarif": "ZAP"}
_VULNERABLE = "pkg:npm/semver@7.5.1"
_EXCUSED = "CVE-2022-25883"


def write(layout: Layout) -> None:
    """Write the evidence of the release, and the tests' of the one before. Raises SandboxError."""
    releases = (PREVIOUS, RELEASE)
    lay(
        layout.evidence,
        {one: repository.commit(layout.release_repository, one) for one in releases},
    )


def lay(evidence: Path, commits: Mapping[str, str]) -> None:
    """Write the same into a folder, of these commits by version."""
    now = dt.datetime.now(dt.UTC)
    tests = {name: _junit(suites) for name, suites in _TESTS.items()}
    files: dict[str, str | dict[str, Any]] = {
        **tests,
        **{name: _sarif(tool, commits[RELEASE]) for name, tool in _SCANNERS.items()},
        **dict(_of_images(now)),
        "release.vex.json": _vex(now),
        "load.json": staging.load_run(now),
        **staging.runs(now),
        **{f"{kind}.json": _suite(kind, commits[RELEASE], now) for kind in _SUITES},
    }
    _lay(folder(evidence), files, RELEASE, commits[RELEASE], now)
    _lay(folder(evidence, PREVIOUS), tests, PREVIOUS, commits[PREVIOUS], now)


def folder(evidence: Path, version: str = RELEASE) -> Path:
    """Return where the evidence of a version lies."""
    return evidence / f"v{version}"


def listed(name: str, content: bytes, commit: str, made_at: str) -> dict[str, Any]:
    """Return a file's entry in the list."""
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    made = {"commit": commit, "made_at": made_at, "tool": "the platform's pipeline"}
    return {"file": name, "digest": digest, **made}


def _lay(
    place: Path,
    files: Mapping[str, str | dict[str, Any]],
    version: str,
    commit: str,
    now: dt.datetime,
) -> None:
    place.mkdir(mode=0o700, exist_ok=True)
    entries = []
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        write_private(place / name, text)
        entries.append(listed(name, text.encode(), commit, now.isoformat()))
    whole = _document("files", version, commit, now)
    write_private(place / LIST, json.dumps({**whole, "files": entries}, indent=1))


def _document(kind: str, version: str, commit: str, now: dt.datetime) -> dict[str, Any]:
    release = {"release": f"v{version}", "commit": commit, "created_at": now.isoformat()}
    return {"schema": 1, "kind": kind, **release, "result": "passed"}


def _junit(suites: Mapping[str, int]) -> str:
    def suite(name: str, tests: int) -> str:
        cases = "".join(f'<testcase classname="{name}" name="t{one}"/>' for one in range(tests))
        counts = f'tests="{tests}" failures="0" errors="0"'
        return f'<testsuite name="{name}" {counts}>{cases}</testsuite>'

    return f"<testsuites>{''.join(suite(*one) for one in suites.items())}</testsuites>"


def _sarif(tool: str, commit: str) -> dict[str, Any]:
    rule = {"id": "weak-hash", "defaultConfiguration": {"level": "warning"}}
    run = {
        "tool": {"driver": {"name": tool, "rules": [rule]}},
        "invocations": [{"executionSuccessful": True}],
        "versionControlProvenance": [{"repositoryUri": "file:///release", "revisionId": commit}],
        "results": [{"ruleId": "weak-hash", "message": {"text": "MD5 of a cache key"}}],
    }
    return {"version": "2.1.0", "runs": [run]}


def _of_images(now: dt.datetime) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each image's bill of materials and its vulnerabilities: one by Trivy, one by Grype."""
    reports = (_trivy, _grype)
    for repository_name, report in zip(REPOSITORIES, reports, strict=True):
        digest = image_digest(repository_name, RELEASE)
        yield f"{repository_name}.sbom.json", _sbom(repository_name, digest, now)
        yield f"{repository_name}.vulnerabilities.json", report(repository_name, digest, now)


def _sbom(name: str, digest: str, now: dt.datetime) -> dict[str, Any]:
    component = {"type": "container", "name": name, "version": digest}
    package = {"type": "library", "name": "semver", "version": "7.5.1", "purl": _VULNERABLE}
    metadata = {"timestamp": now.isoformat(), "component": component}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": metadata,
        "components": [package],
    }


def _trivy(name: str, digest: str, now: dt.datetime) -> dict[str, Any]:
    found = {
        "VulnerabilityID": _EXCUSED,
        "PkgName": "semver",
        "PkgIdentifier": {"PURL": _VULNERABLE},
        "Severity": "HIGH",
    }
    return {
        "SchemaVersion": 2,
        "CreatedAt": now.isoformat(),
        "ArtifactName": name,
        "Metadata": {"RepoDigests": [f"{name}@{digest}"]},
        "Results": [{"Target": "Node.js", "Class": "lang-pkgs", "Vulnerabilities": [found]}],
    }


def _grype(name: str, digest: str, now: dt.datetime) -> dict[str, Any]:
    layer = {"digest": digest, "size": 1024}
    target = {"userInput": name, "manifestDigest": digest, "layers": [layer]}
    return {
        "matches": [],
        "source": {"type": "image", "target": target},
        "descriptor": {"name": "grype", "version": "0.121.3", "timestamp": now.isoformat()},
    }


def _vex(now: dt.datetime) -> dict[str, Any]:
    return {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "author": "security@unifiedhealth.example",
        "timestamp": now.isoformat(),
        "statements": [
            {
                "vulnerability": {"name": _EXCUSED},
                "products": [{"@id": _VULNERABLE}],
                "status": "not_affected",
                "justification": "vulnerable_code_not_in_execute_path",
            }
        ],
    }


_SUITES: Mapping[str, tuple[str, ...]] = {
    "accessibility-test": ("axe-core", "chromium"),
    "browser-test": ("chromium", "firefox", "webkit"),
}
"""Evidence that the gate wrote of its own tests in staging, with what tested."""


def _suite(kind: str, commit: str, now: dt.datetime) -> dict[str, Any]:
    return {
        **_document(kind, RELEASE, commit, now),
        "facts": {"environment": staging.ENVIRONMENT},
        "tools": dict.fromkeys(_SUITES[kind], "1.0"),
        "counts": {"tests": 12, "passed": 12},
    }
