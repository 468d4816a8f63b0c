"""Postgres and Redis: servers, migrations, backups."""
