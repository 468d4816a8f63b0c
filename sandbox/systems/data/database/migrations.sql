-- What Prisma says to the table of its migrations.

-- name: create
-- As Prisma makes it.
CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id varchar(36) PRIMARY KEY NOT NULL,
    checksum varchar(64) NOT NULL,
    finished_at timestamptz,
    migration_name varchar(255) NOT NULL,
    logs text,
    rolled_back_at timestamptz,
    started_at timestamptz NOT NULL DEFAULT now(),
    applied_steps_count integer NOT NULL DEFAULT 0
)

-- name: begin
INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at)
VALUES (gen_random_uuid()::text, %s, %s, clock_timestamp())

-- name: finish
UPDATE _prisma_migrations SET finished_at = clock_timestamp(), applied_steps_count = 1
WHERE migration_name = %s AND rolled_back_at IS NULL

-- name: fail
UPDATE _prisma_migrations SET logs = %s
WHERE migration_name = %s AND finished_at IS NULL AND rolled_back_at IS NULL

-- name: noted
SELECT migration_name FROM _prisma_migrations WHERE rolled_back_at IS NULL
