"""How a check hands its tests over for the evidence of the release: once, when they are through.

The parent writes evidence/KIND.json and evidence/KIND.junit.xml of them (reports/evidence.py).
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from gates.decide.judgement import Scalar
from gates.decide.suite import EVENT, Attachment, Finding, Kind, Suite, Tested
from settings.delivery import Frontend, Images
from steps.kit.asked import Asked
from steps.kit.evidence import Evidence, read_evidence
from steps.kit.run import Run

FOLDER = "evidence"
_LONGEST = 500
_SHORTEST_SECRET = 6
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


def hand_over(  # noqa: PLR0913 - what evidence is made of, all by name
    run: Run,
    asked: Asked,
    kind: Kind,
    *,
    tests: Iterable[Tested],
    tools: Mapping[str, str],
    counts: Mapping[str, int] | None = None,
    facts: Mapping[str, Scalar] | None = None,
    findings: Iterable[Finding] = (),
    attachments: Iterable[Attachment] = (),
) -> None:
    """Keep what was tested, with the build's commit and digests; raises OSError when it can't be kept.

    Texts are cut at 500 characters, and one that holds a secret of the environment is left out.
    """
    build = run.shared(_image_build if kind is Kind.CONTRACT else _web_build)
    suite = Suite(
        kind=kind,
        check=asked.check.id,
        regions=asked.regions,
        commit=None if build is None else build.commit,
        artefacts={} if build is None else build.digests(),
        tools=tools,
        tests=tuple(tests),
        counts=counts or {},
        facts=facts or {},
        findings=tuple(findings),
        attachments=tuple(attachments),
    )
    run.events.write(EVENT, **_without_secrets(suite.record(), _secrets(run)))


def attach(run: Run, name: str, content: bytes, media_type: str, ending: str) -> Attachment:
    """Write a picture or a trace into the run's folder; whoever made it has taken secrets out of it."""
    folder = run.run_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    file = _NOT_IN_NAMES.sub("-", name).strip("-.")[:100] or "attachment"
    path = folder / f"{file}.{ending}"
    path.write_bytes(content)
    return Attachment(
        name=name, file=str(pathlib.PurePosixPath(FOLDER, path.name)), media_type=media_type
    )


def _image_build(run: Run) -> Evidence | None:
    return _believed(run, run.platform.environment.settings.images)


def _web_build(run: Run) -> Evidence | None:
    return _believed(run, run.platform.environment.settings.frontend)


def _believed(run: Run, built: Images | Frontend | None) -> Evidence | None:
    """Return the build's own evidence, which names the commit and the digests of what was tested."""
    reading = None if built is None else read_evidence(run.platform, built.evidence)
    return reading.evidence if reading is not None and reading.believable else None


def _secrets(run: Run) -> tuple[str, ...]:
    held = (one.get_secret_value() for one in run.platform.environment.secrets.values())
    return tuple(one for one in held if len(one) >= _SHORTEST_SECRET)


def _without_secrets(value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        held = any(one in value for one in secrets)
        return "(left out: it held a secret)" if held else value[:_LONGEST]
    if isinstance(value, dict):
        return {key: _without_secrets(one, secrets) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_secrets(one, secrets) for one in value]
    return value
