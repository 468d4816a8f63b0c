-- The old version writes providers without it: the default keeps both versions working.
ALTER TABLE providers ADD COLUMN languages text[] NOT NULL DEFAULT '{en}';
