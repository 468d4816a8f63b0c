from __future__ import annotations

from typing import Any

import pytest

from steps.monitoring.alert_routes import UnreadableRouteError, receivers, receivers_at_times

CRITICAL = {"severity": "critical", "team": "api"}


def route(*children: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"receiver": "default", "routes": list(children), **more}


@pytest.mark.parametrize(
    ("tree", "reached"),
    [
        pytest.param(route(), ("default",), id="a tree without children takes everything"),
        pytest.param(
            route({"receiver": "page", "matchers": ['severity="critical"']}),
            ("page",),
            id="the child that matches takes it",
        ),
        pytest.param(
            route({"receiver": "page", "matchers": ["severity = warning"]}),
            ("default",),
            id="no child matches",
        ),
        pytest.param(
            route({"receiver": "one", "match": {"severity": "critical"}}, {"receiver": "two"}),
            ("one",),
            id="the first one wins",
        ),
        pytest.param(
            route({"receiver": "one", "continue": True}, {"receiver": "two"}),
            ("one", "two"),
            id="continue goes on",
        ),
        pytest.param(
            route({"match_re": {"severity": "crit.*"}, "routes": [{"receiver": "deep"}]}),
            ("deep",),
            id="a child's child",
        ),
        pytest.param(
            route({"match": {"team": "api"}, "routes": [{"match": {"team": "web"}}]}),
            ("default",),
            id="a child without a receiver has its parent's",
        ),
        pytest.param(
            route({"receiver": "page", "matchers": ['severity!~"warn.*"', 'region=""']}),
            ("page",),
            id="a missing label is empty",
        ),
        pytest.param(
            route({"receiver": "page", "matchers": [r'"severity"=~"crit\\w+"', 'team!="a\\"b"']}),
            ("page",),
            id="names may be quoted and values escaped",
        ),
        pytest.param(
            route({"receiver": "page", "mute_time_intervals": ["nights"], "routes": [{}]}),
            ("page",),
            id="a child is not muted with its parent",
        ),
        pytest.param(
            route({"receiver": "page", "match_re": {"severity": "crit"}}),
            ("default",),
            id="a regular expression matches whole values",
        ),
    ],
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
