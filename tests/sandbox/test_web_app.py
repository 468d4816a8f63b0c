"""The web application without a browser: what is built of it, what its edge sends, what it asks for."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from probes.git import RepositoryTarget, tagged_files
from probes.observation import Deadline
from sandbox.systems.delivery.builds import (
    MANIFEST,
    WEB_FOLDER,
    build_web,
    web_bugs,
    web_bundle,
)
from sandbox.systems.source import repository
from tests.probes.servers import closed_port
from tests.sandbox.app_servers import SYNTHETIC_DOMAIN, Api, Servers
from tests.sandbox.test_app_journey import book, new_patient
from tests.web_site import web_site


@pytest.mark.parametrize("version", ["1.1.0", "1.2.0"])
def test_a_bundle_is_what_the_release_repositorys_tag_holds(tmp_path: Path, version: str) -> None:
    repository.make(tmp_path / "release")
    target = RepositoryTarget(str(tmp_path / "release"), f"v{version}", WEB_FOLDER)
    found = tagged_files(target, deadline=Deadline.after(20)).value
    assert found is not None
    sources = {path.removeprefix("web/"): data for path, data in found.files.items()}
    assert build_web(version, sources) == web_bundle(version)


@pytest.mark.parametrize("version", ["1.1.0", "1.2.0"])
def test_every_file_that_the_bundle_names_is_in_it(version: str) -> None:
    bundle = web_bundle(version)
    named = {
        name if name.startswith("assets/") else f"assets/{name}"
        for file in bundle.values()
        for name in re.findall(r'"(?:\./|/)([\w./]+\.\w+)"', file.content.decode())
    }
    assert named == {name for name in bundle if name.startswith("assets/")}
    assert not [name for name, file in bundle.items() if b"%" in file.content and "css" not in name]


def test_the_old_build_has_no_new_form() -> None:
    old, new = (" ".join(web_bundle(version)) for version in ("1.1.0", "1.2.0"))
    assert "booking_new" in new
    assert "booking_new" not in old


@pytest.mark.parametrize("bug", web_bugs())
def test_every_bug_makes_another_build(bug: str) -> None:
    with_bug = web_bundle("1.2.0", (bug,))
    assert with_bug[MANIFEST] != web_bundle("1.2.0")[MANIFEST]


def test_the_edge_serves_everything_with_a_strict_policy() -> None:
    with web_site() as site:
        page, missing, api = (
            httpx.get(site.url + path) for path in ("/", "/no.js", "/v1/features")
        )
    assert [answer.status_code for answer in (page, missing, api)] == [200, 404, 401]
    for answer in (page, missing, api):
        policy = answer.headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Cache-Control"] == "no-cache"


def test_the_edge_passes_a_request_on_as_it_is_but_for_what_is_between_neighbours() -> None:
    with web_site() as site:
        named = {
            "Connection": "X-Mine",
            "X-Mine": "1",
            "X-Synthetic-Tag": "run-1",
            "TE": "trailers",
        }
        taken = httpx.post(
            f"{site.url}/v1/auth/register?from=a%2Fb",
            json={"email": "e", "password": "p"},
            headers=named,
        )
        again = httpx.post(f"{site.url}/v1/auth/register", json={"email": "e", "password": "p"})
        (method, path, headers), _ = site.patients.requests
    assert (taken.status_code, again.status_code) == (201, 409)
    assert (method, path) == ("POST", "/v1/auth/register")
    assert headers["x-synthetic-tag"] == "run-1"
    assert headers["host"] not in site.url
    assert not {"x-mine", "te"} & headers.keys()


def test_an_api_that_is_unreachable_is_a_bad_gateway_in_json() -> None:
    with web_site(api_url=f"http://127.0.0.1:{closed_port()}") as site:
        answer = httpx.get(f"{site.url}/v1/features")
        large = httpx.post(f"{site.url}/v1/features", content=b"x" * 2_000_000)
        written = httpx.post(f"{site.url}/index.html", content=b"x")
    assert (answer.status_code, answer.json()) == (502, {"detail": "the API is unreachable"})
    assert (large.status_code, written.status_code) == (413, 405)


def test_a_real_user_is_offered_real_providers_and_a_synthetic_one_only_the_synthetic(
    api: Api,
) -> None:
    real, synthetic = new_patient(api), new_patient(api, SYNTHETIC_DOMAIN)
    offered = api.read("/v1/providers?limit=50", real.token).json()["providers"]
    assert len(offered) == 50
    assert {one["region"] for one in offered} == {"eu"}
    assert "synthetic-provider" not in {one["id"] for one in offered}
    alone = api.read("/v1/providers", synthetic.token).json()["providers"]
    assert [one["id"] for one in alone] == ["synthetic-provider"]
    assert api.read("/v1/providers?limit=51", real.token).status_code == 422


def test_a_patient_reads_the_own_appointments_with_names(api: Api) -> None:
    patient, other = new_patient(api), new_patient(api)
    booked = book(api, patient).json()["id"]
    (one,) = api.read("/v1/me/appointments", patient.token).json()["appointments"]
    assert (one["id"], one["providerName"], one["status"]) == (
        booked,
        "Synthetic provider",
        "scheduled",
    )
    assert api.read("/v1/me/appointments", other.token).json() == {"appointments": []}


def test_a_flag_is_on_for_all_or_for_a_share_that_stays_the_same(
    api: Api, servers: Servers
) -> None:
    def on() -> list[bool]:
        return [api.read("/v1/features", one.token).json()["newAppointmentUi"] for one in patients]

    patients = [new_patient(api) for _ in range(6)]
    assert on() == [False] * 6
    servers.redis().set("feature:new_appointment_ui:percentage", "50")
    some = on()
    assert on() == some
    servers.redis().set("feature:new_appointment_ui", "true")
    assert on() == [True] * 6
    servers.redis().delete("feature:new_appointment_ui", "feature:new_appointment_ui:percentage")


def test_a_session_that_was_logged_out_opens_nothing(api: Api) -> None:
    patient = new_patient(api)
    assert api.post("/v1/auth/logout", None, patient.token).status_code == 204
    for path in ("/v1/features", "/v1/providers", "/v1/me/appointments", "/v1/patients/me"):
        assert api.read(path, patient.token).status_code == 401
        assert api.http.get(path).status_code == 401
