"""Phases 3.1 and 4.1: images and web bundle are built, put in their places and proved; how AWS is started."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import json
import sys
from typing import TYPE_CHECKING, Any

from probes.git import RepositoryTarget, tagged_files
from probes.observation import Deadline
from sandbox.core import PACKAGE, SandboxError
from sandbox.core.child import PYTHON, Command
from sandbox.core.layout import AWS_SERVERS, PREVIOUS, REGIONS, RELEASE, edge_name
from sandbox.core.readiness import answers_http, put
from sandbox.core.state import write_private
from sandbox.systems.delivery.builds import (
    MANIFEST,
    REPOSITORIES,
    WEB_FOLDER,
    build_web,
    image_digest,
    web_bundle,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sandbox.core.breakage import Breakage
    from sandbox.core.layout import Layout
    from sandbox.core.platform import Platform
    from sandbox.systems.delivery.builds import BuiltFile

_GIT_SECONDS = 20.0


def command(layout: Layout) -> Command:
    """Write the configuration and return how AWS is started, with the edges of the web site."""
    settings = layout.runtime / "aws.json"
    configuration = {
        "admin_token": layout.passwords["api-admin"],
        "gate_key_id": layout.passwords["aws-gate-id"],
        "operator_key_id": layout.passwords["aws-operator-id"],
        "ports": {name: layout.ports[name] for name in AWS_SERVERS},
        "apis": {region: layout.url(edge_name(region)) for region in REGIONS},
    }
    write_private(settings, json.dumps(configuration))
    return Command(
        name="aws",
        argv=(sys.executable, "-m", f"{PACKAGE}.systems.delivery.aws", str(settings)),
        log=layout.log("aws"),
        # moto asks the machine for credentials of its own otherwise, and waits for an answer.
        environment={**PYTHON, "AWS_EC2_METADATA_DISABLED": "true"},
        ready=answers_http(layout.ports["aws"], "/_sandbox/ready"),
        ready_means="it answers /_sandbox/ready",
    )


async def push_images(platform: Platform) -> None:
    """Push the release's images beside the old ones and write the build's evidence."""
    await _tell(platform.layout, image_versions=[PREVIOUS, RELEASE])
    digests = {repository: image_digest(repository, RELEASE) for repository in REPOSITORIES}
    _write_evidence(platform.layout, "image-build", digests)


async def upload_web(platform: Platform) -> None:
    """Upload the release's bundle, delete the old one, order the edges to forget it."""
    await _tell(platform.layout, web_version=RELEASE)
    sources = await asyncio.to_thread(_tagged_sources, platform.layout)
    _write_web_evidence(platform.layout, build_web(RELEASE, sources))


def _tagged_sources(layout: Layout) -> Mapping[str, bytes]:
    """Return the web application as the release's tag has it; raises SandboxError."""
    target = RepositoryTarget(str(layout.release_repository), f"v{RELEASE}", WEB_FOLDER)
    found = tagged_files(target, deadline=Deadline.after(_GIT_SECONDS)).value
    if found is None:
        raise SandboxError(f"the release repository {target.repository} can't be read.")
    return {path.removeprefix(f"{WEB_FOLDER}/"): data for path, data in found.files.items()}


def _write_web_evidence(layout: Layout, bundle: Mapping[str, BuiltFile]) -> None:
    digest = f"sha256:{hashlib.sha256(bundle[MANIFEST].content).hexdigest()}"
    _write_evidence(layout, "web-build", {MANIFEST: digest})


async def web_bugs(it: Breakage, names: Sequence[str]) -> None:
    """Have the web application built, uploaded and proved with mistakes in its sources.

    Several faults may hold some at once; without any the build is the release's own.
    """
    _evidence_there(it, "web-build")
    it.undo(_build_with, it, ())
    await _build_with(it, names)


async def _build_with(it: Breakage, names: Sequence[str]) -> None:
    file = it.layout.runtime / "web-bugs.json"
    held: dict[str, list[str]] = json.loads(file.read_bytes()) if file.exists() else {}
    held[it.name] = list(names)
    write_private(file, json.dumps(held))
    bugs = [bug for each in held.values() for bug in each]
    await _tell(it.layout, web_bugs=bugs)
    _write_web_evidence(it.layout, web_bundle(RELEASE, tuple(bugs)))


def evidence_file(layout: Layout, kind: str) -> Path:
    """Return where the build's evidence of a kind lies for the release."""
    return layout.evidence / f"v{RELEASE}" / f"{kind}.json"


async def _tell(layout: Layout, **facts: Any) -> None:
    """Change facts of the account for good; raises SandboxError."""
    await put(layout, "aws", "/_sandbox/state", facts)


def _write_evidence(layout: Layout, kind: str, artefacts: Mapping[str, str]) -> None:
    """Write evidence of something that passed, as docs/platform-contract.md asks for it."""
    document: dict[str, Any] = {
        "schema": 1,
        "kind": kind,
        "release": f"v{RELEASE}",
        "commit": layout.release_commit,
        "created_at": dt.datetime.now(dt.UTC).isoformat(),
        "result": "passed",
        "artefacts": [{"name": name, "digest": digest} for name, digest in artefacts.items()],
    }
    file = evidence_file(layout, kind)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(file, json.dumps(document, indent=1))


async def evidence(it: Breakage, kind: str, values: Mapping[str, Any]) -> None:
    """Have evidence of the release say something else."""
    whole = _evidence(it, kind)
    evidence_file(it.layout, kind).write_text(json.dumps({**json.loads(whole), **values}))


async def evidence_halved(it: Breakage, kind: str) -> None:
    """Cut evidence of the release in half."""
    whole = _evidence(it, kind)
    evidence_file(it.layout, kind).write_text(whole[: len(whole) // 2])


def _evidence(it: Breakage, kind: str) -> str:
    """Put the evidence aside and return it."""
    _evidence_there(it, kind)
    return it.aside(evidence_file(it.layout, kind)).read_text(encoding="utf-8")


def _evidence_there(it: Breakage, kind: str) -> None:
    if not evidence_file(it.layout, kind).exists():
        raise SandboxError(f"there is no evidence {kind} yet: the deployment's phase writes it.")


KINDS = (evidence, evidence_halved, web_bugs)
