"""What a Postgres login may do beyond reading: one query over the catalogue, and its answer."""

from __future__ import annotations

import dataclasses
from typing import Final

from probes.observation import Shown


@dataclasses.dataclass(frozen=True, slots=True)
class Right(Shown):
    """One right too many."""

    KEPT = ("kind", "privilege", "object_name", "role")

    kind: str
    """`role attribute`, `membership`, `database`, `schema`, `table` or `sequence`."""
    privilege: str
    """`INSERT`, `CREATE`, `SUPERUSER`, ...; for a membership the role."""
    object_name: str
    """Quoted as SQL needs it; the role itself for attributes and memberships."""
    role: str
    """Who holds it: the login, or a role that it is a member of."""

    def sentence(self) -> str:
        """Return the right in words."""
        if self.kind == "role attribute":
            return f"the role attribute {self.privilege} (held by {self.role})"
        if self.kind == "membership":
            return f"the membership in {self.privilege}"
        return f"{self.privilege} on {self.kind} {self.object_name} (held by {self.role})"


@dataclasses.dataclass(frozen=True, slots=True)
class Rights(Shown):
    """The rights that exceed reading."""

    KEPT = ("user", "excess")

    user: str
    excess: tuple[Right, ...]
    """At most 200, the gravest first."""


# What the login may do is listed, not what it may not: of the server's own roles only those that read, of
# a table only SELECT. `holders` are the login and every role that it can become with SET ROLE, since a
# login that may become a writer is one. A right in a schema that its holder may not use can't be used:
# extensions such as pg_cron give everybody some. A superuser is a member of all roles; one row about it is
# enough.
EXCESS_QUERY: Final = """
WITH me AS (SELECT oid, rolname, rolsuper FROM pg_roles WHERE rolname = session_user),
holders AS (
    SELECT r.* FROM pg_roles r, me
    WHERE r.oid = me.oid OR (NOT me.rolsuper AND pg_has_role(me.oid, r.oid, 'MEMBER'))
),
relations AS (
    SELECT c.oid, c.relkind, c.relowner, c.relnamespace, format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
),
schemas AS (
    SELECT oid, nspname FROM pg_namespace
    WHERE nspname <> 'information_schema' AND nspname !~ '^pg_'
),
excess AS (
    SELECT 1 AS rank, 'role attribute' AS kind, attribute.name AS privilege,
           quote_ident(h.rolname) AS object_name, h.rolname AS role
    FROM holders h CROSS JOIN LATERAL (VALUES
        ('SUPERUSER', h.rolsuper), ('CREATEROLE', h.rolcreaterole), ('CREATEDB', h.rolcreatedb),
        ('BYPASSRLS', h.rolbypassrls), ('REPLICATION', h.rolreplication)
    ) AS attribute (name, held)
    WHERE attribute.held
  UNION ALL
    SELECT 2, 'membership', h.rolname::text, quote_ident(h.rolname), me.rolname
    FROM holders h, me
    WHERE h.rolname ~ '^pg_' AND h.rolname NOT IN
        ('pg_monitor', 'pg_read_all_settings', 'pg_read_all_stats', 'pg_stat_scan_tables',
         'pg_read_all_data')
  UNION ALL
    SELECT 3, 'database', 'CREATE', quote_ident(current_database()), h.rolname
    FROM holders h WHERE has_database_privilege(h.oid, current_database(), 'CREATE')
  UNION ALL
    SELECT 4, 'schema', 'CREATE', quote_ident(s.nspname), h.rolname
    FROM holders h, schemas s WHERE has_schema_privilege(h.oid, s.oid, 'CREATE')
  UNION ALL
    SELECT 5, 'table', p.name, t.name, h.rolname
    FROM holders h, relations t,
         (VALUES ('INSERT'), ('UPDATE'), ('DELETE'), ('TRUNCATE')) AS p (name)
    WHERE t.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND has_schema_privilege(h.oid, t.relnamespace, 'USAGE')
      AND (has_table_privilege(h.oid, t.oid, p.name)
           OR (p.name IN ('INSERT', 'UPDATE') AND has_any_column_privilege(h.oid, t.oid, p.name)))
  UNION ALL
    SELECT 5, 'table', a.privilege_type, t.name, h.rolname
    FROM holders h, relations t JOIN pg_class c ON c.oid = t.oid,
         LATERAL aclexplode(c.relacl) AS a
    WHERE t.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.grantee IN (0, h.oid)
      AND h.oid <> t.relowner
      AND a.privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
      AND has_schema_privilege(h.oid, t.relnamespace, 'USAGE')
  UNION ALL
    SELECT 6, 'table', 'OWNER', t.name, h.rolname
    FROM holders h, relations t WHERE t.relkind IN ('r', 'p', 'v', 'm', 'f') AND t.relowner = h.oid
  UNION ALL
    SELECT 7, 'sequence', p.name, t.name, h.rolname
    FROM holders h, relations t, (VALUES ('USAGE'), ('UPDATE')) AS p (name)
    WHERE t.relkind = 'S' AND has_schema_privilege(h.oid, t.relnamespace, 'USAGE')
      AND has_sequence_privilege(h.oid, t.oid, p.name)
)
SELECT kind, privilege, object_name, role::text FROM excess
ORDER BY rank, object_name, privilege, role LIMIT 200
"""
