//! `atoll model pull|add|remove`, and what `model list` says of the disk. All of it works without a node.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use atoll_api::{Error, ModelView, codes};
use atoll_domain::Shown;
use atoll_llama::PROVIDER;
use atoll_llama::memory::{self, Fit};
use atoll_llama::shelf::{CATALOG, Entry, Fault, Shelf, Step};
use serde::Serialize;

use super::signals::Signals;
use crate::app::{App, say};
use crate::offline;
use crate::ui;

/// Names a mirror of the repositories of models, as other tools that fetch from them have it.
const MIRROR: &str = "HF_ENDPOINT";
/// Without a terminal it is told how far it is each so many seconds.
const HEARTBEAT_S: u64 = 10;
/// On a terminal, each so many milliseconds.
const REDRAW_MS: u64 = 100;

/// A model on disk, as it is listed.
#[derive(Clone, Debug, Serialize)]
pub struct OnDisk {
    /// Where it lies.
    pub path: PathBuf,
    /// Its length.
    pub size_bytes: u64,
    /// What it takes of memory, with the window that it gets.
    pub needs_bytes: u64,
    /// What is free now; unknown where the system doesn't say.
    pub free_bytes: Option<u64>,
    /// Whether it fits now.
    pub fits: bool,
}

/// A model, as it is listed.
#[derive(Serialize)]
pub struct Listed {
    #[serde(flatten)]
    pub view: ModelView,
    /// Of one on disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<OnDisk>,
}

fn shelf(app: &App) -> Shelf {
    Shelf::new(app.paths.models()).mirror(crate::app::env(MIRROR))
}

/// A name without the provider's.
fn bare(name: &str) -> &str {
    name.strip_prefix(PROVIDER)
        .and_then(|rest| rest.strip_prefix('/'))
        .unwrap_or(name)
}

fn error(fault: Fault) -> Error {
    let words = fault.to_string();
    match fault {
        Fault::Unreachable(_) => Error::new(codes::MODEL_FETCH, "the model can't be fetched")
            .found(words)
            .next("try again: what came is kept, and gone on with")
            .next("atoll model add FILE, with a GGUF file that you have"),
        Fault::Busy(_) => Error::new(codes::MODEL_FETCH, words).next("wait for the other one"),
        Fault::NotPinned(_) => {
            Error::new(codes::MODEL_FILE, "what came isn't the model").found(words)
        }
        Fault::File { .. } => Error::new(codes::MODEL_FILE, "the file is no usable model")
            .found(words)
            .next("atoll model pull"),
        Fault::Disk(_) => Error::new(codes::FILES, words).next("atoll status"),
        Fault::Name(_) => Error::new(codes::MODEL_UNKNOWN, words).next("atoll model list"),
    }
}

/// What of each listed model is on disk.
pub fn listed(app: &App, views: Vec<ModelView>) -> Result<Vec<Listed>, Error> {
    let config = crate::config::load(&app.paths.config_file())?;
    let found = offline::models::embedded(&app.paths, &config).found();
    let options = offline::models::engine(&config);
    let free_bytes = memory::available_here();
    let of = |view: ModelView| {
        let file = found
            .iter()
            .find(|f| view.name == format!("{PROVIDER}/{}", f.name));
        let file = file.map(|f| {
            let wanted = Fit {
                context_tokens: options.context_tokens,
                sequences: options.sequences,
            };
            let free = free_bytes.map(|b| b.saturating_sub(options.spare_bytes));
            let fit = memory::fit(&f.header, wanted, free.unwrap_or(u64::MAX));
            let with = fit.unwrap_or(wanted);
            OnDisk {
                path: f.path.clone(),
                size_bytes: f.header.file_bytes,
                needs_bytes: memory::needed_bytes(&f.header, with.context_tokens, with.sequences),
                free_bytes,
                fits: fit.is_some(),
            }
        });
        Listed { view, file }
    };
    Ok(views.into_iter().map(of).collect())
}

/// The models of the catalog that aren't on disk.
pub fn to_pull(app: &App) -> Vec<&'static Entry> {
    let shelf = shelf(app);
    let away = |entry: &&Entry| shelf.place(entry.name).is_ok_and(|place| !place.exists());
    CATALOG.iter().filter(away).collect()
}

/// `atoll model pull`. Without a name: the default, else, if its source can't be reached, a smaller one.
pub async fn pull(app: &App, name: Option<String>) -> Result<u8, Error> {
    let (entry, path) = fetch(app, name.as_deref()).await?;
    let full = format!("{PROVIDER}/{}", entry.name);
    let data = serde_json::json!({
        "model": full, "path": path, "size_bytes": entry.size_bytes, "sha256": entry.sha256,
        "licence": entry.licence,
    });
    app.show("pulled", &data, |_| {
        format!(
            "{full} is here: {} MB, its SHA-256 as pinned, {}.\nNext  atoll model use {full}\n",
            entry.size_bytes / 1_000_000,
            entry.licence
        )
    })
}

/// Whether a name is one that can be pulled.
pub fn can_be_pulled(name: &str) -> bool {
    Entry::find(bare(name)).is_some()
}

/// Puts a model of the catalog on the disk, telling how far it is. Without a name: the default, or, where that
/// one's source can't be reached, the smaller one.
pub async fn fetch(app: &App, name: Option<&str>) -> Result<(&'static Entry, PathBuf), Error> {
    let named = name.map(bare);
    let [default, small] = &CATALOG;
    let entry = match named {
        None => default,
        Some(name) => Entry::find(name).ok_or_else(|| {
            let names = CATALOG.map(|entry| entry.name).join(", ");
            Error::new(
                codes::MODEL_UNKNOWN,
                format!("there is no model {name:?} to pull"),
            )
            .found(format!("to pull there are: {names}"))
            .next(format!("atoll model pull {}", default.name))
            .next("atoll model add FILE, with a GGUF file that you have")
        })?,
    };
    let (entry, pulled) = match one(app, entry).await {
        Ok(Err(Fault::Unreachable(why))) if named.is_none() => {
            let why = format!("{} can't be fetched: {}", entry.name, Shown::line(&why));
            let instead = format!("fetching {} instead: {}", small.name, small.about);
            say(&(app.err.row(0, "note", 8, &why) + &app.err.row(0, "", 8, &instead)));
            (small, one(app, small).await)
        }
        done => (entry, done),
    };
    let path = pulled?.map_err(error)?;
    super::config::reload(app).await;
    Ok((entry, path))
}

/// Pulls one, until it is here or somebody stops it.
async fn one(app: &App, entry: &Entry) -> Result<Result<PathBuf, Fault>, Error> {
    say(&format!("model   {} from {}\n", entry.name, entry.origin()));
    let (shelf, mut meter, mut signals) = (shelf(app), Meter::new(app), Signals::new()?);
    let pulled = {
        let mut watch = |step| meter.step(step);
        let pull = shelf.pull(entry, &mut watch);
        tokio::select! {
            pulled = pull => Some(pulled),
            _ = signals.int.recv() => None,
            _ = signals.term.recv() => None,
            _ = signals.hup.recv() => None,
        }
    };
    meter.end();
    pulled.ok_or_else(|| stopped(entry, shelf.begun_bytes(entry.name)))
}

fn stopped(entry: &Entry, begun_bytes: u64) -> Error {
    let (begun, all) = (begun_bytes / 1_000_000, entry.size_bytes / 1_000_000);
    let found = match begun_bytes {
        0 => "nothing of it is kept".to_owned(),
        _ => format!("{begun} of {all} MB are kept, and the next pull goes on from there"),
    };
    let err = Error::new(
        codes::CANCELLED,
        format!("the pull of {} was stopped", entry.name),
    );
    let err = err
        .found(found)
        .next(format!("atoll model pull {}", entry.name));
    match begun_bytes {
        0 => err,
        _ => err.next(format!(
            "atoll model remove {}, to drop what is kept",
            entry.name
        )),
    }
}

/// `atoll model add`.
pub fn add(app: &App, file: &Path, name: Option<&str>) -> Result<u8, Error> {
    let stem = file.file_stem().map(|s| s.to_string_lossy().to_lowercase());
    let name = name.map_or_else(|| stem.unwrap_or_default(), str::to_owned);
    let header = shelf(app).add(file, bare(&name)).map_err(error)?;
    let full = format!("{PROVIDER}/{}", bare(&name));
    let data = serde_json::json!({
        "model": full, "architecture": header.architecture, "size_bytes": header.file_bytes,
        "context_tokens": header.context_tokens,
    });
    app.show("added", &data, |_| {
        format!(
            "{full} is here: {}, trained on {} tokens. Nobody pinned it: it is what you gave.\nNext  atoll model use {full}\n",
            Shown::line(&header.architecture),
            ui::words::count(header.context_tokens),
        )
    })
}

/// `atoll model remove`.
pub fn remove(app: &App, name: &str) -> Result<u8, Error> {
    let name = bare(name);
    let freed = shelf(app).remove(name).map_err(error)?;
    let data = serde_json::json!({ "model": format!("{PROVIDER}/{name}"), "freed_bytes": freed });
    app.show("removed", &data, |_| {
        format!("{name} is gone; {} MB are free again.\n", freed / 1_000_000)
    })
}

/// How far it is, on standard error.
struct Meter {
    terminal: bool,
    columns: usize,
    started: Instant,
    told: Option<Instant>,
    drawn: bool,
}

impl Meter {
    fn new(app: &App) -> Meter {
        Meter {
            terminal: std::io::stderr().is_terminal() && !app.json,
            columns: usize::from(app.terminal.size.0),
            started: Instant::now(),
            told: None,
            drawn: false,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Doing(what) => {
                self.end();
                say(&format!("        {}\n", Shown::line(&what)));
            }
            Step::Bytes {
                resumed,
                done,
                total,
            } => {
                let every = if self.terminal {
                    Duration::from_millis(REDRAW_MS)
                } else {
                    Duration::from_secs(HEARTBEAT_S)
                };
                let last = *self.told.get_or_insert(self.started);
                if last.elapsed() < every && done < total {
                    return;
                }
                self.told = Some(Instant::now());
                let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
                let line = ui::progress(done, total, done.saturating_sub(resumed), ms);
                if self.terminal {
                    let line: String = line.chars().take(self.columns.saturating_sub(9)).collect();
                    say(&format!("\r        {line}\x1b[K"));
                    self.drawn = true;
                } else {
                    say(&format!("        {line}\n"));
                }
            }
        }
    }

    /// Leaves the line that was drawn.
    fn end(&mut self) {
        if std::mem::take(&mut self.drawn) {
            say("\n");
        }
    }
}
