//! Where the log stands: one row, read at start-up, written with each batch.

use atoll_domain::{Hash, Ms};
use atoll_log::merkle::Frontier;
use atoll_log::{Head, PublicKey};
use atoll_ports::log::Error;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::row::{damaged, sql};

/// The row, in memory.
#[derive(Clone, Debug)]
pub struct State {
    /// The node's did:key.
    pub node: String,
    /// The last event.
    pub head: Head,
    /// The Merkle tree over all events.
    pub frontier: Frontier,
    /// The largest time of any event.
    pub ts: Ms,
    /// Events that came before that time: the clock had been set back.
    pub clock_back: u64,
    /// The log's keys.
    pub key_root: PublicKey,
    /// Whose signature the next checkpoint carries.
    pub key_current: PublicKey,
    /// `seq` of the last checkpoint event; 0: none.
    pub checkpoint: u64,
    /// Its time.
    pub checkpoint_ts: Ms,
    /// `seq` of the event that named the current key; 0: long ago.
    pub epoch: u64,
    /// Its time.
    pub epoch_ts: Ms,
}

impl State {
    /// Before the first event of a log whose root key is `root`.
    pub fn new(root: PublicKey, current: PublicKey) -> State {
        State {
            node: root.to_string(),
            head: Head::EMPTY,
            frontier: Frontier::default(),
            ts: Ms(0),
            clock_back: 0,
            key_root: root,
            key_current: current,
            checkpoint: 0,
            checkpoint_ts: Ms(0),
            epoch: 0,
            epoch_ts: Ms(0),
        }
    }

    /// Events that no checkpoint covers. A checkpoint event is by itself nothing new.
    pub fn uncovered(&self) -> u64 {
        self.head.seq.saturating_sub(self.checkpoint)
    }

    /// Writes what every batch changes. The row must be there.
    pub fn save_head(&self, db: &Connection) -> rusqlite::Result<()> {
        db.prepare_cached(
            "UPDATE log SET seq = ?1, hash = ?2, frontier = ?3, ts = ?4, clock_back = ?5,
             checkpoint = ?6, checkpoint_ts = ?7 WHERE one = 1",
        )?
        .execute(params![
            self.head.seq,
            self.head.hash.0,
            self.frontier.edge().as_flattened(),
            self.ts.0,
            self.clock_back,
            self.checkpoint,
            self.checkpoint_ts.0,
        ])?;
        Ok(())
    }

    /// Writes the whole row.
    pub fn save(&self, db: &Connection) -> rusqlite::Result<()> {
        db.prepare_cached(
            "INSERT OR REPLACE INTO log
             (one, node, seq, hash, frontier, ts, clock_back, key_root, key_current, checkpoint, checkpoint_ts,
              epoch, epoch_ts)
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            self.node,
            self.head.seq,
            self.head.hash.0,
            self.frontier.edge().as_flattened(),
            self.ts.0,
            self.clock_back,
            self.key_root.to_string(),
            self.key_current.to_string(),
            self.checkpoint,
            self.checkpoint_ts.0,
            self.epoch,
            self.epoch_ts.0,
        ])?;
        Ok(())
    }

    /// Reads the row; `None` in a store without a log. Refuses a row that does
    /// not agree with the last event.
    pub fn load(db: &Connection) -> Result<Option<State>, Error> {
        type Row = (
            (String, u64, [u8; 32], Vec<u8>, u64, u64),
            (String, String, u64, u64, u64, u64),
        );
        let row: Option<Row> = db
            .query_row(
                "SELECT node, seq, hash, frontier, ts, clock_back, key_root, key_current, checkpoint, checkpoint_ts,
                     epoch, epoch_ts
                 FROM log WHERE one = 1",
                [],
                |r| {
                    let first = (r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?);
                    let second = (r.get(6)?, r.get(7)?, r.get(8)?, r.get(9)?, r.get(10)?, r.get(11)?);
                    Ok((first, second))
                },
            )
            .optional()
            .map_err(sql)?;
        let Some((
            (node, seq, hash, edge, ts, clock_back),
            (root, current, checkpoint, checkpoint_ts, epoch, epoch_ts),
        )) = row
        else {
            // Without its row a log must not be begun anew over what is there.
            let events: bool = db
                .query_row("SELECT EXISTS (SELECT 1 FROM events)", [], |r| r.get(0))
                .map_err(sql)?;
            return match events {
                true => Err(damaged(0, "the row that says where it ends is missing")),
                false => Ok(None),
            };
        };
        let (chunks, rest) = edge.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(damaged(seq, "the tree's frontier is cut off"));
        }
        let state = State {
            node,
            head: Head {
                seq,
                hash: Hash(hash),
            },
            frontier: Frontier::from_parts(seq, chunks.to_vec()).map_err(|e| damaged(seq, e))?,
            ts: Ms(ts),
            clock_back,
            key_root: root.parse().map_err(|e| damaged(seq, e))?,
            key_current: current.parse().map_err(|e| damaged(seq, e))?,
            checkpoint,
            checkpoint_ts: Ms(checkpoint_ts),
            epoch,
            epoch_ts: Ms(epoch_ts),
        };
        let last: Option<(u64, [u8; 32])> = db
            .query_row(
                "SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1",
                [],
                |r| Ok((r.get(0)?, r.get(1)?)),
            )
            .optional()
            .map_err(sql)?;
        if last.map_or((0, [0; 32]), |l| l) != (seq, hash) {
            return Err(damaged(seq, "its last events are missing or changed"));
        }
        crate::tail::check(db, &state.head, &state.node)?;
        Ok(Some(state))
    }
}
