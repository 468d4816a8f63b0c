"""Where the regions terminate TLS: a port for each, certificates of one authority, chosen by name (SNI).

It ends the handshake and says nothing more; certificates are what people look at here.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import trustme
from starlette.applications import Starlette

from sandbox.core.layout import HOST
from sandbox.core.standin import Facts, State
from sandbox.systems.network.zone import HOSTS

if TYPE_CHECKING:
    from pydantic import SecretStr

    _Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

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


def make_app(admin_token: SecretStr, settings: Mapping[str, Any]) -> Starlette:
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

    return Starlette(routes=facts.routes(), lifespan=serving)


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
