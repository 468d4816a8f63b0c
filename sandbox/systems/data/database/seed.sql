-- 500 providers, 10,000 patients, 50,000 appointments, 9,500 payments: the same rows every time.
BEGIN;

INSERT INTO providers (id, name, specialty, region, created_at)
SELECT n::text,
       'Provider ' || n,
       (ARRAY['cardiology', 'dermatology', 'general practice', 'paediatrics', 'psychiatry'])[1 + n % 5],
       (ARRAY['eu', 'us'])[1 + n % 2],
       timestamptz '2024-01-01 08:00:00+00' + n * interval '1 minute'
FROM generate_series(1, 500) AS n;

-- Bookings of the deployment gate go here, so that no real provider's calendar shows them.
INSERT INTO providers (id, name, specialty, region, created_at)
VALUES ('synthetic-provider', 'Synthetic provider', 'general practice', 'eu',
        timestamptz '2024-01-01 08:00:00+00');

INSERT INTO patients (id, name, birth_date, region, created_at)
SELECT n::text,
       'Patient ' || n,
       date '1940-01-01' + (n * 7919 % 29000),
       (ARRAY['eu', 'us'])[1 + n % 2],
       timestamptz '2024-01-02 08:00:00+00' + n * interval '1 minute'
FROM generate_series(1, 10000) AS n;

-- The references are checked once at the end instead of row by row: a third of the time.
ALTER TABLE appointments
    DROP CONSTRAINT appointments_patient_id_fkey,
    DROP CONSTRAINT appointments_provider_id_fkey;
DROP INDEX appointments_by_provider, appointments_by_patient;

INSERT INTO appointments (id, patient_id, provider_id, starts_at, status, created_at)
SELECT n::text,
       (1 + n * 7919 % 10000)::text,
       (1 + n % 500)::text,
       timestamptz '2024-03-01 08:00:00+00' + n * interval '5 minutes',
       CASE WHEN n > 49960 THEN 'in_progress'
            WHEN n > 40000 THEN 'scheduled'
            WHEN n % 20 = 0 THEN 'cancelled'
            ELSE 'completed' END,
       timestamptz '2024-02-01 08:00:00+00' + n * interval '5 minutes'
FROM generate_series(1, 50000) AS n;

CREATE INDEX appointments_by_provider ON appointments (provider_id, starts_at DESC);
CREATE INDEX appointments_by_patient ON appointments (patient_id);
ALTER TABLE appointments
    ADD CONSTRAINT appointments_patient_id_fkey
        FOREIGN KEY (patient_id) REFERENCES patients (id),
    ADD CONSTRAINT appointments_provider_id_fkey
        FOREIGN KEY (provider_id) REFERENCES providers (id);

INSERT INTO payments (id, appointment_id, amount_cents, currency, mode, status, gateway_reference,
                      created_at)
SELECT n::text, n::text, 2000 + n % 90 * 100, (ARRAY['EUR', 'USD'])[1 + n % 2], 'live', 'succeeded',
       'seed-' || n,
       timestamptz '2024-02-01 08:05:00+00' + n * interval '5 minutes'
FROM generate_series(1, 10000) AS n
WHERE n % 20 <> 0;

COMMIT;

ANALYZE providers, patients, appointments, payments;
