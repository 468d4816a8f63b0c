from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import pytest

from load._engine._wire import Names


async def _asked(monkeypatch: pytest.MonkeyPatch, answer: list[Any] | OSError) -> tuple[int, Any]:
    """Let many ask for a name and one of them give up; return the lookups, and what the others got."""
    loop, asked, over = asyncio.get_running_loop(), 0, asyncio.Event()

    async def getaddrinfo(*_: object, **__: object) -> list[Any]:
        nonlocal asked
        asked += 1
        await over.wait()
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    names = Names("somewhere.example", 80)
    impatient, *others = [asyncio.ensure_future(names.places()) for _ in range(50)]
    await asyncio.sleep(0)
    unknown = [names.unknown]
    impatient.cancel()
    over.set()
    found = await asyncio.gather(*others, return_exceptions=True)
    with contextlib.suppress(OSError):
        await names.places()
    await names.end()
    assert [*unknown, names.unknown] == [True, False]
    return asked, found


def test_a_name_is_asked_for_once_by_all_and_no_impatience_breaks_that_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))
    asked, found = asyncio.run(_asked(monkeypatch, [known]))
    assert asked == 1
    assert found == [[(socket.AF_INET, "127.0.0.1")]] * 49


def test_that_a_name_leads_nowhere_is_an_answer_too(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, found = asyncio.run(_asked(monkeypatch, socket.gaierror(-2, "unknown")))
    assert asked == 1
    assert all(isinstance(one, socket.gaierror) for one in found)
