"""Proof of the readers of other tools' files: whatever is in a file, facts or a refusal, and soon."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable

import probes
from prove import Cases
from tests.probes.documents.test_documents import FORMATS, REAL

PROMISE = "no file of another tool breaks its reader or keeps it for 2 s, and none that is cut off is read"
AT_LEAST = 60_000
_TOKENS = (
    *(b"null", b"[]", b"{}", b"-1", b"1e999", b'""', b"true", b"0" * 5000, b"9" * 400),
    *(b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\\ud800", b"\xe2\x80\xae", b"&a;", b"]]>"),
    *(b"<testcase/>", b"<failure/>", b"<!DOCTYPE a>", b"[" * 2000, b'{"a":' * 2000),
)
_VALUE = re.compile(rb'"[^"]*"|\d+|true|false|null')
_MOST_SECONDS = 2.0
_Way = Callable[[random.Random, bytes], bytes]


def read_soon(seed: int) -> Cases:
    """Yield broken files of real tools, each read by the reader of its format."""
    chance = random.Random(seed)  # noqa: S311 - cases, no secrets
    files = [(form, (REAL / name).read_bytes().rstrip()) for name, form in FORMATS.items()]
    while True:
        form, whole = chance.choice(files)
        cut = chance.random() < 0.1  # noqa: PLR2004 - one in ten
        content = whole[: chance.randrange(len(whole))] if cut else broken(chance, whole)
        yield _wrong(form, content, cut=cut)


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


def _doubled(chance: random.Random, content: bytes) -> bytes:
    at = chance.randrange(len(content) + 1)
    return content[:at] + content[at : at + chance.randint(1, 400)] * 2 + content[at:]


def _inserted(chance: random.Random, content: bytes) -> bytes:
    at = chance.randrange(len(content) + 1)
    return content[:at] + chance.choice(_TOKENS) + content[at:]


def _another_value(chance: random.Random, content: bytes) -> bytes:
    places = [found.span() for found in _VALUE.finditer(content)]
    if not places:
        return content
    begins, ends = chance.choice(places)
    return content[:begins] + chance.choice(_TOKENS) + content[ends:]


_WAYS: tuple[_Way, ...] = (_byte, _left_out, _doubled, _inserted, _another_value, _another_value)


def _wrong(form: str, content: bytes, *, cut: bool) -> str | None:
    """Return what is wrong with how a file was read."""
    begun, read = time.process_time(), True
    try:
        probes.documents.READERS[form](content)
    except probes.documents.DocumentError:
        read = False
    except Exception as exc:  # noqa: BLE001 - any exception is what this proof looks for
        return f"{form}: {type(exc).__name__}: {exc}: {content[:2000]!r}"
    if time.process_time() - begun > _MOST_SECONDS:
        return f"{form}: took more than 2 s: {content[:2000]!r}"
    return f"{form}: read, and cut off: {content[-200:]!r}" if read and cut else None
