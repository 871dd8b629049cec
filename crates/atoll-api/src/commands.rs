//! The one door into the node.

use std::future::Future;
use std::pin::Pin;

use atoll_domain::{GrantId, Role};
use futures::stream::BoxStream;

use crate::*;

/// Who calls: the user behind the socket, as the peer's credentials say; what they may, as their token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user's id.
    pub uid: u32,
    /// Its name; with a token also the grant's, `ada/c3`.
    pub name: String,
    /// What the caller is here.
    pub role: Role,
    /// The grant of its token; none: the owner's own call.
    pub grant: Option<GrantId>,
    /// The longest body of its requests, in bytes; none: what the face takes.
    pub body_limit_bytes: Option<u64>,
}

impl Caller {
    /// Whose node it is, without a token.
    pub fn owner(uid: u32, name: impl Into<String>) -> Caller {
        Caller {
            uid,
            name: name.into(),
            role: Role::Owner,
            grant: None,
            body_limit_bytes: None,
        }
    }
}

/// Updates as they come.
pub type Updates = BoxStream<'static, Update>;

/// Lines as they come, each without its new line.
pub type Lines = BoxStream<'static, Result<Vec<u8>, Error>>;

/// A command under way.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// What a node can be told. One implementation in the node, one that speaks HTTP in the client.
/// Names of things (`s4`, `g3`, `p7`, `@`, or long ids) are resolved by the node.
pub trait Commands: Send + Sync {
    /// Whether it is there, and which.
    fn health(&self) -> Reply<'_, Health>;
    /// Who a caller with a token is. Faces ask it first, and pass on who it says. Refused: the token is worth nothing
    /// here, or was used too often.
    fn enter(&self, _: &Caller, _: Token) -> Reply<'_, Caller> {
        let err = Error::new(codes::TOKEN_BAD, "tokens are for a node");
        Box::pin(std::future::ready(Err(err)))
    }
    /// Its state.
    fn status(&self, caller: &Caller) -> Reply<'_, Status>;
    /// Goes down in order.
    fn down(&self, caller: &Caller) -> Reply<'_, ()>;

    /// Starts a session. `key` makes it once only: the same key gives the same session.
    fn code(&self, caller: &Caller, key: String, request: CodeRequest) -> Reply<'_, Started>;
    /// Starts a conversation, with its first words; as [`Commands::code`] otherwise.
    fn chat(&self, caller: &Caller, key: String, request: CodeRequest) -> Reply<'_, Started>;
    /// Words for a running session, or the next turn of an idle one.
    fn say(&self, caller: &Caller, session: String, text: String) -> Reply<'_, Started>;
    /// Goes on with a parked or idle session.
    fn resume(
        &self,
        caller: &Caller,
        session: String,
        request: ResumeRequest,
    ) -> Reply<'_, Started>;
    /// Stops the running turn.
    fn cancel(&self, caller: &Caller, session: String) -> Reply<'_, ()>;
    /// Sessions, the newest first.
    fn sessions(&self, caller: &Caller, limit: usize) -> Reply<'_, Vec<SessionView>>;
    /// One in full.
    fn session(&self, caller: &Caller, session: String) -> Reply<'_, SessionDetail>;
    /// Takes the last turn's changes of the copy back.
    fn session_undo(&self, caller: &Caller, session: String) -> Reply<'_, SessionView>;
    /// Takes the changes of all turns after `turn` back; 0: of all.
    fn session_undo_to(
        &self,
        caller: &Caller,
        session: String,
        turn: u64,
    ) -> Reply<'_, SessionView>;
    /// A new session that goes on from a point of this one. `key` makes it once only.
    fn session_fork(
        &self,
        caller: &Caller,
        key: String,
        session: String,
        request: ForkRequest,
    ) -> Reply<'_, SessionView>;
    /// Clears a label of its context, or of files of its workspace: the owner vouches for what set it.
    fn session_declassify(
        &self,
        caller: &Caller,
        session: String,
        request: DeclassifyRequest,
    ) -> Reply<'_, Cleared>;
    /// Removes its private copy and hides it; the log stays.
    fn session_delete(&self, caller: &Caller, session: String) -> Reply<'_, ()>;
    /// Updates of a session after `cursor`, going on as it works; ends after `Ended` or `Parked`.
    fn watch(&self, caller: &Caller, session: String, cursor: u64) -> Reply<'_, Updates>;

    /// Starts a job.
    fn exec(&self, caller: &Caller, key: String, request: ExecRequest) -> Reply<'_, ExecStarted>;
    /// Feeds its standard input; empty bytes close it.
    fn exec_stdin(&self, caller: &Caller, job: String, bytes: Vec<u8>) -> Reply<'_, ()>;
    /// Changes its terminal's size.
    fn exec_resize(&self, caller: &Caller, job: String, cols: u16, rows: u16) -> Reply<'_, ()>;
    /// Ends it.
    fn exec_stop(&self, caller: &Caller, job: String) -> Reply<'_, ()>;
    /// A kept file of a job.
    fn artifact(&self, caller: &Caller, job: String, path: String) -> Reply<'_, Vec<u8>>;

    /// Gates, the newest first.
    fn gates(&self, caller: &Caller, open: bool) -> Reply<'_, Vec<GateView>>;
    /// One.
    fn gate(&self, caller: &Caller, gate: String) -> Reply<'_, GateView>;
    /// Answers one.
    fn gate_answer(
        &self,
        caller: &Caller,
        gate: String,
        request: AnswerRequest,
    ) -> Reply<'_, GateView>;

    /// Patches, the newest first.
    fn patches(&self, caller: &Caller) -> Reply<'_, Vec<PatchView>>;
    /// One in full.
    fn patch(&self, caller: &Caller, patch: String) -> Reply<'_, PatchDetail>;
    /// Lets it out.
    fn patch_accept(
        &self,
        caller: &Caller,
        patch: String,
        request: AcceptRequest,
    ) -> Reply<'_, PatchDetail>;
    /// Begins to edit it: its files in a private copy. `key` makes it once only.
    fn patch_edit(&self, caller: &Caller, key: String, patch: String) -> Reply<'_, EditBegun>;
    /// Ends an edit: the patch that takes the other's place, or the same one if nothing was changed.
    fn patch_edited(
        &self,
        caller: &Caller,
        patch: String,
        request: EditRequest,
    ) -> Reply<'_, PatchDetail>;
    /// Turns it down.
    fn patch_reject(&self, caller: &Caller, patch: String, why: String) -> Reply<'_, PatchView>;
    /// Takes an accepted one back.
    fn patch_undo(&self, caller: &Caller, patch: String) -> Reply<'_, PatchView>;

    /// Events.
    fn events(&self, caller: &Caller, tail: Tail) -> Reply<'_, Vec<EventView>>;
    /// Events after `after`, going on as they come; `session` as in [`Tail`].
    fn follow(
        &self,
        caller: &Caller,
        after: u64,
        session: Option<String>,
    ) -> Reply<'_, BoxStream<'static, EventView>>;
    /// Checks the log.
    fn verify(&self, caller: &Caller) -> Reply<'_, Verification>;
    /// Makes a checkpoint if anything is new, and gives the newest.
    fn checkpoint(&self, caller: &Caller) -> Reply<'_, KeptCheckpoint>;
    /// Puts the next segment of old events away.
    fn archive(&self, caller: &Caller, request: ArchiveRequest) -> Reply<'_, Archived>;
    /// Replays a session's recorded inputs and compares what it proposed.
    fn replay(&self, caller: &Caller, session: String) -> Reply<'_, Replayed>;
    /// NDJSON lines. Where the last item is an error, or the stream was cut, lines are missing.
    fn export(&self, caller: &Caller, request: ExportRequest) -> Reply<'_, Lines>;
    /// Makes all projections again; how many events they were made from.
    fn rebuild(&self, caller: &Caller) -> Reply<'_, u64>;
    /// Erases contents: their bytes and salts go, the chain stays.
    fn erase(&self, caller: &Caller, request: EraseRequest) -> Reply<'_, Erasure>;

    /// How the vault stands. Quick, and asks nobody.
    fn vault(&self, caller: &Caller) -> Reply<'_, VaultView>;
    /// Makes one.
    fn vault_make(&self, caller: &Caller, request: VaultMake) -> Reply<'_, VaultView>;
    /// Unlocks it, until the node ends.
    fn vault_unlock(&self, caller: &Caller, request: VaultUnlock) -> Reply<'_, VaultView>;
    /// Forgets its key.
    fn vault_lock(&self, caller: &Caller) -> Reply<'_, VaultView>;
    /// Secrets by name, never a value.
    fn secrets(&self, caller: &Caller) -> Reply<'_, SecretsView>;
    /// Puts a value in.
    fn secret_put(&self, caller: &Caller, request: SecretPut) -> Reply<'_, ()>;
    /// Takes a secret out for good.
    fn secret_remove(&self, caller: &Caller, name: String) -> Reply<'_, ()>;

    /// Models.
    fn models(&self, caller: &Caller) -> Reply<'_, Vec<ModelView>>;
    /// Tries one with a short question.
    fn model_test(
        &self,
        caller: &Caller,
        name: Option<String>,
        keys: std::collections::BTreeMap<String, String>,
    ) -> Reply<'_, ModelTest>;
    /// Reads the configuration again.
    fn reload(&self, caller: &Caller) -> Reply<'_, ()>;
    /// The policy in force.
    fn policy(&self, caller: &Caller) -> Reply<'_, PolicyView>;

    /// Mints a grant; its token is told this once.
    fn grant_mint(&self, caller: &Caller, request: MintRequest) -> Reply<'_, Minted>;
    /// Grants, each after the one that it comes from. With a token: its own, and what comes from it.
    fn grants(&self, caller: &Caller) -> Reply<'_, Vec<GrantView>>;
    /// Revokes one and all that comes from it, at once. By name, ordinal or id; an id may be one that was never seen.
    fn grant_revoke(&self, caller: &Caller, grant: String, why: String) -> Reply<'_, ()>;
}
