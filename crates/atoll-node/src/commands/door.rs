//! `Commands` for the node: each is one line to where it is done.

use std::collections::BTreeMap;
use std::future::ready;

use atoll_agent::Mode;
use atoll_api::*;
use futures::StreamExt as _;
use futures::stream::BoxStream;

use crate::Node;
use crate::grants::Hold;

/// Holds the caller against the table before anything else.
macro_rules! allowed {
    ($caller:ident, $command:literal) => {
        if let Err(err) = may($caller, $command) {
            return Box::pin(ready(Err(err)));
        }
    };
}

impl Commands for Node {
    fn health(&self) -> Reply<'_, Health> {
        Box::pin(ready(Ok(self.shared.health())))
    }
    fn status(&self, caller: &Caller) -> Reply<'_, Status> {
        allowed!(caller, "status");
        Box::pin(ready(self.shared.status(caller)))
    }
    fn down(&self, caller: &Caller) -> Reply<'_, ()> {
        allowed!(caller, "down");
        let whole = self.shared.reach_all(caller);
        if whole.is_ok() {
            self.shared.down.cancel();
        }
        Box::pin(ready(whole))
    }
    fn code(&self, caller: &Caller, key: String, request: CodeRequest) -> Reply<'_, Started> {
        allowed!(caller, "code");
        let caller = caller.clone();
        Box::pin(async move { self.shared.code(&caller, &key, Mode::Code, request).await })
    }
    fn chat(&self, caller: &Caller, key: String, request: CodeRequest) -> Reply<'_, Started> {
        allowed!(caller, "chat");
        let caller = caller.clone();
        Box::pin(async move { self.shared.code(&caller, &key, Mode::Chat, request).await })
    }
    fn say(&self, caller: &Caller, session: String, text: String) -> Reply<'_, Started> {
        allowed!(caller, "say");
        let caller = caller.clone();
        Box::pin(async move {
            let session = self.shared.reach(&caller, session, Hold::Own)?;
            self.shared.say(&caller, &session, text).await
        })
    }
    fn resume(
        &self,
        caller: &Caller,
        session: String,
        request: ResumeRequest,
    ) -> Reply<'_, Started> {
        allowed!(caller, "resume");
        let caller = caller.clone();
        Box::pin(async move {
            let session = self.shared.reach(&caller, session, Hold::Own)?;
            self.shared.resume(&caller, &session, request).await
        })
    }
    fn cancel(&self, caller: &Caller, session: String) -> Reply<'_, ()> {
        allowed!(caller, "cancel");
        Box::pin(ready(
            self.shared
                .reach(caller, session, Hold::Decide)
                .and_then(|session| self.shared.cancel(&session)),
        ))
    }
    fn sessions(&self, caller: &Caller, limit: usize) -> Reply<'_, Vec<SessionView>> {
        allowed!(caller, "sessions");
        let sees = self.shared.sees(caller);
        Box::pin(ready(sees.and_then(|sees| {
            let mut list = self.shared.sessions_list(limit)?;
            list.retain(|s| sees(&self.shared, &s.session));
            Ok(list)
        })))
    }
    fn session(&self, caller: &Caller, session: String) -> Reply<'_, SessionDetail> {
        allowed!(caller, "session");
        Box::pin(ready(
            self.shared
                .reach(caller, session, Hold::Look)
                .and_then(|session| self.shared.session_detail(&session)),
        ))
    }
    fn session_undo(&self, caller: &Caller, session: String) -> Reply<'_, SessionView> {
        allowed!(caller, "session_undo");
        let caller = caller.clone();
        Box::pin(async move {
            let session = self.shared.reach(&caller, session, Hold::Decide)?;
            self.shared.session_undo(&caller, &session, None).await
        })
    }
    fn session_undo_to(
        &self,
        caller: &Caller,
        session: String,
        turn: u64,
    ) -> Reply<'_, SessionView> {
        allowed!(caller, "session_undo_to");
        let caller = caller.clone();
        Box::pin(async move {
            let session = self.shared.reach(&caller, session, Hold::Decide)?;
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
        allowed!(caller, "session_fork");
        let caller = caller.clone();
        Box::pin(async move {
            let session = self.shared.reach(&caller, session, Hold::Own)?;
            self.shared.fork(&caller, &key, &session, request).await
        })
    }
    fn session_declassify(
        &self,
        caller: &Caller,
        session: String,
        request: DeclassifyRequest,
    ) -> Reply<'_, Cleared> {
        allowed!(caller, "session_declassify");
        let caller = caller.clone();
        Box::pin(async move {
            let session = self.shared.reach(&caller, session, Hold::Decide)?;
            self.shared.declassify(&caller, &session, request).await
        })
    }
    fn session_delete(&self, caller: &Caller, session: String) -> Reply<'_, ()> {
        allowed!(caller, "session_delete");
        let caller = caller.clone();
        Box::pin(async move {
            let session = self.shared.reach(&caller, session, Hold::Decide)?;
            self.shared.session_delete(&caller, &session).await
        })
    }
    fn watch(&self, caller: &Caller, session: String, cursor: u64) -> Reply<'_, Updates> {
        allowed!(caller, "watch");
        let ends = self.shared.clone().grant_ends(caller.grant);
        let watched = self.shared.reach(caller, session, Hold::Look);
        let watched = watched.and_then(|session| self.shared.watch(&session, cursor));
        Box::pin(ready(
            watched.map(|updates| updates.take_until(Box::pin(ends)).boxed()),
        ))
    }
    fn exec(&self, caller: &Caller, key: String, request: ExecRequest) -> Reply<'_, ExecStarted> {
        allowed!(caller, "exec");
        let caller = caller.clone();
        Box::pin(async move { self.shared.exec(&caller, &key, request).await })
    }
    fn exec_stdin(&self, caller: &Caller, job: String, bytes: Vec<u8>) -> Reply<'_, ()> {
        allowed!(caller, "exec_stdin");
        let job = self.shared.reach_job(caller, job, Hold::Own);
        Box::pin(async move { self.shared.exec_stdin(&job?, bytes).await })
    }
    fn exec_resize(&self, caller: &Caller, job: String, cols: u16, rows: u16) -> Reply<'_, ()> {
        allowed!(caller, "exec_resize");
        let job = self.shared.reach_job(caller, job, Hold::Own);
        Box::pin(async move { self.shared.exec_resize(&job?, cols, rows).await })
    }
    fn exec_stop(&self, caller: &Caller, job: String) -> Reply<'_, ()> {
        allowed!(caller, "exec_stop");
        let job = self.shared.reach_job(caller, job, Hold::Decide);
        Box::pin(async move { self.shared.exec_stop(&job?).await })
    }
    fn artifact(&self, caller: &Caller, job: String, path: String) -> Reply<'_, Vec<u8>> {
        allowed!(caller, "artifact");
        let job = self.shared.reach_job(caller, job, Hold::Look);
        Box::pin(ready(job.and_then(|job| self.shared.artifact(&job, &path))))
    }
    fn gates(&self, caller: &Caller, open: bool) -> Reply<'_, Vec<GateView>> {
        allowed!(caller, "gates");
        let sees = self.shared.sees(caller);
        Box::pin(ready(sees.and_then(|sees| {
            let mut list = self.shared.gates(open)?;
            list.retain(|g| g.session.is_none_or(|s| sees(&self.shared, &s)));
            Ok(list)
        })))
    }
    fn gate(&self, caller: &Caller, gate: String) -> Reply<'_, GateView> {
        allowed!(caller, "gate");
        Box::pin(ready(
            self.shared
                .reach_gate(caller, gate)
                .and_then(|gate| self.shared.find_gate(&gate))
                .map(|row| self.shared.gate_view(&row)),
        ))
    }
    fn gate_answer(
        &self,
        caller: &Caller,
        gate: String,
        request: AnswerRequest,
    ) -> Reply<'_, GateView> {
        allowed!(caller, "gate_answer");
        let caller = caller.clone();
        Box::pin(async move {
            let gate = self.shared.reach_gate(&caller, gate)?;
            self.shared.gate_answer(&caller, &gate, request).await
        })
    }
    fn patches(&self, caller: &Caller) -> Reply<'_, Vec<PatchView>> {
        allowed!(caller, "patches");
        let sees = self.shared.sees(caller);
        Box::pin(ready(sees.and_then(|sees| {
            let mut list = self.shared.patches()?;
            list.retain(|p| sees(&self.shared, &p.session));
            Ok(list)
        })))
    }
    fn patch(&self, caller: &Caller, patch: String) -> Reply<'_, PatchDetail> {
        allowed!(caller, "patch");
        Box::pin(ready(
            self.shared
                .reach_patch(caller, patch)
                .and_then(|patch| self.shared.find_patch(&patch))
                .map(|row| self.shared.patch_detail(&row)),
        ))
    }
    fn patch_accept(
        &self,
        caller: &Caller,
        patch: String,
        request: AcceptRequest,
    ) -> Reply<'_, PatchDetail> {
        allowed!(caller, "patch_accept");
        let caller = caller.clone();
        Box::pin(async move {
            let patch = self.shared.reach_patch(&caller, patch)?;
            self.shared.patch_accept(&caller, &patch, request).await
        })
    }
    fn patch_edit(&self, caller: &Caller, key: String, patch: String) -> Reply<'_, EditBegun> {
        allowed!(caller, "patch_edit");
        let patch = self.shared.reach_patch(caller, patch);
        let key = crate::session::caller_key(caller, &key);
        Box::pin(async move { self.shared.patch_edit(&key, &patch?).await })
    }
    fn patch_edited(
        &self,
        caller: &Caller,
        patch: String,
        request: EditRequest,
    ) -> Reply<'_, PatchDetail> {
        allowed!(caller, "patch_edited");
        let caller = caller.clone();
        Box::pin(async move {
            let patch = self.shared.reach_patch(&caller, patch)?;
            self.shared.patch_edited(&caller, &patch, request).await
        })
    }
    fn patch_reject(&self, caller: &Caller, patch: String, why: String) -> Reply<'_, PatchView> {
        allowed!(caller, "patch_reject");
        let caller = caller.clone();
        Box::pin(async move {
            let patch = self.shared.reach_patch(&caller, patch)?;
            self.shared.patch_reject(&caller, &patch, &why).await
        })
    }
    fn patch_undo(&self, caller: &Caller, patch: String) -> Reply<'_, PatchView> {
        allowed!(caller, "patch_undo");
        let caller = caller.clone();
        Box::pin(async move {
            let patch = self.shared.reach_patch(&caller, patch)?;
            self.shared.patch_undo(&caller, &patch).await
        })
    }
    fn events(&self, caller: &Caller, tail: Tail) -> Reply<'_, Vec<EventView>> {
        allowed!(caller, "events");
        let session = self.shared.reach_log(caller, tail.session.clone());
        Box::pin(ready(session.and_then(|session| {
            self.shared.events(&Tail { session, ..tail })
        })))
    }
    fn follow(
        &self,
        caller: &Caller,
        after: u64,
        session: Option<String>,
    ) -> Reply<'_, BoxStream<'static, EventView>> {
        allowed!(caller, "follow");
        let ends = self.shared.clone().grant_ends(caller.grant);
        let session = self.shared.reach_log(caller, session);
        let followed = session.and_then(|session| self.shared.follow(after, session.as_deref()));
        Box::pin(ready(
            followed.map(|events| events.take_until(Box::pin(ends)).boxed()),
        ))
    }
    fn verify(&self, caller: &Caller) -> Reply<'_, Verification> {
        allowed!(caller, "verify");
        let whole = self.shared.reach_all(caller);
        Box::pin(async move {
            whole?;
            self.shared.verify().await
        })
    }
    fn replay(&self, caller: &Caller, session: String) -> Reply<'_, Replayed> {
        allowed!(caller, "replay");
        let session = self.shared.reach(caller, session, Hold::Look);
        Box::pin(async move { self.shared.replay(&session?).await })
    }
    fn checkpoint(&self, caller: &Caller) -> Reply<'_, KeptCheckpoint> {
        allowed!(caller, "checkpoint");
        let whole = self.shared.reach_all(caller);
        Box::pin(async move {
            whole?;
            self.shared.checkpoint().await
        })
    }
    fn archive(&self, caller: &Caller, request: ArchiveRequest) -> Reply<'_, Archived> {
        allowed!(caller, "archive");
        Box::pin(async move { self.shared.archive(request).await })
    }
    fn export(&self, caller: &Caller, request: ExportRequest) -> Reply<'_, Lines> {
        allowed!(caller, "export");
        let session = self.shared.reach_log(caller, request.session.clone());
        Box::pin(async move {
            let session = session?;
            self.shared
                .export(ExportRequest { session, ..request })
                .await
        })
    }
    fn rebuild(&self, caller: &Caller) -> Reply<'_, u64> {
        allowed!(caller, "rebuild");
        let whole = self.shared.reach_all(caller);
        Box::pin(async move {
            whole?;
            self.shared.rebuild().await
        })
    }
    fn erase(&self, caller: &Caller, request: EraseRequest) -> Reply<'_, Erasure> {
        allowed!(caller, "erase");
        let caller = caller.clone();
        Box::pin(async move {
            self.shared.reach_all(&caller)?;
            self.shared.erase(&caller, &request).await
        })
    }
    fn vault(&self, caller: &Caller) -> Reply<'_, VaultView> {
        allowed!(caller, "vault");
        Box::pin(ready(Ok(self.shared.vault_view())))
    }
    fn vault_make(&self, caller: &Caller, request: VaultMake) -> Reply<'_, VaultView> {
        allowed!(caller, "vault_make");
        Box::pin(self.shared.vault_make(request))
    }
    fn vault_unlock(&self, caller: &Caller, request: VaultUnlock) -> Reply<'_, VaultView> {
        allowed!(caller, "vault_unlock");
        Box::pin(self.shared.vault_unlock(request))
    }
    fn vault_lock(&self, caller: &Caller) -> Reply<'_, VaultView> {
        allowed!(caller, "vault_lock");
        Box::pin(ready(Ok(self.shared.vault_lock())))
    }
    fn secrets(&self, caller: &Caller) -> Reply<'_, SecretsView> {
        allowed!(caller, "secrets");
        Box::pin(self.shared.secrets())
    }
    fn secret_put(&self, caller: &Caller, request: SecretPut) -> Reply<'_, ()> {
        allowed!(caller, "secret_put");
        let caller = caller.clone();
        Box::pin(async move { self.shared.secret_put(&caller, request).await })
    }
    fn secret_remove(&self, caller: &Caller, name: String) -> Reply<'_, ()> {
        allowed!(caller, "secret_remove");
        let caller = caller.clone();
        Box::pin(async move { self.shared.secret_remove(&caller, &name).await })
    }
    fn models(&self, caller: &Caller) -> Reply<'_, Vec<ModelView>> {
        allowed!(caller, "models");
        Box::pin(async move { Ok(self.shared.models().await) })
    }
    fn model_test(
        &self,
        caller: &Caller,
        name: Option<String>,
        keys: BTreeMap<String, String>,
    ) -> Reply<'_, ModelTest> {
        allowed!(caller, "model_test");
        let caller = caller.clone();
        Box::pin(async move {
            self.shared
                .model_test(&caller, name.as_deref(), &keys)
                .await
        })
    }
    fn reload(&self, caller: &Caller) -> Reply<'_, ()> {
        allowed!(caller, "reload");
        Box::pin(ready(
            self.shared
                .reach_all(caller)
                .and_then(|()| self.shared.reload()),
        ))
    }
    fn policy(&self, caller: &Caller) -> Reply<'_, PolicyView> {
        allowed!(caller, "policy");
        Box::pin(ready(Ok(self.shared.policy())))
    }
    fn enter(&self, caller: &Caller, token: Token) -> Reply<'_, Caller> {
        allowed!(caller, "enter");
        let caller = caller.clone();
        Box::pin(async move { self.shared.enter(&caller, &token).await })
    }
    fn grant_mint(&self, caller: &Caller, request: MintRequest) -> Reply<'_, Minted> {
        allowed!(caller, "grant_mint");
        let caller = caller.clone();
        Box::pin(async move { self.shared.grant_mint(&caller, request).await })
    }
    fn grants(&self, caller: &Caller) -> Reply<'_, Vec<GrantView>> {
        allowed!(caller, "grants");
        Box::pin(ready(self.shared.grants_list(caller)))
    }
    fn grant_revoke(&self, caller: &Caller, grant: String, why: String) -> Reply<'_, ()> {
        allowed!(caller, "grant_revoke");
        let caller = caller.clone();
        Box::pin(async move { self.shared.grant_revoke(&caller, &grant, &why).await })
    }
}

#[cfg(test)]
mod tests {
    use atoll_api::NEEDS;

    /// Each command but `health` is held against the table first, under its own name.
    #[test]
    fn each_command_is_held_against_the_table_first() {
        let text = include_str!("door.rs")
            .split_once("impl Commands for Node")
            .unwrap()
            .1;
        let text = text.split_once("#[cfg(test)]").unwrap().0;
        let mut held = 0;
        for part in text.split("\n    fn ").skip(1) {
            let name = part.split('(').next().unwrap();
            let body = part.split_once("{\n").unwrap().1.trim_start();
            let line = format!("allowed!(caller, \"{name}\");");
            assert!(name == "health" || body.starts_with(&line), "{name}");
            held += 1;
        }
        assert_eq!(held, NEEDS.len());
    }
}
