"""Where a load run may send: asked of the environment's file before anything is sent."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import ssl

import pytest
import trustme

from environments.loader import Loaded
from environments.yaml_file import ConfigurationError, RequestError
from load._generator import address_of
from load._options import HOST, PUBLIC, is_loopback, permitted, refuse_unless_allowed
from load._scenario import Target
from tests.environments.files import SECRETS, VALID, changed, loaded, write
from tests.tables import cases

_EU, _US = "https://eu.clinic.example", "https://us.clinic.example"
_ALL, _HERE = "https://api.clinic.example", "http://127.0.0.1:8080"
_NO_ADDRESSES = (
    "127.0.0.1:80", "http://u:hunter2@127.0.0.1", "http://127.0.0.1:99999", "http://[::1", "",
)  # fmt: skip
_NO_ADDRESS = (
    "--host: must be an http(s) address without user, query or fragment, such as "
    "http://127.0.0.1:8080."
)
_LOAD = "load: {allowed: true, service: api, max_rps: 500}\n"
_LOCAL = (
    VALID.replace("name: clinic", "name: local", 1)
    .replace(_EU, "http://127.0.0.1:81")
    .replace(_US, "http://127.0.0.2:82")
)


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables that the valid file refers to."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def clinic(tmp_path: pathlib.Path, secrets: None) -> Loaded:  # noqa: ARG001 - the file refers to them
    """Return an environment that allows load."""
    return loaded(tmp_path, VALID + _LOAD)


def refused(environment: Loaded, **asked: str) -> str:
    with pytest.raises(RequestError) as caught:
        permitted(environment, **asked)
    return str(caught.value)


class TestWhetherItIsAllowed:
    @cases(
        "section",
        {
            "nothing is said of load": "",
            "the section is empty": "load:\n",
            "the section says nothing": "load: {}\n",
            "it says no": "load: {allowed: false, service: api, max_rps: 5}\n",
        },
    )
    def test_a_no_comes_before_missing_secrets_and_marks(
        self, section: str, tmp_path: pathlib.Path
    ) -> None:
        file = str(write(tmp_path, VALID + section))
        with pytest.raises(RequestError) as caught:
            refuse_unless_allowed(file)
        assert str(caught.value) == (
            f"--env {file}: no load test may send there: load.allowed of {file} is not true. Choose "
            "another environment; whoever owns this one can allow it in that file."
        )

    def test_production_is_refused_as_it_is_committed(self) -> None:
        with pytest.raises(RequestError, match="--env prod: no load test may send there"):
            refuse_unless_allowed("prod")

    @pytest.mark.parametrize("name", ["local", "dev", "staging"])
    def test_the_others_are_looked_at_further(self, name: str) -> None:
        refuse_unless_allowed(name)

    def test_an_unknown_environment_is_a_usage_error(self) -> None:
        with pytest.raises(RequestError, match="there is no such environment"):
            refuse_unless_allowed("prdo")

    @pytest.mark.parametrize("word", ["EDIT-ME", "maybe", "[true]"])
    def test_what_is_neither_yes_nor_no_is_left_to_the_strict_reader(
        self, word: str, tmp_path: pathlib.Path
    ) -> None:
        refuse_unless_allowed(str(write(tmp_path, f"{VALID}load: {{allowed: {word}}}\n")))

    @pytest.mark.usefixtures("secrets")
    def test_an_environment_that_was_brought_up_can_say_no_too(
        self, tmp_path: pathlib.Path
    ) -> None:
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

    @pytest.mark.parametrize(
        "host",
        [
            "https://somebody.example",
            "http://us.clinic.example",
            f"{_US}:8443",
            f"{_US}/v2",
            "http://10.0.0.1",
            "http://127.0.0.1.somebody.example",
            "http://2130706433",
            "http://0.0.0.0:80",
        ],
    )
    def test_a_strangers_host_is_refused(self, host: str, clinic: Loaded) -> None:
        sentence = refused(clinic, host=host).replace(str(clinic.path), "clinic.yaml")
        assert sentence == (
            f"--host {host}: is neither an address of api in clinic.yaml nor loopback; leave --host "
            "out, or name one of them."
        )

    @cases(
        "asked sentence",
        {
            "no such region": (
                {"region": "ap"},
                "--region ap: clinic has no such region; choose eu, us.",
            ),
            "another region's host": (
                {"region": "eu", "host": _US},
                f"--host {_US}: is us's address and not eu's; name one.",
            ),
            **{host or "nothing": ({"host": host}, _NO_ADDRESS) for host in _NO_ADDRESSES},
        },
    )
    def test_what_makes_no_sense_is_refused_without_showing_it(
        self, asked: dict[str, str], sentence: str, clinic: Loaded
    ) -> None:
        assert refused(clinic, **asked) == sentence


@pytest.mark.usefixtures("secrets")
def test_the_local_environment_sends_to_loopback_whatever_its_file_says(
    tmp_path: pathlib.Path,
) -> None:
    here = {"eu": "http://127.0.0.1:81", "us": "http://127.0.0.2:82"}
    assert permitted(loaded(tmp_path, _LOCAL + _LOAD)).addresses == here
    remote = loaded(tmp_path, (_LOCAL + _LOAD).replace(here["us"], "http://10.0.0.7:82"))
    with pytest.raises(ConfigurationError, match=r"10\.0\.0\.7:82 \(us\) is not on this machine"):
        permitted(remote)
    # It is asked only about what is sent to.
    assert permitted(remote, region="eu").addresses.keys() == {"eu"}


@cases(
    "rps words",
    {
        "up to the limit": (500, ""),
        "over": (500.5, "500.5 requests/s, and clinic allows 500 (load.max_rps"),
        "none": (0.0, "--rps 0: must be a number of requests a second"),
        "less than none": (-1.0, "--rps -1: must be a number"),
        "no number": (float("nan"), "--rps nan: must be a number"),
        "without end": (float("inf"), "--rps inf: must be a number"),
    },
)
def test_how_much_is_the_environments_to_say(rps: float, words: str, clinic: Loaded) -> None:
    expected = pytest.raises(RequestError) if words else contextlib.nullcontext()
    with expected as caught:
        permitted(clinic).check_rate(rps)
    assert words in str(caught and caught.value)


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


@pytest.mark.parametrize("address", ["http://127.8.9.10", "https://[::1]:443", "http://localhost"])
def test_loopback_says_so_itself(address: str) -> None:
    assert is_loopback(address)


def test_a_mark_to_edit_in_an_environment_that_allows_load_is_a_mistake_of_the_file(
    tmp_path: pathlib.Path,
) -> None:
    file = write(tmp_path, changed(_EU, "EDIT-ME") + _LOAD)
    refuse_unless_allowed(str(file))
    with pytest.raises(ConfigurationError, match=r"regions\.eu\.services\.api still says EDIT-ME"):
        loaded(tmp_path, changed(_EU, "EDIT-ME") + _LOAD)
