"""What tasks are written with: where to, what to ask, how the next one is drawn. Knows nothing of Locust."""

from __future__ import annotations

import bisect
import itertools
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from load._engine._engine import Request
from load._engine._wire import Answer


@dataclass(frozen=True, slots=True)
class Target:
    """Where a scenario's requests go, and what a scenario may need to prepare itself there."""

    region: str
    address: str
    tag: str
    """Marks every record that this run makes."""
    email_domain: str = ""
    """Of synthetic patients; empty where the environment has none."""
    provider_id: str = ""
    accounts: int = 20
    """How many synthetic users a scenario may make."""
    ca_file: str | None = None
    imitated: bool = False
    """A server that only imitates the platform: there is nothing to prepare."""


class LoadError(Exception):
    """A load run cannot begin, go on or be kept; the text says why; no mistake of a file or an option."""


Seen = Callable[[Mapping[str, Any]], None]

NULL_ANSWER_HEADER = "X-Null-Answer"
"""Says which of a null server's answers a request wants."""


@dataclass(frozen=True, slots=True)
class Expect:
    """What makes an answer right. Made once for each task, not for each request."""

    status: int = 200
    equal: Mapping[str, object] = field(default_factory=dict)
    """Fields of the JSON body and their values."""
    present: tuple[str, ...] = ()
    """Fields that must be there and hold something; a list may be empty."""

    @property
    def reads_body(self) -> bool:
        """Whether the body has to be something: then every one is read, for what is unread is not good."""
        return bool(self.equal or self.present)

    def problem(self, status: int | None, body: bytes, seen: Seen | None = None) -> str | None:
        """Return what is wrong with an answer, in a report's words; `seen` gets a right body."""
        if status != self.status:
            return f"status {status}, wanted {self.status}"
        if not self.reads_body and seen is None:
            return None
        if not body:
            return "body is empty"
        try:
            read = json.loads(body)
        except ValueError:
            return "body is not JSON"
        problem = self._problem_of(read)
        if problem is None and seen is not None:
            seen(read)
        return problem

    def _problem_of(self, read: object) -> str | None:
        """Name the field, never its content: what a server in trouble puts there may be a patient's."""
        if not isinstance(read, dict):
            return "body is not a JSON object"
        for name, value in self.equal.items():
            if read.get(name) != value:
                return f"body field {name} is not {value!r}"
        missing = (name for name in self.present if read.get(name) in (None, ""))
        return next((f"body field {name} is missing" for name in missing), None)


RIGHT = Expect()


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of a task."""

    method: str
    path: str
    """May hold `{names}` of `values`; as it stands here it names the request in every report."""
    values: Mapping[str, object] = field(default_factory=dict)
    body: Mapping[str, object] | None = None
    """Sent as JSON."""
    token: str = field(default="", repr=False)
    """Sent as a bearer token."""
    headers: Mapping[str, str] = field(default_factory=dict)
    expect: Expect = RIGHT
    seen: Seen | None = None
    """Gets the JSON body of each right answer."""

    @property
    def name(self) -> str:
        """Return how reports call this kind of request."""
        return f"{self.method} {self.path}"


class Writer:
    """Makes bytes of what tasks ask for, for one address."""

    def __init__(self, address: str, *, headers: Mapping[str, str]) -> None:
        parts = urlsplit(address)
        self._base = parts.path.rstrip("/")
        authority = parts.netloc.rpartition("@")[2]
        self._common = "".join(
            f"{name}: {_one_line(value)}\r\n"
            for name, value in {"Host": authority, "User-Agent": "gate-load", **headers}.items()
        )

    def request(self, ask: Ask, answer: int | None = None) -> Request:
        """Return the request, ready to be written; a null server gives it the answer of a number."""
        # Values are quoted, so that an id can neither end the line nor change the route.
        path = (
            ask.path.format_map(
                {name: quote(str(value), safe="") for name, value in ask.values.items()}
            )
            if ask.values
            else ask.path
        )
        head = f"{ask.method} {self._base}{path} HTTP/1.1\r\n{self._common}"
        if ask.token:
            head += f"Authorization: Bearer {_one_line(ask.token)}\r\n"
        for name, value in ask.headers.items():
            head += f"{name}: {_one_line(value)}\r\n"
        if answer is not None:
            head += f"{NULL_ANSWER_HEADER}: {answer}\r\n"
        if ask.body is None:
            data = f"{head}\r\n".encode()
        else:
            body = json.dumps(ask.body, separators=(",", ":")).encode()
            typed = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            data = typed.encode() + body
        expect, seen = ask.expect, ask.seen

        def judge(answer: Answer) -> str | None:
            return expect.problem(answer.status, answer.body, seen)

        return Request(ask.name, data, judge, keep_body=expect.reads_body or seen is not None)


def _one_line(value: str) -> str:
    if "\r" in value or "\n" in value:
        raise ValueError("a header's value must be one line")
    return value


class Scenario:
    """What a user class of the load test is made of; `self.random` has a seed of its own.

    The engine asks one instance for each worker and region.
    """

    tasks: list[Any]
    """Each task as often as its weight says."""
    weight: float

    def prepare(self, target: Target) -> None:
        """Make what the tasks need, before anything is sent; raises LoadError with a sentence."""

    def begin(self, *, seed: str) -> None:
        """Start the instance that the engine asks."""
        self.random = random.Random(seed)  # noqa: S311 - a load that can be repeated, no secret
        self._numbers = itertools.count(1)
        self._ranks: dict[int, list[float]] = {}

    def unique(self) -> int:
        """Return a number that this worker has not given out in this run."""
        return next(self._numbers)

    def zipf(self, count: int, exponent: float = 1.0) -> int:
        """Return a number from 1 to count; k is drawn in proportion to 1 / k**exponent."""
        sums = self._ranks.get(count)
        if sums is None:
            sums = list(itertools.accumulate(1 / rank**exponent for rank in range(1, count + 1)))
            self._ranks[count] = sums
        return bisect.bisect(sums, self.random.random() * sums[-1]) + 1

    def get(
        self, path: str, *, token: str = "", expect: Expect = RIGHT, seen: Seen | None = None,
        **values: object,
    ) -> Ask:  # fmt: skip
        """Return a GET; `values` fill the names in its path."""
        return Ask("GET", path, values, token=token, expect=expect, seen=seen)

    def post(
        self, path: str, body: Mapping[str, object], *, token: str = "", expect: Expect = RIGHT,
        seen: Seen | None = None, **values: object,
    ) -> Ask:  # fmt: skip
        """Return a POST of JSON; `values` fill the names in its path."""
        return Ask("POST", path, values, body=body, token=token, expect=expect, seen=seen)


class Draws:
    """Draws the next request of a scenario: a user class by its weight, then one of its tasks."""

    def __init__(self, users: Sequence[Scenario], *, seed: str) -> None:
        """Take one begun instance of each class; raises LoadError where no task is left to draw."""
        self._chance = random.Random(seed)  # noqa: S311 - a load that can be repeated, no secret
        choices: list[tuple[Scenario, Any]] = []
        weights: list[float] = []
        for user in users:
            # Locust writes a task into the list once for each unit of its weight.
            for task in user.tasks:
                choices.append((user, task))
                weights.append(user.weight / len(user.tasks))
        if not choices:
            raise LoadError("no task is left: do --tags and --exclude-tags leave one?")
        self._choices = choices
        self._sums = list(itertools.accumulate(weights))

    def next(self) -> Ask:
        """Return what is asked next."""
        place = bisect.bisect(self._sums, self._chance.random() * self._sums[-1])
        user, task = self._choices[min(place, len(self._choices) - 1)]
        ask: Ask = task(user)
        return ask

    def kinds(self) -> list[Ask]:
        """Return one request of each task, in the order of their declaration."""
        tasks = dict.fromkeys(self._choices)
        return [task(user) for user, task in tasks]
