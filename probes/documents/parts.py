"""What all formats share: bounds, strict JSON, what a document says of itself, how grave a finding is."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from probes.formats import NotJsonError, parse

MAX_BYTES: Final = 8 * 1024 * 1024
_MOST_PARTS: Final = 200_000
"""Objects, lists and values of a file: each takes ten times the memory that it takes on disk."""
SEVERITIES: Final = ("none", "low", "medium", "high", "critical")
UNKNOWN: Final = "unknown"
"""A finding that nobody has rated."""
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}(?![0-9a-f])")
_BEYOND_SECONDS: Final = re.compile(r"(\.\d{6})\d+")
T = TypeVar("T", bound=BaseModel)


class DocumentError(Exception):
    """A file is not a document of its format; the text is a sentence of ours with nothing of the file."""


@dataclasses.dataclass(frozen=True, slots=True)
class About:
    """What a document says of itself; nothing of it need be there."""

    tool: str = ""
    made_at: tuple[dt.datetime, ...] = ()
    """Whenever it says that it was made."""
    commits: tuple[str, ...] = ()
    """Of the sources that were tested."""
    digests: tuple[str, ...] = ()
    """Of the image that was tested."""
    gaps: tuple[str, ...] = ()
    """Why it is not the whole truth, by its own word; sentences of ours."""


@dataclasses.dataclass(frozen=True, slots=True)
class Weakness:
    """One finding of a scan."""

    ids: tuple[str, ...]
    """Its own id, then its other names."""
    severity: str
    """One of SEVERITIES, or UNKNOWN."""
    package: str = ""
    """The package's purl without qualifiers, or its name."""


@dataclasses.dataclass(frozen=True, slots=True)
class Scan:
    """What a scan found, and what it found and left out by a rule of its own."""

    about: About
    found: tuple[Weakness, ...]
    left_out: tuple[Weakness, ...] = ()


class Part(BaseModel):
    """A part of a document: of the right type where it is read; what is not read may be anything."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)


U = TypeVar("U")


def _listed(given: object) -> object:
    return tuple(given or ()) if given is None or isinstance(given, list) else given


Many = Annotated[tuple[U, ...], BeforeValidator(_listed)]
"""A list; tools written in Go have null for an empty one."""


def read_json(content: bytes) -> Mapping[str, Any]:
    """Return a JSON object; raises DocumentError for anything else, and for what is beyond the bounds."""
    refuse_giants(content, b"{[,")
    try:
        record = parse(content)
    except NotJsonError as exc:
        raise DocumentError(str(exc).replace("The answer", "The file")) from None
    if not isinstance(record, dict):
        raise DocumentError("The file is JSON and not an object.")
    return record


def refuse_giants(content: bytes, separators: bytes) -> None:
    """Refuse a file of too many bytes or parts; raises DocumentError."""
    if len(content) > MAX_BYTES:
        raise DocumentError(f"The file holds more than {MAX_BYTES >> 20} MiB.")
    if sum(content.count(separators[at : at + 1]) for at in range(len(separators))) > _MOST_PARTS:
        raise DocumentError(f"The file holds more than {_MOST_PARTS:,} parts.")


def read_as(kind: type[T], record: object, name: str) -> T:
    """Read a record as a document of a format; raises DocumentError, which names places and no values."""
    try:
        return kind.model_validate(record)
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_url=False, include_context=False)[:3]
        # A key that is not ours may be anything; the fields that are read are ours.
        places = sorted({".".join(str(one) for one in error["loc"]) or "all" for error in first})
        raise DocumentError(f"The file is not {name}: see {', '.join(places)}.") from None


def moments(*texts: str | None) -> tuple[dt.datetime, ...]:
    """Return the moments that are given with a time zone; raises DocumentError for what is not a time."""
    return tuple(one for text in texts if text for one in _moment(text) if one.tzinfo is not None)


def _moment(text: str) -> Iterator[dt.datetime]:
    try:
        yield dt.datetime.fromisoformat(_BEYOND_SECONDS.sub(r"\1", text))
    except ValueError:
        raise DocumentError("The file holds a time that is not one.") from None


def digests_in(*texts: str | None) -> tuple[str, ...]:
    """Return each digest that the texts hold, once."""
    found = (one for text in texts if text for one in _DIGEST.findall(text))
    return tuple(dict.fromkeys(found))


def plain_purl(purl: str) -> str:
    """Return a package URL without qualifiers and subpath."""
    return re.split(r"[?#]", purl, maxsplit=1)[0]


def severity(word: str) -> str:
    """Return a scanner's word for how grave a finding is as one of SEVERITIES, or UNKNOWN."""
    known = {"negligible": "low", "info": "none", "informational": "none", "note": "low"}
    lower = word.lower()
    return lower if lower in SEVERITIES else known.get(lower, UNKNOWN)


def by_score(score: float) -> str:
    """Return the severity of a CVSS score from 0 to 10; UNKNOWN beyond."""
    limits = {9.0: "critical", 7.0: "high", 4.0: "medium", 0.1: "low", 0.0: "none"}
    known = (word for least, word in limits.items() if least <= score)
    return next(known, UNKNOWN) if score <= 10 else UNKNOWN  # noqa: PLR2004 - CVSS ends there


def worst(severities: Iterable[str]) -> str:
    """Return the gravest; UNKNOWN only where nothing is known."""
    known = [one for one in severities if one in SEVERITIES]
    return max(known, key=SEVERITIES.index, default=UNKNOWN)
