"""Files broken in ways that nobody thought of: bytes, values and whole parts of them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

TOKENS = (
    *(b"null", b"[]", b"{}", b"-1", b"1e999", b'""', b"true", b"0" * 5000, b"9" * 400, b"NaN"),
    *(b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\\ud800", b"\xe2\x80\xae", b"&a;", b"*a", b"\n"),
    *(b"[" * 2000, b'{"a":' * 2000, b"GO", b"PASS", b"!!python/object:os.system"),
)
_VALUE = re.compile(rb'"[^"]*"|\d+|true|false|null')


def broken(chance: random.Random, content: bytes) -> bytes:
    """Return a file broken in one to four ways."""
    for _ in range(chance.randint(1, 4)):
        content = chance.choice(_WAYS)(chance, content)
    return content


def _byte(chance: random.Random, content: bytes) -> bytes:
    at = chance.randrange(len(content) + 1)
    return content[:at] + chance.randbytes(1) + content[at + 1 :]


def _left_out(chance: random.Random, content: bytes) -> bytes:
    at = chance.randrange(len(content) + 1)
    return content[:at] + content[at + chance.randint(1, 200) :]


def _cut(chance: random.Random, content: bytes) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _doubled(chance: random.Random, content: bytes) -> bytes:
    at = chance.randrange(len(content) + 1)
    return content[:at] + content[at : at + chance.randint(1, 400)] * 2 + content[at:]


def _inserted(chance: random.Random, content: bytes) -> bytes:
    at = chance.randrange(len(content) + 1)
    return content[:at] + chance.choice(TOKENS) + content[at:]


def _another_value(chance: random.Random, content: bytes) -> bytes:
    places = [found.span() for found in _VALUE.finditer(content)]
    if not places:
        return content
    begins, ends = chance.choice(places)
    return content[:begins] + chance.choice(TOKENS) + content[ends:]


_WAYS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    *(_byte, _left_out, _cut, _doubled, _inserted, _another_value, _another_value),
)
