"""The commands that give no verdict: `gate init` proposes an environment's file, `gate doctor` examines it.

`gate baseline` keeps how a platform is before its deployment, for later checks to compare with.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from environments.loader import checks_of
from environments.provider import ProviderError, environment
from environments.store import StoreError
from environments.yaml_file import ConfigurationError, RequestError
from gates import VERSION
from gates.cli.streams import teller
from gates.decide.history import done_lately
from gates.decide.outcome import EXIT_CONFIGURATION, EXIT_OUR_FAILURE, EXIT_USAGE, Decision
from gates.decide.plain_text import cleaned
from gates.doctor import project
from gates.doctor.init import (
    Asked,
    NothingSeenError,
    Seen,
    environment_file,
    findings,
    look,
    look_at_service,
)
from gates.load import Checks, load_policy
from probes.observation import utc_now
from probes.prometheus import PrometheusTarget
from reports.texts import drawn
from steps.collectors import COLLECTORS, BaselineRefusedError, collect
from steps.kit import baseline
from steps.kit.chain import History
from steps.kit.findings import Finding, Level
from steps.kit.platform import Platform
from steps.kit.request import Request, new_run_id, refuse_malformed, refuse_unknown

if TYPE_CHECKING:
    from gates.doctor.look import Diagnosis

HOLD = Decision.HOLD.exit_code
NOT_BEFORE = (
    "this is not a picture of before. Checks compare with the latest baseline, which is now this one; what "
    "was lost since the deployment began is no longer noticed. It begins a new attempt: every phase has to "
    "be asked again."
)


_STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.BAD: "bold red"}
_SHARED = "-"

Tell = Callable[[str], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Taken:
    """A baseline that was taken."""

    address: str
    record: Mapping[str, Any]
    not_described: Sequence[str]
    """Collectors that the environment gives nothing to collect."""
    late: str | None
    """Why it is not a picture of before the deployment, or None."""


def run(arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str]) -> int:
    """Return 0: the file is proposed, the baseline kept, or the gate can decide.

    20: a server does not answer, the baseline would not be whole, the gate could not decide. 64, 70 and 78
    as ever, 64 also for a file that is there already.
    """
    tell = teller(stderr)
    ask = {"init": _init, "doctor": _doctor, "baseline": _baseline}[arguments.command]
    try:
        return ask(arguments, stdout, tell)
    except ConfigurationError as exc:
        usage = isinstance(exc, RequestError)
        return _ended(tell, exc.sentences, EXIT_USAGE if usage else EXIT_CONFIGURATION)
    except ProviderError as exc:
        return _ended(tell, (f"our own failure: {exc}",), EXIT_OUR_FAILURE)


def _ended(tell: Tell, sentences: Sequence[str], code: int) -> int:
    for sentence in sentences:
        tell(sentence)
    return code


def _baseline(arguments: argparse.Namespace, stdout: IO[str], tell: Tell) -> int:
    request = Request(
        env=arguments.env,
        release=arguments.release,
        regions=tuple(arguments.region),
        switched_at=None,
        environment_file=None,
        run_dir=None,
    )
    try:
        taken = take(request, tell)
    except BaselineRefusedError as exc:
        return _ended(
            tell, ("no baseline is kept, for it would lack something:", *exc.sentences), HOLD
        )
    except StoreError as exc:
        return _ended(tell, ("no baseline is kept:", str(exc)), HOLD)
    _show(taken, arguments.output, stdout)
    return 0


def _show(taken: Taken, output: str, stdout: IO[str]) -> None:
    record = taken.record
    if output == "json":
        said = {**record, "address": taken.address, "late": taken.late}
        stdout.write(json.dumps(said, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
        return
    stdout.write(drawn("baseline.txt.j2", str, taken=taken, record=record))


def take(request: Request, tell: Tell) -> Taken:
    """Collect and keep a baseline.

    Raises BaselineRefusedError, StoreError, ConfigurationError, RequestError and ProviderError.
    """
    refuse_malformed(request.release, request.switched_at)
    refuse_unknown(request.env, request.regions)
    checks = Checks.of(checks_of(request.env))
    policy = load_policy(checks.policy)
    run = new_run_id("baseline")
    with environment(request.env, request.environment_file, tell) as loaded:
        platform = Platform.of(loaded, policy, request, run)
        record = cleaned(_record(platform, collect(platform)))
        history = baseline.history_of(platform)
        late = late_remark(record, history)
        address = baseline.keep(record, history)
    known = [one.name for one in COLLECTORS]
    return Taken(address, record, [name for name in known if name not in record["facts"]], late)


def late_remark(record: Mapping[str, Any], history: History) -> str | None:
    """Return why a baseline is not a picture of before: traffic is switched, or a phase was GO; else None."""
    if record["traffic_switched_at"]:
        return f"Traffic is switched to the release already: {NOT_BEFORE}"
    try:
        begun = done_lately(history.entries(), utc_now())
    except StoreError as exc:
        return f"Whether the deployment has begun is unknown: {exc}"
    if begun is None:
        return None
    return (
        f"Phase {begun.phase} was GO already, at {begun.started_at:%H:%M UTC on %d %B} "
        f"(run {begun.run}): {NOT_BEFORE}"
    )


def _record(platform: Platform, facts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    switched_at = platform.switched_at
    return {
        "schema": baseline.SCHEMA,
        "run": platform.run_id,
        "taken_at": utc_now().isoformat(timespec="seconds"),
        "environment": platform.environment.settings.name,
        "release": platform.release.tag,
        "regions": list(platform.regions),
        "traffic_switched_at": switched_at and switched_at.isoformat(),
        "versions": {"gate": VERSION},
        "facts": facts,
    }


def _doctor(arguments: argparse.Namespace, stdout: IO[str], tell: Tell) -> int:
    refuse_malformed(arguments.release, None)
    refuse_unknown(arguments.env, tuple(arguments.region))
    # Imported late: it loads what every system is asked with, and what is refused needs none of it.
    from gates.doctor.look import (  # noqa: PLC0415 - see above
        WHOLE_SECONDS,
        diagnose,
        subject_of,
    )

    with environment(arguments.env, tell=tell) as loaded:
        subject = subject_of(loaded, arguments.release, tuple(arguments.region))
        words = f"at most {WHOLE_SECONDS:.0f} s for its systems, then its scenarios"
        tell(f"examining {loaded.settings.name}: {words}")
        diagnosis = diagnose(subject)
    (write_json if arguments.output == "json" else write_text)(diagnosis, stdout)
    return diagnosis.exit_code


def write_json(diagnosis: Diagnosis, stdout: IO[str]) -> None:
    """Write the diagnosis for machines."""
    record = {
        "schema": 1,
        "environment": diagnosis.environment,
        "release": diagnosis.release,
        "exit_code": diagnosis.exit_code,
        "findings": [finding.record() for finding in diagnosis.findings],
    }
    stdout.write(json.dumps(record, indent=1, allow_nan=False) + "\n")


def write_text(diagnosis: Diagnosis, stdout: IO[str]) -> None:
    """Write the diagnosis for people; each remedy on lines of its own, ready to be copied."""
    console = Console(file=stdout, soft_wrap=True, highlight=False)
    systems = max(len(finding.system) for finding in diagnosis.findings)
    regions = max(len(finding.region or _SHARED) for finding in diagnosis.findings)
    for finding in diagnosis.findings:
        console.print(_line(finding, systems, regions))
        for remedy in finding.remedy:
            console.print(Text(f"{'':7}→ {remedy}"))
    console.print()
    console.print(Text(summary(diagnosis)))


def _line(finding: Finding, systems: int, regions: int) -> Text:
    where = f"{finding.system:{systems}}  {finding.region or _SHARED:{regions}}  "
    return Text.assemble(
        (f"{finding.level.value:5}", _STYLES[finding.level]), "  ", where, finding.sentence
    )


def summary(diagnosis: Diagnosis) -> str:
    """Return the end of the report: whether the gate could decide, and what comes next."""
    bad, warned = diagnosis.count(Level.BAD), diagnosis.count(Level.WARN)
    name = diagnosis.environment
    counts = f"{diagnosis.count(Level.OK)} OK, {warned} WARN, {bad} BAD"
    if diagnosis.reached_nothing:
        return (
            f"{name}: {counts}. Nothing at all answered this machine: it has no network, or none that "
            "leads there. Run the doctor where the gate will run."
        )
    if bad:
        return f"{name}: {counts}. The gate would HOLD; fix what is BAD and look again."
    return f"{name}: {counts}. The gate can decide about {name}."


def _init(arguments: argparse.Namespace, stdout: IO[str], tell: Tell) -> int:
    output: pathlib.Path | None = arguments.output
    if output is not None and output.exists() and not arguments.force:
        tell(f"--output {output}: exists already; name another file, or replace it with --force.")
        return EXIT_USAGE
    try:
        asked = "--prometheus"
        seen = look(PrometheusTarget(arguments.prometheus)) if arguments.prometheus else Seen()
        if arguments.service:
            asked = "--service"
            seen = dataclasses.replace(seen, health=look_at_service(arguments.service))
    except NothingSeenError as exc:
        tell(f"{asked}: {exc} Nothing was written; correct the address and run again.")
        return Decision.HOLD.exit_code
    nothing = "no --prometheus and no --service was given, so nothing was read"
    named = arguments.prometheus or arguments.service
    for sentence in findings(seen) if named else (nothing,):
        tell(sentence)
    if arguments.folder is not None:
        return _lay_out(arguments, seen, tell)
    name = output.stem if output else "proposed"
    text = environment_file(Asked(name, arguments.prometheus, arguments.service), seen)
    if output is None:
        stdout.write(text)
        return 0
    return _write(output, text, tell, force=arguments.force)


def _lay_out(arguments: argparse.Namespace, seen: Seen, tell: Tell) -> int:
    """Write a project's files, and leave alone what is there."""
    folder, file = arguments.folder, arguments.folder / project.ENVIRONMENT
    asked = Asked(file.stem, arguments.prometheus, arguments.service, project.CHECKS)
    try:
        for name, content in project.files(environment_file(asked, seen)):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError), path.open("xb") as new:
                new.write(content)
                continue
            tell(f"{path}: is there already, and left as it is")
    except OSError as exc:
        tell(f"{folder}: a project cannot be laid out: {exc.strerror} ({exc.filename}).")
        return EXIT_USAGE
    tell(f"a project is laid out; replace what says EDIT-ME, then: gate doctor --env {file}")
    return 0


def _write(output: pathlib.Path, text: str, tell: Tell, *, force: bool) -> int:
    try:
        with output.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as exc:
        tell(f"--output {output}: cannot be written: {exc.strerror}.")
        return EXIT_USAGE
    tell(f"wrote {output}; replace what says EDIT-ME, then: gate doctor --env {output}")
    return 0
