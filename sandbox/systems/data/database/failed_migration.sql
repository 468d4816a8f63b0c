-- The release's last migration fails: one that was applied is undone and noted as failed; before it ran, what
-- it wants to make is put in its way, so that it really fails.
DO $$
BEGIN
    IF EXISTS (SELECT FROM _prisma_migrations
               WHERE migration_name = '20260126150000_appointment_source'
                 AND finished_at IS NOT NULL AND rolled_back_at IS NULL) THEN
        ALTER TABLE appointments DROP COLUMN IF EXISTS source;
        UPDATE _prisma_migrations
        SET finished_at = NULL, applied_steps_count = 0, logs = 'canceling statement due to lock timeout'
        WHERE migration_name = '20260126150000_appointment_source' AND rolled_back_at IS NULL;
    ELSE
        ALTER TABLE appointments ADD COLUMN IF NOT EXISTS source text;
    END IF;
END
$$;
