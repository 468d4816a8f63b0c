"""What every part of the platform stands on: processes, links, ports, state. Knows no system."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
"""What holds the platform's files: the checkout, or an installed gate's package."""
PACKAGE = __name__.removesuffix(".core")
"""What its modules' names begin with."""


class SandboxError(Exception):
    """The platform cannot do what was asked; the text says what, where and what to do."""


class UnknownNameError(SandboxError):
    """A process, link or fault of that name does not exist: a mistake in the command (exit 64)."""
