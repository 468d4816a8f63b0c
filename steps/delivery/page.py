"""What a page of HTML says of its build and of the files that it needs."""

from __future__ import annotations

import dataclasses
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

_NEEDED = {"stylesheet", "modulepreload", "preload", "manifest", "icon"}


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
