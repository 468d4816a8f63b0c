"""A server's `python -m MODULE CONFIG.json`: its one argument is a configuration, checked as a whole."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

_OK, _USAGE, _CONFIGURATION = 0, 64, 78


class Configuration(BaseModel):
    """What a server is told; it holds secrets, so no error shows a value."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


C = TypeVar("C", bound=Configuration)


def run(arguments: list[str], kind: type[C], serve: Callable[[C], int | None]) -> int:
    """Serve with the configuration until told to stop; 64 without a file, 78 when it can't be used."""
    if len(arguments) != 1:
        sys.stderr.write(f"usage: python -m {_module(kind)} CONFIG.json\n")
        return _USAGE
    try:
        configuration = kind.model_validate_json(Path(arguments[0]).read_bytes())
    except OSError as exc:
        sys.stderr.write(f"cannot read {arguments[0]}: {exc.strerror}\n")
        return _CONFIGURATION
    except ValidationError as exc:
        found = "; ".join(
            f"{'.'.join(map(str, error['loc'])) or 'file'}: {error['msg']}"
            for error in exc.errors(include_input=False, include_context=False)
        )
        sys.stderr.write(f"{arguments[0]} is not a valid {kind.__name__}: {found}\n")
        return _CONFIGURATION
    return serve(configuration) or _OK


def _module(kind: type[Configuration]) -> str:
    """Return what `python -m` knows the server by."""
    spec = sys.modules[kind.__module__].__spec__
    name = spec.name if spec else kind.__module__
    return name.removesuffix(".__main__").removesuffix(".config")
