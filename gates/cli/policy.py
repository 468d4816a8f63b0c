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
from gates.decide.outcome import EXIT_CONFIGURATION, EXIT_OUR_FAILURE, EXIT_USAGE
from gates.load import Checks, load_catalogue, load_policy
from settings.environment import Environment
from settings.policy import Policy
from settings.triggers import Fixture, Fixtures
from steps.kit.platform import NotDescribedError, Platform
from steps.kit.request import Request
from steps.replay import alerts, fixtures

Tell = Callable[[str], None]
FIXTURES = "fixtures"
ANY_RELEASE = "v0.0.0"
"""Where no release is meant."""


def run(arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str]) -> int:
    """Return 0 where it ran; 20, 64, 70 and 78 as ever."""
    tell = teller(stderr, f"gate {arguments.command}")
    ask = {"rules": _rules, "check-policy": _check_policy}[arguments.command]
    try:
        return ask(arguments, stdout, tell)
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


def _policy(arguments: argparse.Namespace) -> Policy:
    return load_policy(Checks.of(checks_of(arguments.env)).policy, arguments.policy)


@contextlib.contextmanager
def _platform(arguments: argparse.Namespace, policy: Policy, tell: Tell) -> Iterator[Platform]:
    """Yield the environment as its file describes it, without secrets; a local one is brought up."""
    request = Request(
        env=arguments.env,
        release=ANY_RELEASE,
        regions=tuple(arguments.region),
        switched_at=None,
        environment_file=None,
        run_dir=None,
        dry=True,
    )
    with contextlib.ExitStack() as stack:
        loaded = described(arguments.env)
        if loaded is None:
            loaded = stack.enter_context(environment(arguments.env, tell=tell))
        yield Platform.of(loaded, policy, request, arguments.command)
