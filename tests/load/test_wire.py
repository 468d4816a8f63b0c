from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvloop

from load._engine._wire import Answer, Connection, Names
from tests.load.wires import Serve, scripted
from tests.tables import cases

ASK = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
MEGABYTE = 1024 * 1024


Answers = asyncio.Queue[Answer]


@contextlib.asynccontextmanager
async def talking(serve: Serve) -> AsyncIterator[tuple[Connection, Answers, asyncio.Event]]:
    """Yield a connection to a server, the answers that it tells, and its end; none is left over."""
    answers, gone = Answers(), asyncio.Event()

    def connection() -> Connection:
        def answered(_: Connection, answer: Answer) -> None:
            answers.put_nowait(answer)

        return Connection(answered, lambda _: gone.set(), most_bytes=MEGABYTE)

    async with scripted(serve) as port, asyncio.timeout(10):
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(connection, "127.0.0.1", port)
        yield made, answers, gone
        made.close()
        assert answers.empty()


def asked(said: bytes, *, bytewise: bool = False, closes: bool = False) -> tuple[Answer, bool]:
    """Ask a server that says these bytes; return the answer and whether the connection stays usable."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in (bytes([one]) for one in said) if bytewise else (said,):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        if closes:
            writer.close()
        else:
            await asyncio.sleep(10)

    async def talk() -> tuple[Answer, bool]:
        async with talking(serve) as (connection, answers, gone):
            connection.ask(ASK, keep_body=True)
            answer = await answers.get()
            if closes:
                await gone.wait()
            return answer, connection.usable

    return uvloop.run(talk())


TWICE = HELLO.replace(b"\r\n\r\n", b"\r\ncontent-length: 5\r\n\r\n")
WHOLE = {
    "a length": HELLO,
    "chunks": CHUNKED,
    "an interim answer first": INTERIM + HELLO,
    "no body": b"HTTP/1.1 204 No Content\r\n\r\n",
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    "a length twice": TWICE,
    "a length twice behind an interim answer": INTERIM + TWICE,
    "bare line feeds": HELLO.replace(b"\r\n", b"\n"),
}
"""What leaves a connection usable, at once and byte by byte."""
CLOSING = {
    "HTTP/1.0 to its end": b"HTTP/1.0 200 OK\r\n\r\nhello",
    "close is said": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.0 with a length": b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "nothing": b"",
    "half a body": HELLO[:-2],
    "half a chunk": CHUNKED[:-5],
    "an interim answer alone": INTERIM,
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
}
"""A server that closes is taken at its word, or lost."""
BROKEN = {
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a page without a head": b"<html>hello</html>",
    "a length that is none": b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
    "two lengths": HELLO.replace(b"\r\n\r\n", b"\r\nContent-Length: 6\r\n\r\n"),
    "too large": b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + b"x" * (MEGABYTE + 1),
    "a head without an end": b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * (MEGABYTE + 1),
    "another protocol": b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
}
ANSWERS = {
    **{name: (one, False, False) for name, one in (WHOLE | BROKEN).items()},
    **{f"{name}, byte by byte": (one, True, False) for name, one in WHOLE.items()},
    **{name: (one, False, True) for name, one in CLOSING.items()},
}


@cases("bytes_ bytewise closes", ANSWERS)
def test_an_answer_is_told_once_and_what_becomes_of_its_connection(
    bytes_: bytes, *, bytewise: bool, closes: bool, said: Callable[..., None]
) -> None:
    answer, usable = asked(bytes_, bytewise=bytewise, closes=closes)
    assert answer.trouble or answer.size_bytes == len(answer.body)
    assert usable is (bytes_ in WHOLE.values())
    said([answer.status, answer.trouble, answer.body.decode(), usable])


def test_a_connection_is_kept_for_the_next_request() -> None:
    ports = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ports.add(writer.get_extra_info("peername")[1])
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(HELLO)

    async def talk() -> None:
        async with talking(serve) as (connection, answers, _):
            for _ in range(3):
                connection.ask(ASK)
                with pytest.raises(RuntimeError, match="busy"):
                    connection.ask(ASK)
                assert await answers.get() == Answer(200, None, b"", 5)

    uvloop.run(talk())
    assert len(ports) == 1


def test_what_nobody_asked_for_ends_the_connection() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HELLO)
        await asyncio.sleep(10)

    async def talk() -> None:
        async with talking(serve) as (connection, _, gone):
            await gone.wait()
            assert not connection.usable

    uvloop.run(talk())


KNOWN = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))


@pytest.mark.parametrize("answer", [[KNOWN], socket.gaierror(-2, "unknown")], ids=["known", "not"])
def test_a_name_is_asked_for_once_by_all_and_no_impatience_breaks_that_off(
    answer: list[Any] | OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it leads nowhere is an answer too."""

    async def ask() -> tuple[int, list[Any]]:
        lookups, over = 0, asyncio.Event()

        async def getaddrinfo(*_: object, **__: object) -> list[Any]:
            nonlocal lookups
            lookups += 1
            await over.wait()
            if isinstance(answer, OSError):
                raise answer
            return answer

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
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
        return lookups, found

    known = not isinstance(answer, OSError)
    expected = [(socket.AF_INET, "127.0.0.1")] if known else answer
    assert asyncio.run(ask()) == (1, [expected] * 49)
