-- The payments of payments_deleted.sql, as seed.sql made them.
INSERT INTO payments (id, appointment_id, amount_cents, currency, mode, status, gateway_reference,
                      created_at)
SELECT n::text, n::text, 2000 + n % 90 * 100, (ARRAY['EUR', 'USD'])[1 + n % 2], 'live', 'succeeded',
       'seed-' || n,
       timestamptz '2024-02-01 08:05:00+00' + n * interval '5 minutes'
FROM generate_series(7, 9) AS n
ON CONFLICT DO NOTHING;
