"""A service whose mood a test changes, on port 0."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import socket
import threading
from collections.abc import Iterator, Mapping

from tests.probes.servers import Behaviour, Server, answer, close_after_request, serving

HEALTHY = {"status": "healthy", "version": "1.2.0", "latency": 3}


def saying(body: object, status: str = "200 OK") -> Behaviour:
    """Answer with a JSON body."""
    return answer(json.dumps(body).encode(), status=status)


UP = saying(HEALTHY)
FAILING = saying({"error": "no"}, "500 Internal Server Error")
DOWN: Behaviour = close_after_request


@dataclasses.dataclass
class Moody:
    """Its behaviour now, and the behaviours of its next requests, if a test wants others first."""

    server: Server
    mood: Behaviour
    next_moods: list[Behaviour] = dataclasses.field(default_factory=list)

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def requests(self) -> int:
        return self.server.connections


@contextlib.contextmanager
def moody(mood: Behaviour = UP, *next_moods: Behaviour) -> Iterator[Moody]:
    """Serve `next_moods`, one request each, and then `mood`."""
    holder: list[Moody] = []
    lock = threading.Lock()

    def behave(connection: socket.socket, over: threading.Event) -> None:
        service = holder[0]
        with lock:
            now = service.next_moods.pop(0) if service.next_moods else service.mood
        now(connection, over)

    with serving(behave) as server:
        service = Moody(server, mood, list(next_moods))
        holder.append(service)
        yield service


@contextlib.contextmanager
def several(*names: str, mood: Behaviour = UP) -> Iterator[Mapping[str, Moody]]:
    """Serve one service for each name."""
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(moody(mood)) for name in names}
