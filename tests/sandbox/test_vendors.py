from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from sandbox.systems.service.vendors import DECLINED_CARD, VENDORS, Vendors, main

TOKEN = {"X-Sandbox-Token": "admin-token"}


class Client:
    """Sends requests to one application in this process."""

    def __init__(self) -> None:
        self._app = Vendors(SecretStr("admin-token")).make_app()

    def send(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        async def sent() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://vendors") as http:
                return await http.request(method, path, json=body, headers=headers)

        return asyncio.run(sent())

    def down(self, vendor: str | None) -> int:
        return self.send("PUT", "/_sandbox/down", {"vendor": vendor}, TOKEN).status_code

    def states(self) -> dict[str, int]:
        return {name: self.send("GET", f"/{name}/status").status_code for name in VENDORS}


@pytest.fixture
def client() -> Client:
    return Client()


def test_every_service_is_well_until_it_is_told_otherwise(client: Client) -> None:
    healthy = dict.fromkeys(VENDORS, 200)
    assert client.states() == healthy
    assert client.down("auth0") == 200
    assert client.states() == healthy | {"auth0": 503}
    assert client.down("aws") == 200
    assert client.states() == healthy | {"aws": 503}
    assert client.down(None) == 200
    assert client.states() == healthy


def test_the_root_names_the_services_and_others_do_not_exist(client: Client) -> None:
    assert client.send("GET", "/").json() == {"services": list(VENDORS)}
    assert client.send("GET", "/paypal/status").status_code == 404


@pytest.mark.parametrize(
    ("card", "status", "decided"),
    [("tok_visa", 200, "succeeded"), (DECLINED_CARD, 402, "declined")],
    ids=["a good card is charged", "the declined card is declined"],
)
def test_charges(client: Client, card: str, status: int, decided: str) -> None:
    charge = client.send("POST", "/stripe/charges", {"amount": 100, "source": card})
    assert (charge.status_code, charge.json()["status"]) == (status, decided)


@pytest.mark.parametrize(
    ("vendor", "path"),
    [
        ("stripe", "/stripe/charges"),
        ("twilio", "/twilio/messages"),
        ("sendgrid", "/sendgrid/mail"),
    ],
)
def test_a_service_that_is_down_takes_no_orders(client: Client, vendor: str, path: str) -> None:
    assert client.send("POST", path, {}).status_code == 200
    client.down(vendor)
    assert client.send("POST", path, {}).status_code == 503


def test_only_the_token_takes_services_down(client: Client) -> None:
    assert client.send("PUT", "/_sandbox/down", {"vendor": "aws"}).status_code == 401
    assert client.down("paypal") == 422
    assert set(client.states().values()) == {200}


def test_usage_and_a_bad_file_have_their_codes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "vendors.json"
    path.write_text('{"port": "x", "admin_token": "planted-secret"}')
    assert main([]) == 64
    assert main([str(path)]) == 78
    said = capsys.readouterr().err
    assert "port" in said
    assert "planted-secret" not in said
