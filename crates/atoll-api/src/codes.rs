//! Every error code, by number. Numbers are never used again for something else.
//!
//! 01 usage and configuration, 02 models, 03 guard and policy, 04 sandbox and jobs, 05 workspace and
//! patches, 06 log and store, 07 node and faces, 08 the vault, 09 bugs.

use crate::Code;

macro_rules! codes {
    ($($name:ident = $number:literal, $exit:literal, $title:literal;)*) => {
        $(#[doc = $title] pub const $name: Code = Code { number: $number, exit: $exit, title: $title };)*
        /// All of them, by number.
        pub const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    USAGE = 101, 2, "the command can't be understood";
    NO_SUCH = 102, 2, "there is no such thing";
    CONFIG = 103, 2, "the configuration can't be read";
    CONFIG_KEY = 104, 2, "there is no such setting";
    NO_PROMPT = 105, 2, "there are no words to work on";
    NO_MODEL = 201, 2, "no model is configured";
    MODEL_UNKNOWN = 202, 2, "there is no such model or provider";
    MODEL_KEY = 203, 6, "the provider wants a key, or refused it";
    MODEL_UNREACHABLE = 204, 6, "the provider can't be reached";
    MODEL_LIMITED = 205, 6, "the provider limits the rate";
    MODEL_FAILED = 206, 6, "the provider failed";
    MODEL_GARBAGE = 207, 6, "the provider's answer can't be understood";
    MODEL_CONTEXT = 208, 5, "the conversation is longer than the model's window";
    MODEL_FETCH = 209, 6, "the model can't be fetched";
    MODEL_FILE = 210, 8, "the model's file isn't what it must be";
    DENIED = 301, 3, "the policy says no";
    NEEDS_PERSON = 302, 4, "a person must decide";
    GATE_CLOSED = 303, 7, "the gate is answered already, or ran out";
    BUDGET = 304, 5, "a budget is used up";
    POLICY_BAD = 305, 2, "a policy file is wrong";
    CHANGED = 306, 7, "what was asked for has changed since";
    TOKEN_BAD = 321, 3, "the token is worth nothing here";
    TOKEN_ENDED = 322, 3, "the token was revoked, or has run out";
    TOKEN_ROLE = 323, 3, "the token is not for that";
    TOKEN_LIMIT = 324, 5, "the token's limit of requests is reached";
    TOKEN_PLACE = 325, 2, "a token may not stand there";
    GRANT_BAD = 326, 2, "the grant can't be made";
    SANDBOX_WEAK = 412, 3, "the sandbox here is weaker than the policy accepts";
    SANDBOX_FAILED = 413, 1, "the sandbox can't be made";
    JOB_LIMIT = 415, 5, "the job reached a limit";
    NOT_FOUND_CMD = 416, 127, "the command is not to be found in the sandbox";
    NOT_RUNNING = 417, 7, "it isn't running";
    NO_FETCH = 418, 6, "dependencies can't be fetched";
    WORKSPACE_BAD = 501, 2, "the folder can't be a workspace";
    PATCH_OVERLAP = 502, 7, "a changed file overlaps with the patch";
    PATCH_REFUSED = 503, 3, "the patch holds what is never let out of the box";
    PATCH_STATE = 504, 7, "the patch isn't in a state for that";
    PATCH_CONFIRM = 505, 4, "the patch changes files that something outside runs";
    FILES = 506, 1, "files can't be read or written";
    PATCH_BRANCH = 507, 7, "the branch can't be made or removed";
    LOG_BAD = 601, 8, "the log isn't intact";
    LOG_FULL = 602, 5, "the disk that holds the log is full";
    STORE_NEWER = 603, 7, "the store is newer than this binary";
    STORE_LOCKED = 604, 7, "another node has the data directory";
    STORE_UNUSABLE = 605, 1, "the data directory can't be used";
    REPLAY_DIVERGED = 606, 8, "the replay diverged";
    EXPORT_LARGE = 607, 5, "the export is larger than it may be";
    EXPORT_EXISTS = 608, 7, "a file of the export's name is there";
    NODE_UNREACHABLE = 701, 6, "the node can't be reached";
    NODE_STRANGER = 702, 3, "the socket belongs to another user";
    NODE_VERSION = 703, 7, "node and command speak different versions";
    NODE_BUSY = 704, 5, "the node has as much to do as it may";
    SESSION_STATE = 705, 7, "the session isn't in a state for that";
    CANCELLED = 707, 130, "it was stopped";
    SERVICE = 708, 1, "the system's service manager can't be used";
    VAULT_LOCKED = 801, 4, "the vault is locked";
    VAULT_PASSPHRASE = 802, 3, "that is not the vault's passphrase";
    VAULT_BAD = 803, 8, "a file of the vault isn't what it must be";
    SECRET_BAD = 804, 2, "that can't be a secret";
    VAULT_ABSENT = 805, 4, "there is no vault yet";
    VAULT_KEEPER = 806, 6, "what keeps the vault's key doesn't give it";
    SECRET_STATE = 807, 7, "it is there already, or there is no room for it";
    BUG = 901, 70, "something went wrong inside";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_sorted() {
        assert!(ALL.windows(2).all(|w| w[0].number < w[1].number));
    }
}
