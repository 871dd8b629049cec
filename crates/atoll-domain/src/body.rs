//! The kinds of events and their bodies. Bodies hold enums, numbers, ids and rule names; whatever came
//! from people, models, tools or files is a [`Commitment`]. Kinds are added, never changed.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::*;

bodies! {
    /// Event 1: the log's root key, which signed the first epoch's key and was destroyed.
    LogOpened {
        /// The root public key, `did:key:…`; also the node's identity.
        root: String,
        /// The first epoch's public key, `did:key:…`.
        epoch: String,
        /// The root key's Ed25519 signature, 64 bytes in standard base64 with padding. What is signed is the
        /// checkpoint of an empty log that hands over to the first epoch's key: these four lines of UTF-8,
        /// each ended by a line feed, the last one too (the first three are a C2SP tlog-checkpoint's):
        ///
        /// ```text
        /// <root>
        /// 0
        /// 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
        /// next <epoch>
        /// ```
        ///
        /// `<root>` and `<epoch>` are the fields above; the third line is the Merkle root of nothing, SHA-256
        /// of no bytes, in base64.
        signature: String,
    }
    /// The node came up.
    NodeUp {
        /// The binary's version.
        version: String,
        /// Hash of the policy in force.
        policy: Hash,
        /// The profile's name.
        profile: String,
        /// Grants of an earlier run that were closed as lost.
        lost: u64,
    }
    /// The node goes down in order.
    NodeDown {
        /// `command`, `signal`, `idle` or `failure`.
        reason: String,
    }
    /// A signed checkpoint over the seqs below its own.
    Checkpoint {
        /// How many events it covers.
        size: u64,
        /// The Merkle root, base64.
        root: String,
        /// The signed note (C2SP tlog-checkpoint).
        note: String,
        /// The next epoch's public key, if the epoch ends here.
        next: Option<String>,
    }
    /// A session began.
    SessionOpened {
        /// The session.
        id: SessionId,
        /// `code` or `exec`.
        mode: String,
        /// The workspace.
        workspace: WorkspaceId,
        /// Its path.
        root: Commitment,
        /// The agent's revision.
        revision: String,
        /// Hash of the system prompt.
        prompt: Hash,
        /// Hash of the tool schemas.
        tools: Hash,
        /// The provider.
        provider: String,
        /// The model.
        model: Commitment,
        /// The profile.
        profile: String,
        /// The session's budget.
        budget: Budget,
        /// Steps per turn at most.
        steps_max: u64,
        /// Everything else of its configuration, as JSON (`SessionConfig` of the agent).
        config: Commitment,
        /// The grant that it runs under; none: the owner's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grant: Option<GrantId>,
    }
    /// A session goes on from another's point.
    SessionForked {
        /// The new session.
        id: SessionId,
        /// The session it comes from.
        parent: SessionId,
        /// The last event that counts.
        seq: u64,
        /// The tree there.
        tree: Commitment,
    }
    /// A running turn is to stop; what is under way is ended first. Its `TurnEnded` follows.
    TurnStopped {
        /// The turn.
        turn: u64,
        /// `cancelled`, `needs_person`, or the limit that was reached: `money`, `tokens`, `seconds`, `runs`.
        reason: String,
    }
    /// A turn ended.
    TurnEnded {
        /// The turn, from 1.
        turn: u64,
        /// How.
        end: SessionEnd,
        /// What is said of it to people.
        words: Commitment,
    }
    /// A session was parked and can be resumed.
    SessionParked {
        /// `gate`, `restart`, `later`.
        reason: String,
    }
    /// A session was resumed.
    SessionResumed {
        /// Steps whose outcome was unknown.
        unknown: u64,
        /// The tree it goes on from.
        tree: Commitment,
    }
    /// A session goes on with another model.
    ModelSwitched {
        /// The provider.
        provider: String,
        /// The model.
        model: Commitment,
        /// Its window, in tokens.
        context_tokens: u64,
        /// The most it writes in one reply, in tokens.
        output_tokens_max: u64,
        /// How many thoughts of the model before stay behind: no other can read them.
        thoughts_lost: u64,
    }
    /// From the next turn on the agent only plans, or does what is asked again.
    PlanSet {
        /// Whether it only plans.
        on: bool,
    }
    /// A session ended for good.
    SessionClosed {
        /// How.
        end: SessionEnd,
    }
    /// A session and its private copy were removed; the log stays.
    SessionDeleted {
        /// The session.
        id: SessionId,
    }
    /// The workspace's snapshot was taken.
    WorkspaceSnapped {
        /// The workspace.
        workspace: WorkspaceId,
        /// The tree.
        tree: Commitment,
        /// How many files.
        files: u64,
        /// Their length together.
        bytes: u64,
        /// Credential files that were left out.
        masked: u64,
        /// Other files that were left out: too large, special, links that lead out.
        skipped: u64,
        /// Names and reasons, as JSON.
        notes: Commitment,
    }
    /// A person's words.
    PromptSent {
        /// The turn that they begin, from 1; the running turn if they steer.
        turn: u64,
        /// Whether they came in while a turn ran.
        steer: bool,
        /// The words.
        text: Commitment,
    }
    /// A context gained a label.
    Labelled {
        /// Which.
        label: Label,
        /// `workspace`, `repository`, `network`, `fetched`, `file`, `redaction`, `vault`, `extract`.
        source: String,
        /// What exactly, for people: a path, a host. Logs of before have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        what: Option<Commitment>,
    }
    /// The owner cleared a label: of a session's context, or of files.
    Declassified {
        /// Which.
        label: Label,
        /// The events whose labels are cleared: `Labelled` of the session, or `FilesLabelled`.
        cleared: Vec<u64>,
        /// The workspace of the files, if it is about files.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        workspace: Option<WorkspaceId>,
        /// The files that are cleared, as JSON (`MarkedFile` list).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        files: Option<Commitment>,
        /// The owner's reason.
        why: Commitment,
    }
    /// Contents that came out of a labelled context: whoever reads them gains the label.
    FilesLabelled {
        /// In which workspace.
        workspace: WorkspaceId,
        /// The label.
        label: Label,
        /// The patch that brought them, if one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        patch: Option<PatchId>,
        /// The job that kept them, if one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<JobId>,
        /// Paths and contents, as JSON (`MarkedFile` list).
        files: Commitment,
    }
    /// A value was taken out of a content that the context did not read.
    Extracted {
        /// The step.
        step: Step,
        /// What it was taken from, in words.
        from: Commitment,
        /// How many answers were possible, a failure among them.
        choices: u64,
        /// What the answer could carry at most, in thousandths of a bit.
        millibits: u64,
        /// The value, as JSON; `None`: there was none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<Commitment>,
        /// The labels of the context that read it.
        labels: Labels,
    }
    /// The agent asks the model.
    ModelAsked {
        /// The step.
        step: Step,
        /// The provider.
        provider: String,
        /// Digest of the proposed effect: what a replay compares.
        effect: Commitment,
    }
    /// The model answered.
    ReplyReceived {
        /// The step.
        step: Step,
        /// The provider.
        provider: String,
        /// The model, as the provider named it.
        model: Commitment,
        /// Tokens.
        usage: Usage,
        /// Money, in millionths of a US dollar.
        micros: u64,
        /// `stop`, `tool_calls`, `length` or another word of the provider's.
        finish: Commitment,
        /// The message, as JSON.
        message: Commitment,
    }
    /// The model did not answer.
    ReplyFailed {
        /// The step.
        step: Step,
        /// `auth`, `rate_limited`, `server`, `garbage`, `cut`, `timeout`, `refused`, `unreachable`, `cancelled`, `context`, `denied`, `needs_person`, `limit`, `lost`.
        reason: String,
        /// What the provider said.
        words: Commitment,
    }
    /// The agent wants to use a tool.
    ToolCall {
        /// The step.
        step: Step,
        /// The tool's name if it is one of ours, else `unknown`.
        tool: String,
        /// The call as the model wrote it, as JSON.
        call: Commitment,
        /// Digest of the proposed effect: what a replay compares.
        effect: Commitment,
    }
    /// A tool's result.
    ToolResult {
        /// The step.
        step: Step,
        /// Whether it did what it was for.
        ok: bool,
        /// What the agent gets, as JSON (`ToolOutput` of the agent).
        result: Commitment,
        /// The workspace after it, if it changed.
        tree: Option<Commitment>,
    }
    /// An action was admitted: the permit exists from here.
    Granted {
        /// The permit.
        permit: PermitId,
        /// The permit that covers it, for a sub-permit.
        parent: Option<PermitId>,
        /// The kind of action.
        kind: Kind,
        /// The idempotency key, if it has one.
        key: Option<ActionKey>,
        /// What a resume may do.
        again: Again,
        /// The canonical action.
        action: Commitment,
        /// The facts, as JSON.
        facts: Commitment,
        /// The rules that decided.
        rules: Vec<String>,
        /// Hash of the policy.
        policy: Hash,
        /// What is reserved.
        reserve: Cost,
        /// The gate that was answered, if one was.
        gate: Option<GateId>,
        /// The grant that it was admitted under, whose budgets pay with its parents'; none: the owner's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grant: Option<GrantId>,
    }
    /// A permit ended.
    Closed {
        /// The permit.
        permit: PermitId,
        /// The kind of action.
        kind: Kind,
        /// How.
        how: ClosedHow,
        /// Why, if it failed.
        reason: Option<Reason>,
        /// What it cost.
        cost: Cost,
        /// The outcome, as JSON, if there is one.
        outcome: Option<Commitment>,
    }
    /// The guard said no.
    PolicyDenied {
        /// The kind of action.
        kind: Kind,
        /// The canonical action.
        action: Commitment,
        /// The facts, as JSON.
        facts: Commitment,
        /// The rules that decided.
        rules: Vec<String>,
        /// Hash of the policy.
        policy: Hash,
        /// `deny`, `ask`, `error`, `budget`, `full` or `expired`.
        verdict: String,
    }
    /// A question to a person.
    GateOpened {
        /// The gate.
        gate: GateId,
        /// The kind of action.
        kind: Kind,
        /// The action's hash: what an answer is bound to.
        hash: Commitment,
        /// The canonical action.
        action: Commitment,
        /// The facts, as JSON.
        facts: Commitment,
        /// The rules that ask.
        rules: Vec<String>,
        /// Hash of the policy.
        policy: Hash,
        /// The question as people read it, as JSON (`Question` of the API).
        question: Commitment,
        /// When it expires.
        expires: Ms,
    }
    /// A gate was answered or ran out.
    GateAnswered {
        /// The gate.
        gate: GateId,
        /// How.
        answer: GateAnswerKind,
        /// A person's reason.
        why: Commitment,
    }
    /// A job started.
    ExecStarted {
        /// The job.
        job: JobId,
        /// Its permit.
        permit: PermitId,
        /// Why it is run.
        purpose: Purpose,
    }
    /// A chunk of a job's output: at most 64 KiB or 250 ms.
    ExecOutput {
        /// The job.
        job: JobId,
        /// 1 or 2.
        stream: u8,
        /// The bytes.
        chunk: Commitment,
    }
    /// A person asked for a job.
    ExecRequest {
        /// The job.
        job: JobId,
        /// The job spec, as JSON.
        spec: Commitment,
    }
    /// A file was kept.
    ArtifactSaved {
        /// The job.
        job: JobId,
        /// Its path.
        path: Commitment,
        /// Its content.
        content: Commitment,
    }
    /// The agent proposes a patch.
    PatchProposed {
        /// The patch.
        id: PatchId,
        /// The turn it comes from.
        turn: u64,
        /// How many files.
        files: u64,
        /// The worst class among them.
        class: PatchClass,
        /// Whether the tests passed on it; `None` if none were run.
        tests_ok: Option<bool>,
        /// Summary, evidence and title, as JSON (`PatchRecord` of the API).
        record: Commitment,
        /// The diff.
        diff: Commitment,
    }
    /// A patch was let out.
    PatchAccepted {
        /// The patch.
        id: PatchId,
        /// Whether onto a branch.
        branch: bool,
    }
    /// Which branch a patch was let out on; `PatchAccepted` says that it was one.
    PatchBranched {
        /// The patch.
        id: PatchId,
        /// The branch's name.
        name: Commitment,
        /// The commit that it was made with.
        commit: Commitment,
    }
    /// A patch was turned down.
    PatchRejected {
        /// The patch.
        id: PatchId,
        /// A person's reason.
        why: Commitment,
    }
    /// A person edited a patch: another one took its place.
    PatchEdited {
        /// The patch.
        id: PatchId,
        /// The one that took its place.
        into: PatchId,
    }
    /// An accepted patch was taken back.
    PatchUndone {
        /// The patch.
        id: PatchId,
    }
    /// A session's copy went back to an earlier turn's tree.
    TurnUndone {
        /// The turn that was undone.
        turn: u64,
        /// The tree it went back to.
        tree: Commitment,
    }
    /// The transcript was summarised: the model sees the summary in place of what came before.
    Compacted {
        /// Up to which step.
        upto: Step,
        /// The tokens it saves, estimated.
        saved_tokens: u64,
        /// The summary.
        summary: Commitment,
    }
    /// A content was erased: salt and bytes are gone, the chain is not.
    Erased {
        /// The commitment.
        target: Hash,
        /// A person's reason.
        why: Commitment,
    }
    /// The owner let spending happen in a workspace with a provider.
    SpendGranted {
        /// The workspace.
        workspace: WorkspaceId,
        /// The provider.
        provider: String,
        /// Up to how much per session, in millionths of a US dollar.
        micros_max: u64,
    }
    /// A secret of the vault was used. Its value is nowhere in the log.
    SecretUsed {
        /// Its name.
        name: SecretName,
        /// What for.
        #[serde(rename = "for")]
        used: SecretFor,
    }
    /// A secret's value was put into the vault.
    SecretSet {
        /// Its name.
        name: SecretName,
        /// Whether another value was there before, and is gone.
        rotated: bool,
    }
    /// A secret was taken out of the vault.
    SecretRemoved {
        /// Its name.
        name: SecretName,
    }
    /// The key that signs tokens was made.
    GrantKeyMade {
        /// Its public half, Ed25519, in hex.
        key: String,
    }
    /// A grant was minted, or an attenuation of one was seen for the first time.
    GrantMinted {
        /// The grant.
        id: GrantId,
        /// The grant that it is an attenuation of.
        parent: Option<GrantId>,
        /// What its holder is here.
        role: Role,
        /// Until when.
        expires: Ms,
        /// The kinds of actions; `None`: all.
        kinds: Option<Vec<Kind>>,
        /// What may be spent under it.
        budget: Budget,
        /// Requests within a minute.
        requests_per_min: u64,
        /// The longest body of a request, in bytes.
        body_limit_bytes: u64,
        /// Folders and hosts, as JSON.
        scope: Commitment,
        /// Its name.
        name: Commitment,
    }
    /// A grant was revoked, and with it each attenuation of it.
    GrantRevoked {
        /// The grant.
        id: GrantId,
        /// A person's reason.
        why: Commitment,
    }
    /// A note of a person.
    FeedbackNote {
        /// The words.
        text: Commitment,
    }
    /// The node is alive: logged on change only.
    Heartbeat {
        /// Sessions under way.
        sessions: u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bodies_round_trip_and_unknown_kinds_are_kept() {
        let body: Body = NodeDown {
            reason: "signal".into(),
        }
        .into();
        let value = body.to_value().unwrap();
        assert_eq!(Body::from_parts("NodeDown", &value), body);
        let later = Body::from_parts("Teleported", &json!({"to": 1}));
        assert_eq!(later.kind(), "Teleported");
        assert_eq!(later.to_value().unwrap(), json!({"to": 1}));
    }
}
