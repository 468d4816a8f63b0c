-- Users, patients, providers and appointments. Identifiers are text, as the platform's ORM makes them.
-- `synthetic_tag` marks the records that the deployment gate makes; it is null for everybody else.

CREATE TABLE users (
    id text PRIMARY KEY,
    email text NOT NULL UNIQUE,
    password_hash text NOT NULL,
    role text NOT NULL CHECK (role IN ('patient', 'provider')),
    synthetic_tag text,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE patients (
    id text PRIMARY KEY,
    user_id text UNIQUE REFERENCES users (id),
    name text NOT NULL,
    birth_date date,
    region text NOT NULL,
    synthetic_tag text,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE providers (
    id text PRIMARY KEY,
    name text NOT NULL,
    specialty text NOT NULL,
    region text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE appointments (
    id text PRIMARY KEY,
    patient_id text NOT NULL REFERENCES patients (id),
    provider_id text NOT NULL REFERENCES providers (id),
    starts_at timestamptz NOT NULL,
    status text NOT NULL CHECK (status IN ('scheduled', 'in_progress', 'completed', 'cancelled')),
    synthetic_tag text,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX appointments_by_provider ON appointments (provider_id, starts_at DESC);
CREATE INDEX appointments_by_patient ON appointments (patient_id);

CREATE INDEX users_synthetic ON users (synthetic_tag) WHERE synthetic_tag IS NOT NULL;
CREATE INDEX patients_synthetic ON patients (synthetic_tag) WHERE synthetic_tag IS NOT NULL;
CREATE INDEX appointments_synthetic ON appointments (synthetic_tag) WHERE synthetic_tag IS NOT NULL;
