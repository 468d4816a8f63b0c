CREATE TABLE appointment_reminders (
    id text PRIMARY KEY,
    appointment_id text NOT NULL REFERENCES appointments (id),
    channel text NOT NULL CHECK (channel IN ('email', 'sms', 'push')),
    send_at timestamptz NOT NULL,
    sent_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX appointment_reminders_due ON appointment_reminders (send_at) WHERE sent_at IS NULL;
