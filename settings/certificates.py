"""Which certificates people meet, and at which addresses."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from settings.network import HOST_NAME
from settings.sections import Name, Section

HostName = Annotated[str, Field(pattern=HOST_NAME)]
HostAndPort = Annotated[str, Field(pattern=r"^[^\s/@]+:[0-9]{1,5}$")]


class Certificates(Section):
    """The hosts whose certificates are looked at by a real handshake."""

    hosts: tuple[HostName, ...] = Field(min_length=1)
    """Each is asked for by its name (SNI) at every address of every region."""
    addresses: dict[Name, Annotated[tuple[HostAndPort, ...], Field(min_length=1)]] = Field(
        default_factory=dict
    )
    """By region: where it terminates TLS, such as its load balancer's `name:443`; every address behind
    the name is asked. A region without one is asked where the hosts' own names lead, which decides
    nothing where a run asks several regions."""
    ca_file: str | None = None
    """The authority that must have signed them, where it is not a public one."""
