//! Order, groups, and what a reader sees when.

use std::collections::HashSet;

use atoll_domain::{EventId, Hash, Ms};
use atoll_guard::Full;
use atoll_ports::log::{Export, Filter};

use super::Ground;
use super::story::{bare, closed, cost, granted, malformed, of, opened, permit, session};

fn all() -> Filter {
    Filter::default()
}

pub async fn numbers_have_no_gaps_and_ids_find_their_event(ground: &dyn Ground) {
    let log = ground.open();
    let from = log.head();
    let mut ids = HashSet::new();
    for n in 1..=20 {
        let done = log.append(bare(n), n % 2 == 0).await.unwrap();
        assert_eq!(done.seq, from + n);
        assert!(ids.insert(done.id), "an id that was there before");
        let event = log.event(&done.id).unwrap().unwrap();
        assert_eq!(
            (event.seq, event.id, event.ts),
            (done.seq, done.id, done.ts)
        );
    }
    assert_eq!(log.head(), from + 20);
    assert_eq!(log.event(&EventId::new(Ms(1), [7; 10])).unwrap(), None);
    // An id that points at a number that is there, and is another's.
    let mut foreign = [0; 10];
    foreign[4..].copy_from_slice(&2u64.to_be_bytes()[2..]);
    assert_eq!(log.event(&EventId::new(Ms(1), foreign)).unwrap(), None);
}

pub async fn a_chain_holds_over_a_restart(ground: &dyn Ground) {
    for n in 0..3 {
        let log = ground.open();
        log.append(bare(n), false).await.unwrap();
        log.append(bare(n), true).await.unwrap();
    }
    let log = ground.open();
    let events = log.events(0, 100, &all()).unwrap();
    let numbers: Vec<u64> = events.iter().map(|e| e.seq).collect();
    assert_eq!(numbers, (1..=log.head()).collect::<Vec<_>>());
    assert_eq!(events[0].prev, Hash::ZERO);
    assert!(events.windows(2).all(|w| w[1].prev == w[0].hash));
    assert!(events.iter().all(|e| e.node == events[0].node));
    let verified = log.verify().unwrap();
    assert_eq!(
        (verified.bad, verified.events, verified.head),
        (None, log.head(), events.last().unwrap().hash)
    );
}

pub async fn callers_beside_each_other_keep_their_own_order(ground: &dyn Ground) {
    let log = ground.open();
    let from = log.head();
    let tasks: Vec<_> = (0..16u64)
        .map(|w| {
            let log = log.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                for n in 0..12 {
                    let done = log.append(bare(w * 100 + n), n % 3 == 0).await.unwrap();
                    mine.push(done.seq);
                }
                assert!(mine.is_sorted(), "a caller's own events changed places");
                mine
            })
        })
        .collect();
    let mut seqs = Vec::new();
    for task in tasks {
        seqs.extend(task.await.unwrap());
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (from + 1..=from + 16 * 12).collect::<Vec<_>>());
    assert_eq!(log.verify().unwrap().bad, None);
}

pub async fn a_group_is_whole_and_together(ground: &dyn Ground) {
    let log = ground.open();
    let groups = (0..8u64).map(|g| {
        let log = log.clone();
        tokio::spawn(async move {
            let entries = (0..5).map(|n| bare(g * 10 + n)).collect();
            log.append_all(entries, g % 2 == 0).await.unwrap()
        })
    });
    for group in groups.collect::<Vec<_>>() {
        let done = group.await.unwrap();
        assert_eq!(done.len(), 5);
        assert!(done.windows(2).all(|w| w[1].seq == w[0].seq + 1));
    }
    let head = log.head();
    assert_eq!(log.append_all(Vec::new(), true).await, Ok(Vec::new()));
    let refused = log
        .append_all(vec![bare(1), bare(2), malformed()], true)
        .await;
    assert!(matches!(refused, Err(Full::Malformed(_))), "{refused:?}");
    assert_eq!(log.head(), head, "a part of a refused group was kept");
}

pub async fn a_malformed_event_harms_no_other(ground: &dyn Ground) {
    let log = ground.open();
    let head = log.head();
    let (before, bad, after) = tokio::join!(
        log.append(bare(1), true),
        log.append(malformed(), true),
        log.append(bare(2), true)
    );
    assert!(before.is_ok() && after.is_ok());
    assert!(matches!(bad, Err(Full::Malformed(_))), "{bad:?}");
    assert_eq!(log.head(), head + 2);
    assert_eq!(log.verify().unwrap().bad, None);
}

pub async fn what_is_answered_can_be_read_at_once(ground: &dyn Ground) {
    let log = ground.open();
    log.append(opened(1), false).await.unwrap();
    for n in 0..20u8 {
        let sync = n % 4 == 0;
        let done = log
            .append(granted(1, n, cost(1), None), sync)
            .await
            .unwrap();
        assert!(log.head() >= done.seq, "the head is behind an answer");
        assert!(log.event(&done.id).unwrap().is_some(), "sync: {sync}");
        let open = log.open_permits().unwrap();
        assert_eq!(open.len(), usize::from(n) + 1);
        assert_eq!(open.last().unwrap().permit, permit(n));
        let row = log.session(&session(1)).unwrap().unwrap();
        assert_eq!(row.seqs.1, done.seq);
    }
}

pub async fn closing_keeps_its_place(ground: &dyn Ground) {
    let log = ground.open();
    log.append(granted(1, 1, cost(5), None), true)
        .await
        .unwrap();
    log.close(closed(1, 1, cost(2)));
    let after = log.append(bare(1), true).await.unwrap();
    let events = log.events(after.seq - 2, 2, &all()).unwrap();
    let kinds: Vec<&str> = events.iter().map(|e| e.kind.as_str()).collect();
    assert_eq!(kinds, ["Closed", "FeedbackNote"]);
    assert_eq!(log.open_permits().unwrap(), []);
}

pub async fn watchers_are_woken(ground: &dyn Ground) {
    let log = ground.open();
    let head = log.head();
    assert_eq!(log.past(head - 1).await, head, "what is past does not wait");
    let watchers: Vec<_> = (0..4)
        .map(|n| {
            let log = log.clone();
            tokio::spawn(async move { (n, log.past(head + n).await) })
        })
        .collect();
    for n in 0..4 {
        log.append(bare(n), n % 2 == 0).await.unwrap();
    }
    for watcher in watchers {
        let (n, seen) = watcher.await.unwrap();
        assert!(seen > head + n);
    }
}

pub async fn pages_and_filters_select(ground: &dyn Ground) {
    let log = ground.open();
    let from = log.head();
    for n in 0..6u8 {
        let entry = match n % 3 {
            0 => bare(u64::from(n)),
            1 => of(1, closed(1, n, cost(0)).draft.body),
            _ => of(2, closed(2, n, cost(0)).draft.body),
        };
        log.append(entry, false).await.unwrap();
    }
    let seqs = |after, limit, filter: &Filter| -> Vec<u64> {
        let events = log.events(after, limit, filter).unwrap();
        events.iter().map(|e| e.seq - from).collect()
    };
    assert_eq!(seqs(from, 9, &all()), [1, 2, 3, 4, 5, 6]);
    assert_eq!(seqs(from + 2, 2, &all()), [3, 4]);
    assert_eq!(seqs(from, 0, &all()), [0; 0]);
    assert_eq!(seqs(u64::MAX, 9, &all()), [0; 0]);
    let mine = Filter {
        session: Some(session(1)),
        ..all()
    };
    assert_eq!(seqs(0, 9, &mine), [2, 5]);
    let topic = Filter {
        topic: Some(format!("session/{}", session(2))),
        ..all()
    };
    assert_eq!(seqs(0, 9, &topic), [3, 6]);
    let kinds = Filter {
        kinds: vec!["FeedbackNote".into(), "Nothing".into()],
        ..all()
    };
    assert_eq!(seqs(from, 9, &kinds), [1, 4]);
    let both = Filter {
        kinds: vec!["FeedbackNote".into()],
        ..mine
    };
    assert_eq!(seqs(0, 9, &both), [0; 0]);
}

pub async fn lines_are_the_events(ground: &dyn Ground) {
    let log = ground.open();
    for n in 0..5 {
        log.append(bare(n), false).await.unwrap();
    }
    let events = log.events(0, 9, &all()).unwrap();
    let mut lines = Vec::new();
    let mut keep = |line: &[u8]| {
        lines.push(line.to_vec());
        Ok(())
    };
    let count = log.export(&Export::default(), &mut keep).unwrap();
    assert_eq!((count, lines.len()), (events.len() as u64, events.len()));
    for (line, event) in lines.iter().zip(&events) {
        assert!(!line.contains(&b'\n'), "an event is one line");
        let read: atoll_domain::Event = serde_json::from_slice(line).unwrap();
        assert_eq!(&read, event);
    }
    // One that takes no more ends it, and isn't told that all was there.
    let mut full = |_: &[u8]| Err(std::io::Error::other("full"));
    assert!(log.export(&Export::default(), &mut full).is_err());
}
