//! Numbered migrations. The store's version is SQLite's `user_version`.

use atoll_ports::log::Error;
use rusqlite::{Connection, TransactionBehavior};

use crate::row::sql;

/// In order; the index plus one is the version that a step leads to. Events are
/// never migrated: they are versioned in themselves and read by upcasting.
/// Projections are made again from them after the last step, so that a new column
/// is filled as if it had always been there.
const STEPS: &[&str] = &[
    include_str!("schema/0001_log.sql"),
    include_str!("schema/0002_gates.sql"),
    include_str!("schema/0003_epoch.sql"),
    include_str!("schema/0004_labels.sql"),
    include_str!("schema/0005_grants.sql"),
];

/// The version that this binary writes.
pub const VERSION: u32 = STEPS.len() as u32;

/// What kind of file it is, in SQLite's `application_id`: "ATOL".
const APPLICATION: u32 = 0x4154_4f4c;

/// The version of an open store. Refuses one that is newer than this binary, and
/// databases of other programs.
pub fn check(db: &Connection) -> Result<u32, Error> {
    let found: u32 = db
        .pragma_query_value(None, "user_version", |r| r.get(0))
        .map_err(sql)?;
    let application: u32 = db
        .pragma_query_value(None, "application_id", |r| r.get(0))
        .map_err(sql)?;
    if found > VERSION && application == APPLICATION {
        return Err(Error::Newer {
            found,
            known: VERSION,
        });
    }
    let fresh = found == 0 && application == 0;
    if application != APPLICATION && !fresh {
        return Err(Error::Unusable(
            "log.db is another program's database: move it away".into(),
        ));
    }
    Ok(found)
}

/// Brings a store up to [`VERSION`], in one transaction: a crash leaves the old one.
pub fn run(db: &mut Connection) -> Result<(), Error> {
    let from = check(db)?;
    if from == VERSION {
        return Ok(());
    }
    let tx = db
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(sql)?;
    for step in &STEPS[from as usize..] {
        tx.execute_batch(step).map_err(sql)?;
    }
    crate::rebuild::within(&tx).map_err(sql)?;
    tx.pragma_update(None, "application_id", APPLICATION)
        .map_err(sql)?;
    tx.pragma_update(None, "user_version", VERSION)
        .map_err(sql)?;
    tx.commit().map_err(sql)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_once_and_refuses_what_is_newer_or_foreign() {
        let mut db = Connection::open_in_memory().unwrap();
        run(&mut db).unwrap();
        run(&mut db).unwrap();
        assert_eq!(check(&db).unwrap(), VERSION);
        db.pragma_update(None, "user_version", VERSION + 1).unwrap();
        assert_eq!(
            run(&mut db),
            Err(Error::Newer {
                found: VERSION + 1,
                known: VERSION
            })
        );

        let mut other = Connection::open_in_memory().unwrap();
        other.pragma_update(None, "user_version", 7).unwrap();
        assert!(matches!(run(&mut other), Err(Error::Unusable(_))));
    }
}
