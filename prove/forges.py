"""Proof of the readers of forges and trackers: whatever an answer becomes, it is read or refused."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Mapping
from email.message import Message
from typing import Any

from pydantic import SecretStr

from probes.forge import End, Pipelines
from probes.forge.repositories import GitHub, GitLab
from probes.forge.trackers import Jira
from probes.observation import Deadline, Observation
from prove import Cases
from prove.broken import broken
from prove.parsers import ended
from tests.probes import test_forge as known
from tests.steps.json_server import json_server

PROMISE = "no answer of a forge or a tracker breaks its reader, hangs it, or turns a pipeline green"
AT_LEAST = 2_000
_SECONDS, _MOST_SECONDS = 5.0, 2.0
_JIRA = {"issues": [{"key": "UH-7", "fields": {}}], "isLast": True, "key": "UH"}
Ask = Callable[[str, Deadline], Observation[Any]]
ASKED: Mapping[str, tuple[Ask, ...]] = {
    "github": (
        lambda url, soon: _github(url).pipelines(known.COMMIT, deadline=soon),
        lambda url, soon: _github(url).requests("master", "v1.0", deadline=soon),
        lambda url, soon: _github(url).bugs(("bug",), deadline=soon),
        lambda url, soon: _github(url).tag_signature("940bd336", deadline=soon),
        lambda url, soon: _github(url).rights(deadline=soon),
    ),
    "gitlab": (
        lambda url, soon: _gitlab(url).pipelines(known.OF_GITLAB, deadline=soon),
        lambda url, soon: _gitlab(url).requests("master", "10.0", deadline=soon),
    ),
    "jira": (lambda url, soon: _jira(url).bugs(("priority = High",), deadline=soon),),
}
_PATHS = {
    "github": (known.GITHUB, "/repos/octocat/Hello-World"),
    "gitlab": (known.GITLAB, "/projects/a%2Fb"),
}


def _github(url: str) -> GitHub:
    return GitHub.of(url, "octocat/Hello-World", None, None)


def _gitlab(url: str) -> GitLab:
    return GitLab.of(url, "a/b", None, None)


def _jira(url: str) -> Jira:
    return Jira.of(url, "UH", "gate@clinic.example", SecretStr("sentinel"), None)


def read_or_refused(seed: int) -> Cases:
    """Yield questions to a forge, each of whose answers is broken with a chance of one in two."""
    chance = random.Random(seed)  # noqa: S311 - cases, no secrets
    asked = {"forge": "github"}

    def answers(_: str, path: str, __: Message, ___: bytes) -> tuple[int, object]:
        status, body = _whole(asked["forge"], path)
        content = json.dumps(body).encode()
        return status, broken(chance, content) if chance.getrandbits(1) else content

    with json_server(answers) as url:
        while True:
            asked["forge"] = chance.choice(tuple(ASKED))
            yield _wrong(asked["forge"], chance.choice(ASKED[asked["forge"]]), url)


def _whole(forge: str, path: str) -> tuple[int, object]:
    if forge == "jira":
        return 200, _JIRA
    status, body = known.answer_of(forge, _PATHS[forge][0], path, _PATHS[forge][1])
    whole = re.sub(r'"head_sha": "\w+"', f'"head_sha": "{known.COMMIT}"', json.dumps(body))
    return status, json.loads(whole)


def _wrong(forge: str, ask: Ask, url: str) -> str | None:
    """Return what is wrong with what a forge's answers were taken for."""
    begun = time.process_time()
    try:
        with ended():
            found = ask(url, Deadline.after(_SECONDS)).value
    except Exception as exc:  # noqa: BLE001 - any exception is what this proof looks for
        return f"{forge}: {type(exc).__name__}: {exc}"
    if time.process_time() - begun > _MOST_SECONDS:
        return f"{forge}: took more than {_MOST_SECONDS:g} s"
    green = isinstance(found, Pipelines) and all(one.end is End.SUCCESS for one in found.each)
    return f"{forge}: its pipelines are green, and were not: {found}" if green else None
