"""The page of results: docs/proofs.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prove.proof import Proved

HEAD = """# Proofs

Made by `./harness prove`: the last result of each long proof. A case is one generated input, one killed run
or one healthy run; *found* counts the cases that broke the promise.
`./harness prove NAME --seed SEED` tries the same cases again.

| proof | on | seed | cases | found | time | promise |
|---|---|---|---|---|---|---|
"""


def rows_of(page: str) -> Mapping[str, str]:
    """Return the table's lines by the proof they are about."""
    body = page.partition("|---")[2].splitlines()[1:]
    return {line.split("|")[1].strip(): line for line in body if line.startswith("|")}


def render(before: str, names: Iterable[str], proved: Iterable[Proved]) -> str:
    """Return the page: rows of these results, and those of proofs that were not tried this time."""
    rows = {**rows_of(before), **{one.proof.name: _row(one) for one in proved}}
    return HEAD + "".join(f"{rows[name]}\n" for name in names if name in rows)


def _row(one: Proved) -> str:
    cells = (
        one.proof.name,
        one.on.isoformat(),
        str(one.seed),
        f"{one.cases:,}",
        str(len(one.found)),
        f"{one.seconds:.0f} s",
        one.proof.promise + "".join(f"; {remark}" for remark in one.remarks),
    )
    return f"| {' | '.join(cells)} |"
