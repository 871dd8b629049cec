//! The store passes the suite that every log passes.

use std::path::Path;
use std::sync::{Arc, Weak};

use atoll_ports::Log;
use atoll_ports::log::Error;
use atoll_store::{Options, Room, Store};
use testkit::log::Ground;

use crate::made::Place;

/// A store's folder; the store itself is remembered for what the port does not tell.
struct Sqlite {
    place: Place,
    last: std::sync::Mutex<Weak<Store>>,
}

impl Sqlite {
    fn new() -> Sqlite {
        Sqlite {
            place: Place::new(),
            last: std::sync::Mutex::default(),
        }
    }

    fn open_with(&self, options: Options) -> Result<Arc<dyn Log>, Error> {
        let store = Arc::new(Store::open(options)?);
        *self.last.lock().unwrap() = Arc::downgrade(&store);
        Ok(store)
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

impl Ground for Sqlite {
    fn try_open(&self) -> Result<Arc<dyn Log>, Error> {
        self.open_with(self.place.options())
    }

    fn open_full(&self) -> Arc<dyn Log> {
        // A floor that no disk has.
        let room = Room {
            floor_bytes: u64::MAX,
            ..self.place.options().room
        };
        self.open_with(Options {
            room,
            ..self.place.options()
        })
        .unwrap()
    }

    fn killed(&self) -> Box<dyn Ground> {
        let after = Sqlite::new();
        copy(&self.place.path(), &after.place.path());
        Box::new(after)
    }

    fn edit(&self, seq: u64) {
        let db = self.place.db();
        let mut bytes: Vec<u8> = db
            .query_row("SELECT bytes FROM events WHERE seq = ?1", [seq], |r| {
                r.get(0)
            })
            .unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let changed = db
            .execute(
                "UPDATE events SET bytes = ?2 WHERE seq = ?1",
                rusqlite::params![seq, bytes],
            )
            .unwrap();
        assert_eq!(changed, 1);
    }

    fn syncs(&self, log: &Arc<dyn Log>) -> u64 {
        let store = self.last.lock().unwrap().upgrade().unwrap();
        assert_eq!(store.head(), log.head(), "another log");
        store.syncs()
    }
}

testkit::log_conformance!(sqlite, super::Sqlite::new());

#[tokio::test]
async fn it_is_a_journal() {
    let ground = Sqlite::new();
    let store = Store::open(ground.place.options()).unwrap();
    let kinds = || {
        let events = store.events(0, 100, &Default::default()).unwrap();
        events.into_iter().map(|e| e.kind).collect()
    };
    testkit::log::a_journal_keeps_order(&store, kinds).await;
}
