-- Three payments are gone; nothing refers to them.
DELETE FROM payments WHERE id IN ('7', '8', '9');
