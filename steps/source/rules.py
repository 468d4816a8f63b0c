"""What is said of a release's repository, its pipelines, its requests to merge and its bugs."""

from __future__ import annotations

import datetime as dt
import fnmatch
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from gates.decide.judgement import Judgement
from probes.forge import Bugs, End, Pipeline, Request, Verified
from probes.git import Tag
from settings.source import ChangedBy, Changes, SourcePolicy
from steps.kit.expect import expect, nothing_to_judge

_MOST_SHOWN = 5
_MOST_VALUES = 500_000
_DATE = re.compile(r"(?<!\d)\d{4}-\d\d-\d\d(?!\d)")
_COMMENT = re.compile(r"<!--.*?(-->|\Z)", re.DOTALL)


def listed(names: Sequence[object]) -> str:
    """Return names for people, the first ones where there are many."""
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return ", ".join(map(str, names[:_MOST_SHOWN])) + more


def fits(path: str, patterns: Iterable[str]) -> bool:
    """Tell whether a path, or a name, fits any of the patterns; * crosses folders."""
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def is_pattern(name: str) -> bool:
    """Tell whether a name stands for any number of others, none too."""
    return re.search(r"[*?[]", name) is not None


def no_branch(name: str) -> Judgement:
    """Return that a branch which must be merged is not there, so that nothing tells whether it was."""
    sentence = f"branch {name} is not there, and source.merged names it"
    clears = f"branch {name} in the repository, or source.merged without it"
    return expect(None, f"branch {name}", sentence, clears, rule="contained")


def branch_ends(branch: str, tip: str | None, commit: str) -> Judgement:
    """Judge that the release's branch is there, and that all of it is released."""
    found = "is not there" if tip is None else f"ends at {tip[:12]}"
    sentence = f"branch {branch} {found}, the release is {commit[:12]}"
    clears = f"{branch} at the commit of release.yaml, or release.yaml with the branch's commit"
    return expect(tip == commit, f"branch {branch}", sentence, clears, rule="branch")


def contained(what: str, lacking: int | None, commit: str) -> Judgement:
    """Judge that the release contains something; None: the repository does not know its commit."""
    if lacking is None:
        sentence = (
            f"{what}: the repository has no such commit, so nothing tells whether it is released"
        )
        return expect(None, what, sentence, "a repository with all commits", rule="contained")
    lacks = f"lacks {lacking} commits of" if lacking > 1 else "lacks a commit of"
    sentence = f"release {commit[:12]} {lacks if lacking else 'contains'} {what}"
    clears = f"{what} merged into the release's branch, and release.yaml with its new commit"
    return expect(not lacking, what, sentence, clears, rule="contained", observed=lacking)


def cut_off() -> Judgement:
    """Return that a repository without its history can't say what is contained in what."""
    sentence = "the repository is a shallow clone: it does not show what is merged"
    return expect(None, "history", sentence, "a repository with all commits", rule="contained")


def none_waits(branch: str, waiting: Sequence[Request]) -> Judgement:
    """Judge that nobody still wants to merge into the release's branch."""
    shown = listed([f"#{one.number}" for one in waiting])
    sentence = f"requests to merge into {branch} that are open: {shown or 'none'}"
    clears = f"{shown} merged or closed"
    return expect(not waiting, f"requests into {branch}", sentence, clears, rule="merged")


def planned(milestone: str, requests: Sequence[Request] | None) -> Judgement:
    """Judge that all that a release plans is merged somewhere; where, is looked up in the repository."""
    subject = f"milestone {milestone}"
    if not requests:
        found = "is not there" if requests is None else "plans no request to merge"
        sentence = f"{subject} {found}, so what the release plans is not known"
        clears = f"{subject} with the requests of the release, or source.forge.milestone: null"
        return expect(None, subject, sentence, clears, rule="planned")
    shown = listed([f"#{one.number}" for one in requests if one.is_open])
    sentence = f"requests to merge in {subject}: {len(requests)}, of which open: {shown or 'none'}"
    return expect(not shown, subject, sentence, f"{shown} merged, or planned later", rule="planned")


def unchanged(changes: Changes, paths: Sequence[str], by: ChangedBy) -> Iterator[Judgement]:
    """Judge what release.yaml says is unchanged; what it says is changed is proved elsewhere."""
    for name, is_changed in changes:
        found = [path for path in paths if fits(path, getattr(by, name))]
        if not is_changed:
            key = type(changes).model_fields[name].alias or name
            shown = listed(found)
            sentence = (
                f"release.yaml says {key} is unchanged: {shown or 'nothing of it is changed'}"
            )
            clears = f"changes.{key}: true in release.yaml, or a release without {shown}"
            yield expect(not found, f"changes.{key}", sentence, clears, rule="unchanged")


def versions(what: str, found: Mapping[str, str | None], number: str) -> Judgement:
    """Judge that every file has the release's version; None: it has none, or can't be read."""
    wrong = [f"{path} {has or 'without one'}" for path, has in found.items() if has != number]
    sentence = f"{what} with version {number}: {len(found) - len(wrong)} of {len(found)}"
    sentence += f"; {listed(wrong)}" if wrong else ""
    clears = f"version {number} in {listed(wrong)}"
    return expect(not wrong if found else None, what, sentence, clears, rule="version")


def lock_files(found: Mapping[str, str | None], number: str) -> Judgement:
    """Judge lock files; of those that keep no version of their own nothing can be wrong."""
    if not found:
        return nothing_to_judge("lock files", "none of them keeps the version of a package here")
    return versions("lock files", found, number)


def package_version(content: bytes) -> str | None:
    """Return the version in a package.json, None where it has none that can be read."""
    return _version(_object(content))


def locked_versions(path: str, content: bytes) -> dict[str, str | None]:
    """Return what a package-lock.json says of its own package and of each workspace."""
    lock = _object(content)
    packages = lock.get("packages")
    own = {
        f"{path} {name or 'itself'}": _version(one)
        for name, one in (packages if isinstance(packages, dict) else {}).items()
        if "node_modules" not in name
    }
    return {path: _version(lock), **own}


def _object(content: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _version(package: object) -> str | None:
    found = package.get("version") if isinstance(package, Mapping) else None
    return found if isinstance(found, str) else None


def entry_of(changelog: str, number: str) -> tuple[str, str] | None:
    """Return the heading of a release and what stands below it in Markdown; None where it has none."""
    plain = _COMMENT.sub("", changelog)
    heading = re.compile(
        rf"^(#{{1,4}})[ \t]+\[?v?{re.escape(number)}\]?(?=[\s(:]|$)[^\n]*", re.MULTILINE
    )
    begins = heading.search(plain)
    if begins is None:
        return None
    rest = plain[begins.end() :]
    ends = re.search(rf"^#{{1,{len(begins[1])}}}[ \t]", rest, re.MULTILINE)
    return begins[0], rest[: ends.start() if ends else None].strip()


def says_something(text: str) -> bool:
    """Tell whether a text has a line that is more than a heading."""
    return any(re.search(r"\w", line) for line in text.splitlines() if not line.startswith("#"))


def entry_there(subject: str, entry: tuple[str, str] | None, planned_on: dt.date) -> Judgement:
    """Judge a changelog's entry of a release: content, and a date that is not behind the deployment's."""
    wrong = ""
    if entry is None:
        wrong = "has no entry of the release"
    elif not says_something(entry[1]):
        wrong = "says nothing below the release's heading"
    elif (day := _day(entry[0])) is None:
        wrong = "gives the release no date, such as 2026-01-31"
    elif day > planned_on:
        wrong = f"dates the release {day}, behind its planned start on {planned_on}"
    sentence = f"{subject} {wrong or 'has a dated entry of the release that says something'}"
    clears = f"{subject} with an entry of the release, its date and what is new"
    return expect(not wrong, subject, sentence, clears, rule="changelog")


def _day(heading: str) -> dt.date | None:
    found = _DATE.search(heading)
    try:
        return dt.date.fromisoformat(found[0]) if found else None
    except ValueError:
        return None


def notes_finished(subject: str, text: str | None, unfinished: Sequence[str]) -> Judgement:
    """Judge notes: something is said, and no word says that they are not finished."""
    found = [one for one in unfinished if re.search(rf"(?<!\w){re.escape(one)}(?!\w)", text or "")]
    wrong = "are not there" if text is None else "say nothing"
    if text is not None and says_something(text):
        wrong = f"still say {listed(found)}" if found else ""
    sentence = f"the release's notes in {subject} {wrong or 'are finished'}"
    clears = f"{subject} with all that is new, and nothing left open"
    return expect(not wrong, "release notes", sentence, clears, rule="notes")


def tagged(name: str, tag: Tag | None, commit: str) -> Judgement:
    """Judge that a tag is there and on the release's commit."""
    found = "is not there" if tag is None else f"is on {tag.commit[:12]}"
    sentence = f"tag {name} {found}, the release is {commit[:12]}"
    good = tag is not None and tag.commit == commit
    return expect(good, f"tag {name}", sentence, f"{name} on {commit}", rule="tag")


def annotated(name: str, tag: Tag) -> Judgement:
    """Judge that a tag says who made it."""
    kind = "annotated" if tag.is_annotated else "lightweight: it does not say who made it, and when"
    clears = f"{name} made again by git tag -a"
    return expect(tag.is_annotated, f"tag {name}", f"tag {name} is {kind}", clears, rule="tag")


def signed(name: str, tag: Tag, signer: str | None, verified: Verified | None) -> Judgement:
    """Judge a tag's signature: by a key that may sign, or as the forge verifies others'."""
    clears = (
        f"{name} signed by git tag -s with a key of source.signers, or one that the forge verifies"
    )
    good: bool | None = signer is not None or (verified is not None and verified.is_valid)
    if not tag.signed_by:
        good, found = False, "is not signed"
    elif signer is not None:
        found = f"is signed by {signer}"
    elif verified is not None:
        found = f"has a signature of {tag.signed_by} that the forge calls {verified.reason}"
    else:
        good = False if tag.signed_by == "SSH" else None
        found = f"has a signature of {tag.signed_by} by none of source.signers"
    return expect(good, f"tag {name}", f"tag {name} {found}", clears, rule="signature")


def required_green(
    name: str, each: Sequence[Pipeline], commit: str, policy: SourcePolicy
) -> Judgement:
    """Judge a pipeline that must have been green for the commit."""
    found = [one for one in each if one.name == name]
    subject, clears = f"pipeline {name}", f"{name} green for {commit}, at its first try"
    if not found:
        sentence = f"{subject} has not run for {commit[:12]}"
        return expect(None, subject, sentence, clears, rule="pipelines")
    return _all_green(subject, dict.fromkeys(found, ""), clears, policy)


def others_green(
    each: Sequence[Pipeline], required: Iterable[str], policy: SourcePolicy
) -> Judgement:
    """Judge all pipelines that nobody named."""
    known = frozenset(required)
    others = [one for one in each if one.name not in known]
    clears = "these green, or named in policy.source.may_be_skipped where they were skipped"
    named = {one: f"{one.name} " for one in others}
    return _all_green(f"{len(others)} other pipelines", named, clears, policy)


def _all_green(
    subject: str, each: Mapping[Pipeline, str], clears: str, policy: SourcePolicy
) -> Judgement:
    greens = {one: _green(one, policy) for one in each}
    wrong = [one for one, green in greens.items() if green is not True]
    shown = listed([f"{each[one]}{_ended(one)}" for one in wrong])
    good = not wrong or (False if False in greens.values() else None)
    return expect(good, subject, f"{subject}: {shown or 'green'}", clears, rule="pipelines")


def _green(one: Pipeline, policy: SourcePolicy) -> bool | None:
    """Tell whether a pipeline is green; None where it proves nothing."""
    if one.end is End.FAILURE:
        return False
    if one.end in (End.SKIPPED, End.NEUTRAL):
        return True if one.name in policy.may_be_skipped else None
    again = one.tries > 1 and not policy.tried_again
    return True if one.end is End.SUCCESS and not again else None


def _ended(one: Pipeline) -> str:
    again = f" at try {one.tries}" if one.tries > 1 else ""
    return f"{one.said}{again} ({one.kind})"


def no_bug(bugs: Bugs, critical: Sequence[str]) -> Judgement:
    """Judge that no critical bug is open; by a label that is not there none could be found."""
    if bugs.unknown:
        sentence = f"the tracker has no label {listed(bugs.unknown)}, so no bug could have it"
        clears = "source.tracker.critical with labels that critical bugs get"
        return expect(None, "critical bugs", sentence, clears, rule="bugs")
    sentence = f"{len(bugs.keys)} critical bugs ({listed(critical)}) are open"
    sentence += f": {listed(bugs.keys)}" if bugs.keys else ""
    clears = f"{listed(bugs.keys)} fixed, or no longer called critical"
    return expect(
        not bugs.keys, "critical bugs", sentence, clears, rule="bugs", observed=len(bugs.keys)
    )


def same_document(subject: str, differences: Sequence[str]) -> Judgement:
    """Judge that a document is served as it is written."""
    sentence = f"{subject} is {'not ' if differences else ''}served as the commit has it"
    sentence += f": {listed(differences)}" if differences else ""
    clears = "the release's own document served before the deployment, or written as it is served"
    return expect(not differences, subject, sentence, clears, rule="document")


def differences(
    written: object, served: object, place: str = "", left_out: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Yield where two JSON values differ, and how; of lists that differ only that they do."""
    if isinstance(written, Mapping) and isinstance(served, Mapping):
        for key in sorted({*written, *served} - left_out):
            at = f"{place}.{key}" if place else key
            if key not in served or key not in written:
                yield f"{at} is only {'written' if key in written else 'served'}"
            else:
                yield from differences(written[key], served[key], at)
    elif type(written) is not type(served) or written != served:
        yield f"{place} differs"


def as_json(value: object, steps: Iterator[int] | None = None) -> object:
    """Return what YAML holds as JSON would; raises ValueError where aliases make it too large."""
    steps = steps or iter(range(_MOST_VALUES))
    if next(steps, None) is None:
        raise ValueError("too large")
    if isinstance(value, Mapping):
        return {str(key): as_json(one, steps) for key, one in value.items()}
    if isinstance(value, list):
        return [as_json(one, steps) for one in value]
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)
