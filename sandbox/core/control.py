"""The supervisor's unix socket: one line of JSON in, one line of JSON out."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING, Any

from sandbox.core.errors import SandboxError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]

_ANSWER_SECONDS = 60.0


async def serve(path: Path, handle: Handler) -> asyncio.Server:
    """Listen; orders are carried out one after another, for two faults at once would mix."""
    turn = asyncio.Lock()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            async with turn:
                answer = await _answer(handle, line)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except OSError:
            pass  # whoever asked is gone; the order was carried out all the same
        finally:
            writer.close()

    return await asyncio.start_unix_server(converse, path)


async def _answer(handle: Handler, line: bytes) -> dict[str, Any]:
    try:
        return {"ok": True, **await handle(json.loads(line))}
    except UnknownNameError as exc:
        return {"ok": False, "unknown": True, "error": str(exc)}
    except SandboxError as exc:
        return {"ok": False, "error": str(exc)}
    except (KeyError, TypeError, ValueError) as exc:
        return {"ok": False, "error": f"the order cannot be understood: {exc!r}."}


def ask(path: Path, order: dict[str, Any]) -> dict[str, Any]:
    """Give the supervisor an order and return its answer; raises SandboxError."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_ANSWER_SECONDS)
            connection.connect(str(path))
            connection.sendall(json.dumps(order).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer = json.loads(lines.readline() or b"{}")
    except (OSError, ValueError) as exc:
        raise SandboxError(f"the platform's supervisor does not answer ({exc}).") from exc
    if not answer.get("ok"):
        kind = UnknownNameError if answer.get("unknown") else SandboxError
        raise kind(answer.get("error") or "the platform's supervisor ended before it answered.")
    return dict(answer)
