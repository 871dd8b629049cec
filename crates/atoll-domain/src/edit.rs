//! A change to one file, as an agent writes it.

use serde::{Deserialize, Serialize};

/// An edit, as an agent may write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Edit {
    /// Replace one place that holds `search`.
    Replace {
        /// The text to find; small mismatches of white space are tolerated, two places are not.
        search: String,
        /// What stands there after.
        replace: String,
        /// Replace every exact occurrence.
        all: bool,
    },
    /// The whole new content; creates the file if it isn't there.
    Whole {
        /// The content.
        content: String,
    },
    /// A unified diff of this one file.
    Diff {
        /// The diff.
        diff: String,
    },
    /// The file goes.
    Delete,
}
