"""What is kept as JSON and read back: one schema for each type, made of its fields."""

from __future__ import annotations

from typing import Any, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError

JSON = ConfigDict(extra="forbid", allow_inf_nan=False, ser_json_inf_nan="constants")
"""NaN and infinities are refused, when they are read and when they are written."""
READ_ON = JSON | ConfigDict(extra="ignore")
"""For what a newer gate may keep more of, or what has more beside it."""


class MalformedError(ValueError):
    """Another thing than the record of its type; the text says what is wrong and where, and no value."""


class Kept:
    """A frozen dataclass that is kept as JSON; its fields are what may be kept, in their order."""

    __slots__ = ()
    __pydantic_config__ = JSON

    def record(self) -> dict[str, Any]:
        """Return it as JSON values."""
        record: dict[str, Any] = _schema_of(type(self)).dump_python(self, mode="json")
        return record

    @classmethod
    def from_record(cls, record: object) -> Self:
        """Read it back; raises MalformedError."""
        try:
            read: Self = _schema_of(cls).validate_python(record)
        except ValidationError as exc:
            first = exc.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the whole"
            raise MalformedError(f"{first['type']} at {where}") from None
        return read


_SCHEMAS: dict[type, TypeAdapter[Any]] = {}


def _schema_of(kind: type) -> TypeAdapter[Any]:
    if kind not in _SCHEMAS:
        _SCHEMAS[kind] = TypeAdapter(kind)
    return _SCHEMAS[kind]
