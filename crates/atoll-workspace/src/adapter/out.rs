use atoll_domain::action::{Accept, AcceptTo, Undo};
use atoll_domain::{PatchClass, PatchId, TreeId, WorkspaceId};
use atoll_ports::workspace::{Applied, Diffed, Error};

use super::space::{Space, object_id};
use super::{Inner, locked, now_s, roots};
use crate::beneath::{Dir, Sync, small_file};
use crate::origin::{Found, Repo, find};
use crate::patch::{Branch, Into, accept, branch, patch, recover, unbranch};
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
                let repo = self.repo(act.workspace, &act.root, name)?;
                let (author, email) = &self.options.author;
                let how = Branch {
                    repo: &repo,
                    store: &space.store,
                    name,
                    message: &format!("Atoll patch {}", act.patch),
                    author: (author, email),
                    at_s: now_s(),
                    file_limit_bytes: self.options.limits.file_limit_bytes,
                };
                let commit = branch(&how, base, tree, &act.paths)?;
                note_branch(&space, act.patch, commit)?;
                Ok(Applied {
                    paths: vec![],
                    commit: Some(commit.to_string()),
                })
            }
        }
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
                let commit = noted_branch(&space, act.patch)
                    .ok_or_else(|| Error::Missing(format!("the branch of patch {}", act.patch)))?;
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
        Err(Error::Invalid(format!(
            "cannot make the branch {name:?}: {why}"
        )))
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

// Which commit a branch was made with, so that undo removes that one only.
fn note_branch(space: &Space, patch: PatchId, commit: ObjectId) -> Result<(), Error> {
    let dir = Dir::create(&space.dir.join("branches"))?;
    let noted = dir.replace(
        &patch.to_string(),
        commit.to_string().as_bytes(),
        0o600,
        None,
        Sync::Yes,
    );
    noted.map_err(|e| Error::Io(format!("cannot note the branch: {e}")))
}

fn noted_branch(space: &Space, patch: PatchId) -> Option<ObjectId> {
    let dir = Dir::open(&space.dir.join("branches")).ok()?;
    String::from_utf8(small_file(&dir, &patch.to_string(), 100)?)
        .ok()?
        .parse()
        .ok()
}
