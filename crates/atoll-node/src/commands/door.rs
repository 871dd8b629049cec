//! `Commands` for the node: each is one line to where it is done.

use std::collections::BTreeMap;
use std::future::ready;

use atoll_agent::Mode;
use atoll_api::*;
use futures::stream::BoxStream;

use crate::Node;

impl Commands for Node {
    fn health(&self) -> Reply<'_, Health> {
        Box::pin(ready(Ok(self.shared.health())))
    }
    fn status(&self, _: &Caller) -> Reply<'_, Status> {
        Box::pin(ready(self.shared.status()))
    }
    fn down(&self, _: &Caller) -> Reply<'_, ()> {
        self.shared.down.cancel();
        Box::pin(ready(Ok(())))
    }
    fn code(&self, caller: &Caller, key: String, request: CodeRequest) -> Reply<'_, Started> {
        let caller = caller.clone();
        Box::pin(async move { self.shared.code(&caller, &key, Mode::Code, request).await })
    }
    fn chat(&self, caller: &Caller, key: String, request: CodeRequest) -> Reply<'_, Started> {
        let caller = caller.clone();
        Box::pin(async move { self.shared.code(&caller, &key, Mode::Chat, request).await })
    }
    fn say(&self, caller: &Caller, session: String, text: String) -> Reply<'_, Started> {
        let caller = caller.clone();
        Box::pin(async move { self.shared.say(&caller, &session, text).await })
    }
    fn resume(
        &self,
        caller: &Caller,
        session: String,
        request: ResumeRequest,
    ) -> Reply<'_, Started> {
        let caller = caller.clone();
        Box::pin(async move { self.shared.resume(&caller, &session, request).await })
    }
    fn cancel(&self, _: &Caller, session: String) -> Reply<'_, ()> {
        Box::pin(ready(self.shared.cancel(&session)))
    }
    fn sessions(&self, _: &Caller, limit: usize) -> Reply<'_, Vec<SessionView>> {
        Box::pin(ready(self.shared.sessions_list(limit)))
    }
    fn session(&self, _: &Caller, session: String) -> Reply<'_, SessionDetail> {
        Box::pin(ready(self.shared.session_detail(&session)))
    }
    fn session_undo(&self, caller: &Caller, session: String) -> Reply<'_, SessionView> {
        let caller = caller.clone();
        Box::pin(async move { self.shared.session_undo(&caller, &session, None).await })
    }
    fn session_undo_to(
        &self,
        caller: &Caller,
        session: String,
        turn: u64,
    ) -> Reply<'_, SessionView> {
        let caller = caller.clone();
        Box::pin(async move {
            self.shared
                .session_undo(&caller, &session, Some(turn))
                .await
        })
    }
    fn session_fork(
        &self,
        caller: &Caller,
        key: String,
        session: String,
        request: ForkRequest,
    ) -> Reply<'_, SessionView> {
        let caller = caller.clone();
        Box::pin(async move { self.shared.fork(&caller, &key, &session, request).await })
    }
    fn session_declassify(
        &self,
        caller: &Caller,
        session: String,
        request: DeclassifyRequest,
    ) -> Reply<'_, Cleared> {
        let caller = caller.clone();
        Box::pin(async move { self.shared.declassify(&caller, &session, request).await })
    }
    fn session_delete(&self, caller: &Caller, session: String) -> Reply<'_, ()> {
        let caller = caller.clone();
        Box::pin(async move { self.shared.session_delete(&caller, &session).await })
    }
    fn watch(&self, _: &Caller, session: String, cursor: u64) -> Reply<'_, Updates> {
        Box::pin(ready(self.shared.watch(&session, cursor)))
    }
    fn exec(&self, caller: &Caller, key: String, request: ExecRequest) -> Reply<'_, ExecStarted> {
        let caller = caller.clone();
        Box::pin(async move { self.shared.exec(&caller, &key, request).await })
    }
    fn exec_stdin(&self, _: &Caller, job: String, bytes: Vec<u8>) -> Reply<'_, ()> {
        Box::pin(async move { self.shared.exec_stdin(&job, bytes).await })
    }
    fn exec_resize(&self, _: &Caller, job: String, cols: u16, rows: u16) -> Reply<'_, ()> {
        Box::pin(async move { self.shared.exec_resize(&job, cols, rows).await })
    }
    fn exec_stop(&self, _: &Caller, job: String) -> Reply<'_, ()> {
        Box::pin(async move { self.shared.exec_stop(&job).await })
    }
    fn artifact(&self, _: &Caller, job: String, path: String) -> Reply<'_, Vec<u8>> {
        Box::pin(ready(self.shared.artifact(&job, &path)))
    }
    fn gates(&self, _: &Caller, open: bool) -> Reply<'_, Vec<GateView>> {
        Box::pin(ready(self.shared.gates(open)))
    }
    fn gate(&self, _: &Caller, gate: String) -> Reply<'_, GateView> {
        Box::pin(ready(
            self.shared
                .find_gate(&gate)
                .map(|row| self.shared.gate_view(&row)),
        ))
    }
    fn gate_answer(
        &self,
        caller: &Caller,
        gate: String,
        request: AnswerRequest,
    ) -> Reply<'_, GateView> {
        let caller = caller.clone();
        Box::pin(async move { self.shared.gate_answer(&caller, &gate, request).await })
    }
    fn patches(&self, _: &Caller) -> Reply<'_, Vec<PatchView>> {
        Box::pin(ready(self.shared.patches()))
    }
    fn patch(&self, _: &Caller, patch: String) -> Reply<'_, PatchDetail> {
        Box::pin(ready(
            self.shared
                .find_patch(&patch)
                .map(|row| self.shared.patch_detail(&row)),
        ))
    }
    fn patch_accept(
        &self,
        caller: &Caller,
        patch: String,
        request: AcceptRequest,
    ) -> Reply<'_, PatchDetail> {
        let caller = caller.clone();
        Box::pin(async move { self.shared.patch_accept(&caller, &patch, request).await })
    }
    fn patch_edit(&self, _: &Caller, key: String, patch: String) -> Reply<'_, EditBegun> {
        Box::pin(async move { self.shared.patch_edit(&key, &patch).await })
    }
    fn patch_edited(
        &self,
        caller: &Caller,
        patch: String,
        request: EditRequest,
    ) -> Reply<'_, PatchDetail> {
        let caller = caller.clone();
        Box::pin(async move { self.shared.patch_edited(&caller, &patch, request).await })
    }
    fn patch_reject(&self, caller: &Caller, patch: String, why: String) -> Reply<'_, PatchView> {
        let caller = caller.clone();
        Box::pin(async move { self.shared.patch_reject(&caller, &patch, &why).await })
    }
    fn patch_undo(&self, caller: &Caller, patch: String) -> Reply<'_, PatchView> {
        let caller = caller.clone();
        Box::pin(async move { self.shared.patch_undo(&caller, &patch).await })
    }
    fn events(&self, _: &Caller, tail: Tail) -> Reply<'_, Vec<EventView>> {
        Box::pin(ready(self.shared.events(&tail)))
    }
    fn follow(
        &self,
        _: &Caller,
        after: u64,
        session: Option<String>,
    ) -> Reply<'_, BoxStream<'static, EventView>> {
        Box::pin(ready(self.shared.follow(after, session.as_deref())))
    }
    fn verify(&self, _: &Caller) -> Reply<'_, Verification> {
        Box::pin(self.shared.verify())
    }
    fn replay(&self, _: &Caller, session: String) -> Reply<'_, Replayed> {
        Box::pin(async move { self.shared.replay(&session).await })
    }
    fn checkpoint(&self, _: &Caller) -> Reply<'_, KeptCheckpoint> {
        Box::pin(self.shared.checkpoint())
    }
    fn export(&self, _: &Caller, request: ExportRequest) -> Reply<'_, Lines> {
        Box::pin(self.shared.export(request))
    }
    fn rebuild(&self, _: &Caller) -> Reply<'_, u64> {
        Box::pin(self.shared.rebuild())
    }
    fn erase(&self, caller: &Caller, request: EraseRequest) -> Reply<'_, Erasure> {
        let caller = caller.clone();
        Box::pin(async move { self.shared.erase(&caller, &request).await })
    }
    fn vault(&self, _: &Caller) -> Reply<'_, VaultView> {
        Box::pin(ready(Ok(self.shared.vault_view())))
    }
    fn vault_make(&self, _: &Caller, request: VaultMake) -> Reply<'_, VaultView> {
        Box::pin(self.shared.vault_make(request))
    }
    fn vault_unlock(&self, _: &Caller, request: VaultUnlock) -> Reply<'_, VaultView> {
        Box::pin(self.shared.vault_unlock(request))
    }
    fn vault_lock(&self, _: &Caller) -> Reply<'_, VaultView> {
        Box::pin(ready(Ok(self.shared.vault_lock())))
    }
    fn secrets(&self, _: &Caller) -> Reply<'_, SecretsView> {
        Box::pin(self.shared.secrets())
    }
    fn secret_put(&self, caller: &Caller, request: SecretPut) -> Reply<'_, ()> {
        let caller = caller.clone();
        Box::pin(async move { self.shared.secret_put(&caller, request).await })
    }
    fn secret_remove(&self, caller: &Caller, name: String) -> Reply<'_, ()> {
        let caller = caller.clone();
        Box::pin(async move { self.shared.secret_remove(&caller, &name).await })
    }
    fn models(&self, _: &Caller) -> Reply<'_, Vec<ModelView>> {
        Box::pin(async move { Ok(self.shared.models().await) })
    }
    fn model_test(
        &self,
        caller: &Caller,
        name: Option<String>,
        keys: BTreeMap<String, String>,
    ) -> Reply<'_, ModelTest> {
        let caller = caller.clone();
        Box::pin(async move {
            self.shared
                .model_test(&caller, name.as_deref(), &keys)
                .await
        })
    }
    fn reload(&self, _: &Caller) -> Reply<'_, ()> {
        Box::pin(ready(self.shared.reload()))
    }
    fn policy(&self, _: &Caller) -> Reply<'_, PolicyView> {
        Box::pin(ready(Ok(self.shared.policy())))
    }
}
