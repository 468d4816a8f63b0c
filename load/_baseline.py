"""An earlier run's record to compare with: read, refused if damaged, set beside today's figures."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from environments.yaml_file import ConfigurationError
from reports.load_record import DamagedLoadRecordError, checked

COMPARED = ("p50", "p99", "p99.9")
_PLAN = ("environment", "profile", "model", "arrivals", "regions", "stages")


def read_baseline(path: pathlib.Path) -> Mapping[str, Any]:
    """Return an earlier run's record; raises ConfigurationError for a file that is none."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigurationError(
            f"--baseline {path}: cannot be read: {exc.strerror}; name the load.json of an earlier run."
        ) from exc
    except (ValueError, RecursionError):
        raise ConfigurationError(
            f"--baseline {path}: is no JSON text; name the load.json of an earlier run."
        ) from None
    try:
        return checked(record)
    except DamagedLoadRecordError as exc:
        raise ConfigurationError(
            f"--baseline {path}: {exc}; name the load.json of an earlier run of this version."
        ) from None


def compared(
    baseline: Mapping[str, Any] | None,
    rows: Iterable[Mapping[str, Any]],
    plan: Mapping[str, Any],
) -> dict[str, Any] | None:
    """Return each endpoint's percentiles then and now; None without a baseline. It judges nothing."""
    if baseline is None:
        return None
    earlier = {(row["region"], row["endpoint"]): row for row in baseline["endpoints"]}
    return {
        "result": baseline["result"],
        "started_at": baseline.get("started_at"),
        "release": baseline["plan"].get("release"),
        "differs": [key for key in _PLAN if baseline["plan"].get(key) != plan.get(key)],
        "rows": [
            {
                "region": row["region"],
                "endpoint": row["endpoint"],
                **_figures(earlier.get((row["region"], row["endpoint"])), row),
            }
            for row in rows
        ],
    }


def _figures(then: Mapping[str, Any] | None, now: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _pair((then or {}).get("response", {}).get(name), now["response"].get(name))
        for name in COMPARED
    }


def _pair(then: float | None, now: float | None) -> dict[str, float | None]:
    ratio = now / then if then and now is not None else None
    return {"then": then, "now": now, "ratio": ratio}
