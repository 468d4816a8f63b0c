"""Several jobs at once, with one clear error."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sandbox.core.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Coroutine


async def together(*jobs: Coroutine[Any, Any, None]) -> None:
    """Run jobs at once; the first failure ends the others and is raised alone."""
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)
    except ExceptionGroup as group_of_failures:
        failures = group_of_failures.exceptions
        told = [failure for failure in failures if isinstance(failure, SandboxError)]
        # Without a sentence of ours it is a mistake in this program: the first of them, by itself.
        raise (told or failures)[0] from None
