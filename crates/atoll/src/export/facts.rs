//! What page and papers say of an export, and README.txt.

use std::collections::BTreeMap;

use atoll_api::SessionDetail;
use atoll_domain::{Cost, Ms, Shown};
use serde::Serialize;

use super::gather::Gathered;
use super::plan::Left;
use crate::ui::words::{bytes, count, plural, utc};

/// Rows of what was left out that README.txt lists.
const LEFT_ROWS_MAX: usize = 1000;

/// See the module.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    #[serde(rename = "session")]
    pub ordinal: String,
    #[serde(skip)]
    pub state: String,
    #[serde(skip)]
    pub first: String,
    #[serde(skip)]
    pub spent: Cost,
    #[serde(skip)]
    pub from: Ms,
    #[serde(skip)]
    pub until: Ms,
    /// The log's root key.
    pub root: String,
    /// Events that the checkpoint covers.
    pub checkpoint: u64,
    pub events: u64,
    /// Contents in events.ndjson.
    pub contents: u64,
    /// Contents that are left out because something in them must not go out, and in how many places it stood.
    pub redacted: u64,
    pub places: u64,
    /// Contents that the log had no more.
    pub gone: u64,
    /// Whether nothing was redacted on purpose.
    pub whole: bool,
    /// For its size, the largest first.
    #[serde(rename = "left_out")]
    pub left: Vec<Left>,
    pub limit_bytes: u64,
}

impl Facts {
    /// Of a session and its export, before anything is left out for its size.
    pub fn of(detail: &SessionDetail, all: &Gathered, whole: bool, limit_bytes: u64) -> Facts {
        let hidden = all.held.iter().filter(|h| h.places > 0);
        let view = &detail.view;
        Facts {
            ordinal: view.ordinal.clone(),
            state: crate::ui::state(view).to_owned(),
            first: super::redacted::look(view.prompt.as_bytes(), whole).text,
            spent: view.spent,
            from: view.opened,
            until: all.last,
            root: all.checkpoint.node.clone(),
            checkpoint: all.checkpoint.size,
            events: all.events,
            contents: all.held.len() as u64 - hidden.clone().count() as u64,
            redacted: hidden.clone().count() as u64,
            places: hidden.map(|h| h.places).sum(),
            gone: all.gone,
            whole,
            left: Vec::new(),
            limit_bytes,
        }
    }

    /// What isn't in the export, a line each.
    pub fn missing(&self) -> Vec<String> {
        let mut out = Vec::new();
        if self.redacted > 0 {
            out.push(format!(
                "{} left out of events.ndjson, because of {} that looked like secrets or personal data; they are \
                 shown here with [redacted] in their places.",
                plural(self.redacted, "content"),
                plural(self.places, "place"),
            ));
        }
        if !self.left.is_empty() {
            let all: u64 = self.left.iter().map(|l| l.bytes).sum();
            out.push(format!(
                "{} ({}) left out to stay below {}.",
                plural(self.left.len() as u64, "content"),
                bytes(all),
                bytes(self.limit_bytes)
            ));
        }
        if self.gone > 0 {
            out.push(format!(
                "{} had been erased from the log before.",
                plural(self.gone, "content")
            ));
        }
        out
    }

    /// What README.txt says of that.
    fn left_here(&self, out: &mut String) {
        out.push_str("What is not in it\n-----------------\n\n");
        for line in self.missing() {
            out.push_str(&format!("- {line}\n"));
        }
        let search = if self.whole {
            "- Nothing was searched for secrets: this export is whole.\n"
        } else {
            "- Well-known kinds of secrets were looked for. An unusual one in an unusual place may still be here.\n"
        };
        out.push_str(search);
        out.push_str(
            "- Events of other sessions, and of sessions that this one was forked from.\n\n\
             An event holds a salted hash of what was said, not the words. A content that is left out can't be read or\n\
             guessed, and everything else verifies as before.\n",
        );
    }

    /// README.txt.
    pub fn readme(&self) -> String {
        let root = &self.root;
        let mut out = format!(
            "Session {} of an Atoll node\n{}\n\n\
             What an AI agent (or a person, with atoll exec) did, as the node recorded it while it happened, with proof\n\
             that the record was not changed since.\n\n\
             index.html       the session to read; nothing in it runs or is loaded from elsewhere\n\
             events.ndjson    the record: {}, each proven to be in the node's log, and {}\n\
             checkpoint.note  what the node signed: its whole log at that time, {}\n\
             verify.py        a program that checks the record; it needs Python 3 and nothing else\n\
             patches/         proposed changes, as they were proposed\n\
             artifacts/       files that jobs kept\n\
             redacted/        patches and files out of which something was taken: to read, proving nothing\n\n",
            Shown::line(&self.ordinal),
            "=".repeat(40),
            plural(self.events, "event"),
            plural(self.contents, "content"),
            plural(self.checkpoint, "event"),
        );
        out.push_str(&format!(
            "Check it\n--------\n\n\
             With Atoll, on any machine (FILE is the zip itself, or events.ndjson out of it):\n\n\
             \x20   atoll log verify --from FILE --root {root}\n\n\
             Without it:\n\n\
             \x20   python3 verify.py FILE --root {root}\n\n\
             Whoever could change the zip could change this text and verify.py too. So:\n\
             - have the root key told to you by another way than this file, by the node's owner:\n\n\
             \x20       {root}\n\n\
             - take verify.py from Atoll's sources (docs/audit/verify.py) if you don't trust this copy; it is 600 lines;\n\
             - a checkpoint that you kept from before shows a later rewriting: --checkpoint FILE.\n\n\
             Both check events.ndjson, and that each file below patches/ and artifacts/ is a content that the events\n\
             commit to. index.html, this text and what is below redacted/ are for reading and prove nothing.\n\n"
        ));
        self.left_here(&mut out);
        if !self.left.is_empty() {
            out.push_str("\nLeft out for its size, the largest first\n----------------------------------------\n\n");
            for left in self.left.iter().take(LEFT_ROWS_MAX) {
                out.push_str(&format!(
                    "{:>14}  {}\n",
                    count(left.bytes),
                    Shown::line(&left.what)
                ));
            }
            if self.left.len() > LEFT_ROWS_MAX {
                out.push_str(&format!(
                    "{:>14}  and {} more\n",
                    "",
                    self.left.len() - LEFT_ROWS_MAX
                ));
            }
        }
        out.push_str(&format!(
            "\nThe session's last event was at {}. Made by atoll {}.\n",
            utc(self.until),
            env!("CARGO_PKG_VERSION")
        ));
        out
    }
}

/// Short names by id: patches, jobs and gates.
pub fn names(detail: &SessionDetail, gates: &[atoll_api::GateView]) -> BTreeMap<String, String> {
    let patches = detail
        .patches
        .iter()
        .map(|p| (p.patch.to_string(), p.ordinal.clone()));
    let jobs = detail
        .jobs
        .iter()
        .map(|j| (j.job.to_string(), j.ordinal.clone()));
    let gates = gates
        .iter()
        .map(|g| (g.gate.to_string(), g.ordinal.clone()));
    patches.chain(jobs).chain(gates).collect()
}
