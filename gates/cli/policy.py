"""The commands about the policy itself: `gate rules`, `check-policy`, `backtest`; none gives a verdict."""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Callable, Iterator
from typing import IO

import yaml

from environments.loader import checks_of, described, find
from environments.loader import shown as shown_as
from environments.provider import ProviderError, environment
from environments.yaml_file import ConfigurationError, RequestError, parse, read_yaml
from gates.cli.streams import teller
from gates.decide.outcome import EXIT_CONFIGURATION, EXIT_OUR_FAILURE, EXIT_USAGE, Decision
from gates.load import Checks, load_catalogue, load_policy
from probes.observation import utc_now
from settings.environment import Environment
from settings.policy import Policy
from settings.rollback import Fixture, Fixtures
from steps.kit.platform import NotDescribedError, Platform
from steps.kit.request import Request
from steps.replay import alerts, fixtures, history, past
from steps.replay.history import UnreadableHistoryError
from steps.replay.past import Past, Told

Tell = Callable[[str], None]
HOLD = Decision.HOLD.exit_code
FIXTURES = "fixtures"
ANY_RELEASE = "v0.0.0"
"""Where no release is meant."""


def run(arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str]) -> int:
    """Return 0 where it ran; 20, 64, 70 and 78 as ever."""
    tell = teller(stderr, f"gate {arguments.command}")
    ask = {"rules": _rules, "check-policy": _check_policy, "backtest": _backtest}[arguments.command]
    try:
        return ask(arguments, stdout, tell)
    except UnreadableHistoryError as exc:
        return _ended(tell, (f"the history can't be read: {exc}",), HOLD)
    except NotDescribedError as exc:
        return _ended(tell, (f"{exc}.",), EXIT_CONFIGURATION)
    except ConfigurationError as exc:
        usage = isinstance(exc, RequestError)
        return _ended(tell, exc.sentences, EXIT_USAGE if usage else EXIT_CONFIGURATION)
    except ProviderError as exc:
        return _ended(tell, (f"our own failure: {exc}",), EXIT_OUR_FAILURE)


def _ended(tell: Tell, sentences: tuple[str, ...], code: int) -> int:
    for sentence in sentences:
        tell(sentence)
    return code


def _rules(arguments: argparse.Namespace, stdout: IO[str], tell: Tell) -> int:
    with _platform(arguments, _policy(arguments), tell) as platform:
        stdout.write(
            "# By `gate rules`, from the gate's policy; write it anew when that changes.\n"
        )
        for remark in alerts.remarks(platform):
            stdout.write(f"# {remark}.\n")
        stdout.write(yaml.safe_dump(alerts.document(platform), sort_keys=False, width=1000))
    return 0


def _check_policy(arguments: argparse.Namespace, stdout: IO[str], _: Tell) -> int:
    policy, checks = _policy(arguments), Checks.of(checks_of(arguments.env))
    settings = find(arguments.env)
    metrics = settings.metrics if isinstance(settings, Environment) else None
    shown = list(_fixtures(arguments))
    asked = [row.id for row in load_catalogue(checks.features)]
    bad = list(fixtures.refusals(policy, metrics, asked))
    for one in () if bad else shown:  # a rule that is refused says nothing of a series
        try:
            bad += [why for why in (fixtures.wrong(policy, one),) if why is not None]
        except fixtures.FixtureError as exc:
            bad.append(str(exc))
    warned = list(fixtures.missing(policy, shown))
    rules = len(policy.triggers.watched) + len(policy.objectives)
    if arguments.output == "json":
        counts = {"schema": 1, "rules": rules, "fixtures": len(shown)}
        stdout.write(json.dumps({**counts, "bad": bad, "warned": warned}, indent=1) + "\n")
    else:
        stdout.writelines(f"BAD   {one}.\n" for one in bad)
        stdout.writelines(f"WARN  {one}.\n" for one in warned)
        stdout.write(
            f"{rules} rules, {len(shown)} fixtures: {len(bad)} bad, {len(warned)} warned.\n"
        )
    return EXIT_CONFIGURATION if bad else 0


def _fixtures(arguments: argparse.Namespace) -> Iterator[Fixture]:
    """Yield the fixtures beside the policy file, else those of the environment's policy."""
    folders = [Checks.of(checks_of(arguments.env)).policy / FIXTURES]
    if arguments.policy is not None:
        folders.insert(0, arguments.policy.parent / FIXTURES)
    folder = next((one for one in folders if one.is_dir()), folders[-1])
    for file in sorted(folder.glob("*.yaml")):
        yield from parse(Fixtures, read_yaml(file, shown_as(file)), shown_as(file)).fixtures


def _backtest(arguments: argparse.Namespace, stdout: IO[str], tell: Tell) -> int:
    pasts, folder = _past(arguments), Checks.of(checks_of(arguments.env)).policy
    policies = {"policy": load_policy(folder)}
    if arguments.policy is not None:
        policies[arguments.policy.name] = load_policy(folder, arguments.policy)
    found: dict[str, list[Told]] = {}
    with environment(arguments.env, tell=tell) as loaded:
        for name, policy in policies.items():
            platform = Platform.of(loaded, policy, _request(arguments, dry=False), "backtest")
            for remark in history.lacking(platform):
                tell(f"{name}: {remark}.")
            found[name] = list(history.told(platform, pasts))
    planned = policies["policy"].deployment
    minutes = arguments.rollback_minutes
    if minutes is None and planned is not None and "kubernetes" in planned.rollback:
        minutes = planned.rollback["kubernetes"] / 60
    if arguments.output == "json":
        said = {name: past.record(told, minutes) for name, told in found.items()}
        stdout.write(json.dumps({"schema": 1, "policies": said}, indent=1, allow_nan=False) + "\n")
    else:
        stdout.writelines(f"{line}\n" for line in past.lines(found, minutes))
    return 0


def _past(arguments: argparse.Namespace) -> list[Past]:
    """Return the releases to replay; raises ConfigurationError."""
    file = arguments.releases
    since, until = arguments.since.timestamp(), min(arguments.until, utc_now()).timestamp()
    try:
        found = past.releases(file.read_text(encoding="utf-8").splitlines(), since, until)
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"{file}: cannot be read: {exc}.") from exc
    except past.LabelsError as exc:
        raise ConfigurationError(f"{file}: {exc}.") from exc
    if not found:
        raise RequestError(f"{file}: no release had traffic between --from and --to.")
    return found


def _policy(arguments: argparse.Namespace) -> Policy:
    return load_policy(Checks.of(checks_of(arguments.env)).policy, arguments.policy)


@contextlib.contextmanager
def _platform(arguments: argparse.Namespace, policy: Policy, tell: Tell) -> Iterator[Platform]:
    """Yield the environment as its file describes it, without secrets; a local one is brought up."""
    with contextlib.ExitStack() as stack:
        loaded = described(arguments.env)
        if loaded is None:
            loaded = stack.enter_context(environment(arguments.env, tell=tell))
        yield Platform.of(loaded, policy, _request(arguments, dry=True), arguments.command)


def _request(arguments: argparse.Namespace, *, dry: bool) -> Request:
    return Request(
        env=arguments.env,
        release=ANY_RELEASE,
        regions=tuple(arguments.region),
        switched_at=None,
        environment_file=None,
        run_dir=None,
        dry=dry,
    )
