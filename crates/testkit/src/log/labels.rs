//! Labels of sessions, what cleared them, and contents that carry one.

use std::sync::Arc;

use atoll_domain::{Declassified, FilesLabelled, Label, Labelled, Labels, SessionForked};
use atoll_ports::Log;

use super::Ground;
use super::story::{of, opened, session, words, workspace};

async fn say<B: Into<atoll_domain::Body>>(log: &Arc<dyn Log>, s: u8, body: B) -> u64 {
    log.append(of(s, body), true).await.unwrap();
    log.head()
}

fn labelled(label: Label) -> Labelled {
    Labelled {
        label,
        source: "file".into(),
        what: Some(words("file a, written by s1")),
    }
}

fn cleared(seqs: Vec<u64>) -> Declassified {
    Declassified {
        label: Label::Untrusted,
        cleared: seqs,
        workspace: None,
        files: None,
        why: words("I read it"),
    }
}

async fn fork(log: &Arc<dyn Log>, s: u8, seq: u64) -> Labels {
    let body = SessionForked {
        id: session(s),
        parent: session(1),
        seq,
        tree: words("tree"),
    };
    say(log, s, body).await;
    log.session(&session(s)).unwrap().unwrap().labels
}

pub async fn labels_are_those_of_their_events(ground: &dyn Ground) {
    let log = ground.open();
    log.append(opened(1), true).await.unwrap();
    let bits = |n: u8| log.session(&session(n)).unwrap().unwrap().labels;
    let private = say(&log, 1, labelled(Label::Private)).await;
    let first = say(&log, 1, labelled(Label::Untrusted)).await;
    let second = say(&log, 1, labelled(Label::Untrusted)).await;
    let both = Labels::of(Label::Private).with(Label::Untrusted);
    assert_eq!(bits(1), both);
    // Only what is named is cleared: one that came meanwhile still counts.
    let one = say(&log, 1, cleared(vec![first, private])).await;
    assert_eq!(bits(1), both, "a label is cleared by its own name alone");
    let two = say(&log, 1, cleared(vec![second])).await;
    assert_eq!(bits(1), Labels::of(Label::Private));
    let rows = log.labels_of(&session(1)).unwrap();
    let told: Vec<(u64, u64)> = rows.iter().map(|r| (r.seq, r.cleared)).collect();
    assert_eq!(told, [(private, 0), (first, one), (second, two)]);
    // A new source sets it again, and a fork has what was there at its event.
    let again = say(&log, 1, labelled(Label::Untrusted)).await;
    assert_eq!(bits(1), both);
    assert_eq!(fork(&log, 2, private).await, Labels::of(Label::Private));
    assert_eq!(fork(&log, 3, second).await, both, "before it was cleared");
    assert_eq!(fork(&log, 4, two).await, Labels::of(Label::Private));
    assert_eq!(fork(&log, 5, again).await, both);
    let before = [2, 3, 4, 5].map(|n| (bits(n), log.labels_of(&session(n)).unwrap()));
    log.rebuild().await.unwrap();
    let after = [2, 3, 4, 5].map(|n| (bits(n), log.labels_of(&session(n)).unwrap()));
    assert_eq!(after, before);
    assert_eq!(log.labels_of(&session(9)).unwrap(), []);
}

pub async fn marks_are_kept_newest_first(ground: &dyn Ground) {
    let log = ground.open();
    log.append(opened(1), true).await.unwrap();
    let marked = FilesLabelled {
        workspace: workspace(),
        label: Label::Untrusted,
        patch: None,
        job: None,
        files: words("[]"),
    };
    let mark = say(&log, 1, marked).await;
    let freed = Declassified {
        workspace: Some(workspace()),
        files: Some(words("[]")),
        ..cleared(Vec::new())
    };
    let free = say(&log, 1, freed).await;
    let rows = log.marks_of(&workspace(), 9).unwrap();
    let told: Vec<(u64, bool)> = rows.iter().map(|r| (r.seq, r.cleared)).collect();
    assert_eq!(told, [(free, true), (mark, false)]);
    assert_eq!(rows[1].session, Some(session(1)));
    assert_eq!(log.marks_of(&workspace(), 1).unwrap(), rows[..1]);
    log.rebuild().await.unwrap();
    assert_eq!(log.marks_of(&workspace(), 9).unwrap(), rows);
}
