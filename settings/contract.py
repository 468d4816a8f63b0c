"""The API as its document says it is: where the document is, what may be sent to test it, and as whom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from settings.sections import ColumnName, Name, Seconds, SecretReference, Section, Text

_OPERATION = re.compile(r"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /\S*")


def _operation(value: str) -> str:
    if not _OPERATION.fullmatch(value):
        raise ValueError(
            f"“{value}” is not an operation; write it like GET /v1/things/{{thing_id}}"
        )
    return value


Operation = Annotated[str, AfterValidator(_operation)]


IN_A_WEEK = "{in_a_week}"
BOOKED, EMAIL, PASSWORD = OF_PATIENT = ("{appointment}", "{email}", "{password}")
"""What stands for something of the synthetic patient that signs in."""


class Contract(Section):
    """The contract tests: what the served OpenAPI document describes is asked, and the answers compared."""

    service: Name
    """Which service serves the document, and what it says."""
    path: str = Field(default="/openapi.json", pattern=r"^/")
    """Where it serves the document."""
    released: Text | None = None
    """The document of the release itself, a file relative to this one; `{release}` becomes the release,
    such as 1.2.0. Left out: regions are compared with each other alone."""
    writes: bool = False
    """Whether anything but a read may be sent. Where it is false, nothing but GET and HEAD with valid
    input leaves the gate; where it is true, invalid input, every method of the document and synthetic
    records too."""
    token: SecretReference | None = None
    """Sent as a bearer token. Left out: where writes are allowed, a synthetic patient signs in; elsewhere
    nobody does."""
    budget: Annotated[Seconds, Field(ge=5, le=1800)] = 60.0
    """How long one pass over all operations may take, in each region."""
    requests_per_second: int = Field(default=50, ge=1, le=1000)
    """At most so many, in each region."""
    values: dict[ColumnName, Text] = Field(default_factory=dict)
    """What a parameter, or a field of a body, of this name is given where it must exist, such as the id of
    a synthetic provider. `{in_a_week}` becomes a time; `{email}`, `{password}` and `{appointment}` are
    those of the synthetic patient that signs in. Evidence shows it: write nothing secret, nobody's name."""
    bodies: dict[Operation, dict[Text, Text]] = Field(default_factory=dict)
    """A body with which an operation succeeds, where others need other values of the same names."""
    email_fields: tuple[Text, ...] = ("email",)
    """Fields of bodies that take an e-mail address: what is sent there is in the synthetic domain."""
    leave_out: dict[Operation, Text] = Field(default_factory=dict)
    """Operations that are never asked, and why."""

    def _refusals(self) -> Iterator[str]:
        given = [
            ("values", self.values),
            *((f"bodies.{one}", body) for one, body in self.bodies.items()),
        ]
        for key, name, value in ((key, *one) for key, values in given for one in values.items()):
            if value in OF_PATIENT and (self.token is not None or not self.writes):
                yield (
                    f"{key}.{name} is {value}, of a synthetic patient, and none signs in: allow writes and "
                    "name no token, or write another value"
                )
