//! `Commands`, one request each.

use std::collections::BTreeMap;
use std::time::Duration;

use atoll_api::*;
use futures::stream::BoxStream;
use serde_json::json;

use crate::client::Client;
use crate::lines;
use crate::request::{Ask, part};

const HEALTH_TIME: Duration = Duration::from_secs(5);

/// The caller is known to the node by the socket: what is passed here is not sent.
impl Commands for Client {
    fn health(&self) -> Reply<'_, Health> {
        Box::pin(self.ask(Ask::get("/v1/health").within(HEALTH_TIME)))
    }
    fn status(&self, _: &Caller) -> Reply<'_, Status> {
        Box::pin(self.ask(Ask::get("/v1/status")))
    }
    fn down(&self, _: &Caller) -> Reply<'_, ()> {
        Box::pin(self.ask(Ask::post("/v1/down")))
    }

    fn code(&self, _: &Caller, key: String, request: CodeRequest) -> Reply<'_, Started> {
        Box::pin(self.ask(Ask::post("/v1/sessions").key(key).json(&request)))
    }
    fn chat(&self, _: &Caller, key: String, request: CodeRequest) -> Reply<'_, Started> {
        Box::pin(self.ask(Ask::post("/v1/chats").key(key).json(&request)))
    }
    fn say(&self, _: &Caller, session: String, text: String) -> Reply<'_, Started> {
        let path = format!("/v1/sessions/{}/say", part(&session));
        Box::pin(self.ask(Ask::post(path).json(&json!({ "text": text }))))
    }
    fn resume(&self, _: &Caller, session: String, request: ResumeRequest) -> Reply<'_, Started> {
        let path = format!("/v1/sessions/{}/resume", part(&session));
        Box::pin(self.ask(Ask::post(path).json(&request)))
    }
    fn cancel(&self, _: &Caller, session: String) -> Reply<'_, ()> {
        Box::pin(self.ask(Ask::post(format!("/v1/sessions/{}/cancel", part(&session)))))
    }
    fn sessions(&self, _: &Caller, limit: usize) -> Reply<'_, Vec<SessionView>> {
        Box::pin(self.ask(Ask::get("/v1/sessions").query(&[("limit", limit)])))
    }
    fn session(&self, _: &Caller, session: String) -> Reply<'_, SessionDetail> {
        Box::pin(self.ask(Ask::get(format!("/v1/sessions/{}", part(&session)))))
    }
    fn session_undo(&self, _: &Caller, session: String) -> Reply<'_, SessionView> {
        Box::pin(self.ask(Ask::post(format!("/v1/sessions/{}/undo", part(&session)))))
    }
    fn session_undo_to(&self, _: &Caller, session: String, turn: u64) -> Reply<'_, SessionView> {
        let path = format!("/v1/sessions/{}/undo/{turn}", part(&session));
        Box::pin(self.ask(Ask::post(path)))
    }
    fn session_fork(
        &self,
        _: &Caller,
        key: String,
        session: String,
        request: ForkRequest,
    ) -> Reply<'_, SessionView> {
        let path = format!("/v1/sessions/{}/fork", part(&session));
        Box::pin(self.ask(Ask::post(path).key(key).json(&request)))
    }
    fn session_declassify(
        &self,
        _: &Caller,
        session: String,
        request: DeclassifyRequest,
    ) -> Reply<'_, Cleared> {
        let path = format!("/v1/sessions/{}/declassify", part(&session));
        Box::pin(self.ask(Ask::post(path).json(&request)))
    }
    fn session_delete(&self, _: &Caller, session: String) -> Reply<'_, ()> {
        Box::pin(self.ask(Ask::delete(format!("/v1/sessions/{}", part(&session)))))
    }
    fn watch(&self, _: &Caller, session: String, cursor: u64) -> Reply<'_, Updates> {
        let ask =
            Ask::get(format!("/v1/sessions/{}/watch", part(&session))).query(&[("cursor", cursor)]);
        Box::pin(async move { Ok(lines::values(self.ask_stream(ask).await?)) })
    }

    fn exec(&self, _: &Caller, key: String, request: ExecRequest) -> Reply<'_, ExecStarted> {
        Box::pin(self.ask(Ask::post("/v1/jobs").key(key).json(&request)))
    }
    fn exec_stdin(&self, _: &Caller, job: String, bytes: Vec<u8>) -> Reply<'_, ()> {
        Box::pin(self.ask(Ask::post(format!("/v1/jobs/{}/stdin", part(&job))).bytes(bytes)))
    }
    fn exec_resize(&self, _: &Caller, job: String, cols: u16, rows: u16) -> Reply<'_, ()> {
        let ask = Ask::post(format!("/v1/jobs/{}/resize", part(&job)));
        Box::pin(self.ask(ask.json(&json!({ "cols": cols, "rows": rows }))))
    }
    fn exec_stop(&self, _: &Caller, job: String) -> Reply<'_, ()> {
        Box::pin(self.ask(Ask::post(format!("/v1/jobs/{}/stop", part(&job)))))
    }
    fn artifact(&self, _: &Caller, job: String, path: String) -> Reply<'_, Vec<u8>> {
        let ask = Ask::get(format!("/v1/jobs/{}/artifact", part(&job))).query(&[("path", path)]);
        Box::pin(async move { Ok(self.ask_bytes(ask).await?.to_vec()) })
    }

    fn gates(&self, _: &Caller, open: bool) -> Reply<'_, Vec<GateView>> {
        Box::pin(self.ask(Ask::get("/v1/gates").query(&[("open", open)])))
    }
    fn gate(&self, _: &Caller, gate: String) -> Reply<'_, GateView> {
        Box::pin(self.ask(Ask::get(format!("/v1/gates/{}", part(&gate)))))
    }
    fn gate_answer(&self, _: &Caller, gate: String, request: AnswerRequest) -> Reply<'_, GateView> {
        Box::pin(self.ask(Ask::post(format!("/v1/gates/{}/answer", part(&gate))).json(&request)))
    }

    fn patches(&self, _: &Caller) -> Reply<'_, Vec<PatchView>> {
        Box::pin(self.ask(Ask::get("/v1/patches")))
    }
    fn patch(&self, _: &Caller, patch: String) -> Reply<'_, PatchDetail> {
        Box::pin(self.ask(Ask::get(format!("/v1/patches/{}", part(&patch)))))
    }
    fn patch_accept(
        &self,
        _: &Caller,
        patch: String,
        request: AcceptRequest,
    ) -> Reply<'_, PatchDetail> {
        Box::pin(self.ask(Ask::post(format!("/v1/patches/{}/accept", part(&patch))).json(&request)))
    }
    fn patch_edit(&self, _: &Caller, key: String, patch: String) -> Reply<'_, EditBegun> {
        Box::pin(self.ask(Ask::post(format!("/v1/patches/{}/edit", part(&patch))).key(key)))
    }
    fn patch_edited(
        &self,
        _: &Caller,
        patch: String,
        request: EditRequest,
    ) -> Reply<'_, PatchDetail> {
        Box::pin(self.ask(Ask::post(format!("/v1/patches/{}/edited", part(&patch))).json(&request)))
    }
    fn patch_reject(&self, _: &Caller, patch: String, why: String) -> Reply<'_, PatchView> {
        let ask = Ask::post(format!("/v1/patches/{}/reject", part(&patch)));
        Box::pin(self.ask(ask.json(&json!({ "why": why }))))
    }
    fn patch_undo(&self, _: &Caller, patch: String) -> Reply<'_, PatchView> {
        Box::pin(self.ask(Ask::post(format!("/v1/patches/{}/undo", part(&patch)))))
    }

    fn events(&self, _: &Caller, tail: Tail) -> Reply<'_, Vec<EventView>> {
        Box::pin(self.ask(Ask::get("/v1/events").query(&tail)))
    }
    fn follow(
        &self,
        _: &Caller,
        after: u64,
        session: Option<String>,
    ) -> Reply<'_, BoxStream<'static, EventView>> {
        let query = Tail {
            after,
            session,
            ..Tail::default()
        };
        let ask = Ask::get("/v1/events/follow").query(&query);
        Box::pin(async move { Ok(lines::values(self.ask_stream(ask).await?)) })
    }
    fn verify(&self, _: &Caller) -> Reply<'_, Verification> {
        Box::pin(self.ask(Ask::get("/v1/log/verify")))
    }
    fn checkpoint(&self, _: &Caller) -> Reply<'_, KeptCheckpoint> {
        Box::pin(self.ask(Ask::post("/v1/log/checkpoint")))
    }
    fn archive(&self, _: &Caller, request: ArchiveRequest) -> Reply<'_, Archived> {
        Box::pin(self.ask(Ask::post("/v1/log/archive").json(&request)))
    }
    fn replay(&self, _: &Caller, session: String) -> Reply<'_, Replayed> {
        Box::pin(self.ask(Ask::get(format!("/v1/sessions/{}/replay", part(&session)))))
    }
    fn export(&self, _: &Caller, request: ExportRequest) -> Reply<'_, Lines> {
        let ask = Ask::get("/v1/log/export").query(&request);
        Box::pin(async move { Ok(lines::raw(self.ask_stream(ask).await?)) })
    }
    fn rebuild(&self, _: &Caller) -> Reply<'_, u64> {
        Box::pin(self.ask(Ask::post("/v1/log/rebuild")))
    }
    fn erase(&self, _: &Caller, request: EraseRequest) -> Reply<'_, Erasure> {
        Box::pin(self.ask(Ask::post("/v1/log/erase").json(&request)))
    }

    fn vault(&self, _: &Caller) -> Reply<'_, VaultView> {
        Box::pin(self.ask(Ask::get("/v1/vault")))
    }
    fn vault_make(&self, _: &Caller, request: VaultMake) -> Reply<'_, VaultView> {
        Box::pin(self.ask(Ask::post("/v1/vault").json(&request)))
    }
    fn vault_unlock(&self, _: &Caller, request: VaultUnlock) -> Reply<'_, VaultView> {
        Box::pin(self.ask(Ask::post("/v1/vault/unlock").json(&request)))
    }
    fn vault_lock(&self, _: &Caller) -> Reply<'_, VaultView> {
        Box::pin(self.ask(Ask::post("/v1/vault/lock")))
    }
    fn secrets(&self, _: &Caller) -> Reply<'_, SecretsView> {
        Box::pin(self.ask(Ask::get("/v1/secrets")))
    }
    fn secret_put(&self, _: &Caller, request: SecretPut) -> Reply<'_, ()> {
        Box::pin(self.ask(Ask::post("/v1/secrets").json(&request)))
    }
    fn secret_remove(&self, _: &Caller, name: String) -> Reply<'_, ()> {
        Box::pin(self.ask(Ask::delete(format!("/v1/secrets/{}", part(&name)))))
    }

    fn models(&self, _: &Caller) -> Reply<'_, Vec<ModelView>> {
        Box::pin(self.ask(Ask::get("/v1/atoll/models")))
    }
    fn model_test(
        &self,
        _: &Caller,
        name: Option<String>,
        keys: BTreeMap<String, String>,
    ) -> Reply<'_, ModelTest> {
        let ask = Ask::post("/v1/atoll/models/test").json(&json!({ "name": name, "keys": keys }));
        Box::pin(self.ask(ask))
    }
    fn reload(&self, _: &Caller) -> Reply<'_, ()> {
        Box::pin(self.ask(Ask::post("/v1/reload")))
    }
    fn policy(&self, _: &Caller) -> Reply<'_, PolicyView> {
        Box::pin(self.ask(Ask::get("/v1/policy")))
    }

    fn grant_mint(&self, _: &Caller, request: MintRequest) -> Reply<'_, Minted> {
        Box::pin(self.ask(Ask::post("/v1/grants").json(&request)))
    }
    fn grants(&self, _: &Caller) -> Reply<'_, Vec<GrantView>> {
        Box::pin(self.ask(Ask::get("/v1/grants")))
    }
    fn grant_revoke(&self, _: &Caller, grant: String, why: String) -> Reply<'_, ()> {
        let ask = Ask::post(format!("/v1/grants/{}/revoke", part(&grant)));
        Box::pin(self.ask(ask.json(&json!({ "why": why }))))
    }
}
