"""Tables of cases: for each a sentence that names it, and its values."""

from __future__ import annotations

from collections.abc import Mapping

import pytest


def cases(names: str, table: Mapping[str, object]) -> pytest.MarkDecorator:
    """Return the mark that runs a test for each row of a table.

    @cases("rps words", {"no rate": (0.0, "must be above 0")})
    """
    rows = {name: row if isinstance(row, tuple) else (row,) for name, row in table.items()}
    return pytest.mark.parametrize(
        names.split(), [pytest.param(*row, id=name) for name, row in rows.items()]
    )
