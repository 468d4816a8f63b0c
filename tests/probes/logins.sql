-- Logins of every kind for the tests of the Postgres probe, and a table whose rows nobody may show.
CREATE TABLE public.visits (id uuid PRIMARY KEY, patient text);
INSERT INTO visits VALUES ('00000000-0000-4000-8000-000000000001', 'sentinel-9f2-patient');
CREATE TABLE public.owned (id int);

CREATE ROLE reader LOGIN;
CREATE ROLE blind LOGIN;
CREATE ROLE writer LOGIN;
CREATE ROLE columnist LOGIN;
CREATE ROLE climber LOGIN NOINHERIT;
CREATE ROLE maker LOGIN CREATEROLE;
CREATE ROLE builder LOGIN;
CREATE ROLE everywhere LOGIN;
CREATE ROLE owner LOGIN;
CREATE ROLE crowd LOGIN CONNECTION LIMIT 0;
CREATE ROLE asleep LOGIN;
ALTER ROLE asleep NOLOGIN;

GRANT SELECT ON visits TO reader;
GRANT SELECT, INSERT ON visits TO writer;
GRANT UPDATE (patient) ON visits TO columnist;
GRANT writer TO climber;
GRANT CREATE ON SCHEMA public TO builder;
GRANT pg_write_all_data TO everywhere;
ALTER TABLE owned OWNER TO owner;
