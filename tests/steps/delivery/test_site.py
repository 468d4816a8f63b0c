from __future__ import annotations

from steps.delivery.web import read_page
from tests.tables import cases

PAGE = b"""<!doctype html><head><meta name="build-id" content="1.2.0-abc">
<script src="/assets/app.js"></script><link rel="stylesheet" href="./assets/main.css?v=1">
<link rel="canonical" href="/somewhere"><script src="https://elsewhere.example/x.js"></script>
<a href="/assets/other.js">x</a><img src="assets/logo.svg"></head>"""


def test_a_page_tells_its_build_and_the_files_of_its_own_site() -> None:
    page = read_page(PAGE, "build-id")
    assert page.build_id == "1.2.0-abc"
    assert page.files == {"assets/app.js", "assets/main.css", "assets/logo.svg"}


def test_a_name_is_read_as_the_file_is_called() -> None:
    # Next.js writes the chunks of [locale] so; the bucket's object has the brackets.
    page = read_page(b'<script src="/app/%5Blocale%5D/page-1a.js">', "build-id")
    assert page.files == {"app/[locale]/page-1a.js"}


@cases(
    "body",
    {
        "nothing": b"",
        "no text": b"\xff\xfe\x00",
        "cut off": b"<script src=",
        "no content": b"<meta name=build-id>",
        "no address": b"<script src='http://['>",
    },
)
def test_a_broken_page_tells_nothing(body: bytes) -> None:
    page = read_page(body, "build-id")
    assert (page.build_id, page.files) == (None, frozenset())
