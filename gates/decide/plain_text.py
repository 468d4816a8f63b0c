"""Foreign text, made safe to keep and to show: it may come from any server, file or command line.

Half an emoji (a lone surrogate) cannot be written as UTF-8, control characters are not legal in XML,
escape sequences move a terminal's cursor, and bidirectional overrides show a text in another order
than it has. Each such character is replaced by U+FFFD, so that it is seen that something was there.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

_UNSAFE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, all but tab and newline; ESC among them
    "\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible, reordering
    "\ud800-\udfff\ufffe\uffff"  # halves of characters, and what is none
    "\U000e0000-\U000e007f"  # invisible tags
    "]"
)


def plain(text: str) -> str:
    """Return a text without characters that break a file, a terminal or the order of what is read."""
    return _UNSAFE.sub("\ufffd", text)


def one_line(text: str) -> str:
    """Return a text made plain, on one line."""
    return " ".join(plain(text).split())


def cleaned(value: Any) -> Any:
    """Return a JSON value with every text in it made plain, keys too."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping):
        return {cleaned(key): cleaned(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(one) for one in value]
    return value


def meant(word: str, known: Iterable[str]) -> str:
    """Return which of the known words may be meant, `, did you mean post-deploy?`; empty for none."""
    close = difflib.get_close_matches(word, [*known], n=1)
    return f", did you mean {close[0]}?" if close else ""
