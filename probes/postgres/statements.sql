-- What the gate asks of a Postgres, by name: all of it reads. Lines that begin with `--` are not sent; {ours}
-- stands for "not of the server's own schemas".

-- name: excess
-- What the login may do is listed, not what it may not: of the server's own roles only those that read, of
-- a table only SELECT. `holders` are the login and every role that it can become with SET ROLE, since a
-- login that may become a writer is one. A right in a schema that its holder may not use can't be used:
-- extensions such as pg_cron give everybody some. A superuser is a member of all roles; one row about it is
-- enough.
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

-- name: policies
-- Null: the table has no row security. Behind a view there may be other tables with other policies.
WITH tables AS (
    SELECT c.oid, c.relkind, c.relrowsecurity FROM pg_class c
    WHERE c.oid IN (SELECT to_regclass(name) FROM unnest(%s::text[]) AS name)
),
mine AS (
    SELECT p.* FROM pg_policy p JOIN tables t ON t.oid = p.polrelid
    WHERE p.polcmd IN ('r', '*')
      AND EXISTS (SELECT FROM unnest(p.polroles) AS role
                  WHERE role = 0 OR pg_has_role(current_user, role, 'USAGE'))
)
SELECT CASE WHEN t.relkind NOT IN ('r', 'p') THEN false
            WHEN t.relrowsecurity THEN
                EXISTS (SELECT FROM mine m WHERE m.polrelid = t.oid AND m.polpermissive
                                             AND pg_get_expr(m.polqual, m.polrelid) = 'true')
                AND NOT EXISTS (SELECT FROM mine m WHERE m.polrelid = t.oid AND NOT m.polpermissive)
       END
FROM tables t

-- name: tables
SELECT n.nspname || '.' || c.relname,
       array_agg(a.attname::text ORDER BY a.attname),
       string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                            pg_get_expr(d.adbin, d.adrelid)), ', ' ORDER BY a.attname),
       min(c.oid::bigint)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND {ours}
GROUP BY 1 ORDER BY 1

-- name: details
-- Of a partition nothing is told: a new one, with its own indexes and keys, changes no table's shape.
SELECT name, array_agg(detail), array_remove(array_agg(index), NULL)
FROM (SELECT n.nspname || '.' || c.relname AS name,
             pg_get_indexdef(i.indexrelid) || ' ' || i.indisvalid AS detail, x.relname::text AS index
      FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT c.relispartition AND {ours}
      UNION ALL
      SELECT n.nspname || '.' || c.relname, k.conname || ' ' || pg_get_constraintdef(k.oid), NULL
      FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE k.conparentid = 0 AND NOT c.relispartition AND {ours}
      UNION ALL
      SELECT n.nspname || '.' || c.relname, pg_get_triggerdef(g.oid) || ' ' || g.tgenabled::text, NULL
      FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE NOT g.tgisinternal AND NOT c.relispartition AND {ours}
      UNION ALL
      SELECT n.nspname || '.' || c.relname,
             concat_ws(' ', p.polname, p.polcmd, p.polpermissive, p.polroles::regrole[],
                       pg_get_expr(p.polqual, c.oid), pg_get_expr(p.polwithcheck, c.oid)), NULL
      FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT c.relispartition AND {ours}
      UNION ALL
      SELECT n.nspname || '.' || c.relname,
             concat_ws(' ', 'row security', c.relrowsecurity, c.relforcerowsecurity), NULL
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relrowsecurity AND NOT c.relispartition AND {ours}) AS each
GROUP BY 1

-- name: keys
-- From PostgreSQL 18 on a constraint may be there without being enforced; older ones lack the column.
SELECT k.conname::text, n.nspname || '.' || c.relname, tn.nspname || '.' || t.relname,
       (SELECT array_agg(a.attname::text ORDER BY o.place)
        FROM unnest(k.conkey) WITH ORDINALITY AS o (number, place)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = o.number),
       k.convalidated, coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true),
       NOT EXISTS (SELECT FROM pg_trigger g
                   WHERE (g.tgconstraint = k.oid
                          OR g.tgconstraint IN (SELECT p.oid FROM pg_constraint p
                                                WHERE p.conparentid = k.oid))
                     AND g.tgisinternal AND g.tgenabled IN ('D', 'R'))
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class t ON t.oid = k.confrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0 AND {ours}
ORDER BY 1, 2

-- name: unfinished
-- An index that somebody builds right now is invalid as well. Who may not see others' sessions sees
-- that something is built in this database, but not on which table.
SELECT 'index', x.relname::text, n.nspname || '.' || c.relname,
       CASE WHEN x.relkind = 'I' THEN 'partitioned' ELSE '' END,
       EXISTS (SELECT FROM pg_stat_progress_create_index p
               WHERE p.datid = (SELECT oid FROM pg_database WHERE datname = current_database())
                 AND coalesce(p.relid = c.oid, true))
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT (i.indisvalid AND i.indisready AND i.indislive) AND {ours}
UNION ALL
SELECT 'constraint', k.conname::text, n.nspname || '.' || coalesce(c.relname, d.typname),
       CASE WHEN coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true)
            THEN CASE WHEN k.convalidated THEN 'switched off' ELSE 'not validated' END
            ELSE 'not enforced' END, false
FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
LEFT JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_type d ON d.oid = k.contypid
WHERE k.conparentid = 0 AND {ours}
  AND (NOT k.convalidated
       OR EXISTS (SELECT FROM pg_trigger g
                  WHERE g.tgisinternal AND g.tgenabled IN ('D', 'R')
                    AND (g.tgconstraint = k.oid
                         OR g.tgconstraint IN (SELECT p.oid FROM pg_constraint p
                                               WHERE p.conparentid = k.oid))))
UNION ALL
SELECT 'trigger', g.tgname::text, n.nspname || '.' || c.relname, '', false
FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT g.tgisinternal AND g.tgenabled = 'D' AND {ours}
UNION ALL
SELECT 'rule', r.rulename::text, n.nspname || '.' || c.relname, '', false
FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE r.ev_enabled = 'D' AND {ours}
UNION ALL
SELECT 'event trigger', evtname::text, 'the database', '', false
FROM pg_event_trigger WHERE evtenabled = 'D'
UNION ALL
SELECT 'materialized view', c.relname::text, n.nspname || '.' || c.relname, '', false
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' AND NOT c.relispopulated AND {ours}
UNION ALL
SELECT 'type', t.typname::text, n.nspname || '.' || t.typname, '', false
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype IN ('e', 'd', 'r') AND t.typname ~ '_(old|new)$' AND {ours}
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.refclassid = 'pg_type'::regclass
                    AND d.refobjid IN (t.oid, t.typarray) AND d.deptype = 'n')
UNION ALL
SELECT 'partition', c.relname::text, n.nspname || '.' || c.relname,
       h.inhparent::regclass::text, false
FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (to_jsonb(h) ->> 'inhdetachpending')::boolean AND {ours}
ORDER BY 1, 3, 2

-- name: partitions
-- An empty partition may be younger than any backup, and nothing of it can be lost.
SELECT t.name, array_agg(n.nspname || '.' || c.relname)
         FILTER (WHERE p.isleaf AND pg_relation_size(c.oid) > 0)
FROM unnest(%s::text[], %s::text[]) AS t (name, quoted)
CROSS JOIN LATERAL pg_partition_tree(to_regclass(t.quoted)) AS p
JOIN pg_class c ON c.oid = p.relid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE p.level > 0 GROUP BY 1

-- name: connections
-- What the gate itself holds is not counted; sessions of the server's own workers are no connections.
SELECT pg_is_in_recovery(),
       current_setting('max_connections')::int
         - current_setting('superuser_reserved_connections')::int
         - coalesce(current_setting('reserved_connections', true), '0')::int,
       (SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())

-- name: standbys
-- Who copies changes to another system (logical decoding: Debezium, DMS) streams too, and is not a standby.
SELECT r.state, pg_wal_lsn_diff(pg_current_wal_lsn(), r.replay_lsn)::bigint,
       extract(epoch FROM r.replay_lag)::float8
FROM pg_stat_replication r
WHERE NOT EXISTS (SELECT FROM pg_replication_slots s
                  WHERE s.active_pid = r.pid AND s.slot_type = 'logical')
ORDER BY r.pid

-- name: busy
-- For how long sessions have run a statement or a transaction, the gate's own left out; of a query nothing.
SELECT coalesce(a.usename::text, ''), coalesce(a.state, 'disabled'),
       extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.query_start))::float8
FROM pg_stat_activity a
WHERE a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
  AND a.datname = current_database() AND a.state IS DISTINCT FROM 'idle'
UNION ALL
SELECT p.owner::text, 'prepared', extract(epoch FROM clock_timestamp() - p.prepared)::float8
FROM pg_prepared_xacts p WHERE p.database = current_database()
ORDER BY 3 DESC NULLS FIRST, 1, 2

-- name: replayed
-- Up to where the primary has written its log, and each standby has replayed it, in bytes.
SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint,
       array(SELECT pg_wal_lsn_diff(r.replay_lsn, '0/0')::bigint FROM pg_stat_replication r
             WHERE r.state = 'streaming' AND r.replay_lsn IS NOT NULL
               AND NOT EXISTS (SELECT FROM pg_replication_slots s
                               WHERE s.active_pid = r.pid AND s.slot_type = 'logical')
             ORDER BY r.pid)

-- name: may_look
SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')

-- name: writers
-- Sessions whose login may write one of these tables, whatever they do: an idle one is a writer too.
SELECT a.usename::text, a.backend_start
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
  AND EXISTS (
    SELECT FROM unnest(%s::text[]) AS name, LATERAL to_regclass(name) AS t
    WHERE t IS NOT NULL AND (has_table_privilege(a.usesysid, t, 'INSERT, UPDATE, DELETE, TRUNCATE')
                             OR has_any_column_privilege(a.usesysid, t, 'INSERT, UPDATE')))
ORDER BY a.backend_start

-- name: columns
-- What is not there is left out: a table may come with the release.
SELECT n.nspname::text, c.relname::text, a.attname::text, has_schema_privilege(n.oid, 'USAGE')
FROM unnest(%s::text[], %s::text[], %s::text[]) AS w (schema, name, attribute)
JOIN pg_namespace n ON n.nspname = w.schema
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = w.attribute AND NOT a.attisdropped
WHERE NOT (has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT'))
ORDER BY 1, 2, 3

-- name: holder
-- A bigint's key has its upper half in classid and objsubid 1; two integers have objsubid 2.
SELECT CASE WHEN bool_or(a.state NOT IN ('idle', 'disabled')
                         OR clock_timestamp() - a.state_change < %s) THEN 'migrating'
            WHEN bool_or(coalesce(a.state, 'disabled') = 'disabled') THEN 'hidden'
            WHEN count(*) > 0 THEN 'idle' END
FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.classid = 0 AND l.objid = %s AND l.objsubid = 1
  AND l.mode = 'ExclusiveLock' AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())

-- name: size
SELECT c.relkind::text, c.reltuples, pg_relation_size(c.oid), current_setting('block_size')::int
FROM pg_class c WHERE c.oid = to_regclass(%s)
