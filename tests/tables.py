"""Tables of cases: for each a sentence that names it, and its values."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import pytest
import yaml


def cases(names: str, table: Mapping[str, object]) -> pytest.MarkDecorator:
    """Return the mark that runs a test for each row of a table.

    @cases("rps words", {"no rate": (0.0, "must be above 0")})
    """
    rows = {name: row if isinstance(row, tuple) else (row,) for name, row in table.items()}
    return pytest.mark.parametrize(
        names.split(), [pytest.param(*row, id=name) for name, row in rows.items()]
    )


def read_table(file: pathlib.Path) -> Any:
    """Return what a YAML file holds, by the quick reader where there is one: each process reads them all."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(file.read_bytes(), Loader=loader)  # noqa: S506 - a safe one


def beside(test: str, name: str) -> Any:
    """Return what the YAML file of a name holds that lies beside a test, which gives its own."""
    return read_table(pathlib.Path(test).parent / name)
