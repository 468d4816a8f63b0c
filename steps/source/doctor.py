"""The doctor on where a release comes from: repository, forge and tracker can be read, and only read."""

from __future__ import annotations

from collections.abc import Iterator

import probes
from environments.release_file import path_of, read_release
from environments.yaml_file import ConfigurationError
from probes.forge import Rights
from probes.git import Place
from probes.observation import Observation
from settings.source import Source
from steps.kit.findings import Finding, Keys, Subject, System, examination
from steps.source import reading

_REPOSITORY = Keys("source.repository")
_FORGE = Keys("source.forge.url", "source.forge.ca_file", "source.forge.token")
_TRACKER = Keys("source.tracker.url", "source.tracker.ca_file", "source.tracker.token")
_READ_ONLY = "make a token that can read code, checks, pull requests and issues, and nothing else"


@examination
def examine_repository(subject: Subject, section: Source) -> Iterator[Finding]:
    """Read the branches in place; an address is cloned when a check asks for it."""
    system = System(subject, "source", None, _REPOSITORY)
    if subject.release_known:
        yield _release(system)
    if probes.git.is_address(section.repository):
        yield system.warn("it is cloned when a check asks for it, and not for the doctor")
        return
    place = Place(subject.platform.beside(section.repository), section.repository)
    refs = system.read(probes.git.refs(place, deadline=subject.deadline()))
    if refs.is_shallow:
        yield system.bad("it is a shallow clone", "git fetch --unshallow, or name its address")
    else:
        yield system.ok(f"{len(refs.branches)} branches and {len(refs.tags)} tags can be read")


def _release(system: System) -> Finding:
    platform = system.subject.platform
    try:
        found = read_release(platform.environment, platform.release)
    except ConfigurationError as exc:
        return system.bad(exc.sentences[0], *exc.sentences[1:])
    return system.ok(f"{path_of(platform.environment, platform.release).name}: {found.digest}")


@examination
def examine_forge(subject: Subject, section: Source) -> Iterator[Finding]:
    """Ask what the token may do."""
    if section.forge is not None:
        _, forge = reading.forge(subject.platform)
        system = System(subject, "forge", None, _FORGE)
        yield from _rights(system, forge.rights(deadline=subject.deadline()))


@examination
def examine_tracker(subject: Subject, section: Source) -> Iterator[Finding]:
    """Ask what the account may do."""
    if section.tracker is not None:
        _, tracker = reading.tracker(subject.platform)
        system = System(subject, "bug tracker", None, _TRACKER)
        yield from _rights(system, tracker.rights(deadline=subject.deadline()))


def _rights(system: System, seen: Observation[Rights]) -> Iterator[Finding]:
    may = system.read(seen)
    if not may.can_read:
        yield system.bad("the token can't read the project", "give its account access to read")
    elif may.can_write is None:
        yield system.not_proved("the token", _READ_ONLY)
    elif may.can_write:
        yield system.warn("the token can write, and the gate only reads", _READ_ONLY)
    else:
        yield system.ok("the token reads the project, and can't write")
