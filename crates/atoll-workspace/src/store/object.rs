//! Git's object formats: names, trees, commits.

use sha1::{Digest as _, Sha1};

use super::ObjectId;
use crate::error::{Error, Result};

/// The kind of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Commit,
    Tree,
    Blob,
    Tag,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Tag => "tag",
        }
    }

    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        [Self::Commit, Self::Tree, Self::Blob, Self::Tag]
            .into_iter()
            .find(|k| k.name().as_bytes() == name)
    }

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Commit => 1,
            Self::Tree => 2,
            Self::Blob => 3,
            Self::Tag => 4,
        }
    }

    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Commit),
            2 => Some(Self::Tree),
            3 => Some(Self::Blob),
            4 => Some(Self::Tag),
            _ => None,
        }
    }
}

/// The object's name: SHA-1 over `kind size NUL content`.
pub(crate) fn name_of(kind: Kind, content: &[u8]) -> ObjectId {
    let mut hash = Sha1::new();
    hash.update(kind.name());
    hash.update(format!(" {}\0", content.len()));
    hash.update(content);
    ObjectId::from_bytes(hash.finalize().into())
}

/// How a tree's entry is to be made; git knows no others.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A file, 0644.
    File,
    /// An executable file, 0755.
    Exec,
    /// A symbolic link; its content is the target.
    Link,
    /// Another repository's commit.
    Gitlink,
    /// A folder.
    Dir,
}

impl Mode {
    pub(crate) const fn octal(self) -> &'static str {
        match self {
            Self::File => "100644",
            Self::Exec => "100755",
            Self::Link => "120000",
            Self::Gitlink => "160000",
            Self::Dir => "40000",
        }
    }

    pub(crate) fn from_bits(bits: u32) -> Option<Self> {
        match bits & 0o170_000 {
            0o100_000 if bits & 0o111 != 0 => Some(Self::Exec),
            0o100_000 => Some(Self::File),
            0o120_000 => Some(Self::Link),
            0o160_000 => Some(Self::Gitlink),
            0o040_000 => Some(Self::Dir),
            _ => None,
        }
    }

    pub(crate) const fn bits(self) -> u32 {
        match self {
            Self::File => 0o100_644,
            Self::Exec => 0o100_755,
            Self::Link => 0o120_000,
            Self::Gitlink => 0o160_000,
            Self::Dir => 0o040_000,
        }
    }

    /// The permission bits of a file with this mode.
    pub(crate) const fn permissions(self) -> u32 {
        if matches!(self, Self::Exec) {
            0o755
        } else {
            0o644
        }
    }
}

/// One entry of a tree object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TreeEntry {
    pub(crate) name: Vec<u8>,
    pub(crate) mode: Mode,
    pub(crate) id: ObjectId,
}

/// Sorts as git does (a folder as if its name ended in `/`) and encodes.
pub(crate) fn encode_tree(entries: &mut [TreeEntry]) -> Vec<u8> {
    let key = |e: &TreeEntry| {
        let mut k = e.name.clone();
        if e.mode == Mode::Dir {
            k.push(b'/');
        }
        k
    };
    entries.sort_by_cached_key(key);
    let mut out = Vec::with_capacity(entries.len() * 40);
    for e in entries {
        out.extend_from_slice(e.mode.octal().as_bytes());
        out.push(b' ');
        out.extend_from_slice(&e.name);
        out.push(0);
        out.extend_from_slice(e.id.as_bytes());
    }
    out
}

/// Decodes a tree object that may be hostile: bounded by its own length.
pub(crate) fn decode_tree(id: ObjectId, content: &[u8]) -> Result<Vec<TreeEntry>> {
    let bad = |why: &str| Error::corrupt(format!("tree {id}"), why);
    let mut entries = Vec::new();
    let mut rest = content;
    while !rest.is_empty() {
        let space = rest
            .iter()
            .take(8)
            .position(|b| *b == b' ')
            .ok_or_else(|| bad("an entry has no mode"))?;
        let mode = std::str::from_utf8(&rest[..space])
            .ok()
            .and_then(|m| u32::from_str_radix(m, 8).ok());
        let mode = mode
            .and_then(Mode::from_bits)
            .ok_or_else(|| bad("an entry has an unknown mode"))?;
        rest = &rest[space + 1..];
        let nul = rest
            .iter()
            .take(4097)
            .position(|b| *b == 0)
            .ok_or_else(|| bad("an entry has no name"))?;
        let name = rest[..nul].to_vec();
        rest = &rest[nul + 1..];
        let (raw, after) = rest
            .split_at_checked(20)
            .ok_or_else(|| bad("an entry is cut off"))?;
        let entry_id = ObjectId::from_slice(raw).ok_or_else(|| bad("an entry is cut off"))?;
        entries.push(TreeEntry {
            name,
            mode,
            id: entry_id,
        });
        rest = after;
    }
    Ok(entries)
}

/// What a commit object says about others.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) tree: ObjectId,
    pub(crate) parents: Vec<ObjectId>,
    /// Everything after the parents: author, committer, further headers, message.
    pub(crate) rest: Vec<u8>,
}

const PARENTS_MAX: usize = 1024;

impl Commit {
    pub(crate) fn decode(id: ObjectId, content: &[u8]) -> Result<Self> {
        let bad = |why: &str| Error::corrupt(format!("commit {id}"), why);
        let header = |rest: &[u8], key: &[u8]| -> Option<ObjectId> {
            let line = rest.strip_prefix(key)?.get(..40)?;
            std::str::from_utf8(line).ok()?.parse().ok()
        };
        let tree = header(content, b"tree ").ok_or_else(|| bad("it names no tree"))?;
        let mut rest = content.get(46..).ok_or_else(|| bad("it is cut off"))?;
        let mut parents = Vec::new();
        while let Some(parent) = header(rest, b"parent ") {
            if parents.len() >= PARENTS_MAX {
                return Err(bad("it has too many parents"));
            }
            parents.push(parent);
            rest = rest.get(48..).ok_or_else(|| bad("it is cut off"))?;
        }
        Ok(Self {
            tree,
            parents,
            rest: rest.to_vec(),
        })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = format!("tree {}\n", self.tree).into_bytes();
        for p in &self.parents {
            out.extend_from_slice(format!("parent {p}\n").as_bytes());
        }
        out.extend_from_slice(&self.rest);
        out
    }

    /// The `rest` of a commit by `name`, at `seconds` since the epoch.
    pub(crate) fn signed(name: &str, email: &str, seconds: i64, message: &str) -> Vec<u8> {
        let who = format!("{} <{}> {seconds} +0000", plain(name), plain(email));
        format!("author {who}\ncommitter {who}\n\n{}\n", message.trim_end()).into_bytes()
    }
}

// git's own rule: these would break the header apart.
fn plain(text: &str) -> String {
    let kept: String = text
        .chars()
        .filter(|c| !matches!(c, '<' | '>' | '\n' | '\r' | '\0'))
        .collect();
    if kept.trim().is_empty() {
        "unknown".into()
    } else {
        kept.trim().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_git_s() {
        // `git hash-object` of an empty blob, of "hello\n", and the empty tree.
        assert_eq!(
            name_of(Kind::Blob, b"").to_string(),
            "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
        );
        assert_eq!(
            name_of(Kind::Blob, b"hello\n").to_string(),
            "ce013625030ba8dba906f756967f9e9ca394464a"
        );
        assert_eq!(
            name_of(Kind::Tree, b"").to_string(),
            "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
        );
    }

    #[test]
    fn trees_sort_folders_as_if_slashed() {
        let id = name_of(Kind::Blob, b"");
        let entry = |name: &str, mode| TreeEntry {
            name: name.into(),
            mode,
            id,
        };
        let mut entries = [
            entry("a", Mode::Dir),
            entry("a.b", Mode::File),
            entry("a-b", Mode::Exec),
        ];
        let bytes = encode_tree(&mut entries);
        let names: Vec<_> = decode_tree(id, &bytes)
            .unwrap()
            .into_iter()
            .map(|e| e.name)
            .collect();
        assert_eq!(names, [b"a-b".to_vec(), b"a.b".to_vec(), b"a".to_vec()]);
    }

    #[test]
    fn commits_come_back_as_they_were() {
        let id = name_of(Kind::Blob, b"");
        let commit = Commit {
            tree: id,
            parents: vec![id, id],
            rest: Commit::signed("A <x>", "a@b", 7, "hi"),
        };
        assert_eq!(Commit::decode(id, &commit.encode()).unwrap(), commit);
        assert!(
            String::from_utf8(commit.rest)
                .unwrap()
                .contains("author A x <a@b> 7 +0000\n")
        );
    }

    proptest::proptest! {
        #[test]
        fn hostile_objects_do_not_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let id = name_of(Kind::Blob, &bytes);
            let _ = decode_tree(id, &bytes);
            let _ = Commit::decode(id, &bytes);
            let mut text = b"tree e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\n".to_vec();
            text.extend_from_slice(&bytes);
            let _ = Commit::decode(id, &text);
            let mut tree = b"100644 a\0".to_vec();
            tree.extend_from_slice(&bytes);
            let _ = decode_tree(id, &tree);
        }
    }
}
