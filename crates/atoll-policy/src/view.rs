//! What policy sees of a canonical action, borrowed from it. A canonical form that lacks something is
//! an error, and so a deny.

use atoll_domain::action::AcceptTo;
use atoll_domain::{Exe, Limits, Mount, MountKind, Network, PatchClass, Purpose, RunnerKind};
use atoll_guard::{PolicyError, Question};
use serde::Deserialize;

/// The largest canonical action that is judged, in bytes. Larger ones can't be run either: Linux takes
/// 2 MiB of arguments.
pub(crate) const ACTION_BYTES_MAX: usize = 2 << 20;
/// The longest list in an action, in items.
pub(crate) const ITEMS_MAX: usize = 16_384;

/// The canonical action as `T`. Fields in `keys` may be null but must be there: were one left out, a
/// call without a price and a call whose price is unknown would look the same.
pub(crate) fn of<'a, T: Deserialize<'a>>(
    question: &Question<'a>,
    keys: &[&str],
) -> Result<T, PolicyError> {
    let value = &question.action.value;
    let kind = question.kind.name();
    if let Some(key) = keys.iter().find(|key| value.get(key).is_none()) {
        return Err(PolicyError(format!(
            "the {kind} action does not say its {key}"
        )));
    }
    T::deserialize(value).map_err(|_| {
        // Not the decoder's text: it quotes the action.
        PolicyError(format!(
            "the {kind} action does not have the form that rules are written for"
        ))
    })
}

/// Whether a key of the canonical action holds something other than null.
pub(crate) fn holds(question: &Question<'_>, key: &str) -> bool {
    question
        .action
        .value
        .get(key)
        .is_some_and(|value| !value.is_null())
}

/// The command line as a shell would need it, so that one text stands for one list of words.
pub fn command(words: &[&str]) -> String {
    let mut line = String::with_capacity(words.iter().map(|w| w.len() + 3).sum());
    for (at, word) in words.iter().enumerate() {
        if at > 0 {
            line.push(' ');
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:=,@%+".contains(&b);
        if !word.is_empty() && word.bytes().all(plain) {
            line.push_str(word);
        } else {
            line.push('\'');
            line.push_str(&word.replace('\'', r"'\''"));
            line.push('\'');
        }
    }
    line
}

/// The folders of the host that are mounted, and those in which changes stay.
pub(crate) fn mounted(mounts: &[Mount]) -> (Vec<&str>, Vec<&str>) {
    let host = mounts.iter().filter(|m| m.kind != MountKind::Tmpfs);
    let kept = mounts.iter().filter(|m| m.kind == MountKind::Bind && !m.ro);
    (
        host.map(|m| m.src.as_str()).collect(),
        kept.map(|m| m.src.as_str()).collect(),
    )
}

/// What a read does.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Op {
    Read,
    List,
    Search,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Snapshot<'a> {
    pub(crate) root: &'a str,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Read<'a> {
    pub(crate) op: Op,
    pub(crate) path: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Write<'a> {
    pub(crate) path: &'a str,
    pub(crate) before: Option<&'a str>,
    pub(crate) after: Option<&'a str>,
    pub(crate) bytes: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Run<'a> {
    pub(crate) purpose: Purpose,
    pub(crate) runner: RunnerKind,
    #[serde(borrow)]
    pub(crate) cmd: Vec<&'a str>,
    pub(crate) exe: Option<Exe>,
    pub(crate) workdir: &'a str,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) limits: Limits,
    pub(crate) ttl_s: u64,
    pub(crate) tty: bool,
    pub(crate) network: Network,
    #[serde(borrow)]
    pub(crate) secrets: Vec<&'a str>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Stdin {
    pub(crate) bytes: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Call<'a> {
    pub(crate) provider: &'a str,
    pub(crate) model: &'a str,
    pub(crate) endpoint: &'a str,
    pub(crate) remote: bool,
    pub(crate) output_tokens_max: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Accept<'a> {
    pub(crate) root: &'a str,
    #[serde(borrow)]
    pub(crate) paths: Vec<&'a str>,
    pub(crate) class: PatchClass,
    pub(crate) to: AcceptTo,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Undo<'a> {
    pub(crate) root: &'a str,
    #[serde(borrow)]
    pub(crate) paths: Vec<&'a str>,
    pub(crate) to: AcceptTo,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_words_are_different_lines() {
        assert_eq!(
            command(&["npm", "ci", "--ignore-scripts"]),
            "npm ci --ignore-scripts"
        );
        assert_eq!(command(&["sh", "-c", "a b"]), "sh -c 'a b'");
        assert_ne!(command(&["a b"]), command(&["a", "b"]));
        assert_ne!(command(&["a'", "'b"]), command(&["a' 'b"]));
        assert_ne!(command(&["a", ""]), command(&["a"]));
    }
}
