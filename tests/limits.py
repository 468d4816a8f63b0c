"""What a machine runs out of, in small: for the length of a block, in this process."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator


@contextlib.contextmanager
def full_disk(most_bytes: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes."""
    with _limited(resource.RLIMIT_FSIZE, most_bytes):
        yield


@contextlib.contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """Let this process open only so many files more."""
    with open(os.devnull, "rb") as next_one:  # noqa: PTH123 - its number is what matters
        first_free = next_one.fileno()
    with _limited(resource.RLIMIT_NOFILE, first_free + count):
        yield


@contextlib.contextmanager
def _limited(what: int, most: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(what)
    resource.setrlimit(what, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(what, (soft, hard))
