"""What others say of a release: pipelines, requests to merge, bugs, the API's served document."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import yaml

from environments.release_file import Bound
from probes import api, formats
from probes.forge import Pipelines
from probes.http import HttpTarget
from settings.source import OpenApi, Source
from steps.kit.asked import Asked
from steps.kit.expect import need, nothing_to_judge
from steps.kit.release import described_release
from steps.kit.run import Run
from steps.kit.sentence import then
from steps.source import reading, rules

_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_SERVERS = frozenset({"servers"})
"""Of an OpenAPI document: they differ by environment."""


@then("every request to merge that the release plans is merged into it")
def requests_merged(run: Run, asked: Asked, source: Source) -> None:
    if source.forge is None:
        asked.judge(nothing_to_judge("requests to merge", "source.forge names no forge"))
        return
    platform, (section, forge) = asked.platform, reading.forge(asked.platform)
    branch = reading.of_release(platform, source.branch)
    milestone = reading.of_release(platform, section.milestone or "")
    ask = partial(forge.requests, branch, milestone, deadline=reading.patience(platform))
    found = asked.read("requests to merge", ask)
    asked.judge(rules.none_waits(branch, found.into_branch))
    if milestone:
        asked.judge(rules.planned(milestone, found.planned))
        merged = [one for one in found.planned or () if not one.is_open]
        commits = {f"request #{one.number}": commit for one in merged for commit in one.commits}
        unknown = [f"request #{one.number}" for one in merged if not one.commits]
        release = described_release(asked)
        asked.judge(*(rules.contained(one, None, release.commit) for one in unknown))
        reading.judge_contained(run, asked, release, commits, alone=True)


@then("every required pipeline of the commit is green")
def required_pipelines(asked: Asked) -> None:
    release, (section, _) = described_release(asked), reading.forge(asked.platform)
    each, policy = _pipelines(asked, release).each, asked.platform.policy.source
    asked.judge(
        *(rules.required_green(one, each, release.commit, policy) for one in section.required)
    )


@then("no other pipeline of the commit is anything else")
def other_pipelines(asked: Asked) -> None:
    release, (section, _) = described_release(asked), reading.forge(asked.platform)
    each, policy = _pipelines(asked, release).each, asked.platform.policy.source
    asked.judge(rules.others_green(each, section.required, policy))


def _pipelines(asked: Asked, release: Bound) -> Pipelines:
    _, forge = reading.forge(asked.platform)
    ask = partial(forge.pipelines, release.commit, deadline=reading.patience(asked.platform))
    return asked.read("pipelines", ask)


@then("no critical bug is open")
def no_bug(asked: Asked) -> None:
    section, tracker = reading.tracker(asked.platform)
    ask = partial(tracker.bugs, section.critical, deadline=reading.patience(asked.platform))
    asked.judge(rules.no_bug(asked.read("critical bugs", ask), section.critical))


@then("the API's document of the commit is the one that is served, with the release's version")
def document_served(run: Run, asked: Asked, source: Source) -> None:
    section = need(source.openapi, "source.openapi")
    subject = f"API document {section.file}"
    written = _document(reading.read_files(run, asked, (section.file,)).get(section.file, b""))
    served = _document(_served(asked, section))
    found = [
        f"what is {how} is not an OpenAPI document"
        for how, one in (("written", written), ("served", served))
        if one is None
    ] or list(rules.differences(written, served, left_out=_SERVERS))
    asked.judge(rules.same_document(subject, found))
    says = written["info"].get("version") if written is not None else None
    asked.judge(
        rules.versions("API documents", {section.file: says}, asked.platform.release.number)
    )


def _served(asked: Asked, section: OpenApi) -> bytes:
    parts = urlsplit(section.served_at)
    login = asked.platform.bearer(section.token)
    server = HttpTarget(f"{parts.scheme}://{parts.netloc}", section.ca_file, login)
    ask = partial(api.document, server, parts.path, deadline=asked.platform.call_deadline())
    return asked.read("the served API document", ask).content or b""


def _document(content: bytes) -> Mapping[str, Any] | None:
    """Return an OpenAPI document, written as JSON or YAML; None where it is none."""
    try:
        found = formats.parse(content)
    except formats.NotJsonError:
        try:
            found = rules.as_json(yaml.load(content, _LOADER))  # noqa: S506 - one of the safe ones
        except (yaml.YAMLError, ValueError, RecursionError):
            return None
    if not isinstance(found, Mapping) or not {"openapi", "paths"} <= found.keys():
        return None
    return found if isinstance(found.get("info"), Mapping) else None
