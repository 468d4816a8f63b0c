"""Which CI server runs the gate, as its own variables say. Nothing of it decides anything."""

from __future__ import annotations

import dataclasses
import pathlib
import re
from collections.abc import Mapping

from gates.decide.plain_text import one_line
from gates.decide.verdict import Executor
from gates.load import Checks

_ADDRESS = re.compile(r"https?://[^\s@\\\"'<>]+")
"""Without a login, and nothing that a browser would run."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Server:
    """What a CI server says of itself, by the names of its variables."""

    name: str
    type: str
    url: str
    build: str
    build_url: str
    files: str
    workspace: str


_SERVERS = (
    _Server(
        name="GitHub Actions",
        type="github",
        url="{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}",
        build="{GITHUB_WORKFLOW} #{GITHUB_RUN_NUMBER}",
        build_url="{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}",
        files="{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/blob/{GITHUB_SHA}",
        workspace="{GITHUB_WORKSPACE}",
    ),
    _Server(
        name="GitLab CI",
        type="gitlab",
        url="{CI_PROJECT_URL}",
        build="{CI_JOB_NAME} #{CI_PIPELINE_IID}",
        build_url="{CI_JOB_URL}",
        files="{CI_PROJECT_URL}/-/blob/{CI_COMMIT_SHA}",
        workspace="{CI_PROJECT_DIR}",
    ),
    _Server(
        name="Jenkins",
        type="jenkins",
        url="{JENKINS_URL}",
        build="{JOB_NAME} #{BUILD_NUMBER}",
        build_url="{BUILD_URL}",
        files="",  # the address of a clone says nothing of where its files are shown
        workspace="",
    ),
)


def executor(variables: Mapping[str, str], checks: Checks) -> Executor | None:
    """Return the server that runs the gate, and where it shows the checks that are asked."""
    above = checks.features.parent
    for server in _SERVERS:
        url, build_url = (_filled(one, variables) for one in (server.url, server.build_url))
        if all(_ADDRESS.fullmatch(one) for one in (url, build_url)):
            return Executor(
                name=server.name,
                type=server.type,
                url=url,
                build=_filled(server.build, variables),
                build_url=build_url,
                files=_files(server, variables, above.resolve()),
                policy=checks.policy.relative_to(above).as_posix(),
            )
    return None


def _files(server: _Server, variables: Mapping[str, str], above: pathlib.Path) -> str | None:
    """Return where the checks are shown; None where they are no part of what the server built."""
    root, shown = (_filled(one, variables) for one in (server.workspace, server.files))
    if not (root and _ADDRESS.fullmatch(shown) and above.is_relative_to(root)):
        return None
    within = above.relative_to(root).as_posix()
    return shown if within == "." else f"{shown}/{within}"


def _filled(text: str, variables: Mapping[str, str]) -> str:
    """Return a text with its variables; empty where one of them is not set."""
    try:
        return one_line(text.format_map(variables))
    except KeyError:
        return ""
