use atoll_domain::action::{Accept, AcceptTo, Undo};
use atoll_domain::{PatchClass, PatchId, TreeId, WorkspaceId};
use atoll_ports::workspace::{Applied, Diffed, Error};

use super::space::{Space, object_id};
use super::{Inner, locked, now_s, roots};
use crate::beneath::{Dir, Sync, small_file};
use crate::origin::{Found, Repo, find};
use crate::patch::{Branch, Into, accept, branch, branched, patch, recover, unbranch};
use crate::store::ObjectId;

impl Inner {
    pub(super) fn diff(
        &self,
        workspace: WorkspaceId,
        base: &TreeId,
        tree: &TreeId,
    ) -> Result<Diffed, Error> {
        let (summary, diff) = patch(
            &self.space(workspace)?.store,
            object_id(base)?,
            object_id(tree)?,
        )?;
        Ok(Diffed { summary, diff })
    }

    pub(super) fn holding(
        &self,
        workspace: WorkspaceId,
        tree: &TreeId,
        blobs: &std::collections::BTreeSet<String>,
    ) -> Result<Vec<(String, String)>, Error> {
        let flat = self.flat(&*self.space(workspace)?, object_id(tree)?)?;
        let files = flat.iter().map(|(path, leaf)| (path, leaf.id.to_string()));
        let held = files.filter(|(_, blob)| blobs.contains(blob));
        Ok(held.map(|(path, blob)| (path.to_string(), blob)).collect())
    }

    pub(super) fn accept(&self, act: &Accept) -> Result<Applied, Error> {
        let space = self.space(act.workspace)?;
        let (base, tree) = (object_id(&act.base)?, object_id(&act.tree)?);
        // What was allowed named a class; the trees decide what it is.
        let class = patch(&space.store, base, tree)?.0.class;
        if class == PatchClass::Refused || class > act.class {
            return Err(Error::Refused(vec![
                "the patch is of another class than was shown".into(),
            ]));
        }
        let _writing = locked(&space.writing);
        match &act.to {
            AcceptTo::Files => self.with(&space, act.workspace, &act.root, |into| {
                let paths = accept(into, base, tree, &act.paths, &mut |_| {})?;
                Ok(Applied {
                    paths,
                    commit: None,
                })
            }),
            AcceptTo::Branch(name) => {
                let commit = self.branch(&space, act, name, (base, tree))?;
                Ok(Applied {
                    paths: vec![],
                    commit: Some(commit.to_string()),
                })
            }
        }
    }

    fn branch(
        &self,
        space: &Space,
        act: &Accept,
        name: &str,
        (base, tree): (ObjectId, ObjectId),
    ) -> Result<ObjectId, Error> {
        let repo = self.repo(act.workspace, &act.root, name)?;
        // Done before, and cut off before anybody was told.
        if let Some(commit) = branched(&repo, name, noted_branch(space, act.patch)) {
            return Ok(commit);
        }
        let (author, email) = &self.options.author;
        let how = Branch {
            repo: &repo,
            store: &space.store,
            name,
            message: &message(&act.message, act.patch),
            author: (author, email),
            at_s: now_s(),
            file_limit_bytes: self.options.limits.file_limit_bytes,
        };
        let mut note = |commit| note_branch(space, act.patch, commit);
        branch(&how, base, tree, &act.paths, &mut note).map_err(Error::from)
    }

    pub(super) fn undo(&self, act: &Undo) -> Result<Applied, Error> {
        let space = self.space(act.workspace)?;
        let (base, tree) = (object_id(&act.base)?, object_id(&act.tree)?);
        let _writing = locked(&space.writing);
        match &act.to {
            AcceptTo::Files => self.with(&space, act.workspace, &act.root, |into| {
                let paths = crate::patch::undo(into, base, tree, &act.paths, &mut |_| {})?;
                Ok(Applied {
                    paths,
                    commit: None,
                })
            }),
            AcceptTo::Branch(name) => {
                let repo = self.repo(act.workspace, &act.root, name)?;
                let commit = noted_branch(&space, act.patch).ok_or_else(|| Error::Branch {
                    name: name.clone(),
                    why: "it is not known which commit the patch made".into(),
                    todo: format!("git branch -D {name} removes it, whatever it holds"),
                })?;
                unbranch(&repo, name, commit)?;
                Ok(Applied {
                    paths: vec![],
                    commit: Some(commit.to_string()),
                })
            }
        }
    }

    fn with<T>(
        &self,
        space: &Space,
        workspace: WorkspaceId,
        root: &str,
        run: impl FnOnce(&Into<'_>) -> crate::Result<T>,
    ) -> Result<T, Error> {
        let (dir, path) = roots::open(root, workspace, &self.options.data)?;
        let into = Into {
            root: &dir,
            root_path: &path,
            store: &space.store,
            journal: &space.journal,
            file_limit_bytes: self.options.limits.file_limit_bytes,
        };
        run(&into).map_err(Error::from)
    }

    fn repo(&self, workspace: WorkspaceId, root: &str, name: &str) -> Result<Repo, Error> {
        let (dir, path) = roots::open(root, workspace, &self.options.data)?;
        let why = match find(&dir, &path) {
            Found::Repo(repo) => return Ok(repo),
            Found::None => "the workspace is no git repository",
            Found::Odd(why) => why,
        };
        Err(Error::Branch {
            name: name.to_owned(),
            why: why.to_owned(),
            todo: "accept the patch into your files".to_owned(),
        })
    }

    pub(super) fn recover(&self) -> Result<Vec<String>, Error> {
        let mut said = Vec::new();
        for id in self.space_ids() {
            let space = self.space(id)?;
            let _writing = locked(&space.writing);
            said.extend(recover(
                &space.journal,
                &space.store,
                self.options.limits.file_limit_bytes,
            )?);
        }
        Ok(said)
    }
}

/// A message as git and people can take it: no controls, short lines, few of them.
fn message(text: &str, patch: PatchId) -> String {
    let line = |line: &str| -> String {
        let shown = atoll_domain::Shown::line(line.trim_end()).to_string();
        shown.chars().take(LINE_CHARS_MAX).collect()
    };
    let lines: Vec<String> = text.trim().lines().take(LINES_MAX).map(line).collect();
    match lines.first() {
        Some(first) if !first.is_empty() => lines.join("\n"),
        _ => format!("Atoll patch {patch}"),
    }
}

const LINES_MAX: usize = 100;
const LINE_CHARS_MAX: usize = 200;

// Which commit a branch is made with, so that undo removes that one only.
fn note_branch(space: &Space, patch: PatchId, commit: ObjectId) -> crate::Result<()> {
    let dir = Dir::create(&space.dir.join("branches"))?;
    let noted = dir.replace(
        &patch.to_string(),
        commit.to_string().as_bytes(),
        0o600,
        None,
        Sync::Yes,
    );
    noted.map_err(|e| crate::Error::io("note", "the branch", e))
}

fn noted_branch(space: &Space, patch: PatchId) -> Option<ObjectId> {
    let dir = Dir::open(&space.dir.join("branches")).ok()?;
    String::from_utf8(small_file(&dir, &patch.to_string(), 100)?)
        .ok()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_holds_nothing_that_git_or_a_terminal_obeys() {
        let patch = PatchId::derive(&[b"p"]);
        assert_eq!(message(" \n", patch), format!("Atoll patch {patch}"));
        let hostile = "Fix\u{1b}[2J\rit\n\nA: b\0\u{202e}";
        assert_eq!(
            message(hostile, patch),
            "Fix\\e[2J\\rit\n\nA: b\\x00\\u{202e}"
        );
        let long = message(&"x\n".repeat(9_999).replace('x', &"y".repeat(999)), patch);
        assert_eq!(
            (long.lines().count(), long.lines().next().map(str::len)),
            (100, Some(200))
        );
    }
}
