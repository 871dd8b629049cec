//! What all workspaces must do, whatever keeps their files: an adapter brings a [`Ground`] and joins by one
//! line, `testkit::workspace_conformance!(name, ground)`.
#![allow(clippy::unwrap_used, reason = "a suite of tests")]

mod copies;
mod desk;
mod edits;
mod patches;

use std::path::PathBuf;
use std::sync::Arc;

use atoll_ports::Workspaces;

pub use copies::*;
pub use edits::*;
pub use patches::*;

/// A place of its own, with one checkout and nothing in it.
pub trait Ground: Send + Sync {
    /// Opens the workspaces as a new process would; what was opened before may still be there.
    fn open(&self) -> Arc<dyn Workspaces>;
    /// The checkout's folder, which the suite fills.
    fn checkout(&self) -> PathBuf;
}

/// Runs the suite on an expression that makes a new [`Ground`].
#[macro_export]
macro_rules! workspace_conformance {
    ($name:ident, $ground:expr, [$($test:ident),* $(,)?]) => {
        mod $name {
            $(
                #[tokio::test]
                async fn $test() {
                    let ground = $ground;
                    testkit::workspace::$test(&ground).await;
                }
            )*
        }
    };
    ($name:ident, $ground:expr) => {
        testkit::workspace_conformance!($name, $ground, [
            a_workspace_has_one_id_by_any_of_its_names, what_is_no_folder_is_no_workspace,
            a_snapshot_is_named_by_its_content, a_permit_is_closed_once_and_a_late_one_does_nothing,
            credentials_and_links_outward_stay_outside, a_copy_is_the_tree_and_never_the_checkout,
            a_copy_outlives_its_process, a_copy_is_brought_to_any_tree_that_was_taken,
            a_copy_needs_no_checkout, a_removed_copy_is_gone_and_no_other, a_sweep_takes_what_nobody_keeps, what_is_found_is_found_by_parsing,
            what_is_read_says_how_to_read_on, a_plan_writes_nothing_and_a_write_is_what_was_planned,
            what_changed_meanwhile_is_not_written_over, no_path_leads_out, no_link_is_followed,
            a_patch_tells_all_that_differs, a_patch_is_let_out_whole, a_patch_that_overlaps_changes_nothing,
            a_patch_is_what_was_shown, a_patch_is_taken_back_whole, nothing_interrupted_is_nothing_to_say,
        ]);
    };
}
