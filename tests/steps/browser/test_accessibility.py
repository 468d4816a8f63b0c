"""Accessibility and web vitals of the web application as it is, and as builds with mistakes have it."""

from __future__ import annotations

import contextlib
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from gates.decide.outcome import Outcome
from probes.browser import Browser
from steps.browser.reading import Browsers
from steps.kit.check import Check
from steps.kit.platform import Platform
from tests.golden import Said
from tests.probes.servers import answer, closed_port, serving
from tests.steps.platforms import NOWHERE, a_platform, ruled, write_evidence
from tests.steps.scenarios import a_run, all_of, judged, told, wrong
from tests.tables import cases
from tests.web_site import web_site

PAGE, KEY, ZOOM, MOTION, VITALS = (
    "A11Y-PAGE-1",
    "A11Y-KEY-1",
    "A11Y-ZOOM-1",
    "A11Y-MOTION-1",
    "WV-1",
)
DONE = "\"document.querySelector('h1').innerText='Your appointments'\""
BY_WALK = (PAGE, ZOOM, MOTION)


def platform(folder: pathlib.Path, *sites: str, **described: object) -> Platform:
    """Return a platform whose site is served at these addresses, one for each region."""
    (folder / "key").write_text("sentinel-key")
    write_evidence(folder, "web-build", {"build-manifest.json": f"sha256:{'0' * 64}"})
    by_region = dict(zip(("eu", "us"), sites, strict=False))
    return a_platform(
        folder,
        by_region,
        evidence={"folder": "."},
        aws={"region": "us-east-1", "access_key_id": "file:key", "secret_access_key": "file:key"},
        frontend={"bucket": "web", "distribution": "E1", "sites": by_region},
        synthetic={
            "service": "api",
            "email_domain": "synthetic.example.org",
            "token": "file:key",
            "provider_id": "synthetic-provider",
        },
        browser=described,
        run_seconds=300,
    )


def run_all(
    asked: Platform, browser: Browser, folder: pathlib.Path, checks: Sequence[str]
) -> tuple[Mapping[str, Check], list[dict[str, Any]]]:
    """Run checks in one run; return them, and what they handed over as evidence."""
    folder.mkdir()
    with a_run(asked, folder) as run:
        run.shared(Browsers)._made["chromium"] = browser
        found = {one: judged(one, asked, run=run) for one in checks}
    lines = (folder / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    return found, [one for one in events if one["event"] == "suite_finished"]


def test_the_web_application_keeps_nobody_out(
    tmp_path: pathlib.Path, browser: Browser, said: Said
) -> None:
    with web_site() as site:
        asked = platform(tmp_path, NOWHERE.format(closed_port()), site.url)
        found, suites = run_all(asked, browser, tmp_path / "run", (*BY_WALK, KEY))
    assert {check.outcome(region) for check in found.values() for region in ("eu", "us")} == {
        Outcome.PASS
    }
    # Nobody in the first region: the second one answered for both.
    assert {one.data["seen_in"] for check in found.values() for one in all_of(check)} == {"us"}
    assert [one["kind"] for one in suites] == ["accessibility-test"] * 4
    assert all(one["tools"]["chromium"] for one in suites)
    said({one: told(found[one]) for one in (PAGE, KEY)})


def test_mistakes_of_a_build_are_found(
    tmp_path: pathlib.Path, browser: Browser, said: Said
) -> None:
    bugs = ("contrast", "unlabelled_input", "bad_frame", "sideways_scrolling", "animation")
    with web_site(bugs) as site:
        asked = platform(tmp_path, site.url)
        found, suites = run_all(asked, browser, tmp_path / "run", BY_WALK)
    said({name: wrong(check) for name, check in found.items()})
    pictures = sorted((tmp_path / "run" / "evidence").glob("*.png"))
    assert [one.stem for one in pictures] == [
        f"{PAGE}-{rule}" for rule in ("color-contrast", "image-alt", "label")
    ]
    assert len(suites[0]["attachments"]) == 3


def test_mistakes_that_the_keyboard_meets(
    tmp_path: pathlib.Path, browser: Browser, said: Said
) -> None:
    with web_site(("keyboard_trap", "focus_invisible")) as site:
        found, _ = run_all(platform(tmp_path, site.url), browser, tmp_path / "run", (KEY,))
    assert found[KEY].outcome("eu") is Outcome.FAIL
    told = wrong(found[KEY])
    assert [one for one in told if "Tab does not lead out of it" in one]
    # How far one comes into the trap, before it closes, is a matter of a moment.
    said([one for one in told if "new booking form" not in one])


def test_a_page_that_grows_heavy_is_found(tmp_path: pathlib.Path, browser: Browser) -> None:
    (tmp_path / "before.json").write_text(
        json.dumps({"kind": "web-vitals", "facts": {"dashboard-requests": 2}})
    )
    with web_site(("huge_image",)) as site:
        asked = platform(tmp_path, site.url, previous_vitals="before.json")
        found, suites = run_all(asked, browser, tmp_path / "run", (VITALS,))
    # What takes time is left out: another test may have the machine.
    timed = ("largest paint", "answer to a press")
    found_bad = {one.subject for one in all_of(found[VITALS]) if one.outcome is not Outcome.PASS}
    assert {one for one in found_bad if not one.startswith(timed)} == {
        "weight of dashboard",
        "requests of dashboard, compared",
    }
    assert suites[0]["facts"]["dashboard-bytes"] > 500_000


def test_a_page_that_is_not_reached_is_not_accessible(
    tmp_path: pathlib.Path, browser: Browser, said: Said
) -> None:
    asked = platform(tmp_path, NOWHERE.format(closed_port()))
    found, suites = run_all(asked, browser, tmp_path / "run", (*BY_WALK, KEY, VITALS))
    assert {check.outcome("eu") for check in found.values()} == {Outcome.INCONCLUSIVE}
    assert suites == []
    said(told(found[PAGE]))


def test_another_page_than_the_expected_ones_is_not_accessible(
    tmp_path: pathlib.Path, browser: Browser, said: Said
) -> None:
    page = b"<!doctype html><html lang=en><title>Sorry</title><body data-ready=true><h1>Sorry</h1>"
    with serving(answer(page, content_type="text/html")) as server:
        asked = ruled(platform(tmp_path, NOWHERE.format(server.port)), "browser", step_within=1.5)
        found, _ = run_all(asked, browser, tmp_path / "run", (PAGE, KEY, VITALS))
    assert {check.outcome("eu") for check in found.values()} == {Outcome.INCONCLUSIVE}
    said({name: told(check) for name, check in found.items()})


@cases(
    "button outcome",
    {
        "a button that only a click presses": (
            f"<div role=button tabindex=0 onclick={DONE}>Create account</div>",
            Outcome.FAIL,
        ),
        "a button that does nothing": ("<button>Create account</button>", Outcome.INCONCLUSIVE),
        "a button": (f"<button onclick={DONE}>Create account</button>", Outcome.INCONCLUSIVE),
    },
)
def test_what_only_the_mouse_can_do_is_the_keyboards_finding(
    tmp_path: pathlib.Path,
    browser: Browser,
    said: Said,
    button: str,
    outcome: Outcome,
) -> None:
    fields = "<label>E-mail address <input></label><label>Password <input></label>"
    page = f"<!doctype html><body data-ready=true><h1>Create your account</h1>{fields}{button}"
    with serving(answer(page.encode(), content_type="text/html")) as server:
        asked = ruled(platform(tmp_path, NOWHERE.format(server.port)), "browser", step_within=1.5)
        found, _ = run_all(asked, browser, tmp_path / "run", (KEY,))
    assert found[KEY].outcome("eu") is outcome, wrong(found[KEY])
    said(wrong(found[KEY]))


def test_no_browser_is_an_error(tmp_path: pathlib.Path, said: Said) -> None:
    asked = platform(tmp_path, NOWHERE.format(closed_port()))
    with contextlib.closing(Browser(executable="/nowhere/chromium")) as none:
        found, _ = run_all(asked, none, tmp_path / "run", (PAGE,))
    assert found[PAGE].outcome("eu") is Outcome.ERROR
    said(told(found[PAGE]))
