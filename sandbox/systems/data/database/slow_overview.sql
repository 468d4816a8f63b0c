-- Fault "slow query": every read of the overview really takes 80 ms longer in Postgres. Run by the owner.
-- The materialised CTE is evaluated once for each query, not once for each row.
BEGIN;
ALTER VIEW appointment_overview RENAME TO appointment_overview_fast;
CREATE VIEW appointment_overview AS
WITH delay AS MATERIALIZED (SELECT pg_sleep(0.08) AS slept)
SELECT fast.* FROM delay CROSS JOIN appointment_overview_fast AS fast;
COMMIT;
