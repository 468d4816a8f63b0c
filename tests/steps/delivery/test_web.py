"""The web bundle whose bucket answers otherwise than the local platform's account; pages as read."""

from __future__ import annotations

import hashlib
import json
import pathlib
import socket
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest

from steps.delivery.web import read_page
from steps.kit import settling
from steps.kit.platform import Platform
from tests.golden import Said
from tests.probes.servers import Behaviour, answer, closed_port, read_request, serving
from tests.steps.moody import Moody, moody
from tests.steps.platforms import NOWHERE, a_platform, a_policy, ruled, write_evidence
from tests.steps.scenarios import judged as by_id
from tests.steps.scenarios import told
from tests.tables import cases


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


UPLOADED_WHOLE, INVALIDATED = "D4.1-2", "D4.1-3"
PAGE = b"<html>new</html>"
MANIFEST = json.dumps(
    {
        "schema": 1,
        "release": "v1.2.0",
        "build_id": "1.2.0-abc",
        "files": {"index.html": {"sha256": digest(PAGE), "size": len(PAGE)}},
    }
).encode()
UPLOADED = "2026-01-31T22:00:00.000Z"
LATER, EARLIER = "2026-01-31T22:00:09.000Z", "2026-01-31T21:59:00.000Z"
HOURLY = "2026-01-31T23:00:00.000Z"


def xml(text: str) -> Behaviour:
    return answer(text.encode(), content_type="application/xml")


def listing(**keys: str) -> Behaviour:
    """Answer a bucket's objects, each with the time when it was written."""
    objects = "".join(
        f"<Contents><Key>{key}</Key><LastModified>{at}</LastModified><Size>1</Size></Contents>"
        for key, at in keys.items()
    )
    return xml(f"<ListBucketResult><IsTruncated>false</IsTruncated>{objects}</ListBucketResult>")


def invalidation(path: str, at: str = LATER) -> tuple[Behaviour, Behaviour]:
    """Answer the list of one completed invalidation, and the invalidation itself."""
    told = f"<Id>I1</Id><CreateTime>{at}</CreateTime><Status>Completed</Status>"
    paths = f"<Paths><Quantity>1</Quantity><Items><Path>{path}</Path></Items></Paths>"
    return (
        xml(
            "<InvalidationList><Quantity>1</Quantity><Items><InvalidationSummary>"
            f"{told}</InvalidationSummary></Items></InvalidationList>"
        ),
        xml(
            f"<Invalidation>{told}<InvalidationBatch>{paths}<CallerReference>x</CallerReference>"
            "</InvalidationBatch></Invalidation>"
        ),
    )


def platform(
    folder: pathlib.Path, aws: Moody, manifest: bytes = MANIFEST, **frontend: Any
) -> Platform:
    """Return a platform whose AWS is this server, with the evidence of its web build."""
    (folder / "key").write_text("sentinel")
    write_evidence(folder, "web-build", {"build-manifest.json": f"sha256:{digest(manifest)}"})
    return a_platform(
        folder,
        {"eu": NOWHERE.format(closed_port())},
        policy=a_policy(call="20s"),
        time_scale=600,
        evidence={"folder": "."},
        aws={
            "region": "us-east-1",
            "endpoint_url": aws.url,
            "access_key_id": "file:key",
            "secret_access_key": "file:key",
        },
        frontend={
            "bucket": "web",
            "distribution": "E1",
            "site": NOWHERE.format(closed_port()),
            "ignored": ["sitemaps/"],
            **frontend,
        },
    )


def last(check_id: str, asked: Platform) -> str:
    """Return the last judgement, which is of the question itself."""
    return told(by_id(check_id, asked))[-1]


THROTTLED = answer(
    b"<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>",
    status="400 Bad Request",
    content_type="text/xml",
)
BUNDLE = {"index.html": UPLOADED, "build-manifest.json": UPLOADED}
LISTED, LATE_SITEMAP = listing(**BUNDLE), listing(**BUNDLE, **{"sitemaps/today.xml": HOURLY})


@cases(
    "path at objects",
    {
        "everything": ("/*", LATER, LISTED),
        "more than is wanted": ("/app*", LATER, LISTED),
        "what is wanted": ("/app/*", LATER, LISTED),
        "less than is wanted": ("/app/old/*", LATER, LISTED),
        "one page": ("/app/", LATER, LISTED),
        "before the upload": ("/*", EARLIER, LISTED),
        "before what belongs to no bundle": ("/*", LATER, LATE_SITEMAP),
    },
)
def test_an_invalidation_counts_if_it_covers_what_is_wanted(
    tmp_path: pathlib.Path, path: str, at: str, objects: Behaviour, said: Said
) -> None:
    order, done = invalidation(path, at)
    # A throttled look is one of many.
    with moody(done, answer(MANIFEST), objects, THROTTLED, order) as aws:
        said(last(INVALIDATED, platform(tmp_path, aws, invalidation_path="/app/*")))


def test_throttling_that_does_not_end_is_no_finding(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "FLOOR_SECONDS", 0.1)
    with moody(THROTTLED, answer(MANIFEST), LISTED) as aws:
        found = last(INVALIDATED, platform(tmp_path, aws))
    assert found.startswith("ERROR")
    assert "throttles" in found


@cases(
    "check_id first answered",
    {
        "a bundle": (UPLOADED_WHOLE, (), answer(PAGE)),
        "invalidations": (INVALIDATED, invalidation("/*")[:1], invalidation("/*")[1]),
    },
)
def test_what_is_large_is_read_for_longer_than_one_call_may_take(
    tmp_path: pathlib.Path, check_id: str, first: tuple[Behaviour, ...], answered: Behaviour
) -> None:
    def slowly(connection: socket.socket, over: threading.Event) -> None:
        over.wait(5)  # as a bucket on another continent does
        answered(connection, over)

    with moody(slowly, answer(MANIFEST), LISTED, *first) as aws:
        hasty = ruled(platform(tmp_path, aws), "deadlines", call=4.0)
        assert last(check_id, hasty).startswith("PASS")


@pytest.mark.parametrize("check_id", [UPLOADED_WHOLE, INVALIDATED])
def test_a_bundle_that_says_another_release_is_none_of_this(
    tmp_path: pathlib.Path, check_id: str, said: Said
) -> None:
    other = MANIFEST.replace(b"v1.2.0", b"v1.1.0")
    order, done = invalidation("/*")
    with moody(answer(PAGE), answer(other), LISTED, order, done) as aws:
        said(last(check_id, platform(tmp_path, aws, other)))


def by_path(bodies: Mapping[str, bytes]) -> Behaviour:
    """Answer what lies under a path, to the letter; 404 for all else."""

    def behave(connection: socket.socket, _over: threading.Event) -> None:
        path = read_request(connection).split(b" ", 2)[1].decode()
        status = "200 OK" if path in bodies else "404 Not Found"
        head = f"HTTP/1.1 {status}\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + bodies.get(path, b""))

    return behave


BUILD = b'<meta name="build-id" content="1.2.0-abc">'


@cases(
    "script bodies",
    {
        "a name that every server reads alike": (
            b'<script src="/app/%5Blocale%5D/a+b.js"></script>',
            {"app/[locale]/a+b.js": b"1"},
        ),
        "what belongs to no bundle": (
            b'<script src="/a.js"></script><script src="/sitemaps/today.js"></script>',
            {"a.js": b"1"},
        ),
    },
)
def test_a_page_is_served_as_it_was_built(
    tmp_path: pathlib.Path, script: bytes, bodies: Mapping[str, bytes]
) -> None:
    page = BUILD + script
    files = {name: {"sha256": digest(body), "size": len(body)} for name, body in bodies.items()}
    index = {"sha256": digest(page), "size": len(page), "assets": [*bodies]}
    built = json.dumps({**json.loads(MANIFEST), "files": {"index.html": index, **files}}).encode()
    served = {f"/{quote(name)}": body for name, body in bodies.items()}
    with moody(answer(built)) as aws, serving(by_path({"/": page, **served})) as web:
        found = told(by_id("D4.1-4", platform(tmp_path, aws, built, site=web.url)))
    assert all(one.startswith("PASS") for one in found), found


NAMING = b"""<!doctype html><head><meta name="build-id" content="1.2.0-abc">
<script src="/assets/app.js"></script><link rel="stylesheet" href="./assets/main.css?v=1">
<link rel="canonical" href="/somewhere"><script src="https://elsewhere.example/x.js"></script>
<a href="/assets/other.js">x</a><img src="assets/logo.svg"></head>"""
ASSETS = {"assets/app.js", "assets/main.css", "assets/logo.svg"}
# Next.js writes the chunks of [locale] so; the bucket's object has the brackets.
NEXT = b'<script src="/app/%5Blocale%5D/page-1a.js">'


@cases(
    "body build files",
    {
        "the files of its own site": (NAMING, "1.2.0-abc", ASSETS),
        "a name is read as the file is called": (NEXT, None, {"app/[locale]/page-1a.js"}),
        "nothing": (b"", None, set()),
        "no text": (b"\xff\xfe\x00", None, set()),
        "cut off": (b"<script src=", None, set()),
        "no content": (b"<meta name=build-id>", None, set()),
        "no address": (b"<script src='http://['>", None, set()),
    },
)
def test_a_page_tells_its_build_and_its_files(
    body: bytes, build: str | None, files: set[str]
) -> None:
    page = read_page(body, "build-id")
    assert (page.build_id, set(page.files)) == (build, files)
