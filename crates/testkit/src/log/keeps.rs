//! What is kept, what is refused, what is gone, and what shows.

use atoll_domain::{Commitment, Draft, Erased, Hash};
use atoll_guard::{Entry, Full};
use atoll_log::export::{Content, Extra};
use atoll_ports::Log;
use atoll_ports::log::{Error, Export};

use super::Ground;
use super::story::{bare, closed, cost, granted, note};

pub async fn what_is_acknowledged_survives_a_kill(ground: &dyn Ground) {
    let log = ground.open();
    let mut kept = Vec::new();
    for n in 0..10u64 {
        let (entry, text) = note(&n.to_be_bytes());
        kept.push((log.append(entry, true).await.unwrap(), text));
        log.append(bare(n), false).await.unwrap();
    }
    let large = vec![9; 200_000];
    let (entry, text) = note(&large);
    kept.push((log.append(entry, true).await.unwrap(), text));
    let after = ground.killed();
    let again = after.open();
    for (done, text) in &kept {
        let event = again.event(&done.id).unwrap().unwrap();
        assert_eq!((event.seq, event.ts), (done.seq, done.ts));
        assert!(again.content(text).unwrap().is_some());
    }
    assert_eq!(again.verify().unwrap().bad, None);
    let next = again.append(bare(99), true).await.unwrap();
    assert!(next.seq > kept.last().unwrap().0.seq);
}

pub async fn one_sync_answers_many(ground: &dyn Ground) {
    let log = ground.open();
    let before = ground.syncs(&log);
    let tasks: Vec<_> = (0..400)
        .map(|n| {
            let log = log.clone();
            tokio::spawn(async move { log.append(bare(n), true).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let syncs = ground.syncs(&log) - before;
    assert!(
        (1..=100).contains(&syncs),
        "{syncs} syncs for 400 appends that were there together"
    );
    // Alone, each has one of its own.
    for n in 0..5 {
        let before = ground.syncs(&log);
        log.append(bare(n), true).await.unwrap();
        assert!(ground.syncs(&log) > before, "answered without a sync");
    }
}

pub async fn a_full_disk_is_said_and_open_permits_are_closed(ground: &dyn Ground) {
    let log = ground.open();
    log.append(granted(1, 1, cost(9), None), true)
        .await
        .unwrap();
    assert!(!log.room().1);
    drop(log);
    let log = ground.open_full();
    let head = log.head();
    for sync in [true, false] {
        let refused = log.append(bare(1), sync).await;
        assert!(
            matches!(refused, Err(Full::Disk { free_bytes, floor_bytes }) if free_bytes < floor_bytes),
            "{refused:?}"
        );
        let refused = log.append_all(vec![bare(1), bare(2)], sync).await;
        assert!(matches!(refused, Err(Full::Disk { .. })), "{refused:?}");
    }
    assert_eq!(log.head(), head);
    assert!(log.room().1, "new actions are refused");
    log.close(closed(1, 1, cost(4)));
    log.past(head).await;
    assert_eq!(log.open_permits().unwrap(), []);
    drop(log);
    let log = ground.open();
    log.append(bare(2), true).await.unwrap();
    assert_eq!(log.verify().unwrap().bad, None);
}

/// A content as an export carries it, with what opens its commitment.
fn exported(log: &dyn Log, commitment: &Commitment) -> Option<Content> {
    let mut found = None;
    let mut look = |line: &[u8]| {
        if let Ok(Extra::Content(content)) = serde_json::from_slice(line)
            && content.h == commitment.h
        {
            found = Some(content);
        }
        Ok(())
    };
    let what = Export {
        contents: true,
        ..Export::default()
    };
    log.export(&what, &mut look).unwrap();
    found
}

pub async fn contents_open_to_their_commitment(ground: &dyn Ground) {
    let log = ground.open();
    for length in [0, 1, 1000, 70_000, 300_000] {
        let text = vec![b'x'; length];
        let (entry, c) = note(&text);
        // The same content twice is the same content.
        log.append(entry.clone(), true).await.unwrap();
        log.append(entry, false).await.unwrap();
        assert!(log.content(&c).unwrap().unwrap() == text, "{length}");
        let exported = exported(log.as_ref(), &c).expect("an export carries it");
        assert!(exported.open().unwrap() == text, "{length}");
    }
    let never = Commitment::of(&[3; 32], b"never given");
    assert_eq!(log.content(&never).unwrap(), None);
    assert_eq!(exported(log.as_ref(), &never), None);
    assert_eq!(log.verify().unwrap().contents, (10, 0));
}

pub async fn content_that_belies_its_commitment_is_refused(ground: &dyn Ground) {
    let log = ground.open();
    let head = log.head();
    let (mut entry, _) = note(b"one thing");
    entry.draft.sides[0].bytes = b"another thing".to_vec();
    let refused = log.append(entry, true).await;
    assert!(matches!(refused, Err(Full::Malformed(_))), "{refused:?}");
    assert_eq!(log.head(), head);
}

pub async fn what_is_erased_is_gone_and_the_chain_holds(ground: &dyn Ground) {
    let log = ground.open();
    let large = vec![5; 100_000];
    let (kept, small, large) = (note(b"kept!"), note(b"small"), note(&large));
    for (entry, _) in [&kept, &small, &large] {
        log.append(entry.clone(), true).await.unwrap();
    }
    assert_eq!(log.verify().unwrap().contents, (3, 0));
    for target in [small.1.h, large.1.h, Hash::of(b"never there")] {
        let why = Commitment::of(&[1; 32], b"asked");
        let erased = Draft::node(Erased { target, why }.into());
        log.append(Entry::plain(erased), true).await.unwrap();
    }
    for (_, c) in [&small, &large] {
        assert_eq!(log.content(c).unwrap(), None);
        assert_eq!(exported(log.as_ref(), c), None, "neither bytes nor salt");
    }
    assert_eq!(log.content(&kept.1).unwrap().unwrap(), b"kept!");
    let verified = log.verify().unwrap();
    // Gone are the two, and the three reasons, which were never given.
    assert_eq!((verified.bad, verified.contents), (None, (1, 5)));
    drop(log);
    let log = ground.open();
    assert_eq!(log.content(&small.1).unwrap(), None);
}

pub async fn an_edited_event_is_named(ground: &dyn Ground) {
    let log = ground.open();
    for n in 0..6 {
        log.append(bare(n), true).await.unwrap();
    }
    assert_eq!(log.verify().unwrap().bad, None);
    ground.edit(4);
    let verified = log.verify().unwrap();
    assert_eq!(verified.bad.map(|(seq, _)| seq), Some(4));
    assert_eq!(verified.events, 3, "what is before it is intact");
    drop(log);
    match ground.try_open() {
        Err(Error::Damaged { seq: 4, .. }) => {}
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a log is not gone on with whose newest events were changed"),
    }
}

pub async fn checkpoints_cover_what_is_new(ground: &dyn Ground) {
    let log = ground.open();
    log.append(bare(1), true).await.unwrap();
    let done = log.checkpoint().await.unwrap().unwrap();
    let event = log.event(&done.id).unwrap().unwrap();
    assert_eq!(event.kind, "Checkpoint");
    assert_eq!(event.body["size"], done.seq - 1);
    assert_eq!(
        log.checkpoint().await,
        Ok(None),
        "a checkpoint is by itself nothing new"
    );
    log.append(bare(2), false).await.unwrap();
    assert!(log.checkpoint().await.unwrap().is_some());
    let verified = log.verify().unwrap();
    assert_eq!((verified.bad, verified.checkpoints), (None, 2));
    assert!(verified.note.unwrap().starts_with(&event.node));
}
