//! What every log must do, whatever keeps it: an adapter brings a [`Ground`] and joins by one line,
//! `testkit::log_conformance!(name, ground)`.
#![allow(clippy::unwrap_used, reason = "a suite of tests")]

mod journal;
mod keeps;
mod labels;
mod order;
mod rows;
mod story;

use std::sync::Arc;

use atoll_ports::Log;
use atoll_ports::log::Error;

pub use journal::*;
pub use keeps::*;
pub use labels::*;
pub use order::*;
pub use rows::*;

/// A place of its own where one log lies.
pub trait Ground: Send + Sync {
    /// Opens the log, or begins one. Not while it is open.
    fn try_open(&self) -> Result<Arc<dyn Log>, Error>;
    /// The same where nothing is in the way.
    fn open(&self) -> Arc<dyn Log> {
        self.try_open().unwrap()
    }
    /// Opens it on a disk that is below its floor.
    fn open_full(&self) -> Arc<dyn Log>;
    /// Another place, as a kill of the process would leave this one now.
    fn killed(&self) -> Box<dyn Ground>;
    /// Changes one byte of a stored event, past the log's back, which may be open.
    fn edit(&self, seq: u64);
    /// How many syncs `log`, which [`Ground::open`] gave, has asked of the disk.
    fn syncs(&self, log: &Arc<dyn Log>) -> u64;
}

/// Runs the suite on an expression that makes a new [`Ground`].
#[macro_export]
macro_rules! log_conformance {
    ($name:ident, $ground:expr, [$($test:ident),* $(,)?]) => {
        mod $name {
            $(
                #[tokio::test]
                async fn $test() {
                    let ground = $ground;
                    testkit::log::$test(&ground).await;
                }
            )*
        }
    };
    ($name:ident, $ground:expr) => {
        testkit::log_conformance!($name, $ground, [
            numbers_have_no_gaps_and_ids_find_their_event, a_chain_holds_over_a_restart,
            callers_beside_each_other_keep_their_own_order, a_group_is_whole_and_together,
            a_malformed_event_harms_no_other, what_is_answered_can_be_read_at_once,
            closing_keeps_its_place, watchers_are_woken, pages_and_filters_select,
            lines_are_the_events, what_is_acknowledged_survives_a_kill, one_sync_answers_many,
            a_full_disk_is_said_and_open_permits_are_closed, contents_open_to_their_commitment,
            content_that_belies_its_commitment_is_refused, what_is_erased_is_gone_and_the_chain_holds,
            an_edited_event_is_named, checkpoints_cover_what_is_new,
            things_are_found_by_id_and_by_ordinal, nothing_is_found_where_nothing_is,
            a_gate_keeps_its_first_answer_and_its_first_use, permits_are_open_until_they_are_closed,
            spending_is_settled_once, labels_are_those_of_their_events, marks_are_kept_newest_first,
            rows_are_made_again_from_the_events,
        ]);
    };
}
