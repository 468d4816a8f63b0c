from __future__ import annotations

from typing import Any

import pytest

from steps.monitoring.alert_routes import UnreadableRouteError, receivers, receivers_at_times
from tests.tables import cases

CRITICAL = {"severity": "critical", "team": "api"}


def route(*children: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"receiver": "default", "routes": list(children), **more}


@cases(
    "tree reached",
    {
        "a tree without children takes everything": (route(), ("default",)),
        "the child that matches takes it": (
            route({"receiver": "page", "matchers": ['severity="critical"']}),
            ("page",),
        ),
        "no child matches": (
            route({"receiver": "page", "matchers": ["severity = warning"]}),
            ("default",),
        ),
        "the first one wins": (
            route({"receiver": "one", "match": {"severity": "critical"}}, {"receiver": "two"}),
            ("one",),
        ),
        "continue goes on": (
            route({"receiver": "one", "continue": True}, {"receiver": "two"}),
            ("one", "two"),
        ),
        "a child's child": (
            route({"match_re": {"severity": "crit.*"}, "routes": [{"receiver": "deep"}]}),
            ("deep",),
        ),
        "a child without a receiver has its parent's": (
            route({"match": {"team": "api"}, "routes": [{"match": {"team": "web"}}]}),
            ("default",),
        ),
        "a missing label is empty": (
            route({"receiver": "page", "matchers": ['severity!~"warn.*"', 'region=""']}),
            ("page",),
        ),
        "names may be quoted and values escaped": (
            route({"receiver": "page", "matchers": [r'"severity"=~"crit\\w+"', 'team!="a\\"b"']}),
            ("page",),
        ),
        "a child is not muted with its parent": (
            route({"receiver": "page", "mute_time_intervals": ["nights"], "routes": [{}]}),
            ("page",),
        ),
        "a regular expression matches whole values": (
            route({"receiver": "page", "match_re": {"severity": "crit"}}),
            ("default",),
        ),
    },
)
def test_an_alert_reaches(tree: dict[str, Any], reached: tuple[str, ...]) -> None:
    assert receivers(tree, CRITICAL) == reached


@pytest.mark.parametrize("key", ["mute_time_intervals", "active_time_intervals"])
def test_a_receiver_that_hears_at_times_alone_is_told_apart(key: str) -> None:
    tree = route({"receiver": "page", "continue": True, key: ["nights"]}, {"receiver": "chat"})
    assert receivers(tree, CRITICAL) == ("chat",)
    assert receivers_at_times(tree, CRITICAL) == ("page",)


@pytest.mark.parametrize(
    ("child", "says"),
    [
        ({"matchers": ["severity"]}, "a matcher is not understood"),
        ({"matchers": [7]}, "a matcher is not understood"),
        ({"matchers": "x"}, "matchers is not a list"),
        ({"routes": {"a": 1}}, "routes is not a list"),
        ({"routes": [[]]}, "a route is not a mapping"),
        ({"match": ["severity"]}, "match is not a mapping"),
        (
            {"match_re": {"severity": "("}},
            "a matcher's regular expression is not understood",
        ),
        ({"matchers": ["severity=critical,team=web"]}, "a matcher is not understood"),
    ],
)
def test_what_is_not_understood_decides_nothing(child: dict[str, Any], says: str) -> None:
    with pytest.raises(UnreadableRouteError, match=f"^{says}$"):
        receivers(route(child), CRITICAL)


def test_an_escaped_line_break_is_one() -> None:
    tree = route({"receiver": "page", "matchers": [r'team="a\nb\tc"']})
    assert receivers(tree, {"team": "a\nbtc"}) == ("page",)
