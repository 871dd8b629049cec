-- 4: where a session's labels come from, and contents that carry one.

CREATE TABLE labels (
    session BLOB    NOT NULL,
    seq     INTEGER NOT NULL,  -- the event that set it; a fork has its parent's
    label   TEXT    NOT NULL,
    source  TEXT    NOT NULL,
    what    BLOB,
    cleared INTEGER NOT NULL DEFAULT 0,  -- the event that cleared it
    PRIMARY KEY (session, seq)
) STRICT, WITHOUT ROWID;

-- Contents that came out of a labelled context, or (`cleared`) that the owner freed.
CREATE TABLE marks (
    seq       INTEGER PRIMARY KEY,
    workspace BLOB    NOT NULL,
    label     TEXT    NOT NULL,
    session   BLOB,
    files     BLOB    NOT NULL,
    cleared   INTEGER NOT NULL
) STRICT;
CREATE INDEX marks_workspace ON marks (workspace, seq);
