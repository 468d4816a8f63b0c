"""For whom the platform runs: it goes down when the last owner is gone."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Owners:
    """Processes that want the platform. Without any it belongs to a person and stays until `down`."""

    def __init__(self, when_deserted: Callable[[], None]) -> None:
        self._when_deserted = when_deserted
        self._watched: dict[int, int] = {}
        self._permanent = False

    def stay(self) -> None:
        """Outlive the owners: a person asked for the platform."""
        self._permanent = True

    def add(self, pid: int) -> None:
        """Watch another owner; one that is gone already counts as gone at once."""
        if pid in self._watched:
            return
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            self._left()
            return
        self._watched[pid] = descriptor
        asyncio.get_running_loop().add_reader(descriptor, self.release, pid)

    def release(self, pid: int) -> bool:
        """Forget an owner; tells whether nobody wants the platform any more."""
        self._forget(pid)
        return self._left()

    def forget_all(self) -> None:
        """Stop watching, whoever is still there."""
        for pid in tuple(self._watched):
            self._forget(pid)

    def _forget(self, pid: int) -> None:
        descriptor = self._watched.pop(pid, None)
        if descriptor is not None:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)

    def _left(self) -> bool:
        deserted = not self._watched and not self._permanent
        if deserted:
            self._when_deserted()
        return deserted
