"""Where a load run may send, and how much: the environment's own file decides, before anything is sent.

Nothing here asks a name server: an address is loopback if it says so itself, as a number or `localhost`.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import math
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import SplitResult, urlsplit

import pydantic

from environments.loader import Loaded, may_allow_load, path_of, shown
from environments.yaml_file import ConfigurationError, RequestError
from load._scenario import Target
from probes.network import AuthorityUnusable, tls_context
from settings.load import Load
from settings.sections import HttpUrl

LOCAL = "local"
PUBLIC = "public"
"""The key of an address that stands before all regions."""
HOST = "host"
"""The key of a loopback address that is not a region's."""
_PORTS = {"http": 80, "https": 443}
_ADDRESS = pydantic.TypeAdapter[str](HttpUrl)


@dataclasses.dataclass(frozen=True, slots=True)
class Permission:
    """Where a run may send, and how much."""

    environment: str
    file: str
    """The environment's file, as people are shown it."""
    addresses: Mapping[str, str]
    """Region → base address of the service, without a slash at its end."""
    load: Load
    """Accounts, headers, limit."""
    max_rps: float
    """Requests a second, over all regions together."""

    def check_rate(self, rps: float) -> None:
        """Refuse a rate, the highest of a run, that is none or over the limit; raises RequestError."""
        if not math.isfinite(rps) or rps <= 0:
            raise RequestError(f"--rps {rps:g}: must be a number of requests a second, above 0.")
        if rps > self.max_rps:
            raise RequestError(
                f"the run would send up to {rps:g} requests/s, and {self.environment} allows "
                f"{self.max_rps:g} (load.max_rps of {self.file}); ask for less."
            )


def refuse_unless_allowed(name: str) -> None:
    """Refuse an environment, by name or file, that allows no load; raises ConfigurationError, RequestError.

    Asked first: neither marks to edit nor missing secrets nor bringing it up come before a no.
    """
    if not may_allow_load(name):
        raise _not_allowed(name, shown(path_of(name)))


def permitted(loaded: Loaded, *, region: str | None = None, host: str | None = None) -> Permission:
    """Return where a run may send: every region, `--region`, or `--host`.

    Raises RequestError for what the command line may not have and ConfigurationError for a file or a
    certificate authority that is no use.
    """
    settings, file = loaded.settings, shown(loaded.path)
    load = settings.load
    if load is None or not load.allowed or load.service is None or load.max_rps is None:
        raise _not_allowed(settings.name, file)
    addresses = _chosen(loaded, load.service, region, host)
    if settings.name == LOCAL:
        _refuse_remote(addresses, file)
    _refuse_unusable_authority(loaded, addresses)
    return Permission(settings.name, file, addresses, load, load.max_rps)


def refuse_stranger(user: str, host: str | None, targets: Iterable[Target]) -> None:
    """Refuse a user class of Locust's own that sends elsewhere than the run may; raises RequestError."""
    imitated = [one for one in targets if one.imitated]
    allowed = "loopback" if imitated else ", ".join(one.address for one in targets)
    clears = f"set its host to one of {allowed}, or leave this class out."
    if not host:
        raise RequestError(f"{user}: names no host, so where it sends is not known; {clears}")
    parts = _parts(host, f"host of {user}")
    if imitated and is_loopback(host):
        return
    if parts not in [_parts(one.address) for one in targets]:
        raise RequestError(f"{user}: its host is not an address that this run may load; {clears}")


def is_loopback(address: str) -> bool:
    """Return whether an http(s) address leads to this machine by what it says itself."""
    name = urlsplit(address).hostname or ""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _not_allowed(name: str, file: str) -> RequestError:
    return RequestError(
        f"--env {name}: no load test may send there: load.allowed of {file} is not true. Choose another "
        "environment; whoever owns this one can allow it in that file."
    )


def _chosen(
    loaded: Loaded, service: str, region: str | None, host: str | None
) -> Mapping[str, str]:
    regions = loaded.settings.regions
    if region is not None and region not in regions:
        raise RequestError(
            f"--region {region}: {loaded.settings.name} has no such region; choose {', '.join(regions)}."
        )
    own = {name: one.services[service] for name, one in regions.items()}
    if host is not None:
        key, address = _named(loaded, service, region, host)
        return {key: address}
    return own if region is None else {region: own[region]}


def _named(loaded: Loaded, service: str, region: str | None, host: str) -> tuple[str, str]:
    """Return whose address a `--host` is, and that address; raises RequestError for a stranger's."""
    wanted = _parts(host)
    own = ((name, address) for name, address in _own(loaded, service) if _parts(address) == wanted)
    owner, address = next(own, (None, host))
    if owner is None and is_loopback(host):
        return region or HOST, host.rstrip("/")
    if owner is None:
        raise RequestError(
            f"--host {host}: is neither an address of {service} in {shown(loaded.path)} nor loopback; "
            "leave --host out, or name one of them."
        )
    if region is not None and owner != region:
        raise RequestError(f"--host {host}: is {owner}'s address and not {region}'s; name one.")
    return owner, address


def _own(loaded: Loaded, service: str) -> Iterator[tuple[str, str]]:
    for name, region in loaded.settings.regions.items():
        yield name, region.services[service]
    if service in loaded.settings.public:
        yield PUBLIC, loaded.settings.public[service]


def _parts(address: str, named: str = "--host") -> tuple[str, str | None, int | None, str]:
    """Return what makes two addresses the same; raises RequestError for what is none."""
    try:
        split: SplitResult = urlsplit(_ADDRESS.validate_python(address))
        port = split.port or _PORTS[split.scheme]
    except ValueError:
        # Not shown: it may hold a user's password.
        raise RequestError(
            f"{named}: must be an http(s) address without user, query or fragment, such as "
            "http://127.0.0.1:8080."
        ) from None
    return split.scheme, split.hostname, port, split.path


def _refuse_remote(addresses: Mapping[str, str], file: str) -> None:
    for name, address in addresses.items():
        if not is_loopback(address):
            raise ConfigurationError(
                f"{file}: {address} ({name}) is not on this machine, and load of the environment “{LOCAL}” "
                "goes nowhere else; give the environment another name, or a loopback address."
            )


def _refuse_unusable_authority(loaded: Loaded, addresses: Mapping[str, str]) -> None:
    if not any(address.startswith("https:") for address in addresses.values()):
        return
    try:
        tls_context(loaded.settings.ca_file)
    except AuthorityUnusable:
        raise ConfigurationError(
            f"{shown(loaded.path)}: ca_file = {loaded.settings.ca_file}: cannot be read or holds no "
            "certificate in PEM; name the authority's file."
        ) from None
