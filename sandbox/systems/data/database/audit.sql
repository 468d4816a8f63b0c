-- The audit log: who did what, when, from what to what. Entries are added and never changed.

CREATE SCHEMA audit;

CREATE TABLE audit.entries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    region text NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    target text,
    old text,
    new text,
    request_id text
);

CREATE INDEX entries_by_time ON audit.entries (at);
CREATE INDEX entries_by_request ON audit.entries (request_id);

CREATE FUNCTION audit.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only ever added to';
END
$$;

CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE ON audit.entries
FOR EACH ROW EXECUTE FUNCTION audit.refuse();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON audit.entries
FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse();
