"""Redis for one platform: an ACL file with the API's login and the gate's, nothing kept on disk."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sandbox.core import CHECKOUT
from sandbox.core.child import Command
from sandbox.core.layout import HOST
from sandbox.core.readiness import answers_redis
from sandbox.core.state import write_private

if TYPE_CHECKING:
    from sandbox.core.binaries import Binary
    from sandbox.core.layout import Layout

GATE = "release_gate"
_KIT = CHECKOUT / "deploy" / "redis" / "gate.acl"
_READ_KEY_ACLS = (7, 0)


def command(layout: Layout, binary: Binary) -> Command:
    """Write the server's configuration and return how it is started."""
    port = layout.ports["redis"]
    access = layout.runtime / "redis.acl"
    settings = layout.runtime / "redis.conf"
    write_private(access, _access(layout, binary))
    write_private(settings, _settings(layout, port, str(access)))
    return Command(
        name="redis",
        argv=(binary.path, str(settings)),
        log=layout.log("redis"),
        environment=binary.environment,
        ready=answers_redis(port, layout.passwords["redis-api"]),
        ready_means="it accepts the API's password",
    )


def _access(layout: Layout, binary: Binary) -> str:
    api, gate = (_digest(layout.passwords[name]) for name in ("redis-api", "redis-gate"))
    return f"user default on #{api} ~* &* +@all\n{gate_line(gate, binary.version_numbers)}"


def gate_line(password_sha256: str, version: tuple[int, ...]) -> str:
    """Return the line of the operators' own ACL file for the gate's user, as this version knows it."""
    line = _KIT.read_text(encoding="utf-8").replace("PASSWORD_SHA256", password_sha256)
    # Redis 6 has no pattern for reading alone; none of the gate's commands writes anyway.
    return line if version >= _READ_KEY_ACLS else line.replace("%R~", "~")


def _settings(layout: Layout, port: int, access: str) -> str:
    return (
        f"bind {HOST}\nport {port}\ndir {layout.runtime}\naclfile {access}\n"
        'save ""\nappendonly no\nmaxmemory 64mb\nmaxmemory-policy noeviction\ndaemonize no\n'
    )


def _digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()
