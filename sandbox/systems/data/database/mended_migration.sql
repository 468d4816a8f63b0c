-- Takes failed_migration.sql back: carries the migration out, or takes what was in its way out of it.
DO $$
DECLARE
    there boolean := EXISTS (SELECT FROM pg_attribute
                             WHERE attrelid = 'appointments'::regclass AND attname = 'source'
                               AND NOT attisdropped);
BEGIN
    IF EXISTS (SELECT FROM _prisma_migrations
               WHERE migration_name = '20260126150000_appointment_source'
                 AND finished_at IS NOT NULL AND rolled_back_at IS NULL) THEN
        RETURN;
    END IF;
    IF there THEN
        ALTER TABLE appointments DROP COLUMN source;
        UPDATE _prisma_migrations SET rolled_back_at = now()
        WHERE migration_name = '20260126150000_appointment_source' AND rolled_back_at IS NULL;
    ELSIF EXISTS (SELECT FROM _prisma_migrations
                  WHERE migration_name = '20260126150000_appointment_source'
                    AND rolled_back_at IS NULL) THEN
        ALTER TABLE appointments ADD COLUMN source text NOT NULL DEFAULT 'app';
        UPDATE _prisma_migrations SET finished_at = started_at + interval '20 ms',
               applied_steps_count = 1, logs = NULL
        WHERE migration_name = '20260126150000_appointment_source' AND rolled_back_at IS NULL;
    END IF;
END
$$;
