"""Texts under known keys, and names of keys: what holds switches and no patient's data.

Values are read one by one with GET, by a name that the caller knows; names are found by a bounded SCAN.
A value may be anything, so evidence shows it only where it is what a switch holds.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final

import redis

from probes.observation import Deadline, FailureKind, FoundError, Observation, unusable
from probes.redis import Client, RedisTarget, observe, run, scan

_MOST_NAMES: Final = 1000
_CUT_OFF: Final = frozenset({b"connect", b"connecting", b"handshake", b"sync"})
"""What ROLE calls a replica that does not follow its master now."""
_PLAIN = re.compile(rb"[0-9]{1,3}(?:\.[0-9]{1,2})?%?|[a-z]{1,12}|[A-Z]{2,12}|True|False")
"""A share, a switch or a state; a name, a date or a patient's number looks otherwise."""


@dataclasses.dataclass(frozen=True, slots=True)
class Held:
    """What one key holds: a text, nothing, or a value of another type (a list, a hash)."""

    text: bytes | None = dataclasses.field(default=None, repr=False)
    other_type: bool = False

    @property
    def shown(self) -> str:
        """Return the value as evidence may show it; what is not a switch's is told by size and digest."""
        if self.other_type:
            return "<no text>"
        return "<nothing>" if self.text is None else shown(self.text)


@dataclasses.dataclass(frozen=True, slots=True)
class Texts:
    """What known keys hold."""

    held: Mapping[str, Held]

    def facts(self) -> Mapping[str, object]:
        """Return each key with its value, so far as that may be shown."""
        return {name: value.shown for name, value in self.held.items()}


@dataclasses.dataclass(frozen=True, slots=True)
class KeyNames:
    """The different names that match a pattern."""

    names: frozenset[str] = dataclasses.field(repr=False)
    batches: int

    def facts(self) -> Mapping[str, object]:
        """Return how many there are, never a name: those can hold anything."""
        return {"count": len(self.names), "batches": self.batches}


def shown(value: bytes) -> str:
    """Return a value that anybody may have written, harmlessly."""
    if _PLAIN.fullmatch(value):
        return value.decode("ascii")
    digest = hashlib.sha256(value).hexdigest()[:8]
    return f"<{len(value)} bytes, sha256 {digest}…>"


def texts(target: RedisTarget, names: Iterable[str], *, deadline: Deadline) -> Observation[Texts]:
    """GET each of the names."""
    wanted = tuple(names)

    def ask(client: Client) -> Texts:
        _follows_its_master(client)
        return Texts({name: _held(client, name) for name in wanted})

    return observe(target, deadline, ask)


def key_names(target: RedisTarget, pattern: str, *, deadline: Deadline) -> Observation[KeyNames]:
    """Find the names that match, by SCAN in batches of about 500.

    An unfinished scan is a failure, and so are more than 1000 names.
    """

    def ask(client: Client) -> KeyNames:
        _follows_its_master(client)
        found: set[bytes] = set()
        batches = 0
        for keys in scan(client, pattern):
            found.update(keys)
            batches += 1
            if len(found) > _MOST_NAMES:
                raise unusable(f"More than {_MOST_NAMES} keys match {pattern}.")
        return KeyNames(
            frozenset(name.decode("utf-8", "backslashreplace") for name in found), batches
        )

    return observe(target, deadline, ask)


def _follows_its_master(client: Client) -> None:
    """Raise FoundError on a replica that lost its master: it goes on answering with what was."""
    try:
        role = run(client, "ROLE")
    except redis.exceptions.NoPermissionError:
        raise
    except redis.exceptions.ResponseError:
        return  # a proxy before the servers knows no roles
    follows = isinstance(role, list) and role[:1] in ([b"slave"], [b"replica"])
    if follows and _CUT_OFF & set(role[1:]):
        raise unusable(
            "It is a replica that is cut off from its master; what it holds may be old: "
            "name the master in redis.host."
        )


def _held(client: Client, name: str) -> Held:
    try:
        answer = run(client, "GET", name)
    except redis.exceptions.AskError as exc:
        raise FoundError(
            FailureKind.QUERY_REJECTED,
            "It is one node of a cluster and holds a part of the keys; name an address in redis.host "
            "that holds every flag.",
        ) from exc
    except redis.exceptions.ResponseError as exc:
        # Compared and not shown: the one answer that tells of the value and not of the command.
        if not str(exc).startswith("WRONGTYPE"):
            raise
        return Held(other_type=True)
    return Held(answer)
