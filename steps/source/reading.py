"""How the gate reads where a release comes from: one home for the repository's clone and every login."""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Mapping
from functools import partial
from typing import TypeAlias

import probes
from environments.release_file import Bound
from probes.forge.repositories import GitHub, GitLab
from probes.forge.trackers import Jira
from probes.git import Place, Refs, Tag
from probes.observation import Deadline, Observation
from settings.source import Forge, Source, Tracker
from steps.kit.asked import Asked
from steps.kit.expect import need
from steps.kit.platform import Platform
from steps.kit.release import CLONE_SECONDS, described_release
from steps.kit.run import Run
from steps.source import rules

_FORGES: dict[str, type[GitHub | GitLab]] = {"github": GitHub, "gitlab": GitLab}
TrackerReader: TypeAlias = GitHub | GitLab | Jira


def repository(run: Run, asked: Asked) -> Place:
    """Return the release's repository on this machine, cloned once in a run; raises Unread."""
    named = asked.platform.section(Source).repository
    if not probes.git.is_address(named):
        return Place(asked.platform.beside(named), named)
    return asked.read("the release's repository", lambda: run.shared(_cloned))


def _cloned(run: Run) -> Observation[Place]:
    made = tempfile.TemporaryDirectory(prefix="release-gate-")
    folder = pathlib.Path(run.closing.enter_context(made)) / "clone"
    named = run.platform.section(Source).repository
    return probes.git.cloned(named, folder, deadline=patience(run.platform))


def patience(platform: Platform) -> Deadline:
    """Return the deadline of what takes many calls."""
    return platform.deadline.sooner(CLONE_SECONDS)


def of_release(platform: Platform, written: str) -> str:
    """Return a name of the environment file for this release."""
    return written.replace("{release}", platform.release.number)


def forge(platform: Platform) -> tuple[Forge, GitHub | GitLab]:
    """Return the forge with its settings; raises NotDescribedError."""
    section = need(platform.section(Source).forge, "source.forge")
    return section, _forge(platform, section)


def _forge(platform: Platform, section: Forge | Tracker) -> GitHub | GitLab:
    token = platform.secret(section.token)
    return _FORGES[section.kind].of(section.url, section.project, token, section.ca_file)


def tracker(platform: Platform) -> tuple[Tracker, TrackerReader]:
    """Return the tracker with its settings; raises NotDescribedError."""
    section = need(platform.section(Source).tracker, "source.tracker")
    token = platform.secret(section.token)
    if section.url is None or section.user is None or token is None or section.kind != "jira":
        return section, _forge(platform, section)
    return section, Jira.of(section.url, section.project, section.user, token, section.ca_file)


def refs(run: Run, asked: Asked) -> Refs:
    """Return branches and tags; raises Unread."""
    place = repository(run, asked)
    ask = partial(probes.git.refs, place, deadline=asked.platform.call_deadline())
    return asked.read("branches and tags", ask)


def read_tag(run: Run, asked: Asked, name: str) -> Tag:
    """Return a tag that is there; raises Unread."""
    place = repository(run, asked)
    ask = partial(probes.git.tag, place, name, deadline=asked.platform.call_deadline())
    return asked.read(f"tag {name}", ask)


def judge_contained(
    run: Run, asked: Asked, release: Bound, commits: Mapping[str, str], *, alone: bool = False
) -> None:
    """Judge that the release contains commits, each by what it is of; raises Unread.

    `alone`: none of the commits before them has to be.
    """
    if refs(run, asked).is_shallow:
        asked.judge(rules.cut_off())
        return
    ask = partial(
        probes.git.lacking,
        repository(run, asked),
        release.commit,
        commits.values(),
        alone=alone,
        deadline=patience(asked.platform),
    )
    lacking = asked.read(f"what the release lacks of {', '.join(commits)}", ask).commits
    asked.judge(
        *(
            rules.contained(what, lacking.get(one, 0), release.commit)
            for what, one in commits.items()
        )
    )


def read_files(
    run: Run, asked: Asked, names: tuple[str, ...], but: tuple[str, ...] = ()
) -> Mapping[str, bytes]:
    """Return the files of the release's commit that fit names and none of others; raises Unread."""
    commit, place = described_release(asked).commit, repository(run, asked)

    def wanted(path: str) -> bool:
        return rules.fits(path, names) and not rules.fits(path, but)

    deadline = patience(asked.platform)
    ask = partial(probes.git.files, place, commit, wanted, deadline=deadline)
    return asked.read(f"{', '.join(names)} at {commit[:12]}", ask).files
