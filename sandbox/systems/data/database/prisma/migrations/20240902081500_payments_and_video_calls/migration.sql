CREATE TABLE payments (
    id text PRIMARY KEY,
    appointment_id text NOT NULL REFERENCES appointments (id),
    amount_cents integer NOT NULL CHECK (amount_cents > 0),
    currency text NOT NULL,
    mode text NOT NULL CHECK (mode IN ('test', 'live')),
    status text NOT NULL,
    gateway_reference text NOT NULL,
    synthetic_tag text,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE video_calls (
    id text PRIMARY KEY,
    appointment_id text NOT NULL REFERENCES appointments (id),
    status text NOT NULL CHECK (status IN ('initialised', 'ended')),
    synthetic_tag text,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);

CREATE INDEX payments_by_appointment ON payments (appointment_id);
CREATE INDEX video_calls_by_appointment ON video_calls (appointment_id);

CREATE INDEX payments_synthetic ON payments (synthetic_tag) WHERE synthetic_tag IS NOT NULL;
CREATE INDEX video_calls_synthetic ON video_calls (synthetic_tag) WHERE synthetic_tag IS NOT NULL;
