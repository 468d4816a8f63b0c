"""`./harness bench`: measures every promised number here and prints it beside its bound."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

from bench import Figure, contract, data, gate, load, report, verify, watch

SUITES = {
    "data": data.figures,
    "engine": gate.engine,
    "redis": data.redis_figures,
    "gate": gate.figures,
    "phases": gate.phases,
    "healthy": gate.healthy_runs,
    "countdown": gate.countdown,
    "load": load.figures,
    "contract": contract.figures,
    "browser": gate.browser,
    "report": report.figures,
    "verify": verify.figures,
    "watch": watch.figures,
}


def main(arguments: Sequence[str]) -> int:
    """Measure; 0 when every figure keeps its bound."""
    parser = argparse.ArgumentParser(prog="./harness bench", description=__doc__)
    parser.add_argument(
        "suite", nargs="*", choices=[*SUITES, []], help="default: engine, redis, gate and phases"
    )
    parser.add_argument("--output", choices=("text", "json"), default="text")
    parser.add_argument(
        "--full", action="store_true", help="of load alone: 5 and 10 minutes, ten million requests"
    )
    options = parser.parse_args(arguments)
    if options.suite == ["load"]:
        return load.main(output=options.output, full=options.full)
    if options.full:
        parser.error("--full is of load alone: ./harness bench load --full")
    figures: list[Figure] = []
    for name in options.suite or ["engine", "redis", "gate", "phases"]:
        for figure in SUITES[name]():
            figures.append(figure)
            if options.output == "text":
                _tell(figure.line())
    average = os.getloadavg()[0]
    if options.output == "json":
        records = [figure.record() for figure in figures]
        _tell(json.dumps({"load_average": average, "figures": records}))
    else:
        _tell(f"load average of the machine: {average:.2f} on {os.cpu_count()} cores")
    return 0 if all(figure.kept for figure in figures) else 1


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
