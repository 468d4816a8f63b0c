"""What pydantic finds wrong with a value, in the words of the people who write configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NUMBER = "must be a number"
_WHOLE_NUMBER = "must be a whole number"
_YES_OR_NO = "must be true or false"
_MAPPING = "must be a section of keys and values"
_LIST = "must be a list"
_MOMENT = "must be a time, such as 2026-01-31T22:00:00Z"
_FILLED = "must not be empty"

_WORDS = {
    "string_type": "must be text; put it into quotes",
    "string_too_short": _FILLED,
    "too_short": _FILLED,
    "string_pattern_mismatch": "must match {pattern}",
    "int_type": _WHOLE_NUMBER,
    "int_parsing": _WHOLE_NUMBER,
    "int_from_float": _WHOLE_NUMBER,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "must be a finite number",
    "bool_type": _YES_OR_NO,
    "bool_parsing": _YES_OR_NO,
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "datetime_type": _MOMENT,
    "datetime_parsing": _MOMENT,
    "datetime_from_date_parsing": _MOMENT,
    "value_error": "{error}",
}

_NAME = r"^[a-z][a-z0-9_-]{0,62}$"
_NAME_WORDS = "must be lower-case letters, digits, - and _, beginning with a letter"


def in_words(problem: Mapping[str, Any]) -> str:
    """Return what a value must be, without the value; pydantic's own words for a type not known here."""
    context: Mapping[str, Any] = problem.get("ctx", {})
    if context.get("pattern") == _NAME:
        return _NAME_WORDS
    template = _WORDS.get(problem["type"])
    if template is None:
        return str(problem["msg"]).rstrip(".")
    words = template.format(**context).rstrip(".")
    return f"{words} seconds" if _is_duration(problem) else words


def _is_duration(problem: Mapping[str, Any]) -> bool:
    """Whether a limit was set on what was written as a duration, such as 2h."""
    written = problem.get("input")
    limited = str(problem["type"]).startswith(("greater_than", "less_than"))
    return limited and isinstance(written, str) and written[-1:].isalpha()
