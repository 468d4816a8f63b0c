"""The database: backups, migrations, tables, connections."""
