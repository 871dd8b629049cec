use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use atoll_domain::{CopyRef, SessionId, TreeId, WorkspaceId};
use atoll_ports::workspace::{Error, Snapped};

use super::space::{Space, object_id, snapped};
use super::{Inner, locked, now_s, roots};
use crate::beneath::{Dir, Owner, Sync};
use crate::copy::{Making, Private, materialise, private_git, remove_tree, restore};
use crate::origin::{AutoCrlf, Found, find};
use crate::store::{Flat, ObjectId, tree};
use crate::walk::{Excludes, Tracked};

/// A session's private copy.
pub(super) struct Copy {
    pub(super) meta: Meta,
    pub(super) space: Arc<Space>,
    /// What the base tree holds is part of every capture, ignored or not.
    pub(super) tracked: Tracked,
    /// Held while its files are written or taken.
    pub(super) busy: Mutex<()>,
    pub(super) path: PathBuf,
}

/// What is kept of a copy beside it.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Meta {
    v: u32,
    pub(super) workspace: WorkspaceId,
    pub(super) root: String,
    pub(super) base: TreeId,
    owner: Option<(u32, u32)>,
    pub(super) git_note: Option<String>,
}

impl Copy {
    pub(super) fn dir(&self) -> Result<Dir, Error> {
        Dir::open_plain(&self.path).map_err(Error::from)
    }

    pub(super) fn owner(&self) -> Option<Owner> {
        self.meta.owner.map(|(uid, gid)| Owner { uid, gid })
    }
}

pub(super) const META: &str = "copy.json";
const TREE: &str = "tree";
const META_LIMIT_BYTES: u64 = 1 << 20;
/// What is ignored beside the tree's .gitignore files. Not in the tree, where a job could change it.
const EXCLUDE: &str = "exclude";
const EXCLUDE_LIMIT_BYTES: u64 = 1 << 20;

impl Inner {
    fn copy_dir(&self, session: SessionId) -> PathBuf {
        self.options.data.join("copies").join(session.to_string())
    }

    /// The session's copy, as it was made.
    pub(super) fn copy(&self, session: SessionId) -> Result<Arc<Copy>, Error> {
        if let Some(copy) = locked(&self.copies).get(&session) {
            return Ok(copy.clone());
        }
        let dir = self.copy_dir(session);
        let meta = Dir::open(&dir)
            .ok()
            .and_then(|d| crate::beneath::small_file(&d, META, META_LIMIT_BYTES))
            .and_then(|bytes| serde_json::from_slice::<Meta>(&bytes).ok())
            .ok_or_else(|| Error::Missing(format!("the private copy of {session}")))?;
        self.remember(session, meta)
    }

    fn remember(&self, session: SessionId, meta: Meta) -> Result<Arc<Copy>, Error> {
        let space = self.space(meta.workspace)?;
        let base = self.flat(&space, object_id(&meta.base)?)?;
        let dir = self.copy_dir(session);
        let excluded = Dir::open(&dir)
            .ok()
            .and_then(|d| crate::beneath::small_file(&d, EXCLUDE, EXCLUDE_LIMIT_BYTES));
        let tracked =
            Tracked::new(base.into_keys().map(String::from)).excluding(Excludes::of(excluded));
        let path = dir.join(TREE);
        let copy = Arc::new(Copy {
            meta,
            space,
            tracked,
            busy: Mutex::new(()),
            path,
        });
        locked(&self.copies).insert(session, copy.clone());
        Ok(copy)
    }

    pub(super) fn flat(&self, space: &Space, id: ObjectId) -> Result<Flat, Error> {
        let mut refused = Vec::new();
        let flat = tree::read(
            space.store.odb(),
            id,
            self.options.limits.entries_max,
            &mut refused,
        )?;
        if refused.is_empty() {
            Ok(flat)
        } else {
            Err(Error::Refused(refused))
        }
    }

    /// Makes the copy, or brings it to `tree`.
    pub(super) fn checkout(
        &self,
        session: SessionId,
        workspace: WorkspaceId,
        root: &str,
        tree: &TreeId,
        owner: Option<(u32, u32)>,
    ) -> Result<CopyRef, Error> {
        let wanted = object_id(tree)?;
        if let Ok(copy) = self.copy(session) {
            if copy.meta.workspace != workspace || copy.meta.root != root {
                return Err(Error::Conflict(vec![format!(
                    "the private copy of {session}"
                )]));
            }
            if copy.meta.owner == owner {
                match self.bring(&copy, wanted) {
                    Ok(()) => return Ok(reference(&copy)),
                    // A hostile or damaged tree: made anew, whole.
                    Err(e) => tracing::info!(%session, error = %e, "the copy is made anew"),
                }
            }
            let base = copy.meta.base.clone();
            drop(copy);
            self.remove(session)?;
            return self.make(session, workspace, root, (base, wanted), owner);
        }
        self.remove(session)?;
        self.make(session, workspace, root, (tree.clone(), wanted), owner)
    }

    fn bring(&self, copy: &Copy, wanted: ObjectId) -> Result<(), Error> {
        let _busy = locked(&copy.busy);
        let into = copy.dir()?;
        let now = copy
            .space
            .take(&into, self.options.limits, &copy.tracked)?
            .tree;
        if now == wanted {
            return Ok(());
        }
        let how = Making {
            store: &copy.space.store,
            source: None,
            owner: copy.owner(),
        };
        restore(&how, &into, now, wanted)?;
        let reached = copy
            .space
            .take(&into, self.options.limits, &copy.tracked)?
            .tree;
        if reached == wanted {
            Ok(())
        } else {
            Err(Error::Io("it did not reach the wanted tree".into()))
        }
    }

    fn make(
        &self,
        session: SessionId,
        workspace: WorkspaceId,
        root: &str,
        (base, wanted): (TreeId, ObjectId),
        owner: Option<(u32, u32)>,
    ) -> Result<CopyRef, Error> {
        let space = self.space(workspace)?;
        let flat = self.flat(&space, wanted)?;
        // The checkout may be gone or another one by now: then its times and
        // history are, too, but the tree is in the store.
        let source = roots::open(root, workspace, &self.options.data).ok();
        let dir = self.copy_dir(session);
        let parent = Dir::create(&dir)?;
        let into = Dir::create(&dir.join(TREE))?;
        let owner_of = owner.map(|(uid, gid)| Owner { uid, gid });
        let how = Making {
            store: &space.store,
            source: source.as_ref().map(|(d, _)| d),
            owner: owner_of,
        };
        materialise(&how, &flat, &into, &mut locked(&space.cache))?;
        let found = source.as_ref().map(|(d, path)| find(d, path));
        let repo = match &found {
            Some(Found::Repo(repo)) => Some(repo),
            _ => None,
        };
        let git = Private {
            repo,
            autocrlf: repo.map_or(AutoCrlf::False, |r| roots::autocrlf(r, &self.options)),
            store: &space.store,
            base: wanted,
            flat: &flat,
            owner: owner_of,
            object_limit_bytes: self.options.limits.file_limit_bytes,
            at_s: now_s(),
        };
        let mut git_note = private_git(&git, &into)?;
        if let (Some(Found::Odd(why)), Some(note)) = (&found, &mut git_note) {
            *note = format!("git history in the box is made up: {why}");
        }
        let meta = Meta {
            v: 1,
            workspace,
            root: root.to_owned(),
            base,
            owner,
            git_note,
        };
        let bytes = serde_json::to_vec(&meta).map_err(|e| Error::Io(e.to_string()))?;
        let put = |name: &str, bytes: &[u8]| {
            let done = parent.replace(name, bytes, 0o600, None, Sync::No);
            done.map_err(|e| Error::Io(e.to_string()))
        };
        if let Some(repo) = repo {
            put(
                EXCLUDE,
                roots::excludes(repo, &self.options).text().as_bytes(),
            )?;
        }
        // Last: without it the copy counts as not made.
        put(META, &bytes)?;
        let copy = self.remember(session, meta)?;
        Ok(reference(&copy))
    }

    pub(super) fn capture(&self, session: SessionId) -> Result<Snapped, Error> {
        let copy = self.copy(session)?;
        let _busy = locked(&copy.busy);
        snapped(
            &copy
                .space
                .take(&copy.dir()?, self.options.limits, &copy.tracked)?,
        )
    }

    pub(super) fn remove(&self, session: SessionId) -> Result<(), Error> {
        locked(&self.copies).remove(&session);
        let Ok(parent) = Dir::open(&self.options.data.join("copies")) else {
            return Ok(());
        };
        remove_tree(&parent, &session.to_string()).map_err(Error::from)
    }
}

fn reference(copy: &Copy) -> CopyRef {
    CopyRef {
        host: copy.path.display().to_string(),
        inside: copy.meta.root.clone(),
    }
}
