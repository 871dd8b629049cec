//! The part of a log that the guard needs, for journals that are nothing more.

use std::collections::HashSet;

use atoll_guard::Journal;

use super::story::{bare, closed, cost, granted};

/// `kinds` reads the kinds of all events so far, in their order.
pub async fn a_journal_keeps_order(journal: &dyn Journal, kinds: impl Fn() -> Vec<String>) {
    let before = kinds().len();
    let mut ids = HashSet::new();
    let mut last = None;
    for n in 1..=5 {
        let done = journal
            .append(granted(1, n, cost(1), None), n % 2 == 0)
            .await
            .unwrap();
        assert!(last < Some(done.seq), "numbers only grow");
        assert!(ids.insert(done.id), "an id that was there before");
        last = Some(done.seq);
        journal.close(closed(1, n, cost(1)));
    }
    let done = journal.append(bare(1), true).await.unwrap();
    assert!(last < Some(done.seq));
    let kinds = kinds().split_off(before);
    assert_eq!(kinds.len(), 11, "{kinds:?}");
    for pair in kinds[..10].chunks(2) {
        assert_eq!(pair, ["Granted", "Closed"]);
    }
    assert_eq!(kinds[10], "FeedbackNote");
}
