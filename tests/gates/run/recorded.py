"""Event files as the recorder leaves them."""

from __future__ import annotations

import json
import pathlib
from typing import Any

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from gates.decide.verdict import Observed

OBSERVED = Observed(
    "http", "GET http://api/", "2026-01-31T22:00:00.000+00:00", 0.1, {}, None, None, 1
)


def finished(
    check: str, *outcomes: Outcome, regions: tuple[str, ...] = ("eu", "us")
) -> dict[str, Any]:
    """Return the event of a check that found these outcomes in every region."""
    judgements = [
        Judgement(one, "equals", "the status", f"the status is {one.value} ü").record()
        for one in outcomes
    ]
    return {
        "event": "check_finished",
        "at": "2026-01-31T22:00:00+00:00",
        "check": check,
        "title": "The API answers",
        "elapsed_seconds": 0.12,
        "regions": {
            region: {"judgements": judgements, "observations": [OBSERVED.record()]}
            for region in regions
        },
    }


def started(check: str) -> dict[str, Any]:
    return {"event": "check_started", "at": "2026-01-31T22:00:00+00:00", "check": check}


def text(*events: dict[str, Any] | str) -> bytes:
    """Return the events as lines; a string stands for a line that nobody of ours wrote."""
    lines = [one if isinstance(one, str) else json.dumps(one) for one in events]
    return "".join(f"{line}\n" for line in lines).encode()


def file(folder: pathlib.Path, data: bytes) -> pathlib.Path:
    path = folder / "events.jsonl"
    path.write_bytes(data)
    return path
