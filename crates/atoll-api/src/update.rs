//! What a watcher of a session sees. Updates with a `seq` are read off the log, so that a watcher that
//! comes back from its last cursor misses nothing; those without are passing (text as it streams).

use atoll_domain::{Cost, JobId, Ms, Outcome, SessionEnd, SessionId, TestEvidence, Usage};
use serde::{Deserialize, Serialize};

use crate::{GateView, PatchDetail};

/// One update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// The event it comes from: the cursor to come back with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// When.
    pub ts: Ms,
    /// In which session.
    pub session: Option<SessionId>,
    /// What.
    #[serde(flatten)]
    pub progress: Progress,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Progress {
    /// The session is open.
    Opened {
        /// `s4`.
        ordinal: String,
        /// `provider/model`.
        model: String,
        /// Steps per turn at most.
        steps_max: u64,
    },
    /// The workspace was taken as it is.
    Snapped {
        /// Files.
        files: u64,
        /// Credential files left out.
        masked: u64,
        /// Others left out.
        skipped: u64,
    },
    /// The session goes on from another's point.
    Forked {
        /// `s5`.
        ordinal: String,
        /// The session it comes from.
        parent: String,
        /// The last event of that one that counts.
        seq: u64,
        /// `provider/model`.
        model: String,
        /// Steps per turn at most.
        steps_max: u64,
    },
    /// A turn's changes of the copy were taken back.
    Undone {
        /// The turn.
        turn: u64,
    },
    /// A person's words came in.
    Prompt {
        /// The turn that they begin, or that runs.
        #[serde(default)]
        turn: u64,
        /// The words.
        text: String,
        /// Whether they steer a running turn.
        steer: bool,
    },
    /// The model is asked.
    Asking {
        /// The step.
        step: u64,
    },
    /// A piece of the model's text. Passing.
    Text {
        /// The piece.
        text: String,
    },
    /// A piece of what the model thinks. Passing.
    Reasoning {
        /// The piece.
        text: String,
    },
    /// The call is tried again. Passing.
    Retrying {
        /// After so many milliseconds.
        wait_ms: u64,
        /// Why: a failure's name, such as `rate_limited`.
        reason: String,
        /// The HTTP status, if there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// Whether the provider itself asked for the wait.
        #[serde(default)]
        asked: bool,
        /// Which attempt comes then, from 2.
        #[serde(default)]
        attempt: u32,
        /// How many there are, at most.
        #[serde(default)]
        attempts_max: u32,
    },
    /// The model answered.
    Replied {
        /// The step.
        step: u64,
        /// Its text, whole.
        text: String,
        /// Tokens.
        usage: Usage,
        /// Money, in millionths of a US dollar.
        micros: u64,
    },
    /// The model did not answer.
    ReplyFailed {
        /// The step.
        step: u64,
        /// Why.
        reason: String,
        /// In words.
        words: String,
    },
    /// A tool is used.
    Tool {
        /// The step.
        step: u64,
        /// Its name.
        tool: String,
        /// What it is used on, one line.
        what: String,
    },
    /// A tool was used.
    ToolDone {
        /// The step.
        step: u64,
        /// Its name.
        tool: String,
        /// Whether it did what it was for.
        ok: bool,
        /// The result, one line.
        line: String,
        /// Lines added by an edit.
        added: u64,
        /// Lines removed by an edit.
        removed: u64,
    },
    /// The tests were run.
    Tested {
        /// What came of it.
        evidence: TestEvidence,
        /// Whether it was before any change.
        baseline: bool,
    },
    /// A job started.
    JobStarted {
        /// The job.
        job: JobId,
    },
    /// Output of a job. With a `seq` when read off the log.
    Output {
        /// The job.
        job: JobId,
        /// `out` or `err`.
        stream: String,
        /// The bytes, base64.
        bytes: String,
    },
    /// A job ended.
    JobEnded {
        /// How.
        outcome: Box<Outcome>,
    },
    /// A person must decide.
    Gate {
        /// The gate.
        gate: Box<GateView>,
    },
    /// A gate was answered.
    GateAnswered {
        /// `g3`.
        ordinal: String,
        /// How.
        answer: String,
        /// Who answered.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        by: String,
    },
    /// The policy said no.
    Denied {
        /// What.
        what: String,
        /// The rules.
        rules: Vec<String>,
    },
    /// A patch is ready.
    Patch {
        /// The patch.
        patch: Box<PatchDetail>,
    },
    /// Something to say.
    Note {
        /// The words.
        text: String,
    },
    /// The turn ended: the last update of a `code`.
    Ended {
        /// How.
        end: SessionEnd,
        /// In words.
        words: String,
        /// What the session spent.
        spent: Cost,
        /// Steps taken.
        steps: u64,
    },
    /// The session is parked.
    Parked {
        /// Why.
        reason: String,
    },
    /// This watcher was too slow: come back from its last cursor.
    Dropped,
}
