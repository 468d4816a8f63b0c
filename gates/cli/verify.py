"""`gate verify [RUN|FOLDER…]`: holds what runs left against each other, the state and the requirements."""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import datetime as dt
import json
import pathlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import IO, Any

from environments import loader
from environments.loader import Loaded
from environments.provider import ProviderError, environment
from environments.store import StoreError
from environments.yaml_file import ConfigurationError, RequestError
from gates.cli.streams import teller
from gates.decide.outcome import EXIT_CONFIGURATION, EXIT_OUR_FAILURE, EXIT_USAGE, Decision
from gates.decide.plain_text import one_line
from gates.decide.release import Release
from gates.load import OUT
from gates.run import runs
from gates.run.audit import Against, Audited, Finding, audited
from gates.run.bundle import NAME
from gates.run.opened import STRANGE
from gates.run.runs import VERDICT
from probes.observation import utc_now
from reports.texts import drawn


def run(
    arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str], now: dt.datetime | None = None
) -> int:
    """Verify runs and print what differs; return what they decided where nothing does.

    20 where anything differs or a region is missing, 78 where only what they are held against is not the
    same any more, 64 where no run is meant. Of several runs the last of each question counts in each region,
    and the worst of these.
    """
    tell = teller(stderr, "gate verify")
    with contextlib.ExitStack() as stack:
        places = _Places(arguments.env, now or utc_now(), stack, tell)
        try:
            folders, whole = _folders(arguments)
            found = [audited(one, places.of, alone=not whole) for one in folders]
            found += places.missing(found) if whole else []
        except (runs.UnknownRunError, RequestError) as exc:
            tell(str(exc))
            return EXIT_USAGE
        except ProviderError as exc:
            tell(str(exc))
            return EXIT_OUR_FAILURE
    if arguments.output == "json":
        stdout.write(f"{json.dumps([dataclasses.asdict(one) for one in found], indent=1)}\n")
    else:
        stdout.write(drawn("audit.txt.j2", _shown, found=found))
    return _exit_code(found)


class _Places:
    """What runs are held against, by environment; each is read once."""

    def __init__(
        self,
        env: str | None,
        now: dt.datetime,
        stack: contextlib.ExitStack,
        tell: Callable[[str], None],
    ) -> None:
        self._env, self._now, self._stack, self._tell = env, now, stack, tell
        self._known: dict[str, Against] = {}

    def of(self, about: Any) -> Against:
        """Return what a run is held against; raises ConfigurationError, RequestError, ProviderError.

        A run may name one of our environments. A file that it names may have come with it, and its state
        would bear out anything.
        """
        name = self._env or about["asked_as"]
        if self._env is None and name not in loader.names():
            raise RequestError(
                f"run {about['run']} was asked of “{name}”, which is none of the environments here; say "
                "with --env which file is to be believed."
            )
        if name not in self._known:
            self._known[name] = Against(self._loaded(name), self._now)
        return self._known[name]

    def _loaded(self, name: str) -> Loaded:
        """Return an environment without its secrets, which whoever verifies need not have."""
        found = loader.described(name)
        return found or self._stack.enter_context(environment(name, None, self._tell))

    def missing(self, found: Sequence[Audited]) -> Iterator[Audited]:
        """Yield the runs that the state knows of these releases, and whose folders are not here.

        Without --env every environment is asked; one that can't be is named.
        """
        had = {one.run for one in found}
        releases = sorted({one.release for one in found if one.release})
        for against in (*self._known.values(), *self._others()):
            for release in releases:
                yield from _gone(against, release, had)

    def _others(self) -> Iterator[Against]:
        """Yield the environments of which there is no run here."""
        for name in loader.names() if self._env is None else ():
            why = "a local platform's state goes with it"
            try:
                settings = None if name in self._known else loader.described(name)
            except ConfigurationError as exc:
                settings, why = None, exc.sentences[0]
            if settings is not None:
                yield Against(settings, self._now)
            elif name not in self._known:
                self._tell(f"the runs of {name} were not looked for: {why}")


_GONE = Finding(NAME, "is in the environment's state, and the run's folder is not here")


def _gone(against: Against, release: str, had: Collection[str]) -> Iterator[Audited]:
    whose: dict[str, Any] = {"environment": against.loaded.settings.name, "release": release}
    code = Decision.HOLD.exit_code
    try:
        for one in against.chain(release):
            if one["run"] not in had:
                yield Audited(one["run"], one["decision"], code, (_GONE,), **whose)
    except StoreError as exc:
        yield Audited(
            "other runs", None, code, (Finding("the state", f"is not read: {exc}"),), **whose
        )


def _folders(arguments: argparse.Namespace) -> tuple[list[pathlib.Path], bool]:
    """Return the runs' folders, the oldest first, and whether they are to be all that there are.

    Raises UnknownRunError, RequestError.
    """
    out = arguments.out or OUT
    if arguments.release is not None:
        if arguments.run:
            raise RequestError("give either RUN or --release, not both.")
        release = Release.parse(arguments.release).tag
        return list(_all(out, f"of {release} ", release)), True
    given = [pathlib.Path(one) for one in arguments.run]
    if len(given) == 1 and given[0].is_dir() and not (given[0] / VERDICT).exists():
        if not (given[0] / NAME).exists():
            return list(_all(given[0], "")), True
        return given, False
    named = [one.parent if one.name == NAME else one for one in given]
    return [runs.find(str(one), out).path for one in named] or [runs.find(None, out).path], False


def _all(folder: pathlib.Path, what: str, release: str | None = None) -> Iterator[pathlib.Path]:
    found = [one for one in runs.newest_first(folder) if _wanted(one, release)][::-1]
    if not found:
        raise runs.UnknownRunError(f"there is no run {what}in {loader.shown(folder)}.")
    yield from (one.path for one in found)


def _wanted(one: runs.Run, release: str | None) -> bool:
    """Tell whether a run is to be verified; one that can't be read is."""
    try:
        record = json.loads((one.path / VERDICT).read_bytes())
        return record["state"] != "refused" and release in (None, record["release"])
    except STRANGE:
        return True


def _shown(value: object) -> str:
    """Make plain what a file that was tampered with may say."""
    return one_line(str(value))


def _exit_code(found: Sequence[Audited]) -> int:
    wrong = [one.exit_code for one in found if one.findings]
    if wrong:
        only_configuration = set(wrong) == {EXIT_CONFIGURATION}
        return EXIT_CONFIGURATION if only_configuration else Decision.HOLD.exit_code
    last: dict[tuple[Any, ...], dict[str, Audited]] = collections.defaultdict(dict)
    for one in sorted(found, key=lambda one: one.started_at):
        if not (one.is_trial and last[one.question]):
            last[one.question].update(dict.fromkeys(one.regions, one))
    return max(map(_of_question, last.values()), key=(0, 20, 10).index)


def _of_question(by_region: Mapping[str, Audited]) -> int:
    """Return the code of the last that was said of each region; of a part of them nothing is GO."""
    every = {where for one in by_region.values() for where in (*one.regions, *one.others)}
    codes = [one.exit_code for one in by_region.values()]
    partial = [Decision.HOLD.exit_code] * (by_region.keys() != every)
    return max([*codes, *partial], key=(0, 20, 10).index)
