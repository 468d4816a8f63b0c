"""`./harness prove`: tries the long proofs for as long as the budget lasts."""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections.abc import Sequence

from gates.load import ROOT
from prove import (
    Proof,
    bodies,
    bursts,
    changes,
    decisions,
    documents,
    flips,
    foreign,
    forges,
    leaks,
    looks,
    mutation,
    objectives,
    parsers,
    prove,
    render,
    runs,
    triggers,
)
from prove.kubernetes import likeness as kubernetes

TABLE = ROOT / "docs" / "proofs.md"
UNITS = {"s": 1, "m": 60, "h": 3600}
PROOFS = (
    Proof("fold", decisions.FOLD, decisions.fold_agrees, share=2),
    Proof("artefacts", decisions.ARTEFACTS, decisions.artefacts_agree, share=2, at_least=300),
    Proof("lines", decisions.LINES, decisions.damage_is_never_go, share=2),
    Proof("files", decisions.FILES, decisions.refused_or_sound, share=2),
    Proof("bodies", bodies.PROMISE, bodies.never_taken_for_healthy, share=2),
    Proof("changes", changes.PROMISE, changes.refuses_nothing, share=2, at_least=2000),
    Proof(
        "documents", documents.PROMISE, documents.read_soon, share=2, at_least=documents.AT_LEAST
    ),
    Proof("forges", forges.PROMISE, forges.read_or_refused, share=1, at_least=forges.AT_LEAST),
    Proof("parsers", parsers.PROMISE, parsers.refused_or_read, share=2, at_least=parsers.AT_LEAST),
    Proof("flips", flips.PROMISE, flips.named, share=2, at_least=flips.AT_LEAST),
    Proof("kubernetes", kubernetes.PROMISE, kubernetes.cases, share=1, at_least=kubernetes.CASES),
    Proof("mutation", mutation.PROMISE, mutation.noticed, share=1, at_least=mutation.MUTANTS),
    Proof("triggers", triggers.PROMISE, triggers.fires_as_prometheus_does, 1, triggers.SERIES),
    Proof("looks", looks.WATCHED, looks.weeks_fire_seldom, 1, looks.WEEKS),
    Proof("canary", looks.COMPARED, looks.healthy_releases_are_not_worse, 1, looks.RELEASES),
    Proof("bursts", bursts.PROMISE, bursts.seldom_wrong, share=2, at_least=40),
    Proof("objectives", objectives.PROMISE, objectives.counted_right, share=4, at_least=300),
    Proof("foreign", foreign.PROMISE, foreign.true_verdicts, share=4, at_least=12),
    Proof("backends", runs.BACKENDS, runs.right_with_each, share=4, at_least=24),
    Proof("leaks", leaks.PROMISE, leaks.keeps_private, share=3, at_least=18),
    Proof("kills", runs.KILLS, runs.killed, share=6, at_least=200),
    Proof("healthy", runs.HEALTHY, runs.healthy, share=6, at_least=50),
)


def main(arguments: Sequence[str]) -> int:
    """Prove; 0 when nothing was found."""
    parser = argparse.ArgumentParser(prog="./harness prove", description=__doc__)
    parser.add_argument("proof", nargs="*", help=f"of {', '.join(p.name for p in PROOFS)}; all")
    parser.add_argument("--budget", type=seconds_of, default="60m", help="90s, 60m or 2h; 60m")
    parser.add_argument("--seed", type=int, help="try the cases of an earlier run again")
    options = parser.parse_args(arguments)
    unknown = set(options.proof) - {proof.name for proof in PROOFS}
    if unknown:
        parser.error(f"there is no proof {', '.join(sorted(unknown))}; see --help")
    chosen = [proof for proof in PROOFS if not options.proof or proof.name in options.proof]
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    whole = sum(proof.share for proof in chosen)
    results = []
    for proof in chosen:
        _tell(f"      {proof.name}: {proof.promise}")
        results.append(prove(proof, seed, options.budget * proof.share / whole, _tell))
        _tell(results[-1].line())
    before = TABLE.read_text(encoding="utf-8") if TABLE.exists() else ""
    page = render(before, [proof.name for proof in PROOFS], results)
    TABLE.write_text(page, encoding="utf-8")
    return 0 if all(one.holds for one in results) else 1


def seconds_of(text: str) -> float:
    """Read a duration such as 90s, 60m or 2h, in seconds; raises ValueError."""
    match = re.fullmatch(r"(\d+)([smh])", text)
    if match is None:
        raise ValueError(text)
    return int(match[1]) * UNITS[match[2]]


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
