//! The user's `.git`, read by hand as untrusted data: which branch, which
//! commit, which tags, what the index lists. Of its configuration a path is taken
//! (`core.worktree`), to be compared, and one of three words (`core.autocrlf`);
//! nothing that it names can run.

mod config;
mod index;
mod refs;
mod user;

pub(crate) use index::{IndexEntry, parse_index};
pub(crate) use refs::{Direct, Head, valid_branch, without_packed};
pub(crate) use user::User;

use std::path::{Path, PathBuf};

use crate::beneath::{Dir, kind_of, small_file};
use crate::names::RelPath;
use crate::store::Odb;
use crate::walk::Tracked;

/// A checkout's repository.
pub(crate) struct Repo {
    /// What is this checkout's own: HEAD, index.
    git: Dir,
    /// What all its worktrees share: objects, refs.
    common: Dir,
}

/// git's `core.autocrlf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AutoCrlf {
    /// CRLF in the working tree, LF in objects.
    True,
    /// LF in objects alone.
    Input,
    /// Neither.
    False,
}

impl AutoCrlf {
    fn of(value: &str) -> Self {
        match value.to_ascii_lowercase().as_str() {
            "input" => Self::Input,
            "true" | "yes" | "on" | "1" => Self::True,
            _ => Self::False,
        }
    }
}

/// What lies at a checkout's `.git`.
pub(crate) enum Found {
    /// Nothing.
    None,
    /// A repository.
    Repo(Repo),
    /// Something that is not used, and why.
    Odd(&'static str),
}

const STRANGER: &str = "its .git file names a repository that does not name it in return";
const SMALL_BYTES: u64 = 16 << 10;
const WORKTREES_MAX: usize = 10_000;
const EXCLUDE_LIMIT_BYTES: u64 = 256 << 10;
const INDEX_LIMIT_BYTES: u64 = 256 << 20;

/// Looks at `.git` in `root`, which lies at `root_path`.
pub(crate) fn find(root: &Dir, root_path: &Path) -> Found {
    let Ok(stat) = root.stat(b".git") else {
        return Found::None;
    };
    match kind_of(&stat) {
        "a directory" => match (root.sub_name(b".git"), root.sub_name(b".git")) {
            (Ok(git), Ok(common)) => whole(Repo { git, common }),
            _ => Found::Odd("its .git cannot be opened"),
        },
        "a file" => linked(root, root_path),
        _ => Found::Odd("its .git is neither a folder nor a file"),
    }
}

fn whole(repo: Repo) -> Found {
    if repo.git.stat(b"HEAD").is_err() || repo.common.stat(b"objects").is_err() {
        return Found::Odd("its .git is no repository");
    }
    Found::Repo(repo)
}

// A `.git` file of a linked worktree. It could name any repository of this
// user, so the repository must name this checkout in return.
fn linked(root: &Dir, root_path: &Path) -> Found {
    let Some(git_path) =
        small_file(root, ".git", SMALL_BYTES).and_then(|c| path_after(&c, "gitdir:"))
    else {
        return Found::Odd("its .git file names no folder");
    };
    let Ok(git_path) = root_path.join(git_path).canonicalize() else {
        return Found::Odd("its .git file names a folder that does not exist");
    };
    let Ok(git) = Dir::open(&git_path) else {
        return Found::Odd("its .git file names a folder that cannot be opened");
    };
    let Ok(here) = root_path.canonicalize() else {
        return Found::Odd("its own path cannot be resolved");
    };
    let back = small_file(&git, "gitdir", SMALL_BYTES).and_then(|c| path_after(&c, ""));
    let Some(back) = back else {
        return submodule(git, &git_path, &here);
    };
    let back = git_path.join(back);
    let back = back.parent().and_then(|p| p.canonicalize().ok());
    if back != Some(here) {
        return Found::Odd(STRANGER);
    }
    let common = small_file(&git, "commondir", SMALL_BYTES).and_then(|c| path_after(&c, ""));
    let Some(common) = common.and_then(|c| git_path.join(c).canonicalize().ok()) else {
        return Found::Odd("its worktree has no common folder");
    };
    if git_path.parent() != Some(&common.join("worktrees")) {
        return Found::Odd("its worktree lies outside its repository");
    }
    match Dir::open(&common) {
        Ok(common) => whole(Repo { git, common }),
        Err(_) => Found::Odd("its repository cannot be opened"),
    }
}

// The repository of a submodule, or one that was put aside (`--separate-git-dir`), has one worktree,
// and its configuration names it.
fn submodule(git: Dir, git_path: &Path, here: &Path) -> Found {
    let named = setting(&git, "core.worktree");
    let named = named.and_then(|n| git_path.join(n).canonicalize().ok());
    if named.as_deref() != Some(here) {
        return Found::Odd(STRANGER);
    }
    match Dir::open(git_path) {
        Ok(common) => whole(Repo { git, common }),
        Err(_) => Found::Odd("its repository cannot be opened"),
    }
}

/// The value of a plain key in a repository's own configuration.
fn setting(git: &Dir, key: &str) -> Option<String> {
    ["config.worktree", "config"].iter().find_map(|file| {
        let text = small_file(git, file, config::LIMIT_BYTES)?;
        config::last(&String::from_utf8_lossy(&text), key)
    })
}

fn path_after(content: &[u8], prefix: &str) -> Option<PathBuf> {
    let text = std::str::from_utf8(content).ok()?.strip_prefix(prefix)?;
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| PathBuf::from(line))
}

impl Repo {
    /// What HEAD names.
    pub(crate) fn head(&self) -> Head {
        refs::head(&self.git, &self.common)
    }

    /// What a full ref name holds by itself.
    pub(crate) fn direct(&self, name: &str) -> Direct {
        refs::direct(&self.common, name)
    }

    /// The checkout that works on the branch `name`, among the repository's own and its linked ones.
    pub(crate) fn in_use(&self, name: &str) -> Option<String> {
        if refs::works_on(&self.common, name) {
            return Some("the repository's own checkout".to_owned());
        }
        let worktrees = self.common.sub_name(b"worktrees").ok()?;
        let entries = worktrees.some_entries(WORKTREES_MAX).ok()?;
        entries.into_iter().find_map(|entry| {
            let git = worktrees.sub_name(&entry.name).ok()?;
            let place = small_file(&git, "gitdir", SMALL_BYTES).and_then(|c| path_after(&c, ""));
            let place = place.and_then(|p| Some(p.parent()?.display().to_string()));
            refs::works_on(&git, name).then(|| place.unwrap_or_else(|| "another worktree".into()))
        })
    }

    /// The full names of all branches.
    pub(crate) fn branches(&self) -> Vec<String> {
        refs::branches(&self.common)
    }

    /// The names of tags that point at `commit`, with what each ref holds.
    pub(crate) fn tags_at(&self, commit: crate::store::ObjectId, odb: &Odb) -> Vec<refs::Tag> {
        refs::tags_at(&self.common, commit, odb)
    }

    /// Every index entry; `None` when there is no index, or one that isn't understood.
    pub(crate) fn index(&self, entries_max: usize) -> Option<Vec<IndexEntry>> {
        let mut file = self.git.file(b"index").ok()?;
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        let content = crate::beneath::read_bounded(&mut file, INDEX_LIMIT_BYTES).ok()??;
        parse_index(&content, entries_max)
    }

    /// The paths that git tracks.
    pub(crate) fn tracked(&self, entries_max: usize) -> Tracked {
        let entries = self.index(entries_max).unwrap_or_default();
        Tracked::new(entries.into_iter().map(|e| String::from(e.path)))
    }

    /// What `info/exclude` holds.
    pub(crate) fn exclude(&self) -> Option<Vec<u8>> {
        small_file(&self.common, "info/exclude", EXCLUDE_LIMIT_BYTES)
    }

    /// What its configuration says of `core.autocrlf`.
    pub(crate) fn autocrlf(&self) -> Option<AutoCrlf> {
        let set = setting(&self.git, "core.autocrlf");
        let set = set.or_else(|| setting(&self.common, "core.autocrlf"));
        set.as_deref().map(AutoCrlf::of)
    }

    /// Whom its folders belong to, by user id.
    pub(crate) fn owners(&self) -> Option<[u32; 2]> {
        let (git, common) = (self.git.stat_self().ok()?, self.common.stat_self().ok()?);
        Some([git.st_uid, common.st_uid])
    }

    /// The objects, for reading.
    pub(crate) fn odb(&self, object_limit_bytes: u64) -> Option<Odb> {
        Odb::open(self.objects()?, object_limit_bytes).ok()
    }

    pub(crate) fn objects(&self) -> Option<Dir> {
        self.common
            .sub(RelPath::parse("objects").ok().as_ref())
            .ok()
    }

    /// Where refs are written.
    pub(crate) fn common(&self) -> &Dir {
        &self.common
    }
}

#[cfg(test)]
mod tests;
