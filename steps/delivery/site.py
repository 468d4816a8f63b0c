"""The web site as each region's users get it: the new build, whole, with caches told the right thing."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import re
from collections.abc import Sequence
from urllib.parse import quote

from gates.decide.judgement import Judgement, equals, harmless
from gates.decide.outcome import Outcome
from probes import http
from probes.http import HttpAnswer, HttpTarget
from settings.delivery import Frontend
from steps.delivery.bundle import BuiltFile, Manifest, described, read_manifest
from steps.delivery.page import read_page
from steps.kit.availability import Availability, Reading
from steps.kit.check import Check
from steps.kit.expect import expect
from steps.kit.platform import Platform

_SERVICE = "web site"
_MAX_BYTES = 16 * 1_048_576
_READERS = 6
_OK = 200
_MOST_NAMED = 5
_DIRECTIVE = re.compile(r"[a-z-]{1,40}(=[0-9]{1,12})?")


def serves_the_build(platform: Platform, availability: Availability, check: Check) -> None:
    """Judge page, assets and cache headers in every region against the build's manifest."""
    reading = read_manifest(platform)
    reading.note(check)
    manifest = reading.manifest
    if manifest is None:
        return
    if described(platform).site is not None and len(platform.regions) > 1:
        check.judge_everywhere(_seen_from_here_alone(platform.regions))
    platform.each_region(
        lambda region: _Site(platform, availability, check, region).judge(manifest)
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Site:
    platform: Platform
    availability: Availability
    check: Check
    region: str

    @property
    def settings(self) -> Frontend:
        return described(self.platform)

    def judge(self, manifest: Manifest) -> None:
        """Judge the page, then every file that it should name."""
        page = self._read(self.settings.page)
        answer = page.observation.value
        if page.decided or answer is None:
            return
        built = manifest.files.get(self.settings.page_file)
        if built is None:
            self.check.judge(self.region, _not_in_the_build(self.settings.page_file))
            return
        self.check.judge(self.region, *self._page(answer, built, manifest.build_id))
        if answer.status == _OK:
            with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
                list(pool.map(lambda name: self._asset(name, manifest), built.assets))

    def _read(self, path: str) -> Reading[HttpAnswer]:
        """Read one address; an absence is confirmed and judged."""
        target = HttpTarget(
            self.settings.address(self.region), self.platform.environment.settings.ca_file
        )
        reading = self.availability.reach(
            self.region,
            _SERVICE,
            f"site {path}",
            lambda: http.request(
                target, "GET", path, deadline=self.platform.call_deadline(), max_bytes=_MAX_BYTES
            ),
            # A site is meant to be cached, and its storage says 403 of a file that is missing.
            lambda _: (),
        )
        self.check.observe(self.region, reading.observation)
        self.check.judge(self.region, *reading.judgements)
        return reading

    def _page(self, answer: HttpAnswer, built: BuiltFile, build_id: str) -> list[Judgement]:
        subject = f"site {self.settings.page}"
        status = equals(f"{subject} status", answer.status, _OK)
        if answer.status != _OK:
            return [status]
        page = read_page(answer.body, self.settings.build_id_meta)
        files = {name for name in page.files if not name.startswith(self.settings.ignored)}
        return [
            status,
            _fresh(subject, answer.body, built, page.build_id, build_id),
            _names_exactly(subject, frozenset(files), frozenset(built.assets)),
            _cached_as(subject, answer, self.settings.cache_headers.page),
        ]

    def _asset(self, name: str, manifest: Manifest) -> None:
        # Object stores read a bracket or a plus otherwise than they are meant.
        reading = self._read(f"/{quote(name)}")
        answer = reading.observation.value
        built = manifest.files.get(name)
        if reading.decided or answer is None:
            return
        subject = f"site /{name}"
        if built is None:
            self.check.judge(self.region, _not_in_the_build(name))
            return
        same = hashlib.sha256(answer.body).hexdigest() == built.sha256
        judgements = [equals(f"{subject} status", answer.status, _OK)]
        if answer.status == _OK:
            judgements.append(_content(subject, same=same))
            if built.asset:
                wanted = self.settings.cache_headers.assets
                judgements.append(_cached_as(subject, answer, wanted))
        self.check.judge(self.region, *judgements)


def _seen_from_here_alone(regions: Sequence[str]) -> Judgement:
    """Return what one address for several regions leaves open: the nearest edge answers for all of them."""
    return expect(
        None,
        "site of each region",
        f"one address stands for {', '.join(regions)}, and the edge nearest to this gate answers it: what "
        "users of the others get is not seen",
        "the gate run in each region (--region) and joined, or frontend.sites with an address for each",
    )


def _fresh(
    subject: str, body: bytes, built: BuiltFile, served_id: str | None, build_id: str
) -> Judgement:
    fresh = hashlib.sha256(body).hexdigest() == built.sha256 and served_id == build_id
    served = harmless(served_id, build_id) or "no build"
    if fresh:
        sentence = f"{subject} is the page of build {build_id}"
    elif served_id == build_id:
        sentence = f"{subject} says build {build_id}, but is not the page of that build"
    else:
        sentence = f"{subject} is stale: it is of {served}, wanted build {build_id}"
    return Judgement(
        outcome=Outcome.PASS if fresh else Outcome.FAIL,
        rule="new build",
        subject=subject,
        sentence=sentence,
        observed=served,
        target=build_id,
        clears="" if fresh else "this region's edge serving the new page; invalidate it again",
    )


def _names_exactly(subject: str, found: frozenset[str], wanted: frozenset[str]) -> Judgement:
    missing, strange = sorted(wanted - found), sorted(found - wanted)
    parts = [
        f"does not name {', '.join(missing[:_MOST_NAMED])}" if missing else "",
        f"names {len(strange)} files of another build" if strange else "",
    ]
    wrong = " and ".join(part for part in parts if part)
    return Judgement(
        outcome=Outcome.FAIL if wrong else Outcome.PASS,
        rule="names the build's files",
        subject=subject,
        sentence=f"{subject} {wrong}"
        if wrong
        else f"{subject} names the build's {len(wanted)} files",
        observed=len(found & wanted),
        target=len(wanted),
        clears=f"{subject} naming exactly the files of the build" if wrong else "",
    )


def _content(subject: str, *, same: bool) -> Judgement:
    return Judgement(
        outcome=Outcome.PASS if same else Outcome.FAIL,
        rule="as built",
        subject=subject,
        sentence=f"{subject} {'is' if same else 'is not'} the file that was built",
        observed="same" if same else "different",
        target="same",
        clears="" if same else "the file uploaded again, and its path invalidated",
    )


def _cached_as(subject: str, answer: HttpAnswer, wanted: str) -> Judgement:
    found = answer.headers.get("cache-control", "")
    same = _directives(found) == _directives(wanted)
    shown = ", ".join(sorted(map(_shown, _directives(found)))) or "nothing"
    return Judgement(
        outcome=Outcome.PASS if same else Outcome.FAIL,
        rule="cache header",
        subject=f"{subject} Cache-Control",
        sentence=f"{subject} Cache-Control is “{shown}”" + ("" if same else f", wanted “{wanted}”"),
        observed=shown,
        target=wanted,
        clears="" if same else f"{subject} uploaded with Cache-Control: {wanted}",
    )


def _directives(header: str) -> frozenset[str]:
    return frozenset(part.strip().lower() for part in header.split(",") if part.strip())


def _shown(directive: str) -> str:
    return directive if _DIRECTIVE.fullmatch(directive) else str(harmless(directive))


def _not_in_the_build(name: str) -> Judgement:
    return Judgement(
        outcome=Outcome.FAIL,
        rule="as built",
        subject=f"build, {name}",
        sentence=f"the build's manifest names {name} nowhere: the build is incomplete",
        observed="missing",
        target=name,
        clears=f"a build with {name}",
    )
