"""Whether a release's repository is as it must be: what it contains, branch, versions, notes, tag."""

from __future__ import annotations

import datetime as dt
from functools import partial

import probes
from probes.git import Tag
from settings.source import Source
from steps.kit.asked import Asked
from steps.kit.expect import nothing_to_judge
from steps.kit.release import described_release
from steps.kit.run import Run
from steps.kit.sentence import described, then
from steps.source import reading, rules

_LOCKS = ("package-lock.json", "npm-shrinkwrap.json")

described("the release's repository is read", Source, "source")


@then("the release contains the release before it and the branches that must be merged")
def branches_merged(run: Run, asked: Asked, source: Source) -> None:
    release = described_release(asked)
    refs, before = reading.refs(run, asked), reading.read_tag(run, asked, release.file.previous)
    branches = refs.branches.items()
    named = {f"branch {one}": tip for one, tip in branches if rules.fits(one, source.merged)}
    gone = [one for one in source.merged if not rules.is_pattern(one) and one not in refs.branches]
    asked.judge(*map(rules.no_branch, gone))
    reading.judge_contained(
        run, asked, release, {f"release {release.file.previous}": before.commit, **named}
    )


@then("what release.yaml says is unchanged is unchanged")
def unchanged(run: Run, asked: Asked) -> None:
    release, by = described_release(asked), asked.platform.policy.source.changed_by
    before, place = (
        reading.read_tag(run, asked, release.file.previous),
        reading.repository(run, asked),
    )
    ask = partial(
        probes.git.changed,
        place,
        before.commit,
        release.commit,
        deadline=reading.patience(asked.platform),
    )
    changed = asked.read("what the release changes", ask)
    found = tuple(rules.unchanged(release.file.changes, changed.paths, by))
    asked.judge(*(found or (nothing_to_judge("changes", "release.yaml says that all is changed"),)))


@then("the release branch ends at the release's commit")
def branch_there(run: Run, asked: Asked, source: Source) -> None:
    release, branch = described_release(asked), reading.of_release(asked.platform, source.branch)
    asked.judge(
        rules.branch_ends(branch, reading.refs(run, asked).branches.get(branch), release.commit)
    )


@then("every package.json has the release's version")
def package_versions(run: Run, asked: Asked, source: Source) -> None:
    found = reading.read_files(run, asked, source.packages, source.not_packages)
    has = {path: rules.package_version(content) for path, content in found.items()}
    asked.judge(rules.versions("package.json files", has, asked.platform.release.number))


@then("every lock file has the release's version")
def lock_versions(run: Run, asked: Asked, source: Source) -> None:
    names = (*_LOCKS, *(f"*/{name}" for name in _LOCKS))
    found = reading.read_files(run, asked, names, source.not_packages)
    has = {
        name: version
        for path, content in found.items()
        for name, version in rules.locked_versions(path, content).items()
    }
    asked.judge(rules.lock_files(has, asked.platform.release.number))


@then("the changelog has a dated entry of the release that says something")
def changelog_entry(run: Run, asked: Asked, source: Source) -> None:
    starts = described_release(asked).file.planned_start.astimezone(dt.UTC).date()
    asked.judge(rules.entry_there(source.changelog, _entry(run, asked, source.changelog), starts))


@then("the release's notes say something and have nothing unfinished")
def notes_finished(run: Run, asked: Asked, source: Source) -> None:
    unfinished = asked.platform.policy.source.unfinished
    if source.notes is None:
        entry = _entry(run, asked, source.changelog)
        text, path = entry and f"# {entry[0]}\n{entry[1]}", source.changelog
    else:
        path = reading.of_release(asked.platform, source.notes)
        text = _text(run, asked, path)
    asked.judge(rules.notes_finished(path, text, unfinished))


@then("the release's tag is on the release's commit")
def tag_there(run: Run, asked: Asked) -> None:
    release, name = described_release(asked), asked.platform.release.tag
    asked.judge(rules.tagged(name, _tag(run, asked), release.commit))


@then("the tag is made and signed as the policy asks")
def tag_made(run: Run, asked: Asked, source: Source) -> None:
    name, tag, policy = asked.platform.release.tag, _tag(run, asked), asked.platform.policy.source
    if tag is None or not (policy.annotated_tag or policy.signed_tag):
        why = "there is no tag" if tag is None else "policy.source asks for nothing"
        asked.judge(nothing_to_judge("how the tag is made", why))
        return
    if policy.annotated_tag:
        asked.judge(rules.annotated(name, tag))
    if policy.signed_tag:
        signer = _signer(tag, source)
        asks = signer is None and tag.signed_by and source.forge is not None
        asked.judge(rules.signed(name, tag, signer, _verified(asked, tag) if asks else None))


def _signer(tag: Tag, source: Source) -> str | None:
    if tag.signed_by != "SSH":
        return None
    try:
        keys = [probes.signatures.PublicKey.parse(line) for line in source.signers]
        return probes.signatures.signer(tag.signature, tag.payload, keys, "git")
    except probes.signatures.MalformedError:
        return None


def _verified(asked: Asked, tag: Tag) -> probes.forge.Verified:
    _, forge = reading.forge(asked.platform)
    ask = partial(forge.tag_signature, tag.object_id, deadline=asked.platform.call_deadline())
    return asked.read("signature of the tag", ask)


def _tag(run: Run, asked: Asked) -> Tag | None:
    name = asked.platform.release.tag
    return reading.read_tag(run, asked, name) if name in reading.refs(run, asked).tags else None


def _entry(run: Run, asked: Asked, path: str) -> tuple[str, str] | None:
    text = _text(run, asked, path)
    return None if text is None else rules.entry_of(text, asked.platform.release.number)


def _text(run: Run, asked: Asked, path: str) -> str | None:
    found = reading.read_files(run, asked, (path,)).get(path)
    return None if found is None else found.decode("utf-8", "replace")
