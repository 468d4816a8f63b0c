"""What is said of images, web bundle, site, secrets and the mobile apps' API, from what was read."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Collection, Mapping, Sequence

import probes
from gates.decide.judgement import Judgement, equals, harmless
from gates.decide.outcome import Outcome
from probes.observation import Observation
from settings.delivery import AcceptedChange
from steps.delivery.openapi import Change
from steps.kit.expect import expect, measured, nothing_to_judge, unable
from steps.kit.settling import Ended, Settled

_MOST_NAMED = 5
_DAY_SECONDS = 86400.0
_DIRECTIVE = re.compile(r"[a-z-]{1,40}(=[0-9]{1,12})?")
COMPLETED = "completed"


# --- images


def in_the_registry(image: probes.aws.RegistryImage) -> Judgement:
    """Judge that the registry has a repository's tag of the release."""
    there, subject = image.digest is not None, f"image {image.repository}:{image.tag}"
    lacks = "the repository itself" if image.tags_are_immutable is None else "the tag"
    missing = f"{subject} is not in the registry: {lacks} is missing; push it"
    return expect(
        there,
        subject,
        f"{subject} is in the registry" if there else missing,
        f"{subject} pushed",
        **measured("in the registry", image.digest or "missing", "in the registry"),
    )


def same_digest(image: probes.aws.RegistryImage, wanted: str | None) -> Judgement:
    """Judge that a tag leads to the image that was built."""
    same, subject = image.digest == wanted, f"image {image.repository}:{image.tag}"
    sentence = f"{subject} is the one that was built ({_short(wanted)})"
    if wanted is None:
        sentence = f"{subject} can't be compared: the build's evidence names no digest for it"
    elif not same:
        sentence = (
            f"{subject} leads to {_short(image.digest)}, but {_short(wanted)} was built: "
            "the tag was moved, or another image was pushed"
        )
    clears = f"{subject} pushed from the build of this release"
    return expect(same, subject, sentence, clears, **measured("digest", image.digest, wanted))


def immutable(image: probes.aws.RegistryImage, *, wanted: bool) -> Judgement:
    """Judge that a repository's tags stay where they are, if they must."""
    kept, subject = bool(image.tags_are_immutable), f"tags of {image.repository}"
    allowed = "" if kept or wanted else ", and images.tags_are_immutable allows it"
    return expect(
        kept or not wanted,
        subject,
        f"{subject} {'can not' if kept else 'can'} be moved{allowed}",
        f"tag immutability switched on for {image.repository}",
        **measured(
            "immutable tags", "immutable" if kept else "mutable", "immutable" if wanted else None
        ),
    )


def _short(digest: str | None) -> str:
    return "nothing" if digest is None else digest.removeprefix("sha256:")[:12]


# --- the web bundle in its bucket


def none_of(what: str, names: Collection[str]) -> Judgement:
    """PASS when there are none of these names; FAIL with their number and the first of them."""
    shown = sorted(names)[:_MOST_NAMED]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return expect(
        not names,
        what,
        f"{len(names)} x {what}: {', '.join(shown)}{more}" if names else f"no {what}",
        "the bundle of this release uploaded again, with what is left over deleted",
        **measured("as built", len(names), 0),
        data={"names": shown},
    )


def manifest_digest(subject: str, found: str, built: str | None) -> Judgement:
    """Judge that a manifest is the one that the build's evidence names."""
    same = equals(f"{subject} digest", found, built)
    if same.outcome is Outcome.PASS:
        return same
    return dataclasses.replace(
        same,
        sentence=f"{subject} is not the one of this release's build: another build was uploaded, "
        "or none yet",
        clears="the bundle of this release uploaded",
    )


def not_uploaded(subject: str) -> Judgement:
    """Return the FAIL of a manifest that the bucket lacks."""
    return expect(
        False,
        subject,
        f"{subject} is not in the bucket: the bundle was not uploaded",
        "the bundle of this release uploaded, its manifest too",
        **measured("uploaded", "missing", "uploaded"),
    )


def damaged(subject: str) -> Judgement:
    """Return the ERROR of a manifest that the build itself wrote wrongly."""
    sentence = f"{subject} is what was built, and is not a manifest of schema 1: fix the build"
    clears = "a build that writes its manifest as docs/platform-contract.md says"
    return unable(subject, sentence, clears, **measured("uploaded", "damaged", "a manifest"))


def statuses(found: probes.aws.Invalidations | None, wanted: str) -> list[str]:
    """Return the status of each invalidation that covers a path, in small letters."""
    orders = found.invalidations if found is not None else ()
    return [one.status.lower() for one in orders if covers(one, wanted)]


def covers(order: probes.aws.Invalidation, wanted: str) -> bool:
    """Return whether an invalidation is of a path, or more; `*` is a path's last letter."""
    return any(
        path == wanted or (path.endswith("*") and wanted.startswith(path[:-1]))
        for path in order.paths
    )


def invalidated(
    subject: str,
    path: str,
    uploaded_at: dt.datetime,
    end: Settled[Observation[probes.aws.Invalidations]],
    limit_seconds: float,
) -> Judgement:
    """Judge the invalidations that cover a path, at the end of the wait for one."""
    found = statuses(end.value.value, path)
    since = f"the upload at {uploaded_at.astimezone(dt.UTC):%H:%M:%S} UTC"
    sentences = {
        Ended.DONE: f"{subject} since {since} is completed{end.waited}",
        Ended.BROKEN: f"{subject}: none of {path} was made since {since}; "
        "edges go on serving the old pages: make one",
        Ended.TIME_UP: f"{subject} is still in progress{end.waited}, "
        f"wanted within {limit_seconds:.0f} s",
        Ended.RUN_ENDED: f"{subject} is in progress, and the run's deadline came first",
    }
    return expect(
        {Ended.DONE: True, Ended.RUN_ENDED: None}.get(end.ended, False),
        subject,
        sentences[end.ended],
        f"a completed {subject} since {since}",
        **measured("invalidated", found[0] if found else "none", COMPLETED),
        data={"waited_seconds": round(end.waited_seconds, 1)},
    )


# --- the site


def seen_from_here_alone(regions: Sequence[str]) -> Judgement:
    """Return what one address for several regions leaves open: the nearest edge answers for all of them."""
    return expect(
        None,
        "site of each region",
        f"one address serves for {', '.join(regions)}, and the edge nearest to this gate answers it: what "
        "users of the others get is not seen",
        "the gate run in each region (--region) and joined, or frontend.sites with an address for each",
    )


def new_build(subject: str, served_id: str | None, build_id: str, *, same: bool) -> Judgement:
    """Judge that a page names the new build, and is (`same`) the very page of it."""
    fresh, served = same and served_id == build_id, harmless(served_id, build_id) or "no build"
    sentence = f"{subject} is the page of build {build_id}"
    if served_id != build_id:
        sentence = f"{subject} is stale: it is of {served}, wanted build {build_id}"
    elif not same:
        sentence = f"{subject} says build {build_id}, but is not the page of that build"
    clears = "this region's edge serving the new page; invalidate it again"
    return expect(fresh, subject, sentence, clears, **measured("new build", served, build_id))


def names_exactly(subject: str, found: frozenset[str], wanted: frozenset[str]) -> Judgement:
    """Judge that a page names the build's files and no others."""
    missing, strange = sorted(wanted - found), sorted(found - wanted)
    parts = [
        f"does not name {', '.join(missing[:_MOST_NAMED])}" if missing else "",
        f"names {len(strange)} files of another build" if strange else "",
    ]
    wrong = " and ".join(part for part in parts if part)
    return expect(
        not wrong,
        subject,
        f"{subject} {wrong}" if wrong else f"{subject} names the build's {len(wanted)} files",
        f"{subject} naming exactly the files of the build",
        **measured("names the build's files", len(found & wanted), len(wanted)),
    )


def same_content(subject: str, *, same: bool) -> Judgement:
    """Judge that an asset is the file that was built."""
    return expect(
        same,
        subject,
        f"{subject} {'is' if same else 'is not'} the file that was built",
        "the file uploaded again, and its path invalidated",
        **measured("as built", "same" if same else "different", "same"),
    )


def cached_as(subject: str, found: str, wanted: str) -> Judgement:
    """Judge a Cache-Control header by its directives, in any order."""
    same = _directives(found) == _directives(wanted)
    shown = ", ".join(sorted(map(_shown, _directives(found)))) or "nothing"
    return expect(
        same,
        f"{subject} Cache-Control",
        f"{subject} Cache-Control is “{shown}”" + ("" if same else f", wanted “{wanted}”"),
        f"{subject} uploaded with Cache-Control: {wanted}",
        **measured("cache header", shown, wanted),
    )


def _directives(header: str) -> frozenset[str]:
    return frozenset(part.strip().lower() for part in header.split(",") if part.strip())


def _shown(directive: str) -> str:
    return directive if _DIRECTIVE.fullmatch(directive) else str(harmless(directive))


def not_in_the_build(name: str) -> Judgement:
    """Return the FAIL of a build whose manifest lacks one of its own files."""
    return expect(
        False,
        f"build, {name}",
        f"the build's manifest names {name} nowhere: the build is incomplete",
        f"a build with {name}",
        **measured("as built", "missing", name),
    )


# --- secrets and access keys


def young(subject: str, made_at: dt.datetime, now: dt.datetime, limit_seconds: float) -> Judgement:
    """Judge that a secret is younger than the policy's maximum age."""
    seconds = (now - made_at).total_seconds()
    days, most = seconds / _DAY_SECONDS, limit_seconds / _DAY_SECONDS
    young = seconds <= limit_seconds
    overdue = "" if young else f": rotate it ({days - most:.0f} days overdue)"
    return expect(
        young,
        subject,
        f"{subject} is {days:.0f} days old, wanted at most {most:.0f}{overdue}",
        f"{subject} rotated",
        **measured("secret age", round(days, 1), most, "days"),
        data={"made_at": made_at.isoformat()},
    )


def absent(subject: str, what: str) -> Judgement:
    """Return the FAIL of a secret that is not there."""
    return expect(
        False,
        subject,
        f"{subject} {what}",
        f"{subject} there, or its name taken out of the environment's secrets",
        **measured("secret age", "absent", "present"),
    )


def no_key(subject: str) -> Judgement:
    """Return the PASS of a user without an active access key."""
    sentence = f"{subject}: none is active"
    return expect(True, subject, sentence, **measured("secret age", 0))


# --- mobile apps


def readable(subject: str, found: Sequence[str], empty: Sequence[str]) -> Judgement:
    """Judge an answer by how it differs from the app's schema; `empty` lists were not seen."""
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    seen = f", so far as it was seen: {', '.join(empty)} was empty" if empty else ""
    return expect(
        not found,
        subject,
        f"{subject}: the app can't read the answer: {found[0]}{more}"
        if found
        else f"{subject} answers what the app can read{seen}",
        f"{subject} answering as that version's schema says",
        **measured("response schema", len(found), 0),
        data={"findings": list(found), "empty": list(empty)},
    )


def compatible(
    subject: str,
    changes: Collection[Change],
    users: Mapping[str, str],
    accepted: Collection[AcceptedChange],
    today: dt.date,
    quiet: Sequence[str] = (),
) -> Judgement:
    """Judge what was found between two API documents (runbook D4.2-3).

    `users` names those who use each operation; what the policy accepts is shown, and no finding until
    its last day is over. What differs and is not compared is left open. `quiet` are those of whose answer
    nothing was promised: they are named, and break nobody who kept to the document.
    """
    if not users:
        return nothing_to_judge(subject, "the apps use every operation of it")
    valid = {one.change: one for one in accepted if today <= one.until}
    left = [one for one in changes if str(one) not in valid]
    breaking = [one for one in left if one.breaks]
    shown = [
        f"{one} (until {valid[str(one)].until}: {valid[str(one)].reason})"
        for one in changes
        if str(one) in valid
    ]
    ended = {one.change: one.until for one in accepted if today > one.until}
    named = [
        f"{one}{_hits(one, users)}"
        + (f"; its acceptance ended on {ended[str(one)]}" if str(one) in ended else "")
        for one in breaking or left
    ]
    also = f"accepted by the policy: {'; '.join(shown)}" if shown else ""
    return expect(
        not left or (False if breaking else None),
        subject,
        f"{_said_of(named, users, broken=bool(breaking))}{also and f'; {also}'}{_said_of_quiet(quiet)}",
        "the old shape kept until nobody needs it, or the change accepted by name in the policy, "
        "contract.accepted, with the reason and the last day",
        **measured("no breaking change", len(left), 0),
        data={
            "changes": [str(one) for one in breaking],
            "not_compared": [str(one) for one in left if not one.breaks],
            "accepted": shown,
            "remark": also and f"A{also[1:]}.",
        },
    )


def _said_of_quiet(quiet: Sequence[str]) -> str:
    if not quiet:
        return ""
    more = f", nor of {len(quiet) - 1} more" if len(quiet) > 1 else ""
    return f"; the release before says nothing of what {quiet[0]} answers{more}"


def _hits(change: Change, users: Mapping[str, str]) -> str:
    return f" ({users[change.operation]})" if users.get(change.operation) else ""


def _said_of(named: Sequence[str], users: Mapping[str, str], *, broken: bool) -> str:
    if not named:
        whose = "that mobile apps use" if any(users.values()) else "that no mobile app uses"
        return f"nothing breaks in {len(users)} operation{'s' if len(users) > 1 else ''} {whose}"
    more = f"; and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    listed = f"{'; '.join(named[:_MOST_NAMED])}{more}"
    if broken:
        return f"{len(named)} breaking change{'s' if len(named) > 1 else ''}: {listed}"
    return (
        "nothing breaks in what the gate compares, but the documents differ in parts that it does "
        f"not compare: {listed}"
    )


def unusable(subject: str, why: str) -> Judgement:
    """Return the ERROR of a contract, or a document, that can't be used."""
    sentence = f"{subject} can't be used: {why}"
    clears = f"{subject} fixed"
    return unable(subject, sentence, clears, **measured("contract", "unreadable", "a contract"))
