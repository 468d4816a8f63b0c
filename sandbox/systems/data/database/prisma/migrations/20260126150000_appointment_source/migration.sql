-- A constant default rewrites no row, so the table is locked for a moment only.
ALTER TABLE appointments ADD COLUMN source text NOT NULL DEFAULT 'app';
