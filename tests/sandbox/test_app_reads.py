"""The two reads of the traffic: the express lane and the ordinary way answer the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from sandbox.app.express import plain_read
from sandbox.app.reader import Reader, Statement
from tests.sandbox.app_servers import (
    HOST,
    OWNER,
    SLOW,
    SYNTHETIC_DOMAIN,
    Api,
    Servers,
    api,
    servers,
    wait_until,
)

__all__ = ["api", "servers"]

LONGEST = "a" * 100
ANSWERS = {
    "a provider": ("/v1/providers/7", 200),
    "no such provider": ("/v1/providers/made-up", 404),
    "a provider in percent signs": ("/v1/providers/%37", 200),
    "a provider with a question": ("/v1/providers/7?made=up", 200),
    "the appointments of a provider": ("/v1/appointments?providerId=7", 200),
    "the appointments of nobody": ("/v1/appointments?providerId=made-up", 200),
    "the longest id": (f"/v1/appointments?providerId={LONGEST}", 200),
    "an id that is too long": (f"/v1/appointments?providerId={LONGEST}a", 422),
    "no id": ("/v1/appointments", 422),
    "two ids": ("/v1/appointments?providerId=7&providerId=8", 200),
}


@pytest.fixture(scope="module")
def token(servers: Servers) -> str:
    """Return the token of a patient, whose reads never take the lane."""
    at_the_api = servers.start_api()
    login = {"email": f"reader@{SYNTHETIC_DOMAIN}", "password": "Planted-Secret-1!"}
    at_the_api.post("/v1/auth/register", {**login, "role": "patient"}).raise_for_status()
    found: str = at_the_api.post("/v1/auth/login", login).json()["token"]
    return found


@pytest.mark.parametrize(("path", "status"), ANSWERS.values(), ids=ANSWERS)
def test_traffic_and_patients_read_the_same(api: Api, token: str, path: str, status: int) -> None:
    traffic, patient = api.read(path), api.read(path, token)
    assert (traffic.status_code, patient.status_code) == (status, status)
    assert traffic.json() == patient.json()
    assert traffic.headers["content-type"] == patient.headers["content-type"]


@pytest.mark.parametrize("path", ["/v1/providers/7", "/v1/appointments?providerId=7"])
def test_a_wrong_token_reads_nothing(api: Api, path: str) -> None:
    answer = api.read(path, "wrong")
    assert (answer.status_code, answer.json()) == (401, {"detail": "sign in first"})
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_provider_and_its_appointments_are_the_rows_of_postgres(
    api: Api, servers: Servers
) -> None:
    row = servers.sql("SELECT id, name, specialty, region FROM providers WHERE id = '7'")[0]
    assert tuple(api.read("/v1/providers/7").json().values()) == row
    listed = api.read("/v1/appointments?providerId=7").json()["appointments"]
    latest = servers.sql(
        "SELECT id, to_char(starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS+00:00')"
        " FROM appointments WHERE provider_id = '7' ORDER BY starts_at DESC LIMIT 10"
    )
    assert [(one["id"], one["date"]) for one in listed] == latest
    assert {frozenset(one) for one in listed} == {frozenset(("id", "providerId", "date", "status"))}


def test_openapi_describes_both_reads(api: Api) -> None:
    described = api.http.get("/openapi.json").json()["paths"]
    for path in ("/v1/providers/{provider_id}", "/v1/appointments"):
        assert described[path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert described[path]["get"]["security"] == [{"HTTPBearer": []}]


def test_more_slow_reads_at_once_than_connections_are_kept_are_all_answered(
    api: Api, servers: Servers
) -> None:
    servers.sql(SLOW["broken"])
    try:
        with ThreadPoolExecutor(30) as clients:
            paths = ["/v1/appointments?providerId=7"] * 60
            answers = list(clients.map(api.read, paths))
    finally:
        servers.sql(SLOW["fixed"])
    assert [answer.status_code for answer in answers] == [200] * 60


LANE = {
    "a provider": ("GET", "/v1/providers/7", "", "7"),
    "a list": ("GET", "/v1/appointments", "providerId=synthetic-provider", "synthetic-provider"),
    "another method": ("HEAD", "/v1/providers/7", "", None),
    "a booking": ("POST", "/v1/appointments", "providerId=7", None),
    "a deeper path": ("GET", "/v1/providers/7/more", "", None),
    "no provider": ("GET", "/v1/providers/", "", None),
    "an appointment": ("GET", "/v1/appointments/7", "", None),
    "percent signs": ("GET", "/v1/providers/%37", "", None),
    "another question": ("GET", "/v1/providers/7", "providerId=7", None),
    "two questions": ("GET", "/v1/appointments", "providerId=7&x=1", None),
    "a line end": ("GET", "/v1/appointments", "providerId=7\n", None),
    "an id that is too long": ("GET", "/v1/appointments", f"providerId={LONGEST}a", None),
}


@pytest.mark.parametrize(("method", "path", "query", "value"), LANE.values(), ids=LANE)
def test_the_lane_takes_plain_reads_alone(
    method: str, path: str, query: str, value: str | None
) -> None:
    found = plain_read(
        {"method": method, "raw_path": path.encode(), "query_string": query.encode()}
    )
    assert (found and found[1]) == value


ECHO = Statement("echo", "SELECT $1::text")
NOTHING = Statement("nothing", "SELECT $1::text WHERE false")
SLEEP = Statement("sleep", "SELECT 'slept' FROM pg_sleep($1::text::float)")
DIVIDE = Statement("divide", "SELECT (1 / $1::text::int)::text")
WHO = Statement("who", "SELECT pg_backend_pid() || $1::text")
STATEMENTS = (ECHO, NOTHING, SLEEP, DIVIDE, WHO)
Scenario = Callable[[Reader], Awaitable[Any]]


def reading(servers: Servers, scenario: Scenario) -> Any:
    """Run a scenario with a reader on a pool of its own, and see that it gives everything back."""

    async def run() -> Any:
        pool = AsyncConnectionPool(
            kwargs={"host": HOST, "port": servers.ports["primary"], "user": OWNER, "dbname": OWNER,
                    "autocommit": True, "row_factory": dict_row, "application_name": "reading"},
            connection_class=psycopg.AsyncConnection[dict[str, Any]],
            min_size=1,
            max_size=12,
            check=AsyncConnectionPool.check_connection,
            open=False,
        )  # fmt: skip
        async with pool:
            reader = Reader(pool, STATEMENTS)
            try:
                return await asyncio.wait_for(scenario(reader), 20)
            finally:
                await reader.close()

    found = asyncio.run(run())
    wait_until(lambda: not sessions(servers), "no session of the reader is left")
    return found


def sessions(servers: Servers) -> list[tuple[Any, ...]]:
    return servers.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'reading'")


def test_texts_come_back_as_they_are_and_no_row_is_none(servers: Servers) -> None:
    async def scenario(reader: Reader) -> list[str | None]:
        return [
            await reader.text(ECHO, "naïve ☂ 'text'"),
            await reader.text(ECHO, ""),
            await reader.text(NOTHING, "x"),
        ]

    assert reading(servers, scenario) == ["naïve ☂ 'text'", "", None]


def test_thirty_at_once_each_get_their_own_answer(servers: Servers) -> None:
    async def scenario(reader: Reader) -> list[str | None]:
        return await asyncio.gather(*(reader.text(ECHO, str(n)) for n in range(30)))

    assert reading(servers, scenario) == [str(n) for n in range(30)]


def test_what_the_server_refuses_is_its_error_and_the_connection_lives(servers: Servers) -> None:
    async def scenario(reader: Reader) -> bool:
        before = await reader.text(WHO, "")
        with pytest.raises(psycopg.errors.DivisionByZero):
            await reader.text(DIVIDE, "0")
        return before == await reader.text(WHO, "")

    assert reading(servers, scenario)


def test_a_read_that_is_given_up_answers_nobody_else(servers: Servers) -> None:
    async def scenario(reader: Reader) -> list[str | None]:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.text(SLEEP, "1.5"), 0.05)
        return [await reader.text(ECHO, str(n)) for n in range(5)]

    assert reading(servers, scenario) == list("01234")


def terminate(servers: Servers) -> None:
    servers.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'reading'"
    )


def test_a_connection_that_dies_at_work_is_an_operational_error(servers: Servers) -> None:
    async def scenario(reader: Reader) -> str | None:
        await reader.text(ECHO, "prepared")
        sleeping = asyncio.create_task(reader.text(SLEEP, "10"))
        await asyncio.to_thread(wait_until, lambda: asleep(servers), "the query runs", seconds=10)
        await asyncio.to_thread(terminate, servers)
        with pytest.raises(psycopg.OperationalError):
            await sleeping
        return await reader.text(ECHO, "after")

    assert reading(servers, scenario) == "after"


def asleep(servers: Servers) -> bool:
    return bool(
        servers.sql(
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'reading'"
            " AND wait_event = 'PgSleep'"
        )
    )


def test_connections_that_die_at_rest_cost_no_read(servers: Servers) -> None:
    async def scenario(reader: Reader) -> list[str | None]:
        await asyncio.gather(*(reader.text(ECHO, str(n)) for n in range(5)))
        await asyncio.to_thread(terminate, servers)
        end = time.monotonic() + 10
        # A session that has ended is not enough: its reader must have seen the end of the socket.
        while reader._idle:
            assert time.monotonic() < end, "the old sessions do not end"
            await asyncio.sleep(0.01)
        return [await reader.text(ECHO, str(n)) for n in range(5)]

    assert reading(servers, scenario) == list("01234")
