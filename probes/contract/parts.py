"""A document of several files: those on its own server are read and made one with it, no others."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urldefrag, urljoin, urlsplit

from probes.contract import document

_MAYBE: Final = re.compile(rb"\$ref[\"']?\s*:\s*[\"']?[^#\s\"']")
_MOST: Final = 100
"""Files; who has more may bundle them."""
_KEPT_UNDER: Final = "x-parts"


def bundled(content: bytes, address: str, fetch: Callable[[str], bytes]) -> bytes:
    """Return a document as one file, with the parts that it names on its own server.

    What lies elsewhere is not asked for and stays named as it was. Raises document.Unfit, and what `fetch`
    raises, which is given the address of a part.
    """
    if not _MAYBE.search(content):
        return content
    whole, parts = document.parsed(content), list[Any]()
    places, waiting = {address: "#"}, [(address, whole)]
    while waiting:
        base, part = waiting.pop()
        for holder in document.referring(part):
            file, pointer = urldefrag(urljoin(base, holder["$ref"]))
            if urlsplit(file)[:2] != urlsplit(address)[:2] or pointer[:1] not in ("", "/"):
                continue
            if file not in places:
                if len(parts) == _MOST:
                    raise document.Unfit(f"it has more than {_MOST} files", invalid=False)
                places[file] = f"#/{_KEPT_UNDER}/{len(parts)}"
                parts.append(document.parsed(fetch(file)))
                waiting.append((file, parts[-1]))
            holder["$ref"] = places[file] + pointer
    return json.dumps({**whole, _KEPT_UNDER: parts}).encode()
