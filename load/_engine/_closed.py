"""A closed model: so many callers, each of whom asks again as soon as it has its answer."""

from __future__ import annotations


class Closed:
    """Callers who wait for their answer: a slow server slows them down, and that hides its slowness.

    It measures how much a server or an engine can do at most; it proves no rate. What is sent is
    due when it is sent: nothing is ever late or dropped.
    """

    def __init__(self, connections: int) -> None:
        """Let so many callers ask, each on a connection of its own; raises ValueError below 0."""
        self._connections = 0
        self.set_connections(connections)

    @property
    def connections(self) -> int:
        """Return how many callers there are."""
        return self._connections

    def set_connections(self, connections: int) -> None:
        """Change how many callers there are; none send nothing. Raises ValueError below 0."""
        if connections < 0:
            raise ValueError(f"{connections} connections")
        self._connections = connections
