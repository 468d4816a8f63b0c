"""Where a load run may send: asked of the environment's file before anything is sent."""

from __future__ import annotations

import dataclasses
import pathlib
import ssl
from collections.abc import Callable

import pytest
import trustme

from environments.loader import Loaded
from environments.yaml_file import ConfigurationError, RequestError
from load._generator import address_of
from load._options import HOST, PUBLIC, is_loopback, permitted, refuse_unless_allowed
from load._scenario import Target
from tests.environments.files import VALID, changed, loaded, write
from tests.tables import cases

_EU, _US = "https://eu.clinic.example", "https://us.clinic.example"
_ALL, _HERE = "https://api.clinic.example", "http://127.0.0.1:8080"
REFUSED: list[dict[str, str]] = [
    *({"host": f"{_US}{more}"} for more in (":8443", "/v2")),
    *({"host": "http://us.clinic.example"}, {"host": "https://somebody.example"}),
    *({"host": "http://10.0.0.1"}, {"host": "http://127.0.0.1.somebody.example"}),
    *({"host": "http://2130706433"}, {"host": "http://0.0.0.0:80"}),
    *({"host": "127.0.0.1:80"}, {"host": "http://u:hunter2@127.0.0.1"}, {"host": "http://[::1"}),
    *({"host": "http://127.0.0.1:99999"}, {"host": ""}),
    *({"region": "ap"}, {"region": "eu", "host": _US}),
]
_LOAD = "load: {allowed: true, service: api, max_rps: 500}\n"
_LOCAL = (
    VALID.replace("name: clinic", "name: local", 1)
    .replace(_EU, "http://127.0.0.1:81")
    .replace(_US, "http://127.0.0.2:82")
)


@pytest.fixture
def clinic(tmp_path: pathlib.Path, secrets: None) -> Loaded:  # noqa: ARG001 - the file refers to them
    """Return an environment that allows load."""
    return loaded(tmp_path, VALID + _LOAD)


def refused(environment: Loaded, **asked: str) -> str:
    with pytest.raises(RequestError) as caught:
        permitted(environment, **asked)
    return str(caught.value)


@cases(
    "section",
    {
        "nothing is said of load": "",
        "the section is empty": "load:\n",
        "the section says nothing": "load: {}\n",
        "it says no": "load: {allowed: false, service: api, max_rps: 5}\n",
    },
)
def test_a_no_comes_before_missing_secrets_and_marks(section: str, tmp_path: pathlib.Path) -> None:
    file = str(write(tmp_path, VALID + section))
    with pytest.raises(RequestError) as caught:
        refuse_unless_allowed(file)
    assert str(caught.value) == (
        f"--env {file}: no load test may send there: load.allowed of {file} is not true. Choose "
        "another environment; whoever owns this one can allow it in that file."
    )


def test_production_is_refused_as_it_is_committed_and_the_others_are_looked_at_further(
    tmp_path: pathlib.Path,
) -> None:
    with pytest.raises(RequestError, match="--env prod: no load test may send there"):
        refuse_unless_allowed("prod")
    with pytest.raises(RequestError, match="there is no such environment"):
        refuse_unless_allowed("prdo")
    for name in ("local", "dev", "staging"):
        refuse_unless_allowed(name)
    # What is neither yes nor no is left to the strict reader, and so is a mark to edit elsewhere.
    for word in ("EDIT-ME", "maybe", "[true]"):
        refuse_unless_allowed(str(write(tmp_path, f"{VALID}load: {{allowed: {word}}}\n")))
    refuse_unless_allowed(str(write(tmp_path, changed(_EU, "EDIT-ME") + _LOAD)))
    with pytest.raises(ConfigurationError, match=r"regions\.eu\.services\.api still says EDIT-ME"):
        loaded(tmp_path, changed(_EU, "EDIT-ME") + _LOAD)


@pytest.mark.usefixtures("secrets")
def test_an_environment_that_was_brought_up_can_say_no_too(tmp_path: pathlib.Path) -> None:
    assert "load.allowed of" in refused(loaded(tmp_path, VALID))
    assert "load.allowed of" in refused(loaded(tmp_path, f"{VALID}load: {{service: api}}\n"))


class TestWhereItMaySend:
    def test_to_every_region_at_its_own_address(self, clinic: Loaded) -> None:
        found = permitted(clinic)
        assert found.addresses == {"eu": _EU, "us": _US}
        assert (found.environment, found.max_rps) == ("clinic", 500)
        assert (found.load.accounts, found.load.headers) == (100, {"X-Synthetic-Traffic": "1"})

    @cases(
        "asked addresses",
        {
            "one region": ({"region": "us"}, {"us": _US}),
            "a region by its address": ({"host": _US}, {"us": _US}),
            "with a slash": ({"host": f"{_US}/"}, {"us": _US}),
            "with its port": ({"host": f"{_US}:443"}, {"us": _US}),
            "in capitals": ({"host": _US.replace("us.clinic", "US.Clinic")}, {"us": _US}),
            "the one before all regions": ({"host": _ALL}, {PUBLIC: _ALL}),
            "loopback, such as a null server": ({"host": _HERE}, {HOST: _HERE}),
            "loopback by name": ({"host": "http://localhost:80"}, {HOST: "http://localhost:80"}),
            "loopback by version 6": ({"host": "http://[::1]:80"}, {HOST: "http://[::1]:80"}),
            "loopback for a region": ({"host": _HERE, "region": "eu"}, {"eu": _HERE}),
        },
    )
    def test_and_to_what_is_asked_for(
        self, asked: dict[str, str], addresses: dict[str, str], clinic: Loaded
    ) -> None:
        assert permitted(clinic, **asked).addresses == addresses

    @cases("asked", {" ".join(one.values()) or "nothing": one for one in REFUSED})
    def test_a_strangers_host_is_refused_and_what_makes_no_sense_without_showing_it(
        self, asked: dict[str, str], clinic: Loaded, said: Callable[..., None]
    ) -> None:
        said(refused(clinic, **asked), {str(clinic.path): "clinic.yaml"})


@pytest.mark.usefixtures("secrets")
def test_the_local_environment_sends_to_loopback_whatever_its_file_says(
    tmp_path: pathlib.Path,
) -> None:
    here = {"eu": "http://127.0.0.1:81", "us": "http://127.0.0.2:82"}
    assert permitted(loaded(tmp_path, _LOCAL + _LOAD)).addresses == here
    remote = loaded(tmp_path, (_LOCAL + _LOAD).replace(here["us"], "http://10.0.0.7:82"))
    with pytest.raises(ConfigurationError, match=r"10\.0\.0\.7:82 \(us\) is not on this machine"):
        permitted(remote)
    assert all(map(is_loopback, ("http://127.8.9.10", "https://[::1]:443", "http://localhost")))
    # It is asked only about what is sent to.
    assert permitted(remote, region="eu").addresses.keys() == {"eu"}


def test_how_much_is_the_environments_to_say(clinic: Loaded, said: Callable[..., None]) -> None:
    permitted(clinic).check_rate(500)
    found = []
    for rate in (500.5, 0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(RequestError) as caught:
            permitted(clinic).check_rate(rate)
        found.append(str(caught.value))
    said(found, {str(clinic.path): "clinic.yaml"})


def test_tls_is_verified_by_the_authority_of_the_environment(
    clinic: Loaded, tmp_path: pathlib.Path
) -> None:
    authority = str(tmp_path / "ca.pem")
    trustme.CA().cert_pem.write_to_path(authority)

    def trusting(ca_file: str) -> Loaded:
        settings = clinic.settings.model_copy(update={"ca_file": ca_file})
        return dataclasses.replace(clinic, settings=settings)

    permitted(trusting(authority))
    tls = address_of(Target("eu", "https://eu.example", "tag", ca_file=authority)).tls
    assert tls is not None
    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert len(tls.get_ca_certs()) == 1
    with pytest.raises(ConfigurationError, match=r"ca_file = /nowhere/ca\.pem: cannot be read"):
        permitted(trusting("/nowhere/ca.pem"))
