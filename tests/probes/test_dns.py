from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from probes.dns import DnsServer, ask, normalised
from probes.observation import Deadline, Failure, FailureKind
from sandbox.systems.network.zone import CHANGED, HOSTS, ZONE
from tests.probes.servers import brought, closed_port, failed
from tests.steps.network_platform import StandIn, name_servers


@pytest.fixture(scope="module")
def servers() -> Iterator[StandIn]:
    with name_servers() as running:
        yield running


def at(port: int) -> DnsServer:
    return DnsServer("ns1", "127.0.0.1", port)


ASKED = {
    "addresses": (HOSTS[0], "A"),
    "an alias": (HOSTS[1], "CNAME"),
    "mail": (ZONE, "MX"),
    "no such type": (HOSTS[0], "AAAA"),
    "no such name": (f"nobody.{ZONE}", "A"),
}


def test_what_a_server_says_is_a_value(servers: StandIn, said: Callable[..., None]) -> None:
    server, soon = at(servers.ports["ns1"]), Deadline.after(15)
    found = {one: brought(ask(server, *what, deadline=soon)) for one, what in ASKED.items()}
    assert all(one.authoritative for one in found.values())
    said({name: [one.rcode, *one.values] for name, one in found.items()})


def test_a_server_that_refuses_is_a_value_and_one_that_is_silent_a_timeout(
    servers: StandIn,
) -> None:
    servers.bend(rcodes={"ns1": "REFUSED"}, silent=["ns2"])
    name, _, kind = CHANGED.partition(" ")
    refused = ask(at(servers.ports["ns1"]), name, kind, deadline=Deadline.after(5))
    silent = ask(at(servers.ports["ns2"]), name, kind, deadline=Deadline.after(0.5))
    servers.bend()
    assert brought(refused).rcode == "REFUSED"
    failed(silent, FailureKind.TIMEOUT)
    assert silent.elapsed_seconds < 15


def told(server: DnsServer, seconds: float) -> Failure:
    """Return why there is no SOA of the zone."""
    failure = ask(server, ZONE, "SOA", deadline=Deadline.after(seconds)).failure
    assert failure is not None
    return failure


def test_nobody_there_and_an_unknown_server_are_told_apart() -> None:
    assert told(at(closed_port()), 0.4).kind in {FailureKind.TIMEOUT, FailureKind.REFUSED}
    unknown = told(DnsServer("x", "no-such-host.invalid"), 3)
    assert unknown.kind is FailureKind.NAME_NOT_RESOLVED


def test_a_server_that_speaks_no_dns_never_passes_for_one() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noise:
        noise.bind(("127.0.0.1", 0))
        noise.settimeout(5)

        def answer() -> None:
            _, sender = noise.recvfrom(512)
            noise.sendto(b"?", sender)

        answering = threading.Thread(target=answer)
        answering.start()
        failure = told(at(noise.getsockname()[1]), 2)
        answering.join()
    assert failure.kind in {FailureKind.PROTOCOL, FailureKind.TIMEOUT}


NORMAL = {
    "A 192.0.2.1": "192.0.2.1",
    "AAAA 2001:DB8::0001": "2001:db8::1",
    "CNAME CDN.Example.org": "cdn.example.org",
    "CNAME cdn.example.org.": "cdn.example.org",
    "MX 10 Mail.example.org.": "10 mail.example.org",
    'TXT "v=spf1 -all"': '"v=spf1 -all"',
}


def test_values_are_compared_as_answers_have_them() -> None:
    assert {one: normalised(*one.split(" ", 1)) for one in NORMAL} == NORMAL


def test_a_mistyped_value_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a valid A record"):
        normalised("A", "192.0.2.300")
