"""A bundle as a file holds it, read strictly and not yet believed."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from gates.run import bundle
from gates.run.bundle import ABOUT, NAME

STRANGE = (
    *(KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError, OSError),
    OverflowError,
)
"""What reading any file as if it were ours may raise."""
Json = Mapping[str, Any]


class NotABundleError(ValueError):
    """A file is not the bundle of a run; the text says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Opened:
    """A bundle."""

    digest: str
    """Of the file."""
    envelope: Json
    statement: Json

    @property
    def predicate(self) -> Json:
        """The test result."""
        predicate: Json = self.statement["predicate"]
        return predicate

    @property
    def about(self) -> Json:
        """What it says of the run."""
        about: Json = self.predicate[ABOUT]
        return about


def opened(folder: pathlib.Path) -> Opened:
    """Read the bundle in a run's folder; raises NotABundleError."""
    try:
        data = (folder / NAME).read_bytes()
    except OSError as exc:
        raise NotABundleError(
            f"can't be read: {exc.strerror}. The run did not come to its end, or is older than bundles"
        ) from exc
    return parsed(data)


def parsed(data: bytes) -> Opened:
    """Read a bundle; raises NotABundleError."""
    try:
        envelope = json.loads(data)
        whole = bundle.as_file(envelope).encode() == data
        statement = json.loads(base64.b64decode(envelope["payload"], validate=True))
        kinds = envelope["payloadType"], statement["_type"], statement["predicateType"]
        named = isinstance(statement["predicate"][ABOUT]["run"], str)
    except STRANGE as exc:
        raise NotABundleError("was changed: it is not the statement of a run") from exc
    if not whole:
        raise NotABundleError("was changed: it is not in the one spelling that a gate writes")
    if kinds != (bundle.PAYLOAD_TYPE, bundle.STATEMENT, bundle.PREDICATE) or not named:
        raise NotABundleError("is not the test result of a run")
    return Opened(hashlib.sha256(data).hexdigest(), envelope, statement)
