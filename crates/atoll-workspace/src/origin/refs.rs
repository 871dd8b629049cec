use std::collections::BTreeMap;

use crate::beneath::{Dir, read_bounded, small_file};
use crate::names::RelPath;
use crate::store::object::Kind;
use crate::store::{ObjectId, Odb};

/// What HEAD names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The branch, without `refs/heads/`; `None` when detached or unreadable.
    pub(crate) branch: Option<String>,
    /// The commit; `None` before the first one.
    pub(crate) commit: Option<ObjectId>,
}

/// A tag at a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    /// Without `refs/tags/`.
    pub(crate) name: String,
    /// What the ref holds: the commit, or an annotated tag's object.
    pub(crate) target: ObjectId,
}

const REF_BYTES: u64 = 4096;
const PACKED_LIMIT_BYTES: u64 = 64 << 20;
const REFS_MAX: usize = 20_000;
/// How many annotated tags are opened to see what they point at.
const PEELS_MAX: usize = 2_000;
const SYMREFS_MAX: usize = 5;

pub(super) fn head(git: &Dir, common: &Dir) -> Head {
    let text = small_file(git, "HEAD", REF_BYTES)
        .and_then(|c| String::from_utf8(c).ok())
        .unwrap_or_default();
    match text.trim_end().strip_prefix("ref: ") {
        Some(name) => {
            let branch = name
                .trim()
                .strip_prefix("refs/heads/")
                .filter(|b| valid_branch(b))
                .map(str::to_owned);
            let commit = branch
                .as_ref()
                .and_then(|b| resolve(common, &format!("refs/heads/{b}")));
            Head { branch, commit }
        }
        None => Head {
            branch: None,
            commit: text.trim().parse().ok(),
        },
    }
}

/// The id that a full ref name stands for: a loose ref first, then the packed ones.
pub(super) fn resolve(common: &Dir, name: &str) -> Option<ObjectId> {
    let mut name = name.to_owned();
    for _ in 0..SYMREFS_MAX {
        if !name.starts_with("refs/") || !valid_ref(&name) {
            return None;
        }
        let Some(content) = small_file(common, &name, REF_BYTES) else {
            return packed(common).remove(&name).map(|(id, _)| id);
        };
        let text = String::from_utf8(content).ok()?;
        match text.trim_end().strip_prefix("ref: ") {
            Some(next) => name = next.trim().to_owned(),
            None => return text.trim().parse().ok(),
        }
    }
    None
}

/// What a ref holds by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direct {
    /// There is no such ref.
    Nothing,
    /// This object.
    Is(ObjectId),
    /// Another ref's name, or nothing that can be read.
    Symbolic,
}

pub(super) fn direct(common: &Dir, name: &str) -> Direct {
    let loose = RelPath::parse(name).ok().and_then(|path| {
        let dir = common.parent(&path).ok()?;
        dir.stat(path.name().as_bytes()).ok()
    });
    if loose.is_some() {
        let text = small_file(common, name, REF_BYTES).and_then(|c| String::from_utf8(c).ok());
        let id = text.and_then(|t| t.trim().parse().ok());
        return id.map_or(Direct::Symbolic, Direct::Is);
    }
    let packed = packed(common).remove(name);
    packed.map_or(Direct::Nothing, |(id, _)| Direct::Is(id))
}

/// `packed-refs` without the ref `name`; `None` where it isn't in there.
pub(crate) fn without_packed(common: &Dir, name: &str) -> Option<Vec<u8>> {
    let content = packed_text(common)?;
    let mut rest = Vec::with_capacity(content.len());
    let mut found = false;
    let mut dropping = false;
    for line in content.split_inclusive(|b| *b == b'\n') {
        // A `^` line belongs to the one above it.
        dropping = match line.first() {
            Some(b'^') => dropping,
            _ => line
                .trim_ascii_end()
                .strip_suffix(name.as_bytes())
                .is_some_and(|l| l.len() == 41 && l.ends_with(b" ")),
        };
        found |= dropping;
        if !dropping {
            rest.extend_from_slice(line);
        }
    }
    found.then_some(rest)
}

fn packed_text(common: &Dir) -> Option<Vec<u8>> {
    let mut file = common.file(b"packed-refs").ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    read_bounded(&mut file, PACKED_LIMIT_BYTES).ok()?
}

/// Does a checkout work on the branch `name` whose own git folder is `git`: as its branch, or in a
/// rebase or bisection that ends on it?
pub(super) fn works_on(git: &Dir, name: &str) -> bool {
    let reference = format!("refs/heads/{name}");
    let is = |file: &str, want: &str| {
        let text = small_file(git, file, REF_BYTES).unwrap_or_default();
        String::from_utf8_lossy(&text).trim() == want
    };
    is("HEAD", &format!("ref: {reference}"))
        || is("rebase-merge/head-name", &reference)
        || is("rebase-apply/head-name", &reference)
        || is("BISECT_START", name)
}

/// Every packed ref with its id and, for an annotated tag, what it points at.
fn packed(common: &Dir) -> BTreeMap<String, (ObjectId, Option<ObjectId>)> {
    let mut refs = BTreeMap::new();
    let content = packed_text(common);
    let mut last: Option<String> = None;
    for line in String::from_utf8_lossy(&content.unwrap_or_default()).lines() {
        if let Some(peeled) = line.strip_prefix('^') {
            if let Some(entry) = last.as_ref().and_then(|l| refs.get_mut(l)) {
                let (_, to): &mut (ObjectId, Option<ObjectId>) = entry;
                *to = peeled.trim().parse().ok();
            }
        } else if let Some((id, name)) = line.split_once(' ')
            && let Ok(id) = id.parse()
            && valid_ref(name)
        {
            refs.insert(name.to_owned(), (id, None));
            last = Some(name.to_owned());
        }
    }
    refs
}

pub(super) fn tags_at(common: &Dir, commit: ObjectId, odb: &Odb) -> Vec<Tag> {
    let mut all: BTreeMap<String, (ObjectId, Option<ObjectId>)> = packed(common)
        .into_iter()
        .filter(|(n, _)| n.starts_with("refs/tags/"))
        .collect();
    for name in loose(common, "refs/tags") {
        if let Some(id) = resolve(common, &name) {
            all.insert(name, (id, None));
        }
    }
    let mut peels_left = PEELS_MAX;
    let mut tags = Vec::new();
    for (name, (id, peeled)) in all {
        let at = match peeled {
            Some(peeled) => peeled == commit,
            None if id == commit => true,
            None if peels_left > 0 => {
                peels_left -= 1;
                peel(odb, id) == Some(commit)
            }
            None => false,
        };
        if at && let Some(name) = name.strip_prefix("refs/tags/") {
            tags.push(Tag {
                name: name.to_owned(),
                target: id,
            });
        }
    }
    tags
}

fn peel(odb: &Odb, id: ObjectId) -> Option<ObjectId> {
    let content = odb.read_kind(id, Kind::Tag).ok()?;
    std::str::from_utf8(content.strip_prefix(b"object ")?.get(..40)?)
        .ok()?
        .parse()
        .ok()
}

pub(super) fn branches(common: &Dir) -> Vec<String> {
    let mut names = loose(common, "refs/heads");
    names.extend(
        packed(common)
            .into_keys()
            .filter(|n| n.starts_with("refs/heads/")),
    );
    names
}

fn loose(common: &Dir, below: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut open = vec![below.to_owned()];
    let mut seen = 0;
    while let Some(at) = open.pop() {
        let entries = RelPath::parse(&at)
            .ok()
            .and_then(|p| common.sub(Some(&p)).ok()?.entries(REFS_MAX).ok());
        for entry in entries.unwrap_or_default() {
            seen += 1;
            let Ok(name) = String::from_utf8(entry.name) else {
                continue;
            };
            if seen > REFS_MAX {
                return names;
            }
            match entry.kind {
                rustix::fs::FileType::Directory => open.push(format!("{at}/{name}")),
                rustix::fs::FileType::RegularFile => names.push(format!("{at}/{name}")),
                _ => {}
            }
        }
    }
    names
}

/// May this be a branch's name? git's `check-ref-format --branch` rules, and no
/// component that some file system takes for another name.
pub(crate) fn valid_branch(name: &str) -> bool {
    !name.starts_with('-')
        && name != "HEAD"
        && name != "@"
        && valid_ref(&format!("refs/heads/{name}"))
}

fn valid_ref(name: &str) -> bool {
    let parts_fine = name.split('/').all(|p| {
        !p.is_empty()
            && !p.starts_with('.')
            && !p.to_ascii_lowercase().ends_with(".lock")
            && !p.ends_with('.')
            && p.len() <= 200
    });
    parts_fine
        && name.len() <= 1000
        && !name.contains("..")
        && !name.contains("@{")
        && !name
            .chars()
            .any(|c| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branch_names_follow_git_s_rules() {
        for good in ["main", "atoll/p7", "fix-1", "a.b", "ü"] {
            assert!(valid_branch(good), "{good}");
        }
        for bad in [
            "",
            "-x",
            "a..b",
            "a b",
            "a~1",
            "a^",
            "a:b",
            "a?b",
            "a*",
            "a[b",
            "a\\b",
            "/a",
            "a/",
            "a//b",
            ".a",
            "a/.b",
            "a.lock",
            "a.lock/b",
            "a.LOCK",
            "a@{b",
            "a\nb",
            "../../config",
            "HEAD",
            "@",
            "a.",
        ] {
            assert!(!valid_branch(bad), "{bad:?}");
        }
    }
}
