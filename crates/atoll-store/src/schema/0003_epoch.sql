-- 3: when the epoch of the log's key began, so that it ends by itself. 0: not known,
-- long ago.

ALTER TABLE log ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;     -- `seq` of the event that named its key
ALTER TABLE log ADD COLUMN epoch_ts INTEGER NOT NULL DEFAULT 0;  -- and its time, ms
