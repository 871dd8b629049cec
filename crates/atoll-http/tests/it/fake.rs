//! A node that notes what it is told and answers with samples.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use atoll_api::*;
use atoll_api::{ExecRequest, ExecStarted, Started, VERSION};
use atoll_domain::*;
use futures::StreamExt;
use futures::stream::BoxStream;

/// What was called, and with what.
#[derive(Default)]
pub struct Fake {
    calls: Mutex<Vec<String>>,
}

impl Fake {
    pub fn new() -> Arc<Fake> {
        Arc::default()
    }
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
    fn note<T: Send + 'static>(&self, call: String, value: T) -> Reply<'_, T> {
        self.calls.lock().unwrap().push(call);
        Box::pin(std::future::ready(Ok(value)))
    }
}

pub fn session_id() -> SessionId {
    SessionId::new(Ms(1), [1; 10])
}
pub fn job_id() -> JobId {
    JobId::new(Ms(1), [2; 10])
}
pub fn gate_id() -> GateId {
    GateId::new(Ms(1), [3; 10])
}

pub fn grant_id() -> GrantId {
    GrantId::new(Ms(1), [4; 10])
}

pub fn grant_view() -> GrantView {
    GrantView {
        ordinal: "c1".into(),
        grant: grant_id(),
        parent: None,
        depth: 0,
        name: "ci".into(),
        role: Role::Viewer,
        state: "good".into(),
        minted: Ms(1),
        expires: Ms(2),
        kinds: None,
        workspaces: None,
        hosts: None,
        budget: Budget::default(),
        spent: Cost::ZERO,
        reserved: Cost::ZERO,
        left: Budget::default(),
        requests_per_min: 600,
        body_limit_bytes: 1 << 20,
        used: None,
        revoked: None,
    }
}

pub fn started() -> Started {
    Started {
        ordinal: "s4".into(),
        session: session_id(),
        cursor: 7,
        notes: vec!["a note".into()],
    }
}

pub fn session_view() -> SessionView {
    SessionView {
        ordinal: "s4".into(),
        session: session_id(),
        mode: "code".into(),
        root: "/home/u/till".into(),
        prompt: "mend it".into(),
        model: "local/m".into(),
        state: SessionState::Idle,
        end: Some(SessionEnd::Patch),
        opened: Ms(1),
        updated: Ms(2),
        turns: 1,
        steps: 6,
        spent: Cost::ZERO,
        budget: Budget::default(),
        labels: Labels::of(Label::Private),
        grant: None,
    }
}

pub fn gate_view() -> GateView {
    GateView {
        ordinal: "g3".into(),
        gate: gate_id(),
        session: Some(session_id()),
        session_ordinal: Some("s4".into()),
        kind: "job".into(),
        question: Question {
            what: "npm ci".into(),
            ..Question::default()
        },
        rules: vec!["careful.network".into()],
        opened: Ms(1),
        expires: Ms(2),
        answer: None,
        by: None,
        like: String::new(),
    }
}

pub fn patch_view() -> PatchView {
    PatchView {
        ordinal: "p7".into(),
        patch: PatchId::new(Ms(1), [4; 10]),
        session: session_id(),
        session_ordinal: "s4".into(),
        state: "proposed".into(),
        title: "fix rounding".into(),
        files: 1,
        added: 2,
        removed: 1,
        class: "ordinary".into(),
        tests_ok: Some(true),
        proposed: Ms(3),
        branch: None,
    }
}

pub fn patch_detail() -> PatchDetail {
    PatchDetail {
        view: patch_view(),
        root: "/home/u/till".into(),
        record: None,
        diff: "--- a\n+++ b\n".into(),
        events: (1, 14),
    }
}

pub fn health() -> Health {
    Health {
        version: "0.1.0".into(),
        api: VERSION,
        pid: 1,
        node: "did:key:z6Mk".into(),
        build: "b".into(),
    }
}

pub fn event(seq: u64) -> EventView {
    let event = Event {
        v: atoll_domain::VERSION.into(),
        node: "did:key:z6Mk".into(),
        seq,
        id: EventId::new(Ms(seq), [0; 10]),
        ts: Ms(seq),
        kind: "NodeUp".into(),
        topic: Topic::node(),
        actor: Actor::system(),
        session: None,
        cause: None,
        body: serde_json::json!({}),
        meta: Meta::default(),
        prev: Hash::ZERO,
        hash: Hash::of(b"x"),
    };
    EventView {
        event,
        words: BTreeMap::new(),
    }
}

pub fn update(seq: u64) -> Update {
    let progress = Progress::Note {
        text: format!("line {seq}\nand \u{1b}[2J"),
    };
    Update {
        seq: Some(seq),
        ts: Ms(seq),
        session: Some(session_id()),
        progress,
    }
}

fn model_test() -> ModelTest {
    ModelTest {
        name: "local/m".into(),
        server: Some("Ollama 0.12.6".into()),
        answered: true,
        tool_call: true,
        words: "42".into(),
        first_ms: 1,
        total_ms: 2,
        tokens: (3, 4),
        micros: 5,
    }
}

fn state() -> Status {
    Status {
        needs_you: NeedsYou {
            gates: vec![gate_view()],
            patches: vec![patch_view()],
        },
        running: vec![session_view()],
        model: None,
        policy: "careful".into(),
        sandbox: "full".into(),
        today: Cost::ZERO,
        day_micros_max: None,
        providers_left: BTreeMap::new(),
        grant: None,
        grants: 0,
        events: 3,
        vault: None,
        witness: None,
        mirror: None,
        archive: None,
        checkpoint: None,
        full: false,
        disk: None,
        up_s: 1,
        rss_bytes: 2,
        health: health(),
        socket: "/s".into(),
        data: "/d".into(),
    }
}

fn verification() -> Verification {
    Verification {
        events: 3,
        head: Hash::of(b"x"),
        checkpoints: 1,
        note: None,
        bad: Some((2, "why".into())),
        contents: 1,
        erased: 0,
        clock_back: 0,
        root: Some("did:key:z6Mk".into()),
        kept: 2,
        promise: "p".into(),
    }
}

impl Commands for Fake {
    fn health(&self) -> Reply<'_, Health> {
        self.note("health".into(), health())
    }
    fn status(&self, c: &Caller) -> Reply<'_, Status> {
        self.note(format!("status {}", c.uid), state())
    }
    fn down(&self, _: &Caller) -> Reply<'_, ()> {
        self.note("down".into(), ())
    }
    fn code(&self, _: &Caller, key: String, r: CodeRequest) -> Reply<'_, Started> {
        self.note(
            format!("code {key} {} {:?} {:?}", r.prompt, r.keys, r.on_ask),
            started(),
        )
    }
    fn chat(&self, _: &Caller, key: String, r: CodeRequest) -> Reply<'_, Started> {
        self.note(format!("chat {key} {}", r.prompt), started())
    }
    fn say(&self, _: &Caller, s: String, text: String) -> Reply<'_, Started> {
        self.note(format!("say {s} {text}"), started())
    }
    fn resume(&self, _: &Caller, s: String, r: ResumeRequest) -> Reply<'_, Started> {
        self.note(format!("resume {s} {:?}", r.prompt), started())
    }
    fn cancel(&self, _: &Caller, s: String) -> Reply<'_, ()> {
        self.note(format!("cancel {s}"), ())
    }
    fn sessions(&self, _: &Caller, limit: usize) -> Reply<'_, Vec<SessionView>> {
        self.note(format!("sessions {limit}"), vec![session_view()])
    }
    fn session(&self, _: &Caller, s: String) -> Reply<'_, SessionDetail> {
        if s == "s99" {
            let err = Error::new(codes::NO_SUCH, "there is no session \"s99\"")
                .next("atoll session list");
            return Box::pin(std::future::ready(Err(err)));
        }
        let view = session_view();
        let detail = SessionDetail {
            view,
            left: Budget::default(),
            steps_taken: vec![],
            patches: vec![],
            gates: vec![],
            jobs: vec![],
            sources: vec![],
            said: vec!["mend it".into()],
            answer: None,
            context_tokens: None,
        };
        self.note(format!("session {s}"), detail)
    }
    fn session_undo(&self, _: &Caller, s: String) -> Reply<'_, SessionView> {
        self.note(format!("session_undo {s}"), session_view())
    }
    fn session_undo_to(&self, _: &Caller, s: String, turn: u64) -> Reply<'_, SessionView> {
        self.note(format!("session_undo_to {s} {turn}"), session_view())
    }
    fn session_fork(
        &self,
        _: &Caller,
        key: String,
        s: String,
        r: ForkRequest,
    ) -> Reply<'_, SessionView> {
        self.note(
            format!("session_fork {key} {s} {:?}", r.turn),
            session_view(),
        )
    }
    fn session_declassify(
        &self,
        _: &Caller,
        s: String,
        r: DeclassifyRequest,
    ) -> Reply<'_, Cleared> {
        let cleared = Cleared {
            label: r.label,
            sources: vec![],
            files: vec![],
        };
        self.note(
            format!("session_declassify {s} {} {:?}", r.why, r.file),
            cleared,
        )
    }
    fn session_delete(&self, _: &Caller, s: String) -> Reply<'_, ()> {
        self.note(format!("session_delete {s}"), ())
    }
    fn watch(&self, _: &Caller, s: String, cursor: u64) -> Reply<'_, Updates> {
        let updates = futures::stream::iter([update(cursor + 1), update(cursor + 2)]).boxed();
        self.note(format!("watch {s} {cursor}"), updates)
    }
    fn exec(&self, _: &Caller, key: String, r: ExecRequest) -> Reply<'_, ExecStarted> {
        let started = ExecStarted {
            job: job_id(),
            session: session_id(),
            session_ordinal: "s4".into(),
            cursor: 1,
            notes: vec![],
        };
        self.note(format!("exec {key} {:?}", r.cmd), started)
    }
    fn exec_stdin(&self, _: &Caller, job: String, bytes: Vec<u8>) -> Reply<'_, ()> {
        self.note(format!("exec_stdin {job} {bytes:?}"), ())
    }
    fn exec_resize(&self, _: &Caller, job: String, cols: u16, rows: u16) -> Reply<'_, ()> {
        self.note(format!("exec_resize {job} {cols} {rows}"), ())
    }
    fn exec_stop(&self, _: &Caller, job: String) -> Reply<'_, ()> {
        self.note(format!("exec_stop {job}"), ())
    }
    fn artifact(&self, _: &Caller, job: String, path: String) -> Reply<'_, Vec<u8>> {
        self.note(format!("artifact {job} {path}"), vec![0, 255, 10])
    }
    fn gates(&self, _: &Caller, open: bool) -> Reply<'_, Vec<GateView>> {
        self.note(format!("gates {open}"), vec![gate_view()])
    }
    fn gate(&self, _: &Caller, gate: String) -> Reply<'_, GateView> {
        self.note(format!("gate {gate}"), gate_view())
    }
    fn gate_answer(&self, _: &Caller, gate: String, r: AnswerRequest) -> Reply<'_, GateView> {
        self.note(
            format!("gate_answer {gate} {:?} {}", r.answer, r.why),
            gate_view(),
        )
    }
    fn patches(&self, _: &Caller) -> Reply<'_, Vec<PatchView>> {
        self.note("patches".into(), vec![patch_view()])
    }
    fn patch(&self, _: &Caller, p: String) -> Reply<'_, PatchDetail> {
        self.note(format!("patch {p}"), patch_detail())
    }
    fn patch_accept(&self, _: &Caller, p: String, r: AcceptRequest) -> Reply<'_, PatchDetail> {
        self.note(
            format!("patch_accept {p} {:?} {}", r.branch, r.confirm_runs_outside),
            patch_detail(),
        )
    }
    fn patch_edit(&self, _: &Caller, key: String, p: String) -> Reply<'_, EditBegun> {
        let begun = EditBegun {
            edit: session_id(),
            folder: "/c".into(),
            files: vec!["a".into()],
        };
        self.note(format!("patch_edit {key} {p}"), begun)
    }
    fn patch_edited(&self, _: &Caller, p: String, r: EditRequest) -> Reply<'_, PatchDetail> {
        self.note(format!("patch_edited {p} {}", r.abandon), patch_detail())
    }
    fn patch_reject(&self, _: &Caller, p: String, why: String) -> Reply<'_, PatchView> {
        self.note(format!("patch_reject {p} {why}"), patch_view())
    }
    fn patch_undo(&self, _: &Caller, p: String) -> Reply<'_, PatchView> {
        self.note(format!("patch_undo {p}"), patch_view())
    }
    fn events(&self, _: &Caller, t: Tail) -> Reply<'_, Vec<EventView>> {
        self.note(
            format!("events {} {:?} {:?}", t.after, t.last, t.session),
            vec![event(1)],
        )
    }
    fn follow(
        &self,
        _: &Caller,
        after: u64,
        s: Option<String>,
    ) -> Reply<'_, BoxStream<'static, EventView>> {
        let events = futures::stream::iter([event(after + 1), event(after + 2)]).boxed();
        self.note(format!("follow {after} {s:?}"), events)
    }
    fn verify(&self, _: &Caller) -> Reply<'_, Verification> {
        self.note("verify".into(), verification())
    }
    fn replay(&self, _: &Caller, s: String) -> Reply<'_, Replayed> {
        let replayed = Replayed {
            session: s.clone(),
            effects: 5,
            divergence: None,
        };
        self.note(format!("replay {s}"), replayed)
    }
    fn checkpoint(&self, _: &Caller) -> Reply<'_, KeptCheckpoint> {
        let kept = KeptCheckpoint {
            size: 3,
            note: "node\n3\n".into(),
        };
        self.note("checkpoint".into(), kept)
    }
    fn export(&self, _: &Caller, r: ExportRequest) -> Reply<'_, Lines> {
        let mut lines = vec![Ok(b"{\"a\":1}".to_vec()), Ok(b"{\"b\":2}\n".to_vec())];
        // A log that can't be read to its end.
        lines.extend((r.since == Some(7)).then(|| Err(Error::new(codes::LOG_BAD, "damaged"))));
        let lines = futures::stream::iter(lines).boxed();
        self.note(format!("export {:?} {}", r.session, r.contents), lines)
    }
    fn archive(&self, _: &Caller, r: ArchiveRequest) -> Reply<'_, Archived> {
        let segment = ArchivedSegment {
            name: "segment".into(),
            first: 1,
            last: 3,
            bytes: 9,
        };
        let archived = Archived {
            place: "/a".into(),
            segment: Some(segment),
            last: 3,
        };
        self.note(format!("archive {:?}", r.older_s), archived)
    }
    fn rebuild(&self, _: &Caller) -> Reply<'_, u64> {
        self.note("rebuild".into(), 12)
    }
    fn erase(&self, _: &Caller, r: EraseRequest) -> Reply<'_, Erasure> {
        let erasure = Erasure {
            events: 1,
            contents: 2,
            bytes: 3,
            gone_before: 4,
        };
        let said = format!("erase {} {:?} {} {}", r.what, r.field, r.why, r.dry);
        self.note(said, erasure)
    }
    fn vault(&self, _: &Caller) -> Reply<'_, VaultView> {
        self.note("vault".into(), VaultView::default())
    }
    fn vault_make(&self, _: &Caller, r: VaultMake) -> Reply<'_, VaultView> {
        let phrase = r.passphrase.map(|p| p.0.to_string());
        self.note(
            format!("vault_make {} {phrase:?}", r.keeper),
            VaultView::default(),
        )
    }
    fn vault_unlock(&self, _: &Caller, r: VaultUnlock) -> Reply<'_, VaultView> {
        let phrase = r.passphrase.0.to_string();
        self.note(format!("vault_unlock {phrase}"), VaultView::default())
    }
    fn vault_lock(&self, _: &Caller) -> Reply<'_, VaultView> {
        self.note("vault_lock".into(), VaultView::default())
    }
    fn secrets(&self, _: &Caller) -> Reply<'_, SecretsView> {
        self.note("secrets".into(), SecretsView::default())
    }
    fn secret_put(&self, _: &Caller, r: SecretPut) -> Reply<'_, ()> {
        let value = r.value.0.to_string();
        self.note(format!("secret_put {} {value} {}", r.name, r.rotate), ())
    }
    fn secret_remove(&self, _: &Caller, name: String) -> Reply<'_, ()> {
        self.note(format!("secret_remove {name}"), ())
    }
    fn models(&self, _: &Caller) -> Reply<'_, Vec<ModelView>> {
        self.note("models".into(), vec![])
    }
    fn model_test(
        &self,
        _: &Caller,
        name: Option<String>,
        k: BTreeMap<String, String>,
    ) -> Reply<'_, ModelTest> {
        self.note(format!("model_test {name:?} {k:?}"), model_test())
    }
    fn reload(&self, _: &Caller) -> Reply<'_, ()> {
        self.note("reload".into(), ())
    }
    fn policy(&self, _: &Caller) -> Reply<'_, PolicyView> {
        let policy = PolicyView {
            profile: "careful".into(),
            hash: Hash::ZERO,
            rules: vec![],
        };
        self.note("policy".into(), policy)
    }
    fn enter(&self, caller: &Caller, token: Token) -> Reply<'_, Caller> {
        if token.reveal() != "good" {
            let err = Error::new(codes::TOKEN_BAD, "the token is refused");
            return Box::pin(std::future::ready(Err(err)));
        }
        let viewer = Caller {
            role: Role::Viewer,
            grant: Some(grant_id()),
            body_limit_bytes: Some(64),
            ..caller.clone()
        };
        self.note("enter".into(), viewer)
    }
    fn grant_mint(&self, _: &Caller, r: MintRequest) -> Reply<'_, Minted> {
        let minted = Minted {
            token: Token::new("secret"),
            grant: grant_view(),
        };
        self.note(format!("grant_mint {:?}", r.name), minted)
    }
    fn grants(&self, caller: &Caller) -> Reply<'_, Vec<GrantView>> {
        self.note(
            format!("grants {:?}", caller.grant.is_some()),
            vec![grant_view()],
        )
    }
    fn grant_revoke(&self, _: &Caller, grant: String, why: String) -> Reply<'_, ()> {
        self.note(format!("grant_revoke {grant} {why}"), ())
    }
}
