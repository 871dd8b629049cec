//! The intent of a change to many files, on disk before the first of them is
//! touched, so that a crash in the middle is rolled back.

use std::path::{Path, PathBuf};

use super::accept::{State, revert, state_of};
use crate::beneath::{Dir, Sync, TEMP_PREFIX, read_bounded};
use crate::error::{Error, Result};
use crate::names::RelPath;
use crate::store::{Leaf, Store};

/// One file's change.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Entry {
    pub(crate) path: RelPath,
    pub(crate) before: Option<Leaf>,
    pub(crate) after: Option<Leaf>,
    /// The permission bits that the file had.
    pub(crate) permissions: Option<u32>,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Intent {
    v: u32,
    root: PathBuf,
    entries: Vec<Entry>,
}

/// The intents of one workspace: at most one is open.
pub(crate) struct Journal {
    dir: PathBuf,
}

const NAME: &str = "intent.json";
const LIMIT_BYTES: u64 = 64 << 20;

impl Journal {
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        Dir::create(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
        })
    }

    fn handle(&self) -> Result<Dir> {
        Dir::open(&self.dir)
    }

    /// Records what is about to be done; refuses while another intent is open.
    pub(super) fn begin(&self, root: &Path, entries: &[Entry]) -> Result<()> {
        let dir = self.handle()?;
        if dir.stat(NAME.as_bytes()).is_ok() {
            return Err(Error::Pending);
        }
        let intent = Intent {
            v: 1,
            root: root.to_owned(),
            entries: entries.to_vec(),
        };
        let bytes = serde_json::to_vec(&intent).map_err(|e| Error::corrupt(NAME, e.to_string()))?;
        dir.replace(NAME, &bytes, 0o600, None, Sync::Yes)
            .map_err(|e| Error::io("write", NAME, e))
    }

    pub(super) fn end(&self) -> Result<()> {
        let dir = self.handle()?;
        dir.unlink(NAME.as_bytes())
            .and_then(|()| dir.sync())
            .map_err(|e| Error::io("remove", NAME, e))
    }

    fn pending(&self) -> Result<Option<Intent>> {
        let Ok(mut file) = self.handle()?.file(NAME.as_bytes()) else {
            return Ok(None);
        };
        let bytes = read_bounded(&mut file, LIMIT_BYTES).map_err(|e| Error::io("read", NAME, e))?;
        let bytes = bytes.ok_or_else(|| Error::corrupt(NAME, "it is too large"))?;
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|e| Error::corrupt(NAME, e.to_string()))
    }
}

/// Ends what a crash interrupted; says what was done, nothing when there was
/// nothing. A change that was complete stays; any other is taken back. Files that
/// somebody changed since are left as they are, and named.
pub(crate) fn recover(
    journal: &Journal,
    store: &Store,
    file_limit_bytes: u64,
) -> Result<Option<String>> {
    let Some(intent) = journal.pending()? else {
        return Ok(None);
    };
    let said = match Dir::open(&intent.root) {
        Err(_) => format!(
            "{} is gone, so an interrupted change there was dropped",
            intent.root.display()
        ),
        Ok(root) => roll_back(&root, &intent, store, file_limit_bytes)?,
    };
    journal.end()?;
    Ok(Some(said))
}

fn roll_back(root: &Dir, intent: &Intent, store: &Store, file_limit_bytes: u64) -> Result<String> {
    sweep(root, &intent.entries);
    let mut done = Vec::new();
    let mut others = Vec::new();
    for entry in &intent.entries {
        let now = state_of(root, &entry.path, file_limit_bytes)?;
        let below = format!("{}/", entry.path);
        // A folder of new files may stand where a file was removed.
        let became_folder = entry.after.is_none()
            && now == State::Other
            && intent
                .entries
                .iter()
                .any(|e| e.after.is_some() && e.path.as_str().starts_with(&below));
        if now.holds(entry.after) || became_folder {
            done.push(entry.clone());
        } else if !now.holds(entry.before) {
            others.push(entry.path.to_string());
        }
    }
    let at = intent.root.display();
    if done.len() == intent.entries.len() {
        return Ok(format!(
            "a change of {} files in {at} was complete",
            done.len()
        ));
    }
    revert(root, store, &done, None)?;
    let mut said = format!(
        "an interrupted change of {} files in {at} was taken back",
        intent.entries.len()
    );
    if !others.is_empty() {
        said.push_str(&format!(
            "; left as they are, since they changed meanwhile: {}",
            others.join(", ")
        ));
    }
    Ok(said)
}

// Temporary files that the crash left beside the files of the change.
fn sweep(root: &Dir, entries: &[Entry]) {
    let folders: std::collections::BTreeSet<Option<RelPath>> =
        entries.iter().map(|e| e.path.parent()).collect();
    for folder in folders {
        let Ok(dir) = root.sub(folder.as_ref()) else {
            continue;
        };
        for entry in dir.entries(1_000_000).unwrap_or_default() {
            if entry.name.starts_with(TEMP_PREFIX.as_bytes()) {
                let _ = dir.unlink(&entry.name);
            }
        }
    }
}
