"""Two authoritative DNS servers and two caching resolvers, over UDP and TCP, behind one admin port."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ssl
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import dnslib
import trustme
from starlette.applications import Starlette

from sandbox.core.layout import AUTHORITATIVE, HOST, RESOLVERS
from sandbox.core.standins import Facts, State
from sandbox.systems.network.zone import BEFORE, HOSTS, SERIAL_BEFORE, TTL_SECONDS, ZONE

if TYPE_CHECKING:
    from pydantic import SecretStr

    _Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

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


def names(admin_token: SecretStr, settings: Mapping[str, Any]) -> Starlette:
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

    return facts.app({}, lifespan=serving)


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


Kind = Literal[
    "good",
    "expired",
    "ten-days-left",
    "other-host",
    "unknown-authority",
    "old-protocol",
    "wrong-intermediate",
]
_GOOD_DAYS = 90
_RECORD_BYTES = 16_384


class CertificatesState(State):
    """Which kind of certificate each region shows for a host; good where nothing is said."""

    shown: Mapping[str, Kind] = {}
    """`HOST` in every region or `REGION/HOST` in one."""


def certificates(admin_token: SecretStr, settings: Mapping[str, Any]) -> Starlette:
    """Return the admin application; its TLS ports live as long as it does.

    `settings["tls"]` has the port of each region, `settings["ca_file"]` where the authority's own
    certificate is written to.
    """
    facts = Facts(CertificatesState(), admin_token)

    @contextlib.asynccontextmanager
    async def serving(_app: Starlette) -> AsyncIterator[None]:
        authority = trustme.CA(organization_name="Unified Health local platform")
        authority.cert_pem.write_to_path(str(Path(settings["ca_file"])))
        issuer = _Issuer(authority)
        async with contextlib.AsyncExitStack() as stack:
            for region, port in settings["tls"].items():
                if region == "old":
                    refusing = _only_old(issuer.make(HOSTS[0], "good"))
                    server = await asyncio.start_server(refusing, HOST, port)
                else:
                    context = _chosen_by_name(region, facts, issuer)
                    server = await asyncio.start_server(_end, HOST, port, ssl=context)
                stack.callback(server.close)
            yield

    return facts.app({}, lifespan=serving)


async def _end(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def _chosen_by_name(
    region: str, facts: Facts[CertificatesState], issuer: _Issuer
) -> ssl.SSLContext:
    context = issuer.make(HOSTS[0], "good")

    def choose(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        if name in HOSTS:
            shown = facts.now.shown
            kind = shown.get(f"{region}/{name}", shown.get(name, "good"))
            connection.context = issuer.context(name, kind)

    context.sni_callback = choose
    return context


class _Issuer:
    """Makes a server's side of TLS for each host and kind, once."""

    def __init__(self, authority: trustme.CA) -> None:
        self._authority = authority
        self._made: dict[tuple[str, Kind], ssl.SSLContext] = {}

    def context(self, host: str, kind: Kind) -> ssl.SSLContext:
        """Return it; made when it is first asked for."""
        if (host, kind) not in self._made:
            self._made[host, kind] = self.make(host, kind)
        return self._made[host, kind]

    def make(self, host: str, kind: Kind) -> ssl.SSLContext:
        """Return a new one."""
        now = dt.datetime.now(dt.UTC)
        days = {"expired": -3, "ten-days-left": 10}.get(kind, _GOOD_DAYS)
        authority = trustme.CA() if kind == "unknown-authority" else self._authority
        leaf = authority.issue_cert(
            "elsewhere.test" if kind == "other-host" else host,
            not_before=now - dt.timedelta(days=_GOOD_DAYS),
            not_after=now + dt.timedelta(days=days, hours=1),
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if kind == "wrong-intermediate":
            # As after a renewal that left the old chain's file in place.
            renewed = self._authority.create_child_ca().issue_cert(host)
            old = self._authority.create_child_ca().cert_pem
            parts = (renewed.private_key_pem, renewed.cert_chain_pems[0], old)
            with trustme.Blob(b"".join(one.bytes() for one in parts)).tempfile() as file:
                context.load_cert_chain(file)
            return context
        leaf.configure_cert(context)
        return context


def _only_old(context: ssl.SSLContext) -> _Handler:
    """Return a server that knows TLS 1.1 alone: a modern client is told so by an alert.

    By hand, since asyncio closes a failed handshake before its alert is sent.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # an old version is the point
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        connection = context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(await reader.read(_RECORD_BYTES))
        with contextlib.suppress(ssl.SSLError):
            connection.do_handshake()
        writer.write(outgoing.read())
        writer.close()

    return refuse
