"""The web bundle in its bucket: exactly what was built; and the edges have forgotten the old one."""

from __future__ import annotations

import datetime as dt

import probes
from probes.observation import Observation
from settings.delivery import Frontend
from steps.delivery import reading, rules
from steps.kit.asked import Asked
from steps.kit.failures import failure_of, instrument_error
from steps.kit.platform import Platform
from steps.kit.sentence import described, then
from steps.kit.settling import Progress, Settled, missed, settle_seconds, settled

described("the bucket is compared with the build's manifest", Frontend, "frontend")
described("the invalidations since the upload are read", Frontend, "frontend")


@then("every file is there as it was built, and none is left over")
def uploaded(asked: Asked, frontend: Frontend) -> None:
    manifest, listed = reading.manifest(asked), reading.objects(asked).objects
    files = {f"{frontend.prefix}{name}": file for name, file in manifest.files.items()}
    own = frontend.prefix + frontend.manifest
    there = {key for key in listed if key != own and not _is_of_others(frontend, key)}
    asked.judge(
        rules.none_of("file of the bundle that is missing in the bucket", files.keys() - there),
        rules.none_of(
            "object in the bucket that belongs to no file of the bundle", there - files.keys()
        ),
    )
    both = {key: files[key] for key in sorted(files.keys() & there)}
    found = asked.read(
        f"objects of {frontend.bucket}",
        lambda: probes.aws.digests(
            reading.aws_target(asked.platform),
            frontend.bucket,
            both,
            deadline=asked.platform.deadline.sooner(reading.READ_SECONDS),
        ),
    ).sha256
    other = {key for key, file in both.items() if found[key] != file.sha256}
    asked.judge(rules.none_of("object whose content is not the one that was built", other))


@then("one of everything is completed")
def invalidated(asked: Asked, frontend: Frontend) -> None:
    reading.manifest(asked)
    listed = reading.objects(asked).objects.items()
    uploaded_at = max(one.modified_at for key, one in listed if not _is_of_others(frontend, key))
    end = _settled(asked.platform, frontend, uploaded_at)
    asked.keep(end.value)
    subject = f"invalidation of {frontend.distribution}"
    if end.value.value is None:
        asked.judge(instrument_error(subject, failure_of(end.value)))
        return
    path, limit_seconds = frontend.invalidation_path, _limit_seconds(asked.platform)
    asked.judge(rules.invalidated(subject, path, uploaded_at, end, limit_seconds))


def _settled(
    platform: Platform, frontend: Frontend, uploaded_at: dt.datetime
) -> Settled[Observation[probes.aws.Invalidations]]:
    path, target = frontend.invalidation_path, reading.aws_target(platform)

    def done(one: probes.aws.Invalidation) -> bool:
        return rules.covers(one, path) and one.status.lower() == rules.COMPLETED

    def look() -> Observation[probes.aws.Invalidations]:
        return probes.aws.invalidations(
            target,
            frontend.distribution,
            uploaded_at,
            deadline=platform.call_deadline(),
            enough=done,
        )

    def progress(seen: Observation[probes.aws.Invalidations]) -> Progress:
        if seen.value is None:
            return missed(seen)
        statuses = rules.statuses(seen.value, path)
        if not statuses:
            return Progress.BROKEN
        return Progress.DONE if rules.COMPLETED in statuses else Progress.MOVING

    return settled(platform, look, progress, _limit_seconds(platform))


def _limit_seconds(platform: Platform) -> float:
    return settle_seconds(platform, platform.policy.invalidation.settle_for)


def _is_of_others(frontend: Frontend, key: str) -> bool:
    """Return whether an object belongs to no bundle, wherever it comes from."""
    ignored = tuple(frontend.prefix + prefix for prefix in frontend.ignored)
    return key.startswith(ignored) and key != frontend.prefix + frontend.manifest
