//! Who may start processes, change files, open sockets or build a guard, and why.
//! The list is the review: adding a line is a decision about the product's trust.

/// A kind of call that reaches outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    Process,
    Files,
    Sockets,
    Guard,
}

use Class::{Files, Guard, Process, Sockets};

/// Files below `path` may do what `classes` name.
pub struct Allowed {
    /// A folder with its slash, or one file.
    pub path: &'static str,
    pub classes: &'static [Class],
    pub why: &'static str,
}

pub const ALLOWED: [Allowed; 10] = [
    Allowed {
        path: "crates/atoll-node/src/",
        classes: &[Guard],
        why: "builds the one guard of a node",
    },
    Allowed {
        path: "crates/atoll-runners/src/",
        classes: &[Process, Files, Sockets],
        why: "the box: spawns every job, makes its root, listens for the proxy inside its network",
    },
    Allowed {
        path: "crates/atoll-store/src/",
        classes: &[Files],
        why: "the log, its blobs and keys in the node's own data directory",
    },
    Allowed {
        path: "crates/atoll-workspace/src/",
        classes: &[Files],
        why: "private copies and snapshots, and an accepted patch, by a permit",
    },
    Allowed {
        path: "crates/atoll-models/src/",
        classes: &[Sockets],
        why: "calls providers, by a permit",
    },
    Allowed {
        path: "crates/atoll-http/src/",
        classes: &[Sockets, Files],
        why: "listens on the node's socket in a folder of its own and takes a stale one away",
    },
    Allowed {
        path: "crates/atoll-client/src/",
        classes: &[Sockets],
        why: "speaks to the node's socket",
    },
    Allowed {
        path: "crates/atoll/src/",
        classes: &[Process, Files],
        why: "starts the node and the spawner, writes configuration its user asked for",
    },
    Allowed {
        path: "crates/testkit/src/",
        classes: &[Process, Files, Sockets, Guard],
        why: "scripted servers and scratch folders; never shipped",
    },
    Allowed {
        path: "xtask/src/",
        classes: &[Process, Files],
        why: "a developer's tool; never shipped",
    },
];
