-- What a provider's list of appointments is read from; no patient is named in it.
CREATE VIEW appointment_overview AS
SELECT a.id, a.provider_id, p.name AS provider_name, a.starts_at, a.status
FROM appointments AS a
JOIN providers AS p ON p.id = a.provider_id;
