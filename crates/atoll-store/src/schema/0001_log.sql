-- 1: the log, the content beside it, and the projections.
--
-- Ground state is `log`, `events` and `content` (with the files under blobs/).
-- Everything below "Projections" is derived: it is applied in the transaction
-- that appends, and `rebuild` drops and makes it again from the events alone.

-- One row: where the log stands, so that nothing is scanned at start-up.
CREATE TABLE log (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    node          TEXT    NOT NULL,  -- did:key of the log's root key
    seq           INTEGER NOT NULL,  -- the last event's number
    hash          BLOB    NOT NULL,  -- the last event's hash
    frontier      BLOB    NOT NULL,  -- right edge of the Merkle tree, 32 bytes each
    ts            INTEGER NOT NULL,  -- the largest time of any event, ms
    clock_back    INTEGER NOT NULL,  -- events that came before that time
    key_root      TEXT    NOT NULL,
    key_current   TEXT    NOT NULL,  -- whose signature the next checkpoint carries
    checkpoint    INTEGER NOT NULL,  -- `seq` of the last checkpoint event, 0: none
    checkpoint_ts INTEGER NOT NULL   -- and its time, ms
) STRICT;

-- `bytes` are the exact canonical bytes without `hash`. An event's id holds its
-- `seq`, so there is no index by id. `topic` and `kind` serve filters.
CREATE TABLE events (
    seq     INTEGER PRIMARY KEY,
    ts      INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    topic   TEXT    NOT NULL,
    session BLOB,
    hash    BLOB    NOT NULL,
    bytes   BLOB    NOT NULL
) STRICT;
CREATE INDEX events_session ON events (session, seq) WHERE session IS NOT NULL;

-- What commitments stand for. Up to 64 KiB in `bytes`, else in the file that
-- `file` (SHA-256 of the bytes) names. Erasing deletes the row and the file.
CREATE TABLE content (
    h      BLOB    NOT NULL,
    length INTEGER NOT NULL,
    salt   BLOB    NOT NULL,
    bytes  BLOB,
    file   BLOB,
    CHECK ((bytes IS NULL) <> (file IS NULL))
) STRICT;
CREATE UNIQUE INDEX content_h ON content (h);
CREATE INDEX content_file ON content (file) WHERE file IS NOT NULL;

-- Projections. A commitment is 40 bytes: its hash, then its length (big-endian).
-- Enums are their words in the protocol; lists and budgets are JSON.

CREATE TABLE ordinals (noun TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    id        BLOB PRIMARY KEY,
    ordinal   INTEGER NOT NULL UNIQUE,
    mode      TEXT    NOT NULL,
    workspace BLOB    NOT NULL,
    root      BLOB    NOT NULL,
    config    BLOB    NOT NULL,
    prompt    BLOB,
    provider  TEXT    NOT NULL,
    model     BLOB    NOT NULL,
    state     TEXT    NOT NULL,
    ended     TEXT,
    opened    INTEGER NOT NULL,
    updated   INTEGER NOT NULL,
    turns     INTEGER NOT NULL DEFAULT 0,
    steps     INTEGER NOT NULL DEFAULT 0,
    micros    INTEGER NOT NULL DEFAULT 0,
    tokens    INTEGER NOT NULL DEFAULT 0,
    ms        INTEGER NOT NULL DEFAULT 0,
    runs      INTEGER NOT NULL DEFAULT 0,
    budget    TEXT    NOT NULL,
    untrusted INTEGER NOT NULL DEFAULT 0,
    private   INTEGER NOT NULL DEFAULT 0,
    secret    INTEGER NOT NULL DEFAULT 0,
    tree      BLOB,
    base      BLOB,
    seq_first INTEGER NOT NULL,
    seq_last  INTEGER NOT NULL,
    deleted   INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Permits that are open: a `Granted` without its `Closed`.
CREATE TABLE permits (
    id      BLOB PRIMARY KEY,
    granted BLOB    NOT NULL,
    seq     INTEGER NOT NULL,
    session BLOB,
    kind    TEXT    NOT NULL,
    key     BLOB,
    again   TEXT    NOT NULL,
    action  BLOB    NOT NULL,
    sub     INTEGER NOT NULL,  -- 1: covered by another permit, which pays
    day     INTEGER NOT NULL,  -- of the grant: whose day's account pays
    micros  INTEGER NOT NULL,
    tokens  INTEGER NOT NULL,
    ms      INTEGER NOT NULL,
    runs    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What was settled per day (days since the Unix epoch, UTC).
CREATE TABLE days (
    day    INTEGER PRIMARY KEY,
    micros INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    ms     INTEGER NOT NULL,
    runs   INTEGER NOT NULL
) STRICT;

CREATE TABLE gates (
    id       BLOB PRIMARY KEY,
    ordinal  INTEGER NOT NULL UNIQUE,
    session  BLOB,
    kind     TEXT    NOT NULL,
    question BLOB    NOT NULL,
    hash     BLOB    NOT NULL,
    rules    TEXT    NOT NULL,
    opened   INTEGER NOT NULL,
    expires  INTEGER NOT NULL,
    answer   TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE patches (
    id       BLOB PRIMARY KEY,
    ordinal  INTEGER NOT NULL UNIQUE,
    session  BLOB    NOT NULL,
    state    TEXT    NOT NULL,
    files    INTEGER NOT NULL,
    class    TEXT    NOT NULL,
    tests_ok INTEGER,
    record   BLOB    NOT NULL,
    diff     BLOB    NOT NULL,
    proposed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    id      BLOB PRIMARY KEY,
    ordinal INTEGER NOT NULL UNIQUE,
    session BLOB,
    purpose TEXT    NOT NULL,
    permit  BLOB    NOT NULL,
    started INTEGER NOT NULL,
    outcome BLOB,
    how     TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX jobs_permit ON jobs (permit);

-- Up to how much the owner lets a session spend in a workspace with a provider.
CREATE TABLE grants (
    workspace  BLOB    NOT NULL,
    provider   TEXT    NOT NULL,
    micros_max INTEGER NOT NULL,
    PRIMARY KEY (workspace, provider)
) STRICT, WITHOUT ROWID;
