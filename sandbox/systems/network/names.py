"""Two authoritative DNS servers and two caching resolvers, over UDP and TCP, behind one admin port."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

import dnslib
from starlette.applications import Starlette

from sandbox.core.layout import AUTHORITATIVE, HOST, RESOLVERS
from sandbox.core.standin import Facts, State
from sandbox.systems.network.zone import BEFORE, SERIAL_BEFORE, TTL_SECONDS, ZONE

if TYPE_CHECKING:
    from pydantic import SecretStr

_LENGTH_BYTES = 2


class NamesState(State):
    """What the zone says, and how its servers behave."""

    records: Mapping[str, list[str]] = BEFORE
    previous: Mapping[str, list[str]] = BEFORE
    """What resolvers still have in their caches for a while."""
    changed_at: float = 0.0
    """Unix time of the last change of the zone."""
    propagation_seconds: float = 1.0
    serial: int = SERIAL_BEFORE
    delegated: tuple[str, ...] = AUTHORITATIVE
    """The servers that the zone names."""
    ttl_seconds: int = TTL_SECONDS
    wrong: Mapping[str, list[str]] = {}
    """Records that every server has wrongly."""
    behind: tuple[str, ...] = ()
    """Authoritative servers that missed the last transfer: they have the previous zone and serial."""
    stale: tuple[str, ...] = ()
    """Resolvers that never forget what they had before."""
    silent: tuple[str, ...] = ()
    """Authoritative servers that answer nothing."""
    silent_resolvers: tuple[str, ...] = ()
    rcodes: Mapping[str, str] = {}
    """Servers that answer every question so: REFUSED, SERVFAIL."""


def make_app(admin_token: SecretStr, settings: Mapping[str, Any]) -> Starlette:
    """Return the admin application; its DNS servers live as long as it does.

    `settings["dns"]` has the port of each server.
    """
    facts = Facts(NamesState(), admin_token)

    @contextlib.asynccontextmanager
    async def serving(_app: Starlette) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for name, port in settings["dns"].items():
                await stack.enter_async_context(_served(_Server(name, facts), port))
            yield

    return Starlette(routes=facts.routes(), lifespan=serving)


@contextlib.asynccontextmanager
async def _served(server: _Server, port: int) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    datagrams, _ = await loop.create_datagram_endpoint(
        lambda: _Datagrams(server), local_addr=(HOST, port)
    )
    streams = await asyncio.start_server(server.stream, HOST, port)
    try:
        yield
    finally:
        datagrams.close()
        streams.close()


class _Server:
    """One DNS server: answers from the zone as its kind sees it."""

    def __init__(self, name: str, facts: Facts[NamesState]) -> None:
        self._name = name
        self._facts = facts
        self._resolver = name in RESOLVERS

    def answer(self, question: bytes) -> bytes | None:
        """Return the answer to a message; None where the server keeps silent."""
        state = self._facts.now
        if self._name in (*state.silent, *state.silent_resolvers):
            return None
        request = dnslib.DNSRecord.parse(question)
        reply = request.reply(ra=int(self._resolver), aa=int(not self._resolver))
        rcode = state.rcodes.get(self._name)
        if rcode is not None:
            reply.header.rcode = getattr(dnslib.RCODE, rcode)
            return bytes(reply.pack())
        name = str(request.q.qname).rstrip(".").lower()
        self._fill(reply, name, dnslib.QTYPE[request.q.qtype])
        return bytes(reply.pack())

    async def stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one message over TCP."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            length = int.from_bytes(await reader.readexactly(_LENGTH_BYTES))
            answer = self.answer(await reader.readexactly(length))
            if answer is not None:
                writer.write(len(answer).to_bytes(_LENGTH_BYTES) + answer)
                await writer.drain()
        writer.close()

    def _fill(self, reply: dnslib.DNSRecord, name: str, kind: str) -> None:
        records = self._records()
        values = records.get(f"{name} {kind}", [])
        if kind == "SOA" and name == ZONE:
            values = [f"ns1.{ZONE}. hostmaster.{ZONE}. {self._serial()} 3600 600 86400 60"]
        if kind == "NS" and name == ZONE:
            values = [f"{one}.{ZONE}" for one in self._facts.now.delegated]
        ttl = self._facts.now.ttl_seconds
        for value in values:
            ending = "" if value[-1].isdigit() else "."
            for record in dnslib.RR.fromZone(f"{name}. {ttl} IN {kind} {value}{ending}"):
                reply.add_answer(record)
        known = name == ZONE or any(key.startswith(f"{name} ") for key in records)
        if not known:
            reply.header.rcode = dnslib.RCODE.NXDOMAIN

    def _records(self) -> Mapping[str, list[str]]:
        state = self._facts.now
        cached = time.time() < state.changed_at + state.propagation_seconds
        if self._name in state.behind or self._name in state.stale:
            return state.previous
        if self._resolver and cached:
            return state.previous
        return {**state.records, **state.wrong}

    def _serial(self) -> int:
        state = self._facts.now
        return state.serial - (1 if self._name in state.behind else 0)


class _Datagrams(asyncio.DatagramProtocol):
    """UDP: one question, one answer."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = transport  # type: ignore[assignment]  # asyncio hands a datagram endpoint one

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Answer, or keep silent."""
        with contextlib.suppress(dnslib.DNSError):
            answer = self._server.answer(data)
            if answer is not None and self._transport is not None:
                self._transport.sendto(answer, addr)
