"""What one process of the reference API is told: one JSON file."""

from __future__ import annotations

from pydantic import Field, SecretStr

from sandbox.core.standins import Configuration

REPLICA_HEADER = "X-Pod"
"""In which a replica names itself in its answers to health checks."""


class Database(Configuration):
    """One Postgres server and the login of the API.

    The login needs `pg_read_all_stats`, or it cannot see whether the standby is streaming.
    """

    host: str
    port: int = Field(ge=1, le=65535)
    name: str
    user: str
    password: SecretStr


class Redis(Configuration):
    """The Redis server and the password of its default user."""

    host: str
    port: int = Field(ge=1, le=65535)
    password: SecretStr | None = None


class Synthetic(Configuration):
    """How synthetic users are recognised, and the token that lists and deletes their records."""

    email_domain: str
    provider_id: str = "synthetic-provider"
    """With whom they book; real users never do."""
    token: SecretStr


class AppConfig(Configuration):
    """All settings of one process of the reference API."""

    region: str
    version: str
    port: int = Field(ge=0, le=65535)
    hosts: tuple[str, ...] = ("127.0.0.1",)
    """Where it listens; it answers at each as another replica."""
    database: Database
    redis: Redis
    vendors_url: str
    admin_token: SecretStr
    """Opens `/_sandbox`, where the local platform sets faults."""
    synthetic: Synthetic
