use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::Ordering;

use atoll_guard::Journal as _;
use atoll_ports::Log as _;
use atoll_ports::log::{Error, Filter};
use atoll_store::{Options, Pace, Store};

use crate::made::{NEVER, Place, bare};

#[tokio::test]
async fn epochs_turn_and_only_the_newest_key_is_on_disk() {
    let place = Place::new();
    let store = place.open();
    let key = place.path().join("keys/epoch.key");
    let old = std::fs::read(&key).unwrap();
    store.append(bare(1), true).await.unwrap();
    assert!(store.rotate().await.unwrap().is_some());
    let new = std::fs::read(&key).unwrap();
    assert_ne!(old, new);
    assert!(!place.path().join("keys/epoch.next").exists());
    assert_eq!(
        std::fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    store.append(bare(2), true).await.unwrap();
    store.checkpoint().await.unwrap();
    drop(store);

    // A crash between the checkpoint and the end of the old key.
    std::fs::rename(&key, place.path().join("keys/epoch.next")).unwrap();
    std::fs::write(&key, &old).unwrap();
    let store = place.open();
    assert_eq!(std::fs::read(&key).unwrap(), new);
    store.append(bare(3), true).await.unwrap();
    store.checkpoint().await.unwrap();
    let verified = store.verify().unwrap();
    assert_eq!((verified.bad, verified.checkpoints), (None, 3));
    drop(store);

    std::fs::write(&key, &old).unwrap();
    assert!(matches!(
        Store::open(place.options()),
        Err(Error::Unusable(_))
    ));
}

/// The numbers of the checkpoints that name a next key.
fn turns(store: &Store) -> Vec<u64> {
    let filter = Filter {
        kinds: vec!["Checkpoint".into()],
        ..Filter::default()
    };
    let events = store.events(0, 1000, &filter).unwrap();
    events
        .iter()
        .filter(|e| e.body.get("next").is_some_and(|n| n.is_string()))
        .map(|e| e.seq)
        .collect()
}

#[tokio::test]
async fn an_epoch_ends_by_itself_after_so_many_events() {
    let place = Place::new();
    let options = || Options {
        pace: Pace {
            events: 10,
            epoch_events: 25,
            ..NEVER
        },
        ..place.options()
    };
    let key = || std::fs::read(place.path().join("keys/epoch.key")).unwrap();
    let mut store = Store::open(options()).unwrap();
    let first = key();
    for n in 0..120 {
        store.append(bare(n), n % 3 == 0).await.unwrap();
        if n % 40 == 39 {
            // Where an epoch began is not forgotten.
            drop(store);
            store = Store::open(options()).unwrap();
        }
    }
    let turned = turns(&store);
    assert!((3..=4).contains(&turned.len()), "{turned:?}");
    let ends: Vec<u64> = [1].into_iter().chain(turned.iter().copied()).collect();
    assert!(
        ends.windows(2).all(|w| (25..=37).contains(&(w[1] - w[0]))),
        "{ends:?}"
    );
    assert_ne!(key(), first);
    assert!(!place.path().join("keys/epoch.next").exists());
    assert_eq!(store.verify().unwrap().bad, None);
}

#[tokio::test]
async fn an_epoch_ends_by_itself_after_so_long_if_there_is_anything_new() {
    let place = Place::new();
    let pace = Pace {
        seconds: 60,
        epoch_seconds: 3600,
        ..NEVER
    };
    let store = Store::open(Options {
        pace,
        ..place.options()
    })
    .unwrap();
    // A checkpoint that is due by time comes with the event behind the one that it is due for.
    let minutes = async |count: u64| {
        for n in 0..count {
            place.now.fetch_add(60_000, Ordering::Relaxed);
            store.append(bare(n), true).await.unwrap();
        }
    };
    minutes(59).await;
    assert_eq!(turns(&store), [0; 0]);
    minutes(2).await;
    assert_eq!(turns(&store).len(), 1);
    minutes(50).await;
    assert_eq!(turns(&store).len(), 1);
    place.now.fetch_add(3_600_000, Ordering::Relaxed);
    assert_eq!(turns(&store).len(), 1, "nothing is new");
    minutes(2).await;
    assert_eq!(turns(&store).len(), 2);
    // A clock that is set back ends nothing.
    place.now.fetch_sub(7_200_000, Ordering::Relaxed);
    minutes(2).await;
    assert_eq!(turns(&store).len(), 2);
    let verified = store.verify().unwrap();
    assert_eq!(verified.bad, None);
    assert!(verified.checkpoints > 50);
}

#[tokio::test]
async fn a_next_key_that_can_not_be_written_holds_nothing_up() {
    let place = Place::new();
    let pace = Pace {
        events: 5,
        epoch_events: 5,
        ..NEVER
    };
    let store = Store::open(Options {
        pace,
        ..place.options()
    })
    .unwrap();
    // Where the next key is written first.
    let blocked = place.path().join("keys/epoch.new");
    std::fs::create_dir(&blocked).unwrap();
    for n in 0..20 {
        store.append(bare(n), true).await.unwrap();
    }
    assert_eq!(turns(&store), [0; 0]);
    assert!(store.verify().unwrap().checkpoints >= 2);
    std::fs::remove_dir(&blocked).unwrap();
    place.now.fetch_add(61_000, Ordering::Relaxed);
    for n in 0..10 {
        store.append(bare(n), true).await.unwrap();
    }
    assert!(!turns(&store).is_empty());
    assert_eq!(store.verify().unwrap().bad, None);
}
