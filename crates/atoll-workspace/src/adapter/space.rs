use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use atoll_domain::{TreeId, WorkspaceId};
use atoll_ports::workspace::{Error, Snapped};

use super::roots::excludes;
use super::{Inner, locked};
use crate::beneath::Dir;
use crate::origin::{Found, find};
use crate::patch::Journal;
use crate::store::{ObjectId, StatCache, Store};
use crate::walk::{Limits, Omitted, Options, Skip, Snapshot, Tracked, snapshot};

/// One workspace: its store, stat cache and journal.
pub(super) struct Space {
    pub(super) dir: PathBuf,
    pub(super) store: Store,
    pub(super) cache: Mutex<StatCache>,
    pub(super) journal: Journal,
    /// Held while files of the checkout are written.
    pub(super) writing: Mutex<()>,
}

impl Inner {
    fn space_dir(&self, id: WorkspaceId) -> PathBuf {
        self.options.data.join("workspaces").join(id.to_string())
    }

    pub(super) fn space(&self, id: WorkspaceId) -> Result<Arc<Space>, Error> {
        let mut spaces = locked(&self.spaces);
        if let Some(space) = spaces.get(&id) {
            return Ok(space.clone());
        }
        let dir = self.space_dir(id);
        Dir::create(&dir)?;
        let space = Arc::new(Space {
            store: Store::open(&dir.join("repo"), self.options.limits.file_limit_bytes)?,
            cache: Mutex::new(StatCache::load(&dir.join("stat"))),
            journal: Journal::open(&dir.join("journal"))?,
            writing: Mutex::new(()),
            dir,
        });
        spaces.insert(id, space.clone());
        Ok(space)
    }

    /// Every workspace on disk.
    pub(super) fn space_ids(&self) -> Vec<WorkspaceId> {
        let dir =
            Dir::open(&self.options.data.join("workspaces")).and_then(|d| d.entries(1_000_000));
        let names = dir
            .unwrap_or_default()
            .into_iter()
            .filter_map(|e| String::from_utf8(e.name).ok());
        names.filter_map(|n| n.parse().ok()).collect()
    }
}

impl Space {
    /// Takes what lies in `root`, and remembers its stats.
    pub(super) fn take(
        &self,
        root: &Dir,
        limits: Limits,
        tracked: &Tracked,
    ) -> Result<Snapshot, Error> {
        let mut cache = locked(&self.cache);
        let taken = snapshot(
            root,
            Options {
                limits,
                ignores: true,
                tracked,
            },
            &self.store,
            &mut cache,
        )?;
        if let Err(e) = cache.save() {
            // Only speed is lost.
            tracing::warn!(error = %e, "the stat cache was not saved");
        }
        Ok(taken)
    }

    /// Takes a checkout, with what its git tracks.
    pub(super) fn take_checkout(
        &self,
        root: &Dir,
        path: &Path,
        options: &super::Options,
    ) -> Result<Snapped, Error> {
        let limits = options.limits;
        let found = find(root, path);
        let (tracked, head) = match &found {
            Found::Repo(repo) => {
                let head = repo.head();
                let name = head.branch.or_else(|| head.commit.map(|c| c.to_string()));
                let tracked = repo.tracked(limits.entries_max);
                (tracked.excluding(excludes(repo, options)), name)
            }
            Found::None | Found::Odd(_) => (Tracked::default(), None),
        };
        let mut snapped = snapped(&self.take(root, limits, &tracked)?)?;
        snapped.head = head;
        if let Found::Odd(why) = found {
            snapped
                .skipped
                .push((".git".into(), format!("{why}, so it was not read")));
        }
        Ok(snapped)
    }
}

pub(super) fn tree_id(id: ObjectId) -> Result<TreeId, Error> {
    TreeId::parse(&id.to_string()).ok_or_else(|| Error::Io("a tree id came out malformed".into()))
}

pub(super) fn object_id(id: &TreeId) -> Result<ObjectId, Error> {
    id.as_str()
        .parse()
        .map_err(|_| Error::Invalid(format!("{id} is no tree id")))
}

pub(super) fn snapped(taken: &Snapshot) -> Result<Snapped, Error> {
    Ok(Snapped {
        tree: tree_id(taken.tree)?,
        files: taken.flat.len() as u64,
        bytes: taken.stamps.values().map(|s| s.size).sum(),
        masked: taken
            .omitted
            .masked
            .iter()
            .map(ToString::to_string)
            .collect(),
        skipped: skipped(&taken.omitted),
        head: None,
    })
}

fn skipped(omitted: &Omitted) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = omitted
        .skipped
        .iter()
        .map(|(p, why)| (p.clone(), say(why)))
        .collect();
    if omitted.skipped_more > 0 {
        all.push(("…".into(), format!("{} more", omitted.skipped_more)));
    }
    all
}

fn say(why: &Skip) -> String {
    match why {
        Skip::TooLarge { bytes } => return format!("it is too large, with {bytes} bytes"),
        Skip::Special => "it is a socket, FIFO or device",
        Skip::LinkOutside => "it is a link that leads outside",
        Skip::MountPoint => "it is another file system",
        Skip::Git => "it is a nested .git, or some file systems take it for one",
        Skip::Name => "its name is not UTF-8 or too long",
        Skip::TooDeep => "it lies too deep",
        Skip::Unreadable => "it cannot be read",
        Skip::Changing => "it kept changing while it was read",
    }
    .to_owned()
}

impl From<crate::Error> for Error {
    fn from(e: crate::Error) -> Self {
        use crate::Error as E;
        match e {
            E::Missing { path } => Self::Missing(path),
            E::Path { path, why } => Self::Forbidden {
                path,
                why: why.to_owned(),
            },
            E::NotAFile { path, kind } => Self::Forbidden {
                path,
                why: format!("it is {kind}, not a regular file"),
            },
            E::Placeholder { ref path } => Self::Forbidden {
                path: path.clone(),
                why: e.to_string(),
            },
            E::Masked { path } => Self::Masked(path),
            E::Stale { path } => Self::Conflict(vec![path]),
            E::Overlap { paths } => Self::Conflict(paths),
            E::Refused { reasons } => Self::Refused(reasons),
            E::Branch { name, why, todo } => Self::Branch { name, why, todo },
            E::Pattern(_) | E::Limit { .. } => Self::Invalid(e.to_string()),
            E::Io {
                ref path,
                ref source,
                ..
            } if source.kind() == std::io::ErrorKind::NotFound => Self::Missing(path.clone()),
            E::Io { .. } | E::Pending | E::NoObject(_) | E::Corrupt { .. } => {
                Self::Io(e.to_string())
            }
        }
    }
}
