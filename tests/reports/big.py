"""A verdict as large as any: ten regions, 216 checks, every number measured; some of each outcome."""

from __future__ import annotations

import dataclasses

from gates.decide.fold import Stage, fold
from gates.decide.judgement import below, equals
from gates.decide.outcome import Meaning
from gates.decide.verdict import Finished, Noted, Verdict
from gates.run.lines import Lines
from gates.run.manifest import Manifest
from gates.run.verdict import decided
from tests.reports import verdicts

REGIONS = tuple(f"region-{number}" for number in range(10))
CHECKS = 216


def big(run: str = verdicts.RUN) -> Verdict:
    """Return it; a tenth of the checks missed their limit, each region by another figure."""
    rows = tuple(
        verdicts.row(f"IV-BIG-{number}", f"team-{number % 12}", Meaning.HOLD)
        for number in range(CHECKS)
    )
    found = tuple(
        Finished(
            check=row.id,
            title=f"What is measured as number {number} stays below what was agreed on",
            regions={
                region: Noted(
                    (
                        below(f"latency of {row.id}", 40.0 + number % 10 + place / 10, 49, "ms"),
                        equals(f"status of {row.id}", 200, 200),
                    ),
                    (verdicts.observation(region),) * 2,
                )
                for place, region in enumerate(REGIONS)
            },
        )
        for number, row in enumerate(rows)
    )
    lines, asked = Lines(found, ()), Manifest(rows, ())
    stages = dict.fromkeys((row.id for row in rows), Stage.LIVE)
    folded = fold(rows, REGIONS, lines.results, stages)
    opened = dataclasses.replace(verdicts.OPENED, run=run, stage=Stage.LIVE.value)
    made = decided(opened, folded, asked, stages, lines)
    return verdicts.changed(made, exit_code=folded.decision.exit_code)
