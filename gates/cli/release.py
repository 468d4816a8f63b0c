"""`gate release init`: drafts a release.yaml from the release's git repository, for a person to finish."""

from __future__ import annotations

import argparse
import pathlib
import re
import tempfile
from collections.abc import Mapping
from typing import IO, Any, TypeVar

import probes
from environments.loader import checks_of, path_of, shown
from environments.release_file import NAME
from environments.yaml_file import PLACEHOLDER, ConfigurationError, RequestError, read_yaml
from gates.cli.streams import teller
from gates.decide.outcome import EXIT_CONFIGURATION, EXIT_USAGE
from gates.decide.release import Release
from gates.load import Checks, load_policy
from probes.git import Place, Refs
from probes.observation import Deadline, Facts, Observation
from reports.texts import as_json, drawn
from settings.source import ChangedBy, Changes, Releases, Source
from steps.kit.failures import failure_of
from steps.source.rules import fits

V = TypeVar("V", bound=Facts)

_TEMPLATE = pathlib.Path(__file__).with_name("release.yaml.j2")
_SECONDS = 120.0
"""A clone of a large repository takes its time, and somebody waits for it."""
_TICKET = re.compile(r"(?<![\w-])(?!(?:UTF|SHA|ISO|RFC)-)[A-Z][A-Z0-9]+-\d+(?![\w-])")


def run(arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str]) -> int:
    """Return 0 once the draft is written; 64 where there is one or nothing to draft it from; 78."""
    tell = teller(stderr)
    try:
        path = _drafted(arguments)
    except ConfigurationError as exc:
        for sentence in exc.sentences:
            tell(sentence)
        return EXIT_USAGE if isinstance(exc, RequestError) else EXIT_CONFIGURATION
    stdout.write(f"{shown(path)}\n")
    tell(
        f"drafted; replace each {PLACEHOLDER}, and read every line: only you know whether it is right."
    )
    return 0


def _drafted(arguments: argparse.Namespace) -> pathlib.Path:
    """Write the draft and return where it is; raises ConfigurationError, RequestError."""
    release, file = Release.parse(arguments.release), path_of(arguments.env)
    # Only these sections are read: the environment may lack much else yet.
    named = read_yaml(file, shown(file))
    folder = _section(named, "releases").get("folder", Releases().folder)
    path: pathlib.Path = file.parent / folder / release.tag / NAME
    if path.exists():
        raise RequestError(
            f"{shown(path)}: is there already; edit it, or remove it to draft it again."
        )
    by = load_policy(Checks.of(checks_of(arguments.env)).policy).source.changed_by
    source = _section(named, "source")
    with tempfile.TemporaryDirectory(prefix="release-gate-") as clone:
        place = _place(_repository(arguments, source, file), pathlib.Path(clone) / "clone")
        branch = source.get("branch", Source.model_fields["branch"].default)
        facts = _facts(
            place, release, arguments.previous, branch.replace("{release}", release.number), by
        )
    images = _section(named, "images").get("repositories", ())
    _write(path, drawn(_TEMPLATE, as_json, **facts, images=images, edit=PLACEHOLDER))
    return path


def _section(named: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = named.get(name)
    return found if isinstance(found, Mapping) else {}


def _repository(
    arguments: argparse.Namespace, source: Mapping[str, Any], file: pathlib.Path
) -> str:
    """Return the repository that the flag names, or the environment; raises RequestError."""
    named = str(arguments.repository or source.get("repository", PLACEHOLDER))
    if _has_login(named):
        raise RequestError(
            "--repository, or source.repository: the address holds a password or token, which would stand "
            "in logs; leave it out, git asks this machine's own credentials."
        )
    if arguments.repository:
        return named
    if PLACEHOLDER in named:
        raise RequestError(f"--repository: name the release's repository; {shown(file)} does not.")
    return named if probes.git.is_address(named) else str(file.parent / named)


def _has_login(address: str) -> bool:
    """Tell whether an address that git may clone holds more than the name of a user."""
    scheme, begins, rest = address.partition("://")
    if scheme.casefold() in ("http", "https"):
        return "@" in rest or "?" in rest
    login = (rest if begins else scheme).rpartition("@")[0]
    return ":" in login


def _place(repository: str, clone: pathlib.Path) -> Place:
    if not probes.git.is_address(repository):
        return Place(pathlib.Path(repository), repository)
    return _brought(probes.git.cloned(repository, clone, deadline=_deadline()))


def _facts(
    place: Place, release: Release, previous: str | None, branch: str, by: ChangedBy
) -> dict[str, Any]:
    """Return what the repository tells of a release; raises RequestError."""
    refs = _brought(probes.git.refs(place, deadline=_deadline()))
    before = Release.parse(previous) if previous else _before(release, refs, place)
    old, new = _tagged(place, before.tag), _commit(place, refs, release, branch)
    changed = _brought(probes.git.changed(place, old, new, deadline=_deadline()))
    return {
        "release": release,
        "previous": before,
        "commit": new,
        "kind": "major" if release.major != before.major else "standard",
        "changes": {
            field.alias or name: any(fits(path, getattr(by, name)) for path in changed.paths)
            for name, field in Changes.model_fields.items()
        },
        "tickets": sorted(set(_TICKET.findall(changed.messages))),
    }


def _before(release: Release, refs: Refs, place: Place) -> Release:
    known = []
    for tag in refs.tags:
        try:
            known.append(Release.parse(tag))
        except ValueError:
            continue
    older = [one for one in known if one < release]
    if not older:
        raise RequestError(
            f"{place.shown}: has no tag of a release before {release.tag}; name it with --previous."
        )
    return max(older)


def _commit(place: Place, refs: Refs, release: Release, branch: str) -> str:
    if release.tag in refs.tags:
        return _tagged(place, release.tag)
    if branch not in refs.branches:
        raise RequestError(
            f"{place.shown}: has neither the tag {release.tag} nor the branch {branch}; make one of them."
        )
    return refs.branches[branch]


def _tagged(place: Place, name: str) -> str:
    return _brought(probes.git.tag(place, name, deadline=_deadline())).commit


def _brought(observed: Observation[V]) -> V:
    if observed.value is None:
        raise RequestError(failure_of(observed).detail)
    return observed.value


def _deadline() -> Deadline:
    return Deadline.after(_SECONDS)


def _write(path: pathlib.Path, text: str) -> None:
    """Write a new file; raises RequestError where somebody was quicker, OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as draft:
            draft.write(text)
    except FileExistsError as exc:
        raise RequestError(f"{shown(path)}: is there already; edit it.") from exc
