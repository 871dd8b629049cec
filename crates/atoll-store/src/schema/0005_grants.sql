-- 5: grants that tokens carry, what was spent under each, and which were revoked; under
-- which a session runs and a permit was admitted.

CREATE TABLE capabilities (
    id      BLOB PRIMARY KEY,
    ordinal INTEGER NOT NULL UNIQUE,
    parent  BLOB,
    root    BLOB    NOT NULL,  -- the first of its chain
    role    TEXT    NOT NULL,
    minted  INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    kinds   TEXT,              -- JSON; NULL: all
    budget  TEXT    NOT NULL,  -- JSON
    rate    INTEGER NOT NULL,  -- requests within a minute
    body    INTEGER NOT NULL,  -- bytes
    scope   BLOB    NOT NULL,
    name    BLOB    NOT NULL,
    used    INTEGER,
    micros  INTEGER NOT NULL DEFAULT 0,
    tokens  INTEGER NOT NULL DEFAULT 0,
    ms      INTEGER NOT NULL DEFAULT 0,
    runs    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX capabilities_root ON capabilities (root);

-- Also of grants that were never seen here: an attenuation is made without the node.
CREATE TABLE revocations (
    id BLOB PRIMARY KEY,
    ts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE sessions ADD COLUMN capability BLOB;
ALTER TABLE permits ADD COLUMN capability BLOB;
