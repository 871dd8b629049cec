-- 2: who answered a gate, and the permit that used the answer up; a session's gates
-- are found without reading all of them.

ALTER TABLE gates ADD COLUMN answerer TEXT;  -- JSON
ALTER TABLE gates ADD COLUMN used BLOB;      -- permit
CREATE INDEX gates_session ON gates (session, ordinal) WHERE session IS NOT NULL;
