"""`gate checks`: what a gate would ask, who owns it, what its failure means; nothing is measured."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import IO, Any

from bdd.features import feature_files, scenarios
from environments import loader
from environments.yaml_file import ConfigurationError, RequestError
from gates.cli.asking import gate_of
from gates.cli.streams import teller
from gates.decide.fold import decision_for
from gates.decide.outcome import EXIT_CONFIGURATION, EXIT_USAGE, Decision, Meaning
from gates.decide.scope import Phase, PostRollback, no_such_part
from gates.load import Checks, load_catalogue
from reports.causes import checks_in
from settings.environment import LocalFile

SHOWN = ("id", "decides", "owner", "applies", "sentence")


def run(arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str]) -> int:
    """Print them; return 0, 64 for what there is not, 78 for a file that cannot be read."""
    try:
        found = list(asked(arguments))
    except ConfigurationError as exc:
        for sentence in exc.sentences:
            teller(stderr, "gate checks")(sentence)
        return EXIT_USAGE if isinstance(exc, RequestError) else EXIT_CONFIGURATION
    if arguments.output == "json":
        record = {"schema": 1, "checks": found}
        stdout.write(f"{json.dumps(record, indent=1, ensure_ascii=False)}\n")
        return 0
    widths = {name: max((len(one[name]) for one in found), default=0) for name in SHOWN[:-1]}
    for one in found:
        stdout.write("  ".join(one[name].ljust(widths.get(name, 0)) for name in SHOWN) + "\n")
    stdout.write(f"{checks_in(len(found))}.\n")
    return 0


def asked(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield each check that the gate would ask; raises ConfigurationError, RequestError."""
    if (arguments.gate == Phase.name) is not (arguments.phase is not None):
        raise RequestError("write the phase behind its gate, as in: phase 2, and behind no other.")
    if (arguments.gate == PostRollback.name) is not bool(arguments.method):
        raise RequestError("name the methods of a rollback, as in: post-rollback --method flags.")
    gate = gate_of(arguments, arguments.gate)
    checks = Checks.of(loader.checks_of(arguments.env) if arguments.env else None)
    catalogue = load_catalogue(checks.features)
    if (wrong := no_such_part(gate, catalogue)) is not None:
        raise RequestError(wrong)
    described = loader.find(arguments.env) if arguments.env else None
    sections = None if described is None or isinstance(described, LocalFile) else described.present
    named = {one.check: one.name for one in scenarios(feature_files(checks.features))}
    scope = gate.scope(catalogue, switched=False)
    for row in scope.rows:
        rule = f"if {row.applies_if}" if row.applies_if else "always"
        if sections is not None and not row.applies(sections):
            rule = f"not here: no {row.section}"
        yield {
            "id": row.id,
            "sentence": named.get(row.id, "it has no scenario; the gate would refuse to run"),
            "owner": row.owner,
            "severity": row.severity,
            "when": row.when,
            "decides": _decides(row.on_fail, decision_for(row.on_fail, scope.stages[row.id])),
            "applies_if": row.applies_if,
            "applies": rule,
        }


def _decides(meaning: Meaning, decision: Decision) -> str:
    return "advisory" if meaning is Meaning.ADVISORY else decision.value
