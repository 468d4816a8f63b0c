"""Each item that other tools prove: sound, broken by each fault of the local platform, blind, and odd."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import hashlib
import json
import pathlib
import re
import shutil
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest

from environments.store import Folder, Store
from gates.decide.outcome import Outcome
from gates.decide.statements import Subject, Waiver
from sandbox.core.layout import PREVIOUS, RELEASE
from sandbox.faults.catalogue import Fault, expected, load
from sandbox.systems.delivery.builds import REPOSITORIES, image_digest
from sandbox.systems.proofs import faults, files, staging
from sandbox.systems.statements import people
from steps.kit.platform import Platform
from tests.golden import Said
from tests.probes.servers import closed_port
from tests.steps.platforms import NOWHERE, a_platform, ruled
from tests.steps.scenarios import judged, wrong
from tests.tables import cases

COMMITS = {PREVIOUS: "1" * 40, RELEASE: "2" * 40}
ITEMS = (
    *("T7-TEST-1", "T7-TEST-2", "T7-TEST-3", "T7-TEST-5", "T7-TEST-6", "T7-TEST-7", "T7-TEST-8"),
    *("T7-SEC-1", "T7-INFRA-3"),
    *("T3-PREP-1", "T3-PREP-2", "T3-PREP-3", "T3-PREP-4", "T3-PREP-5"),
)
FAULTS = {one.name: one for one in load() if {"proof", "staging_failed"} & set(one.does)}


@dataclasses.dataclass(frozen=True)
class Place:
    """A folder with the evidence of a release; what breaks the local platform's breaks it too."""

    evidence: pathlib.Path

    @property
    def layout(self) -> Place:
        return self

    def aside(self, path: pathlib.Path) -> pathlib.Path:
        return path

    def platform(self, **sections: Any) -> Platform:
        described = {
            "evidence": {"folder": "."},
            "state": {"url": "state"},
            "statements": {"approvers": f"people/{people.APPROVERS}"},
            **sections,
        }
        return a_platform(self.evidence, {"eu": NOWHERE.format(9)}, **described)

    def change(self, file: str, **how: Any) -> None:
        asyncio.run(faults.proof(cast("Any", self), file, **how))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Return the folder of a release that everything was proved of."""
    folder = tmp_path_factory.mktemp("evidence")
    files.lay(folder, COMMITS)
    described = {
        "schema": 1,
        "version": f"v{RELEASE}",
        "previous": f"v{PREVIOUS}",
        "kind": "standard",
        "commit": COMMITS[RELEASE],
        "images": {name: image_digest(name, RELEASE) for name in REPOSITORIES},
        "changes": dict.fromkeys(CHANGES, True),
        "planned_start": "2026-01-31T22:00:00Z",
    }
    place = folder / "releases" / f"v{RELEASE}"
    place.mkdir(parents=True)
    content = json.dumps(described)
    (place / "release.yaml").write_text(content)
    people.make(folder / "people")
    digest = hashlib.sha256(content.encode()).hexdigest()
    subject = Subject("clinic", f"v{RELEASE}", digest, COMMITS[RELEASE])
    people.sign_everything(folder / "people", Store(Folder(folder / "state")), subject)
    return folder


CHANGES = ("code", "schema", "flags", "dns", "configuration", "assets", "alert_rules")


@pytest.fixture
def place(sound: pathlib.Path, tmp_path: pathlib.Path) -> Place:
    return Place(shutil.copytree(sound, tmp_path / "evidence"))


@pytest.mark.parametrize("item", ITEMS)
def test_a_release_that_everything_was_proved_of_passes(item: str, place: Place) -> None:
    assert wrong(judged(item, place.platform())) == []


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_turns_exactly_what_it_names_red(fault: Fault, place: Place, said: Said) -> None:
    for name, given in fault.does.items():
        asyncio.run(getattr(faults, name)(cast("Any", place), **given))
    platform = place.platform()
    checks = {item: judged(item, platform) for item in ITEMS}
    found = {item: str(check.outcome("eu")) for item, check in checks.items()}
    assert found == {item: expected(fault, item) for item in ITEMS}
    said({item: ageless(wrong(check)) for item, check in checks.items() if wrong(check)})


def ageless(sentences: list[str]) -> list[str]:
    """Return sentences without how many days ago a fixed day was."""
    return [re.sub(r"\d{3,} days", "… days", one) for one in sentences]


def without(file: str) -> Callable[[Place], Platform]:
    def blinded(place: Place) -> Platform:
        (place.evidence / file).unlink()
        return place.platform()

    return blinded


def listed(**changes: Any) -> Callable[[Place], Platform]:
    def blinded(place: Place) -> Platform:
        file = place.evidence / "v1.2.0" / "files.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
        return place.platform()

    return blinded


BLIND: Mapping[str, Callable[[Place], Platform]] = {
    "the store is unreachable": lambda place: place.platform(
        evidence={"url": NOWHERE.format(closed_port())}
    ),
    "nobody listed the files": without("v1.2.0/files.json"),
    "nobody described the release": without("releases/v1.2.0/release.yaml"),
    "the list is of another commit": listed(commit="0f9a0f9"),
    "the list is of another release": listed(release="v1.1.0"),
    "the list is empty": listed(files=[]),
    "the list says that collecting failed": listed(result="failed"),
}


@cases("blind", BLIND)
def test_what_nobody_can_read_is_never_a_pass(
    blind: Callable[[Place], Platform], place: Place, said: Said
) -> None:
    platform = blind(place)
    checks = {item: judged(item, platform) for item in ITEMS}
    assert Outcome.PASS not in {check.outcome("eu") for check in checks.values()}
    said(wrong(checks["T7-TEST-1"]), {str(place.evidence): "FOLDER"})


def suite(name: str, cases: str) -> str:
    return f'<testsuite name="{name}">{cases}</testsuite>'


MANY = "<testcase/>" * 60
YEARS_AGO = (dt.datetime.now(dt.UTC) - dt.timedelta(days=800)).isoformat()
WEB = "unified-health-web"


def scanned(*results: Any, **changes: Any) -> str:
    run = {"tool": {"driver": {"name": "x"}}, "results": list(results), **changes}
    return json.dumps({"version": "2.1.0", "runs": [run]})


def grype(**changes: Any) -> str:
    return json.dumps({"matches": [], "descriptor": {"name": "grype"}, **changes})


NOW = dt.datetime.now(dt.UTC)
STAGED = staging.runs(NOW)["staging-post-deploy.json"]
BROWSERS = json.dumps(
    {
        "schema": 1,
        "kind": "browser-test",
        "release": "v1.2.0",
        "commit": COMMITS[RELEASE],
        "created_at": NOW.isoformat(),
        "result": "passed",
        "tools": dict.fromkeys(("chromium", "firefox", "webkit"), "1"),
        "counts": {"tests": 12, "passed": 12},
    }
)


WAIVER = Waiver("IV-PERF-1", Outcome.FAIL, NOW, "known", "UH-1", ("one", "another"))


def staged(**changes: Any) -> str:
    return json.dumps({**STAGED, **changes})


SKIPPED = "<testcase><skipped/></testcase>"
BAD = {"ruleId": "r", "level": "error"}
HELD = {"decision": "HOLD", "exit_code": 20}
STAGING = ("T3-PREP-1", "staging-post-deploy.json")
TESTS = ("T7-TEST-8", "mobile-ios.junit.xml")
SCAN = ("T7-SEC-1", "sast.sarif")
SBOM = ("T7-TEST-3", f"{WEB}.sbom.json")
EMPTY_SBOM = json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6"})
BY_COMMIT = '<properties><property name="commit" value="main"/></properties>'
IMAGE = {"image": image_digest(WEB, RELEASE)}
CRITICAL = {"id": "CVE-2024-1", "severity": "Critical"}
ODD: dict[str, tuple[tuple[str, str], str | None]] = {
    "no tests": (TESTS, "<testsuites/>"),
    "all tests skipped": (TESTS, suite("iPhone", SKIPPED * 90)),
    "many tests skipped": (TESTS, suite("iPhone", MANY + SKIPPED * 9)),
    "empty": (TESTS, " "),
    "only when tried again": (TESTS, suite("iPhone", "<testcase><flakyFailure/></testcase>" * 9)),
    "fewer tests than it says": (TESTS, suite('iPhone" tests="99', MANY)),
    "failed by its own word alone": (TESTS, suite('iPhone" failures="1', MANY)),
    "a commit of its own": (TESTS, suite("iPhone", BY_COMMIT + MANY)),
    "from the future": (TESTS, None),
    "changed since it was listed": (TESTS, None),
    "an older run inside": (SCAN, scanned(invocations=[{"endTimeUtc": YEARS_AGO}])),
    "a finding that nobody rated": (SCAN, scanned({"ruleId": "a name", "kind": "open"})),
    "a finding that was accepted": (SCAN, scanned({**BAD, "suppressions": [{"kind": "inSource"}]})),
    "ignored by the scanner alone": (
        ("T7-SEC-1", f"{WEB}.vulnerabilities.json"),
        grype(ignoredMatches=[{"vulnerability": CRITICAL}]),
    ),
    "passed, with tests that did not": (
        ("T7-TEST-7", "browser-test.json"),
        BROWSERS.replace('"tests": 12', '"failed": 1'),
    ),
    "of some checks alone": (STAGING, staged(**HELD, only=["IV-HEALTH-1"])),
    "of one region alone": (STAGING, staged(environment_regions=["eu", "us", "asia"])),
    "interrupted": (STAGING, staged(**HELD, state="interrupted")),
    "an older catalogue": (("T3-PREP-2", STAGING[1]), staged(checks=STAGED["checks"][1:])),
    "with a check waived there": (STAGING, staged(waivers=[WAIVER.record()])),
    "decided by another policy": (STAGING, staged(digests={"policy": "of another day"})),
    "with shortened times": (STAGING, staged(time_scale=60)),
    "an empty bill of materials": (SBOM, EMPTY_SBOM),
    "of no image": (SBOM, EMPTY_SBOM),
    "HTML for a report": (SBOM, "<html>"),
}
LISTED: dict[str, dict[str, Any]] = {
    "from the future": {"made_at": "2999-01-01T00:00:00Z"},
    "changed since it was listed": {"digest": f"sha256:{'0' * 64}"},
    "ignored by the scanner alone": IMAGE,
    "an empty bill of materials": IMAGE,
}
"""How files.json lists some of them."""


@pytest.mark.parametrize("odd", ODD)
def test_odd_evidence_is_never_taken_for_good(odd: str, place: Place, said: Said) -> None:
    (item, file), content = ODD[odd]
    whole = (place.evidence / "v1.2.0" / file).read_text()
    replace = {whole: content} if content else {}
    place.change(file, replace=replace, listing=LISTED.get(odd, {}))
    check = judged(item, place.platform())
    said([str(check.outcome("eu")), *wrong(check)])


def test_the_newest_exception_counts_in_whichever_file_it_stands(place: Place) -> None:
    """What turned out to be affected after all is no exception any more."""
    folder = place.evidence / "v1.2.0"
    (first,) = folder.glob("*.vex.json")
    said = json.loads(first.read_text())
    said["timestamp"] = (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)).isoformat()
    said["statements"] = [{**one, "status": "affected"} for one in said["statements"]]
    added(folder, "later.vex.json", json.dumps(said))
    (found,) = wrong(judged("T7-SEC-1", place.platform()))
    assert found.startswith("FAIL: ")


def added(folder: pathlib.Path, name: str, content: str) -> None:
    """Put a file beside the others, listed as they are."""
    (folder / name).write_text(content)
    listing = json.loads((folder / "files.json").read_text())
    digest = f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"
    listing["files"].append({**listing["files"][0], "file": name, "digest": digest})
    (folder / "files.json").write_text(json.dumps(listing))


def test_a_scan_that_ends_in_sarif_json_is_one_of_the_scans(place: Place) -> None:
    added(place.evidence / "v1.2.0", "sast-2.sarif.json", scanned(BAD))
    (found,) = wrong(judged("T7-SEC-1", place.platform()))
    assert found.startswith("FAIL: static scan, sast-2.sarif.json: ")


@cases("images", {"no image": {}, "one of two": {WEB: image_digest(WEB, RELEASE)}})
@pytest.mark.parametrize("item", ["T7-SEC-1", "T7-TEST-3"])
def test_of_an_image_that_the_release_does_not_name_nothing_is_proved(
    item: str, images: dict[str, str], place: Place
) -> None:
    file = place.evidence / "releases" / f"v{RELEASE}" / "release.yaml"
    file.write_text(json.dumps({**json.loads(file.read_text()), "images": images}))
    named = {"repositories": list(REPOSITORIES)}
    check = judged(item, place.platform(images=named, aws={"region": "eu-central-1"}))
    assert check.outcome("eu") is Outcome.INCONCLUSIVE
    assert any("release.yaml names no digest of" in one for one in wrong(check))


@cases(
    "changes",
    {
        "of another release": {"release": "v1.0.0"},
        "of another kind": {"kind": "image-build"},
        "of this release's commit": {"commit": COMMITS[RELEASE]},
        "of another commit than its files": {"commit": "3" * 40},
    },
)
def test_tests_are_compared_with_those_of_the_release_before_and_no_others(
    changes: dict[str, str], place: Place
) -> None:
    file = place.evidence / "v1.1.0" / "files.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    check = judged("T7-TEST-1", place.platform())
    assert check.outcome("eu") is Outcome.INCONCLUSIVE
    assert "the release before can't be compared with" in wrong(check)[0]


def test_a_policy_without_an_item_says_so(place: Place) -> None:
    platform = ruled(place.platform(), "evidence", proofs={})
    with pytest.raises(Exception, match=r"the policy lacks evidence\.proofs\.T7-TEST-1"):
        judged("T7-TEST-1", platform)


def test_where_the_policy_names_no_document_somebody_signs(place: Place) -> None:
    platform = ruled(place.platform(), "evidence", proofs={})
    assert wrong(judged("T7-TEST-8", platform)) == []
    shutil.rmtree(place.evidence / "state")
    (found,) = wrong(judged("T7-TEST-8", platform))
    assert found.startswith("INCONCLUSIVE: ")


def test_suites_that_are_gone_on_purpose_are_named_by_the_policy(place: Place) -> None:
    asyncio.run(faults.proof(cast("Any", place), **FAULTS["test-suite-lost"].does["proof"]))
    platform = place.platform()
    unit, *others = platform.policy.evidence.proofs["T7-TEST-1"]
    retired = unit.model_copy(update={"retired": ("patients",)})
    proofs = {**platform.policy.evidence.proofs, "T7-TEST-1": (retired, *others)}
    assert wrong(judged("T7-TEST-1", ruled(platform, "evidence", proofs=proofs))) == []


def test_without_evidence_of_the_release_before_suites_are_not_compared_and_that_is_said(
    place: Place,
) -> None:
    shutil.rmtree(place.evidence / "v1.1.0")
    check = judged("T7-TEST-1", place.platform())
    assert wrong(check) == []
    remarks = [one.data.get("remark") for one in check.noted()["eu"].judgements if one.data]
    assert len([one for one in remarks if "nobody kept the evidence" in str(one)]) == 3
