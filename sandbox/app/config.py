"""What one process of the reference API is told: one JSON file."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

REPLICA_HEADER = "X-Pod"
"""In which a replica names itself in its answers to health checks."""


class ConfigError(Exception):
    """The configuration file cannot be used; the sentence says where and what, never a value."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Database(_Part):
    """One Postgres server and the login of the API.

    The login needs `pg_read_all_stats`, or it cannot see whether the standby is streaming.
    """

    host: str
    port: int = Field(ge=1, le=65535)
    name: str
    user: str
    password: SecretStr


class Redis(_Part):
    """The Redis server and the password of its default user."""

    host: str
    port: int = Field(ge=1, le=65535)
    password: SecretStr | None = None


class Synthetic(_Part):
    """How synthetic users are recognised, and the token that lists and deletes their records."""

    email_domain: str
    token: SecretStr
    provider_id: str


class AppConfig(_Part):
    """All settings of one process of the reference API."""

    region: str
    version: str
    port: int = Field(ge=0, le=65535)
    hosts: tuple[str, ...] = ("127.0.0.1",)
    """Where it listens; it answers at each as another replica."""
    database: Database
    standby: Database | None = None
    """Named for people; the API asks the primary whether the standby is streaming."""
    redis: Redis
    vendors_url: str
    admin_token: SecretStr
    """Opens `/_sandbox`, where the local platform sets faults."""
    synthetic: Synthetic


def read_config(path: Path) -> AppConfig:
    """Read and check the file; raises ConfigError with one sentence that holds no secret."""
    try:
        return AppConfig.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise ConfigError(f"cannot read {path}: {exc.strerror}") from exc
    except ValidationError as exc:
        found = "; ".join(
            f"{'.'.join(map(str, error['loc'])) or 'file'}: {error['msg']}"
            for error in exc.errors(include_input=False, include_context=False)
        )
        raise ConfigError(f"{path} is not a configuration of the reference API: {found}") from exc
