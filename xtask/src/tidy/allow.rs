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

pub const ALLOWED: [Allowed; 28] = [
    Allowed {
        path: "crates/atoll/src/commands/tries/sample.rs",
        classes: &[Files],
        why: "unpacks the bundled sample below Atoll's own cache",
    },
    Allowed {
        path: "crates/atoll-grant/src/key.rs",
        classes: &[Files],
        why: "the key of tokens, in the node's own data directory",
    },
    Allowed {
        path: "crates/atoll/src/daemon/redaction.rs",
        classes: &[Files],
        why: "the key of placeholders, in the node's own data directory",
    },
    Allowed {
        path: "crates/atoll/src/token.rs",
        classes: &[Files],
        why: "writes a token where its user asked for it",
    },
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
        path: "crates/atoll-vault/src/files.rs",
        classes: &[Files],
        why: "the vault's files and its key, in a folder of their own",
    },
    Allowed {
        path: "crates/atoll-models/src/",
        classes: &[Sockets],
        why: "calls providers, by a permit",
    },
    Allowed {
        path: "crates/atoll-llama/src/child.rs",
        classes: &[Process, Files, Sockets],
        why: "tries, behind the engine's fence, what the fence must refuse",
    },
    Allowed {
        path: "crates/atoll-llama/src/shelf/",
        classes: &[Process, Files, Sockets],
        why: "on its user's word: fetches models, runs the user's pip, and puts them on the shelf",
    },
    Allowed {
        path: "crates/atoll-llama/src/supervise.rs",
        classes: &[Process],
        why: "starts the embedded engine, from this very binary, for a permitted call",
    },
    Allowed {
        path: "crates/atoll-http/src/bind.rs",
        classes: &[Sockets, Files],
        why: "makes the node's socket in a folder of its own and takes a stale one away",
    },
    Allowed {
        path: "crates/atoll-http/src/serve.rs",
        classes: &[Sockets],
        why: "accepts on the socket that was made for it",
    },
    Allowed {
        path: "crates/atoll-client/src/connect.rs",
        classes: &[Sockets],
        why: "speaks to the node's socket, once it is proven to be the caller's own",
    },
    Allowed {
        path: "crates/atoll/src/config/write.rs",
        classes: &[Files],
        why: "writes the configuration its user asked for",
    },
    Allowed {
        path: "crates/atoll/src/commands/exec_out.rs",
        classes: &[Files],
        why: "writes kept files where their user asked for them",
    },
    Allowed {
        path: "crates/atoll/src/export/pack.rs",
        classes: &[Files],
        why: "writes an export where its user asked for it",
    },
    Allowed {
        path: "crates/atoll/src/daemon/record.rs",
        classes: &[Files],
        why: "writes the node's own words, bounded",
    },
    Allowed {
        path: "crates/atoll/src/daemon/serve.rs",
        classes: &[Files],
        why: "takes the node's own socket away when it goes",
    },
    Allowed {
        path: "crates/atoll/src/daemon/service.rs",
        classes: &[Process, Files],
        why: "on its user's word: puts the node's unit in place and calls systemctl",
    },
    Allowed {
        path: "crates/atoll/src/daemon/spawn.rs",
        classes: &[Process],
        why: "starts the node, from this very binary",
    },
    Allowed {
        path: "crates/atoll/src/offline/doctor.rs",
        classes: &[Process, Files],
        why: "as root, on its user's word: writes and loads Atoll's AppArmor profile",
    },
    Allowed {
        path: "crates/atoll/src/offline/rules.rs",
        classes: &[Files],
        why: "on its user's word: writes the owner's own rule files",
    },
    Allowed {
        path: "crates/atoll/src/term.rs",
        classes: &[Process],
        why: "starts the user's own pager on the user's own terminal",
    },
    Allowed {
        path: "crates/testkit/src/",
        classes: &[Files, Sockets, Guard],
        why: "scripted servers and scratch folders; never shipped",
    },
    Allowed {
        path: "xtask/src/",
        classes: &[Process, Files],
        why: "a developer's tool; never shipped",
    },
];
