"""Binds functions to sentences of the features: what a Then can't read ends it, and not its scenario."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import ParamSpec

import pytest_bdd
from pytest_bdd.parsers import StepParser

from settings.sections import Section
from steps.kit.asked import Asked, Unread

P = ParamSpec("P")

when = pytest_bdd.when


def then(sentence: str | StepParser) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Bind a function to a Then sentence; Unread ends it alone, as that is judged already."""

    def bind(function: Callable[P, None]) -> Callable[P, None]:
        @functools.wraps(function)
        def step(*given: P.args, **named: P.kwargs) -> None:
            with contextlib.suppress(Unread):
                function(*given, **named)

        return pytest_bdd.then(sentence, stacklevel=2)(step)

    return bind


def described(sentence: str, kind: type[Section], target_fixture: str) -> None:
    """Bind a When sentence to a section of the environment: its Then sentences do the asking.

    Without that section the check raises NotDescribedError.
    """

    def step(asked: Asked) -> Section:
        return asked.platform.section(kind)

    pytest_bdd.when(sentence, target_fixture=target_fixture, stacklevel=2)(step)
