"""What the gate's Redis user may do beyond what its checks need; nothing is tried out that could be done.

Redis 7 names all its commands, those of modules too, and says of each whether the user may run it. The rule
is a list of what is allowed: every other command is too much, also one that nobody thought of. Not seen is
a rule for a first argument (`+debug|sleep`), which Redis itself advises against.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any, Final

import redis

from probes.observation import Deadline, Observation, Shown, unusable
from probes.redis import Client, RedisTarget, observe, run

_NEEDED: Final = frozenset(
    {
        *("ping", "info", "dbsize", "role", "time", "scan", "select"),
        *("acl|whoami", "acl|dryrun", "command", "command|info"),
    }
)
# What these tell is how the server's commands look, and what the connection itself has said before.
_HARMLESS: Final = frozenset(
    {
        *("echo", "lolwut", "client|getname", "client|id", "client|setinfo", "client|setname"),
        *("command|count", "command|docs", "command|getkeys", "command|getkeysandflags"),
        "command|list",
    }
)
_PROOF: Final = b"1"
"""A key that no check reads, so who may read it may read patients' values; and the number of such keys,
where a command wants that first."""
_NO_RIGHT: Final = "to run the"
_NO_KEY: Final = "to access the"

# Where the server can't be asked, these are sent. It checks the ACL before the options, so a user without the
# right gets NOPERM, and one with it a syntax error: nothing is ever done.
_MALFORMED: Final = {
    "SET": ("SET", "release-gate:proof", "0", "NO-SUCH-OPTION"),
    "FLUSHALL": ("FLUSHALL", "NO-SUCH-OPTION"),
    "EVAL": ("EVAL", "return 0", "NO-SUCH-COUNT"),
}


@dataclasses.dataclass(frozen=True, slots=True)
class RedisRights(Shown):
    """Which commands the gate's user could run that it must not."""

    KEPT = ("user", "excess", "proved")

    user: str
    excess: tuple[str, ...]
    """Names of commands, those that write first."""
    proved: bool
    """Whether every command of the server was judged, instead of a few examples."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Command:
    """A command as COMMAND INFO describes it."""

    words: tuple[bytes, ...]
    arity: int
    flags: frozenset[bytes]

    @property
    def name(self) -> str:
        return b"|".join(self.words).decode("utf-8", "replace")

    def call(self) -> tuple[bytes, ...]:
        """Return a call with as many words as the command wants at the least."""
        return (*self.words, *[_PROOF] * (abs(self.arity) - len(self.words)))

    def is_excess(self, answer: str) -> bool:
        """Say whether the answer of ACL DRYRUN gives the user more than it may have."""
        if _NO_RIGHT in answer or b"no_auth" in self.flags:
            return False
        # Reading the keys of flags alone is what `%R~` is for.
        return not (b"readonly" in self.flags and _NO_KEY in answer)


def excess_rights(target: RedisTarget, *, deadline: Deadline) -> Observation[RedisRights]:
    """Say which writing, blocking or prying commands the user could run, without running any."""
    # Without a password the connection is the default user's, whatever the target says.
    user = target.user if target.password else "default"

    def ask(client: Client) -> RedisRights:
        try:
            return RedisRights(user, tuple(_excess(client, user)), proved=True)
        except redis.exceptions.ResponseError:
            # An older server, or a user who may not ask.
            return RedisRights(user, tuple(_attempted(client)), proved=False)

    return observe(target, deadline, ask)


def _excess(client: Client, user: str) -> list[str]:
    commands = [
        one
        for one in _commands(run(client, "COMMAND INFO"))
        if one.name not in _NEEDED | _HARMLESS and one.words[-1] != b"help"
    ]
    pipeline = client.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command("ACL DRYRUN", user, *command.call())  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
    answers = [_words(answer) for answer in pipeline.execute()]
    found = [one for one, said in zip(commands, answers, strict=True) if one.is_excess(said)]
    found.sort(key=lambda one: (b"write" not in one.flags, one.name))
    return [one.name.upper() for one in found]


def _commands(listed: Any) -> Iterator[_Command]:
    if not isinstance(listed, list) or not listed:
        raise unusable("COMMAND INFO brought no list of commands.")
    for entry in listed:
        try:
            name, arity, flags = entry[:3]
            below = entry[9]
            command = _Command(tuple(name.split(b"|")), arity, frozenset(flags))
        except (AttributeError, IndexError, TypeError, ValueError) as exc:
            raise unusable("COMMAND INFO describes a command in an unknown way.") from exc
        if below:
            yield from _commands(below)
        else:
            yield command


def _words(answer: Any) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)


def _attempted(client: Client) -> Iterable[str]:
    for name, words in _MALFORMED.items():
        try:
            run(client, *words)
        except redis.exceptions.NoPermissionError:
            continue
        except redis.exceptions.ResponseError:
            pass
        yield name
