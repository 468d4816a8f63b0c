"""An error in words for people who did not write the code."""

from __future__ import annotations

import traceback

from gates.decide.plain_text import one_line
from load._generator import GeneratorError
from load._target import PrepareError


def told(exc: Exception, *sentences: type[Exception]) -> str:
    """Return an error in words: our own are sentences, another's mistake needs its kind and place."""
    if isinstance(exc, (PrepareError, GeneratorError, OSError, *sentences)):
        return one_line(str(exc))
    frames = traceback.extract_tb(exc.__traceback__)
    where = f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
    return one_line(f"{type(exc).__name__}{where}: {exc}")
