"""The web bundle in its bucket, and the site as each region's users get it: exactly what was built."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import datetime as dt
import hashlib
from html.parser import HTMLParser
from urllib.parse import quote, unquote, urlsplit

import probes
from gates.decide.judgement import equals
from probes import http
from probes.http import HttpAnswer, HttpTarget
from probes.observation import Observation
from settings.delivery import Frontend
from steps.delivery import reading, rules
from steps.delivery.reading import BuiltFile, Manifest
from steps.kit.asked import Asked, Unread
from steps.kit.platform import Platform
from steps.kit.run import Run
from steps.kit.sentence import described, then
from steps.kit.settling import Progress, Settled, missed, settle_seconds, settled

described("the bucket is compared with the build's manifest", Frontend, "frontend")
described("the invalidations since the upload are read", Frontend, "frontend")


@then("every file is there as it was built, and none is left over")
def uploaded(asked: Asked, frontend: Frontend) -> None:
    manifest, listed = reading.manifest(asked), reading.objects(asked).objects
    files = {f"{frontend.prefix}{name}": file for name, file in manifest.files.items()}
    own = frontend.prefix + frontend.manifest
    there = {key for key in listed if key != own and not _is_of_others(frontend, key)}
    asked.judge(
        rules.none_of("file of the bundle that is missing in the bucket", files.keys() - there),
        rules.none_of(
            "object in the bucket that belongs to no file of the bundle", there - files.keys()
        ),
    )
    both = {key: files[key] for key in sorted(files.keys() & there)}
    found = asked.read(
        f"objects of {frontend.bucket}",
        lambda: probes.aws.digests(
            reading.aws_target(asked.platform),
            frontend.bucket,
            both,
            deadline=asked.platform.deadline.sooner(reading.READ_SECONDS),
        ),
    ).sha256
    other = {key for key, file in both.items() if found[key] != file.sha256}
    asked.judge(rules.none_of("object whose content is not the one that was built", other))


@then("one of everything is completed")
def invalidated(asked: Asked, frontend: Frontend) -> None:
    reading.manifest(asked)
    listed = reading.objects(asked).objects.items()
    uploaded_at = max(one.modified_at for key, one in listed if not _is_of_others(frontend, key))
    end = _settled(asked.platform, frontend, uploaded_at)
    subject = f"invalidation of {frontend.distribution}"
    asked.read(subject, lambda: end.value)
    path, limit_seconds = frontend.invalidation_path, _limit_seconds(asked.platform)
    asked.judge(rules.invalidated(subject, path, uploaded_at, end, limit_seconds))


def _settled(
    platform: Platform, frontend: Frontend, uploaded_at: dt.datetime
) -> Settled[Observation[probes.aws.Invalidations]]:
    path, target = frontend.invalidation_path, reading.aws_target(platform)

    def done(one: probes.aws.Invalidation) -> bool:
        return rules.covers(one, path) and one.status.lower() == rules.COMPLETED

    def look() -> Observation[probes.aws.Invalidations]:
        return probes.aws.invalidations(
            target,
            frontend.distribution,
            uploaded_at,
            deadline=platform.deadline.sooner(reading.READ_SECONDS),
            enough=done,
        )

    def progress(seen: Observation[probes.aws.Invalidations]) -> Progress:
        if seen.value is None:
            return missed(seen)
        statuses = rules.statuses(seen.value, path)
        if not statuses:
            return Progress.BROKEN
        return Progress.DONE if rules.COMPLETED in statuses else Progress.MOVING

    return settled(platform, look, progress, _limit_seconds(platform))


def _limit_seconds(platform: Platform) -> float:
    return settle_seconds(platform, platform.policy.invalidation.settle_for)


def _is_of_others(frontend: Frontend, key: str) -> bool:
    """Return whether an object belongs to no bundle, wherever it comes from."""
    ignored = tuple(frontend.prefix + prefix for prefix in frontend.ignored)
    return key.startswith(ignored) and key != frontend.prefix + frontend.manifest


_SERVICE = "web site"
_MAX_BYTES = 16 * 1_048_576
_READERS = 6
_OK = 200
_NEEDED = {"stylesheet", "modulepreload", "preload", "manifest", "icon"}


described("the site is read in every region", Frontend, "frontend")


@then("page and assets are those of the build, with the wanted cache headers")
def served(run: Run, asked: Asked, frontend: Frontend) -> None:
    manifest = reading.manifest(asked)
    if frontend.site is not None and len(asked.regions) > 1:
        asked.judge(rules.seen_from_here_alone(asked.regions))
    asked.in_each_region(lambda here: _Site(run, here, frontend, manifest).judge())


@dataclasses.dataclass(frozen=True, slots=True)
class _Site:
    """The site of one region, beside the build that it should serve."""

    run: Run
    here: Asked
    frontend: Frontend
    manifest: Manifest

    def judge(self) -> None:
        """Judge the page, then every file that it should name."""
        answer = self._read(self.frontend.page)
        built = self._built(self.frontend.page_file)
        subject = f"site {self.frontend.page}"
        self.here.judge(equals(f"{subject} status", answer.status, _OK))
        if answer.status != _OK:
            return
        self._judge_page(subject, answer, built)
        with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
            list(pool.map(lambda name: self.here.each((name,), self._judge_asset), built.assets))

    def _read(self, path: str) -> HttpAnswer:
        """Read one address; an absence is confirmed and judged. Raises Unread."""
        platform, address = self.here.platform, self.frontend.address(self.here.region)
        target = HttpTarget(address, platform.environment.settings.ca_file)

        def ask() -> Observation[HttpAnswer]:
            deadline = platform.call_deadline()
            return http.request(target, "GET", path, deadline=deadline, max_bytes=_MAX_BYTES)

        # A site is meant to be cached, and its storage says 403 of a file that is missing.
        availability, subject = self.run.availability, f"site {path}"
        return availability.read(self.here, _SERVICE, subject, ask, lambda _: ())

    def _built(self, name: str) -> BuiltFile:
        """Return a file as it was built; raises Unread for one that the manifest lacks."""
        if name not in self.manifest.files:
            self.here.judge(rules.not_in_the_build(name))
            raise Unread(name)
        return self.manifest.files[name]

    def _judge_page(self, subject: str, answer: HttpAnswer, built: BuiltFile) -> None:
        page = read_page(answer.body, self.frontend.build_id_meta)
        files = {name for name in page.files if not name.startswith(self.frontend.ignored)}
        same = _digest(answer) == built.sha256
        header = answer.headers.get("cache-control", "")
        self.here.judge(
            rules.new_build(subject, page.build_id, self.manifest.build_id, same=same),
            rules.names_exactly(subject, frozenset(files), frozenset(built.assets)),
            rules.cached_as(subject, header, self.frontend.cache_headers.page),
        )

    def _judge_asset(self, name: str) -> None:
        # Object stores read a bracket or a plus otherwise than they are meant.
        answer, built = self._read(f"/{quote(name)}"), self._built(name)
        subject = f"site /{name}"
        self.here.judge(equals(f"{subject} status", answer.status, _OK))
        if answer.status != _OK:
            return
        self.here.judge(rules.same_content(subject, same=_digest(answer) == built.sha256))
        if built.asset:
            header = answer.headers.get("cache-control", "")
            self.here.judge(rules.cached_as(subject, header, self.frontend.cache_headers.assets))


def _digest(answer: HttpAnswer) -> str:
    return hashlib.sha256(answer.body).hexdigest()


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """The build that a page names, and its own site's files that it refers to."""

    build_id: str | None
    files: frozenset[str]
    """Names of files, without a leading slash; what lies on other hosts is left out."""


def read_page(body: bytes, build_id_meta: str) -> Page:
    """Read a page, however broken it is."""
    reader = _Reader(build_id_meta)
    reader.feed(body.decode("utf-8", "replace"))
    reader.close()
    return Page(reader.build_id, frozenset(reader.files))


class _Reader(HTMLParser):
    def __init__(self, build_id_meta: str) -> None:
        super().__init__()
        self._build_id_meta = build_id_meta
        self.build_id: str | None = None
        self.files: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what one element tells."""
        found = {name: value or "" for name, value in attrs}
        if tag == "meta" and found.get("name") == self._build_id_meta:
            self.build_id = found.get("content")
        elif tag in {"script", "img"}:
            self._note(found.get("src", ""))
        elif tag == "link" and _NEEDED & set(found.get("rel", "").lower().split()):
            self._note(found.get("href", ""))

    def _note(self, address: str) -> None:
        try:
            parts = urlsplit(address)
        except ValueError:
            return
        if parts.path and not parts.scheme and not parts.netloc:
            # An address is encoded, a file's name is not.
            self.files.add(unquote(parts.path).removeprefix("./").lstrip("/"))
