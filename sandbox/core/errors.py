"""What can go wrong with the local platform, as one sentence for the person at the terminal."""

from __future__ import annotations


class SandboxError(Exception):
    """The platform cannot do what was asked; the text says what, where and what to do."""


class UnknownNameError(SandboxError):
    """A process, link or fault of that name does not exist: a mistake in the command (exit 64)."""
