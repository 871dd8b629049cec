//! What a checkout's `.atoll/` holds, for who vouches for it.

use std::path::Path;

use atoll_api::{Error, codes};
use atoll_domain::Hash;

/// The hash of `.atoll/` (`None`: there is none), and what it asks for, in words.
pub fn of(root: &str) -> Result<(Option<Hash>, String), Error> {
    let bad = |why: String| {
        Error::new(codes::WORKSPACE_BAD, "the workspace can't be vouched for").found(why)
    };
    let found = atoll_workspace::look(Path::new(root)).map_err(|err| bad(err.to_string()))?;
    if found.atoll_hash.is_none() && Path::new(root).join(".atoll").symlink_metadata().is_ok() {
        return Err(bad(found.problems.join("; ")));
    }
    let mut holds = Vec::new();
    if let Some(test) = &found.suggested_test {
        holds.push(format!("test `{}`", test.join(" ")));
    }
    if !found.suggested_mounts.is_empty() {
        let mounts: Vec<&str> = found
            .suggested_mounts
            .iter()
            .map(|m| m.src.as_str())
            .collect();
        holds.push(format!("mounts {}", mounts.join(", ")));
    }
    if Path::new(root).join(".atoll/policy.cedar").is_file() {
        holds.push("rules that narrow".into());
    }
    holds.extend(found.problems);
    let holds = if holds.is_empty() {
        "nothing that counts".into()
    } else {
        holds.join("; ")
    };
    Ok((found.atoll_hash, holds))
}
