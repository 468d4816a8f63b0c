"""Every way in which the rules of monitoring judge; `tests.gates.decide.test_said` keeps what they say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from steps.monitoring.rules import UnreadableRouteError, receivers, receivers_at_times

PAGE = {"receiver": "page"}
NIGHTS = ["nights"]
UNREADABLE: tuple[dict[str, Any], ...] = (
    {"matchers": ["severity"]},
    {"matchers": [7]},
    {"matchers": "x"},
    {"matchers": ["severity=critical,team=web"]},
    {"routes": {"a": 1}},
    {"routes": [[]]},
    {"match": ["severity"]},
    {"match_re": {"severity": "("}},
)
ROUTES: dict[str, list[dict[str, Any]]] = {
    "a tree without children takes everything": [],
    "the child that matches takes it": [{**PAGE, "matchers": ['severity="critical"']}],
    "no child matches": [{**PAGE, "matchers": ["severity = warning"]}],
    "the first one wins": [{**PAGE, "match": {"severity": "critical"}}, {"receiver": "two"}],
    "continue goes on": [{**PAGE, "continue": True}, {"receiver": "two"}],
    "a child's child": [{"match_re": {"severity": "crit.*"}, "routes": [{"receiver": "deep"}]}],
    "a child without a receiver has its parent's": [
        {"match": {"team": "api"}, "routes": [{"match": {"team": "web"}}]}
    ],
    "a missing label is empty": [{**PAGE, "matchers": ['severity!~"warn.*"', 'region=""']}],
    "names quoted and values escaped": [
        {**PAGE, "matchers": [r'"severity"=~"crit\\w+"', 'team!="a\\"b"']}
    ],
    "an escaped line break": [{**PAGE, "matchers": [r'lines="a\nb\tc"']}],
    "a child is not muted with its parent": [
        {**PAGE, "mute_time_intervals": NIGHTS, "routes": [{}]}
    ],
    "a regular expression matches whole values": [{**PAGE, "match_re": {"severity": "crit"}}],
    **{
        f"{key} tells a receiver apart": [
            {**PAGE, "continue": True, key: NIGHTS},
            {"receiver": "chat"},
        ]
        for key in ("mute_time_intervals", "active_time_intervals")
    },
    **{f"unreadable: {child}": [child] for child in UNREADABLE},
}


def routes() -> Iterator[str]:
    """Yield whom an alert reaches at any time, and whom at times alone."""
    labels = {"severity": "critical", "team": "api", "lines": "a\nbtc"}
    for name, children in ROUTES.items():
        tree = {"receiver": "default", "routes": children}
        try:
            reached, at_times = receivers(tree, labels), receivers_at_times(tree, labels)
        except UnreadableRouteError as exc:
            yield f"{name}: {exc}"
        else:
            also = f"; at times {', '.join(at_times)}" if at_times else ""
            yield f"{name}: {', '.join(reached) or 'nobody'}{also}"
