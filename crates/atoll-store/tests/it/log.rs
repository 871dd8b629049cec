use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use atoll_domain::{Body, Commitment, Draft, Erased, EventId, Hash, Ms, Topic};
use atoll_guard::{Entry, Full, Journal as _};
use atoll_ports::Log as _;
use atoll_ports::log::{Error, Filter};
use atoll_store::{CONTENT_BYTES_MAX, Options, Pace, ROW_BYTES_MAX, Store, VERSION, network_name};
use serde_json::json;

use crate::made::{NEVER, Place, bare, note};

fn all() -> Filter {
    Filter::default()
}

#[tokio::test]
async fn events_stand_in_order_and_survive_a_restart() {
    let place = Place::new();
    let store = place.open();
    let node = store.node().to_owned();
    let first = store.append(bare(1), true).await.unwrap();
    let second = store.append(bare(2), false).await.unwrap();
    assert_eq!((first.seq, second.seq), (2, 3));
    drop(store);
    let store = place.open();
    assert_eq!(store.node(), node);
    assert_eq!(store.append(bare(3), true).await.unwrap().seq, 4);
    let events = store.events(0, 10, &all()).unwrap();
    assert_eq!(
        events.iter().map(|e| e.seq).collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );
    assert!(matches!(events[0].typed(), Body::LogOpened(b) if b.root == node));
    assert!(events.windows(2).all(|w| w[1].prev == w[0].hash));
    assert_eq!(store.event(&second.id).unwrap().unwrap().seq, 3);
    assert_eq!(store.event(&EventId::new(Ms(1), [7; 10])).unwrap(), None);
    assert_eq!(store.verify().unwrap().bad, None);
}

#[tokio::test]
async fn many_writers_lose_nothing() {
    let place = Place::new();
    let store = Arc::new(place.open());
    let tasks: Vec<_> = (0..32u64)
        .map(|w| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut seqs = Vec::new();
                for i in 0..20 {
                    seqs.push(
                        store
                            .append(bare(w * 100 + i), i % 2 == 0)
                            .await
                            .unwrap()
                            .seq,
                    );
                }
                assert!(seqs.is_sorted());
                seqs
            })
        })
        .collect();
    let mut seqs = Vec::new();
    for task in tasks {
        seqs.extend(task.await.unwrap());
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (2..=641).collect::<Vec<u64>>());
    let verified = store.verify().unwrap();
    assert_eq!((verified.bad, verified.events), (None, 641));
}

#[tokio::test]
async fn a_group_stands_or_falls_together_and_a_malformed_event_harms_no_other() {
    let place = Place::new();
    let store = place.open();
    let bad = Entry::plain(Draft::node(Body::Unknown {
        kind: "X".into(),
        body: json!({"a": 0.5}),
    }));
    let refused = store.append_all(vec![bare(1), bad.clone()], true).await;
    assert!(matches!(refused, Err(Full::Malformed(_))));
    let (good, bad, also) = tokio::join!(
        store.append(bare(2), true),
        store.append(bad, true),
        store.append(bare(3), true)
    );
    assert!(good.is_ok() && also.is_ok());
    assert!(matches!(bad, Err(Full::Malformed(_))));
    assert_eq!(
        store
            .append_all(vec![bare(4), bare(5)], true)
            .await
            .unwrap()
            .len(),
        2
    );
    assert_eq!(store.append_all(vec![], true).await, Ok(vec![]));
    assert_eq!(store.head(), 5);
}

#[tokio::test]
async fn hostile_text_is_stored_as_it_is() {
    let place = Place::new();
    let store = place.open();
    let ugly = "\u{0}\u{1b}[2J\u{202e}\"\\\u{2028}\u{fffe}";
    let draft = Draft {
        topic: Topic(ugly.into()),
        ..Draft::node(Body::Unknown {
            kind: "Ugly".into(),
            body: json!({ugly: ugly}),
        })
    };
    store.append(Entry::plain(draft), true).await.unwrap();
    let nameless = Body::Unknown {
        kind: ugly.into(),
        body: json!({}),
    };
    let refused = store
        .append(Entry::plain(Draft::node(nameless)), true)
        .await;
    assert!(matches!(refused, Err(Full::Malformed(_))));
    let event = store.events(1, 1, &all()).unwrap().remove(0);
    assert_eq!(
        (event.kind.as_str(), event.topic.0.as_str()),
        ("Ugly", ugly)
    );
    let filter = Filter {
        topic: Some(ugly[..3].into()),
        ..all()
    };
    assert_eq!(store.events(0, 9, &filter).unwrap().len(), 1);
    assert_eq!(store.verify().unwrap().bad, None);
}

#[tokio::test]
async fn content_lies_in_rows_and_files_and_can_be_erased() {
    let place = Place::new();
    let store = place.open();
    let large = vec![7u8; ROW_BYTES_MAX + 1];
    let (small_entry, small) = note(b"small");
    let (large_entry, large_named) = note(&large);
    store.append(small_entry, true).await.unwrap();
    store.append(large_entry, true).await.unwrap();
    assert_eq!(store.content(&small).unwrap().unwrap(), b"small");
    assert_eq!(store.content(&large_named).unwrap().unwrap(), large);
    let name = Hash::of(&large).hex();
    let file = place.path().join("blobs").join(&name[..2]).join(&name[2..]);
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(store.verify().unwrap().contents, (2, 0));

    for target in [small.h, large_named.h] {
        let why = Commitment::of(&[1; 32], b"asked");
        store
            .append(
                Entry::plain(Draft::node(Erased { target, why }.into())),
                true,
            )
            .await
            .unwrap();
    }
    assert_eq!(store.content(&small).unwrap(), None);
    assert!(!file.exists());
    let verified = store.verify().unwrap();
    // Gone are the two, and the reasons, which were never given.
    assert_eq!((verified.bad, verified.contents), (None, (0, 4)));

    let too_long = note(&vec![0; CONTENT_BYTES_MAX + 1]).0;
    assert!(matches!(
        store.append(too_long, false).await,
        Err(Full::Malformed(_))
    ));
}

#[tokio::test]
async fn a_file_that_was_changed_does_not_speak_for_an_event() {
    let place = Place::new();
    let store = place.open();
    let large = vec![7u8; ROW_BYTES_MAX + 1];
    let (entry, named) = note(&large);
    store.append(entry, true).await.unwrap();
    let name = Hash::of(&large).hex();
    let file = place.path().join("blobs").join(&name[..2]).join(&name[2..]);
    std::fs::write(&file, vec![8u8; large.len()]).unwrap();
    assert!(matches!(store.content(&named), Err(Error::Damaged { .. })));
    assert_eq!(store.verify().unwrap().bad.unwrap().0, 2);
}

#[tokio::test]
async fn watchers_follow_and_filters_select() {
    let place = Place::new();
    let store = Arc::new(place.open());
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.past(2).await }
    });
    for i in 0..3 {
        store.append(bare(i), false).await.unwrap();
    }
    assert!(waiting.await.unwrap() >= 3);
    let kinds = Filter {
        kinds: vec!["LogOpened".into(), "Nothing".into()],
        ..all()
    };
    assert_eq!(store.events(0, 10, &kinds).unwrap().len(), 1);
    assert_eq!(store.events(2, 1, &all()).unwrap()[0].seq, 3);
    assert_eq!(store.events(u64::MAX, 10, &all()).unwrap(), []);
}

#[tokio::test]
async fn a_clock_set_back_is_counted_and_changes_no_order() {
    let place = Place::new();
    let store = place.open();
    store.append(bare(1), false).await.unwrap();
    place.now.fetch_sub(3_600_000, Ordering::Relaxed);
    let late = store.append(bare(2), true).await.unwrap();
    assert_eq!(late.seq, 3);
    let events = store.events(0, 9, &all()).unwrap();
    assert!(events[2].ts < events[1].ts);
    assert_eq!(store.verify().unwrap().bad, None);
    let back: i64 = place
        .db()
        .query_row("SELECT clock_back FROM log", [], |r| r.get(0))
        .unwrap();
    assert_eq!(back, 1);
}

#[tokio::test]
async fn checkpoints_come_by_events_by_time_and_on_demand() {
    let place = Place::new();
    let pace = Pace {
        events: 10,
        ..NEVER
    };
    let store = Store::open(Options {
        pace,
        ..place.options()
    })
    .unwrap();
    for i in 0..25 {
        store.append(bare(i), false).await.unwrap();
    }
    let found = Filter {
        kinds: vec!["Checkpoint".into()],
        ..all()
    };
    let by_events = store.events(0, 99, &found).unwrap().len();
    assert!(by_events >= 2, "{by_events}");
    assert!(store.checkpoint().await.unwrap().is_some());
    assert_eq!(
        store.checkpoint().await,
        Ok(None),
        "a checkpoint is by itself nothing new"
    );
    let verified = store.verify().unwrap();
    assert_eq!(
        (verified.bad.as_ref(), verified.checkpoints as usize),
        (None, by_events + 1)
    );
    assert!(verified.note.unwrap().starts_with(store.node()));
    drop(store);

    let timed = Options {
        pace: Pace {
            seconds: 60,
            ..NEVER
        },
        ..place.options()
    };
    let store = Store::open(timed).unwrap();
    store.append(bare(1), false).await.unwrap();
    place.now.fetch_add(61_000, Ordering::Relaxed);
    store.append(bare(2), false).await.unwrap();
    assert_eq!(store.events(0, 99, &found).unwrap().len(), by_events + 2);
}

#[test]
fn one_data_directory_has_one_node() {
    let place = Place::new();
    let store = place.open();
    let Err(Error::Locked { pid, .. }) = Store::open(place.options()) else {
        panic!("it is locked")
    };
    assert_eq!(pid, std::process::id());
    drop(store);
    place.open();
}

#[test]
fn an_older_binary_refuses_a_newer_store() {
    let place = Place::new();
    drop(place.open());
    place
        .db()
        .pragma_update(None, "user_version", VERSION + 1)
        .unwrap();
    let refused = Store::open(place.options()).unwrap_err();
    assert_eq!(
        refused,
        Error::Newer {
            found: VERSION + 1,
            known: VERSION
        }
    );
}

#[test]
fn the_folder_is_private_and_local() {
    let place = Place::new();
    std::fs::create_dir(place.path()).unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    drop(place.open());
    for dir in ["", "blobs", "keys"] {
        let mode = std::fs::metadata(place.path().join(dir))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700, "{dir}");
    }
    assert_eq!(network_name(0x6969), Some("NFS"));
    assert_eq!(network_name(0xef53), None);
    let file = place.dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    assert!(
        Store::open(Options {
            dir: file,
            ..place.options()
        })
        .is_err()
    );
}

#[tokio::test]
async fn unknown_kinds_are_kept_as_they_are() {
    let place = Place::new();
    let store = place.open();
    let body = json!({"later": [1, {"h": "x"}], "z": null, "a": "\u{e9}"});
    let draft = Draft::node(Body::Unknown {
        kind: "Teleported".into(),
        body: body.clone(),
    });
    store.append(Entry::plain(draft), true).await.unwrap();
    let event = store.events(1, 1, &all()).unwrap().remove(0);
    assert_eq!((event.kind.as_str(), &event.body), ("Teleported", &body));
    store.rebuild().await.unwrap();
    assert_eq!(store.verify().unwrap().bad, None);
}

#[tokio::test]
async fn what_is_erased_leaves_the_write_ahead_log_while_the_store_is_open() {
    let place = Place::new();
    let store = place.open();
    let (entry, content) = note(b"Quillfeather of Lower Wexmoor");
    store.append(entry, true).await.unwrap();
    let held = || {
        let files = std::fs::read_dir(place.path()).unwrap().flatten();
        let mut files = files.filter(|f| f.file_type().is_ok_and(|t| t.is_file()));
        files.any(|f| {
            let bytes = std::fs::read(f.path()).unwrap();
            bytes.windows(12).any(|w| w == b"Quillfeather")
        })
    };
    assert!(held(), "the test looks in the right place");
    let (target, why) = (content.h, Commitment::of(&[1; 32], b"asked"));
    let erased = Draft::node(Erased { target, why }.into());
    store.append(Entry::plain(erased), true).await.unwrap();
    for _ in 0..600 {
        if !held() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("it is still there");
}
