-- The gate's own login to the platform's database. It reads ids, references and tags, and can write nothing.
--
-- Run it as the administrator, in the platform's database; it may be run again at any time:
--     psql -v ON_ERROR_STOP=1 -d unified_health_prod -f deploy/postgres/gate_role.sql
--     psql -d unified_health_prod -c '\password release_gate'
-- Where the administrator is no superuser (RDS, Cloud SQL, Azure), it first needs the role that owns the tables:
--     GRANT owner_of_the_tables TO CURRENT_USER;
-- `./harness sandbox` runs exactly this file. A test proves what it does not allow.

BEGIN;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'release_gate') THEN
        CREATE ROLE release_gate;
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO release_gate', current_database());
END
$$;

ALTER ROLE release_gate LOGIN CONNECTION LIMIT 20;
ALTER ROLE release_gate SET default_transaction_read_only = on;
ALTER ROLE release_gate SET statement_timeout = '30s';

-- Whether the standby streams, and how far it is behind. It would also show other sessions' statements,
-- which the gate never selects.
GRANT pg_read_all_stats TO release_gate;

GRANT USAGE ON SCHEMA public TO release_gate;

-- What is counted (id), left out of counts (synthetic_tag), and followed from row to row (the rest). `ctid`,
-- a row's place in its file, lets a big table be counted from a sample. No name, address or birth date.
GRANT SELECT (id, synthetic_tag, ctid) ON public.users TO release_gate;
GRANT SELECT (id, user_id, synthetic_tag, ctid) ON public.patients TO release_gate;
GRANT SELECT (id, ctid) ON public.providers TO release_gate;
GRANT SELECT (id, patient_id, provider_id, created_at, synthetic_tag, ctid)
    ON public.appointments TO release_gate;
GRANT SELECT (id, appointment_id, synthetic_tag, ctid) ON public.payments TO release_gate;
GRANT SELECT (id, appointment_id, synthetic_tag, ctid) ON public.video_calls TO release_gate;

-- Prisma's `logs` may quote a patient's data. So the gate is told whether there are any, never what they say.
CREATE SCHEMA IF NOT EXISTS release_gate;
CREATE OR REPLACE VIEW release_gate.migrations WITH (security_barrier = true) AS
SELECT migration_name, checksum, started_at, finished_at, rolled_back_at, applied_steps_count,
       coalesce(logs, '') <> '' AS has_logs
FROM public._prisma_migrations;
GRANT USAGE ON SCHEMA release_gate TO release_gate;
GRANT SELECT ON release_gate.migrations TO release_gate;

COMMIT;
