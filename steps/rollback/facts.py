"""All facts of a rollback, area by area: each that can't be read is unknown, and hides none of the next."""

from __future__ import annotations

import shlex
from functools import partial

from environments.release_file import releases_after
from gates.decide.rollback.plan import FIX_READY, OLD_CODE_RUNS, Facts
from gates.decide.schedule import WEEK, time_left
from probes.observation import utc_now
from settings.delivery import Images
from settings.rollback import RollbackPolicy
from steps.cluster.clusters import Clusters
from steps.kit.asked import Asked
from steps.kit.baseline import Baseline
from steps.kit.platform import Platform
from steps.kit.release import described_release
from steps.people.windows import open_windows
from steps.rollback import areas, data
from steps.rollback.reading import Reading


def gathered(clusters: Clusters, asked: Asked, baseline: Baseline, policy: RollbackPolicy) -> Facts:
    """Return what is true now."""
    reading = Reading(asked, baseline)
    asked.each((reading,), _describe)
    reading.ask(("flags", "flags before"), areas.flags)
    reading.ask(("code", "old workload"), areas.code(clusters))
    reading.ask(("old image",), areas.images)
    reading.ask(("dns", "records before"), areas.records)
    reading.ask(("configuration",), areas.configuration(clusters))
    reading.ask(("assets",), areas.assets)
    reading.declared("alert_rules")
    areas.commands(reading)
    reading.ask(("schema", OLD_CODE_RUNS), data.migrated)
    if reading.known(OLD_CODE_RUNS) is False:
        # Nothing else needs it, and reading a whole backup takes its time.
        reading.ask(data.OF_THE_BACKUP, partial(data.backup, policy))
    reading.ask((FIX_READY,), _fix)
    return reading.facts(_seconds_left(asked.platform))


def _describe(reading: Reading) -> None:
    reading.release = described_release(reading.asked)
    platform = reading.platform
    reading.put_plan(
        env=shlex.quote(platform.asked_as or platform.environment.settings.name),
        release=platform.release.tag,
        previous=reading.previous,
    )


def _seconds_left(platform: Platform) -> float | None:
    """Return what is left of the deployment window: 0 while none is open, None where none ends."""
    described = platform.environment.settings.deployment
    if described is None:
        return None
    left = time_left(open_windows(platform, described), utc_now())
    return None if left is not None and left >= WEEK else left.total_seconds() if left else 0.0


def _fix(reading: Reading) -> None:
    """Whether a release that replaces this one is described, with its images in the registry."""
    tag = reading.platform.release.tag
    found, broken = releases_after(reading.platform.environment, reading.platform.release)
    if not found:
        why = f"no release.yaml names {tag} as the one before it"
        reading.fact(FIX_READY, None if broken else False, broken or why)
        return
    fix = found[-1].file
    section = reading.platform.section(Images)
    number = fix.version.removeprefix("v")
    image_tag = section.tag.replace("{release}", number)
    missing = [
        repository
        for repository, digest in fix.images.items()
        if areas.registry_image(reading.asked, repository, image_tag).digest != digest
    ]
    why = f"the registry lacks {fix.version} of {', '.join(missing)}" if missing else ""
    if not fix.images:
        why = f"release.yaml of {fix.version} names no image"
    reading.fact(FIX_READY, not why, why)
    reading.put_plan(fix=fix.version)
