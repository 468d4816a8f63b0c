"""What has to be so after a rollback: the baseline's images, flags off by both keys, old configuration."""

from __future__ import annotations

import bisect
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from gates.decide.judgement import Judgement
from probes.kubernetes.objects import ConfigMap, Pod
from settings.flags import Flags, FlagState
from steps.cluster.rules import Look, few, found
from steps.kit.expect import expect, measured, nothing_to_judge
from steps.kit.settling import Progress, Settled

_NOTHING = "<nothing>"
_SHORT = 19
"""Of a digest people read `sha256:` and a dozen digits."""


def digests_as_before(
    pods: Sequence[Pod],
    was: Mapping[str, Mapping[str, Any]],
    version: str,
    baseline: str,
    *,
    container: str,
) -> Judgement:
    """Judge that every container of every pod runs the digest that it had before the release.

    `container` is the app's own: without its digest the others prove nothing.
    """
    subject = f"images of {version}"
    mine = {name: one for name, one in was.items() if one["version"] == version and one["replicas"]}
    known = {name: one["digests"] for name, one in mine.items()}
    there = {pod.workload for pod in pods}
    gone = [name for name in mine if name not in there]
    wrong = [f"no pod of {name} runs, and there were some before" for name in gone]
    unknown = [
        f"{baseline} has no digest of {container} in {name}"
        for name, digests in known.items()
        if container not in digests
    ] or ([] if known else [f"{baseline} has no running pod of {version}"])
    for pod in pods:
        if pod.workload not in known:
            unknown.append(f"{pod.name} is of {pod.workload}, which did not run before")
        runs = {one.name: one.digest for one in pod.containers}
        for name, digest in known.get(pod.workload, {}).items():
            now = runs.get(name)
            if now == digest:
                continue
            told = "is not there" if now is None else f"runs {now[:_SHORT] or 'what nobody tells'}"
            said = f"{pod.name}: {name} {told}, before it was {digest[:_SHORT]}…"
            # What a node does not tell disproves nothing.
            (unknown if now == "" else wrong).append(said)
    if unknown and not wrong:
        clears = "pods of the baseline's workloads, whose nodes tell what they run"
        return expect(None, subject, f"{subject}: {few(unknown)}", clears)
    return found(
        subject,
        wrong,
        f"{len(pods)} pods run the digests of {baseline}",
        "gate rollback plan, which names the revision that has them",
    )


def _left(look: Look, gone: str) -> list[str]:
    """Return in words what of the release still runs, or is to."""
    wanted, pods = look.deployments((gone,)), look.pods((gone,))
    left = [f"{one.name} is scaled to {one.wanted}" for one in wanted if one.wanted]
    return [*left, *(f"{len(pods)} pods of {gone}, such as {one.name}" for one in pods[:1])]


def ending(look: Look, gone: str) -> Progress:
    """Return how far the release's end is: pods end by themselves, a Deployment does not scale itself."""
    if any(one.wanted for one in look.deployments((gone,))):
        return Progress.BROKEN
    return Progress.MOVING if _left(look, gone) else Progress.DONE


def is_gone(settled: Settled[Look], gone: str) -> Judgement:
    """Judge that no pod of the release is meant to run, whatever has the traffic."""
    return found(
        f"what is left of {gone}",
        [f"{one}{settled.waited}" for one in _left(settled.value, gone)],
        "no pod",
        f"the Deployments of {gone} scaled to 0",
        settled.ended,
    )


def no_slower(
    now: float | None, was: float | None, slower_by: float, bounds: Sequence[float]
) -> Judgement:
    """Judge the p95 against that before the release, both in seconds, as finely as the buckets tell it."""
    subject = "p95 against before the release"
    if was is None:
        return nothing_to_judge(subject, "no baseline tells it, so the target alone counts")
    wanted = was * (1 + slower_by)
    at = bisect.bisect_left(bounds, wanted)
    limit = bounds[at] if at < len(bounds) else wanted
    if now is None:
        return expect(None, subject, f"{subject}: it is not known now", "requests to measure it by")
    return expect(
        now <= limit,
        subject,
        f"{subject}: {now * 1000:.0f} ms, before {was * 1000:.0f} ms, wanted at most {limit * 1000:.0f} ms",
        "the cause found: the version before was faster",
        **measured("no slower", round(now * 1000, 1), round(limit * 1000, 1), "ms"),
    )


def flags_by_kind(flags: Flags) -> tuple[list[str], dict[str, FlagState]]:
    """Return the flags that the deployment changes, and the state of those that it leaves alone."""
    first, *later = flags.states.values()
    released = [one for one, state in first.items() if any(each[one] != state for each in later)]
    steady = {one: state for one, state in first.items() if one not in released}
    return released, {**flags.always, **steady}


def _pair(flag: str, held: Mapping[str, str], flags: Flags) -> tuple[str, str]:
    """Return what both keys of a flag hold; a percentage that is not there is 0."""
    switch, share = (held.get(key, _NOTHING) for key in flags.keys(flag))
    return switch, "0" if share == _NOTHING else share


def is_off(flag: str, held: Mapping[str, str], flags: Flags) -> bool:
    """Tell whether a flag is off by both keys: a switch alone leaves its percentage in force."""
    return _pair(flag, held, flags) == (flags.word_for_off, "0")


def as_always(flag: str, held: Mapping[str, str], state: FlagState, flags: Flags) -> Judgement:
    """Judge a flag that no step of the deployment changes."""
    wanted = flags.word(enabled=state.enabled), str(state.percentage)
    return _flag(flag, held, flags, "as always", "not as it always is", wanted)


def off_or_before(
    flag: str, held: Mapping[str, str], was: Mapping[str, str], flags: Flags
) -> Judgement:
    """Judge that a flag is off by both keys, or holds in both what it held before the release."""
    if not is_off(flag, held, flags):
        # A value that evidence may not show is told by its length alone: no proof that it is the same.
        hidden = any(one.startswith("<") and one != _NOTHING for one in was.values())
        before = _pair(flag, was, flags) if was and not hidden else None
        bad = "neither off nor as before the release"
        return _flag(flag, held, flags, "as before the release", bad, before)
    return _flag(flag, held, flags, "off", "", (flags.word_for_off, "0"))


def _flag(
    flag: str,
    held: Mapping[str, str],
    flags: Flags,
    good: str,
    bad: str,
    wanted: tuple[str, str] | None,
) -> Judgement:
    keys, now = flags.keys(flag), _pair(flag, held, flags)
    words = ", ".join(f"{key} is {value}" for key, value in zip(keys, now, strict=True))
    to = wanted or (flags.word_for_off, "0")
    clears = f"{keys[0]} set to {to[0]} and {keys[1]} to {to[1]}, the platform's own way"
    same = now == wanted
    sentence = f"flag {flag} is {good if same else bad}: {words}"
    return expect(same, f"flag {flag}", sentence, clears, rule="flag")


def untouched(
    subject: str, changes: Sequence[dt.datetime], since: dt.datetime, now: dt.datetime
) -> Judgement:
    """Judge that no logged change is later: what was counted since would be of two states."""
    late = [one for one in changes if one > since]
    if not late:
        return expect(True, subject, f"{subject}: none is logged", rule="flag")
    at = max(late)
    sentence = f"{subject}: {len(late)}, the last one {(now - at).total_seconds():.0f} s ago"
    switch = f"--switched-at {at.isoformat(timespec='seconds')}"
    clears = f"{switch}, so that nothing from before it counts"
    return expect(None, subject, sentence, clears, rule="flag")


def configured_as_before(
    now: ConfigMap, was: Mapping[str, Any], baseline: str, command: str | None
) -> Judgement:
    """Judge that the ConfigMap holds what it held before the release, by its digest."""
    same = now.found and now.digest == was["digest"]
    words = f"as in {baseline}" if same else f"it holds something else than in {baseline}"
    clears = command or "the ConfigMap of the version before applied, and its pods restarted"
    return expect(same, "configuration", f"configuration: {words}", clears, rule="configuration")
