//! `atoll session export`: one session as a zip that reads well and proves itself, without secrets.

mod facts;
mod gather;
mod html;
mod names;
mod pack;
mod plan;
mod redacted;
mod story;

pub use names::is_safe;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use atoll_api::{Commands, Error, ExportRequest, SessionDetail, codes};
use futures::StreamExt;

use crate::app::{App, say};
use crate::commands::signals::Signals;
use crate::ui::words::{bytes, count};
use facts::Facts;
use gather::{Gathered, Gatherer};
use pack::{Papers, Trouble, Without, Written, Zip};
use plan::{Left, Parts};

/// The other implementation of the log's checks, for whoever has none.
pub const VERIFY: &str = include_str!("../../../../docs/audit/verify.py");

/// Text that a page holds, in bytes.
const PAGE_BYTES_MAX: u64 = 8 << 20;
/// Between two words on how far it is, on a terminal and elsewhere.
const SAY_EVERY: [Duration; 2] = [Duration::from_secs(10), Duration::from_millis(200)];
/// A zip that is over its size is written again with less.
const TRIES_MAX: usize = 6;

/// What is wanted.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// s4, or @ for the latest.
    #[arg(default_value = "@")]
    session: String,
    /// Where to; s4.zip in this folder if left out.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The zip's size at most; what doesn't fit is left out, the largest first, and said.
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = size)]
    max_size: u64,
    /// With what redaction would leave out.
    #[arg(long)]
    whole: bool,
    /// Write over a file of this name.
    #[arg(long)]
    force: bool,
}

/// `64MiB`, `500k`, `1GB`: bytes.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || "a size, such as 64MiB or 500k, of at least 64KiB".to_owned();
    let at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number: u64 = text[..at].parse().map_err(|_| wrong())?;
    let unit = match text[at..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err(wrong()),
    };
    let bytes = number.checked_mul(unit).ok_or_else(wrong)?;
    match bytes >= 64 << 10 {
        true => Ok(bytes),
        false => Err(wrong()),
    }
}

/// Tells how far a long one is.
struct Progress<'a> {
    app: &'a App,
    last: Instant,
    shown: bool,
}

impl<'a> Progress<'a> {
    fn new(app: &'a App) -> Progress<'a> {
        let last = Instant::now();
        Progress {
            app,
            last,
            shown: false,
        }
    }
    fn over(&self) -> bool {
        self.app.terminal.stderr && !self.app.terminal.dumb && !self.app.json
    }
    fn tell(&mut self, words: impl FnOnce() -> String) {
        if self.last.elapsed() < SAY_EVERY[usize::from(self.over())] {
            return;
        }
        self.last = Instant::now();
        match self.over() {
            true => say(&format!("\r\x1b[K{}", words())),
            false => say(&format!("{}\n", words())),
        }
        self.shown = true;
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if self.shown && self.over() {
            say("\r\x1b[K");
        }
    }
}

/// What came of it.
#[derive(serde::Serialize)]
struct Done {
    file: String,
    bytes: u64,
    #[serde(flatten)]
    facts: Facts,
}

/// What a signal and the work know of each other.
#[derive(Clone, Default)]
struct Stop {
    asked: Arc<AtomicBool>,
    /// A zip is being written: it is ended by who writes it.
    writing: Arc<AtomicBool>,
}

pub async fn run(app: &App, args: Args) -> Result<u8, Error> {
    let mut signals = Signals::new()?;
    let stop = Stop::default();
    let mut work = std::pin::pin!(export(app, &args, stop.clone()));
    let done = loop {
        tokio::select! {
            done = &mut work => break done?,
            _ = signals.int.recv() => {}
            _ = signals.term.recv() => {}
            _ = signals.hup.recv() => {}
        }
        stop.asked.store(true, Ordering::Relaxed);
        if !stop.writing.load(Ordering::Relaxed) {
            break None; // what was put aside has no name
        }
    };
    match done {
        Some(done) => app.show("exported", &done, |_| told(&done)),
        None => {
            let err = Error::new(codes::CANCELLED, "stopped; nothing was written");
            Err(err.next("atoll session export"))
        }
    }
}

/// `None` where it was stopped.
async fn export(app: &App, args: &Args, stop: Stop) -> Result<Option<Done>, Error> {
    let (client, caller) = (app.node().await?, app.caller());
    let detail = client.session(&caller, args.session.clone()).await?;
    let ordinal = detail.view.ordinal.clone();
    let target = args
        .output
        .clone()
        .unwrap_or_else(|| format!("{ordinal}.zip").into());
    if target.symlink_metadata().is_ok() && !args.force {
        return Err(pack::taken(&target));
    }
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut gates = client.gates(&caller, false).await?;
    gates.retain(|gate| gate.session == Some(detail.view.session));
    let names = story::Names(facts::names(&detail, &gates));
    let room = usize::try_from(PAGE_BYTES_MAX.min(args.max_size / 2)).unwrap_or(usize::MAX);
    let id = detail.view.session.to_string();
    let mut gatherer = Gatherer::new(&folder, id, names, room, args.whole)?;
    let request = ExportRequest {
        session: Some(ordinal),
        contents: true,
        since: None,
    };
    let mut lines = client.export(&caller, request).await?;
    let mut progress = Progress::new(app);
    while let Some(line) = lines.next().await {
        gatherer.line(&line?)?;
        progress.tell(|| {
            format!(
                "reading the session: {} lines",
                count(gatherer.lines() as u64)
            )
        });
    }
    let all = gatherer.finish()?;
    progress.tell(|| "writing the zip".into());
    let want = Want {
        target,
        folder,
        limit_bytes: args.max_size,
        whole: args.whole,
        force: args.force,
    };
    stop.writing.store(true, Ordering::Relaxed);
    let written = tokio::task::spawn_blocking(move || want.write(&all, &detail, &stop.asked)).await;
    written.map_err(|err| Error::new(codes::BUG, err.to_string()))?
}

/// What to write, and where.
struct Want {
    target: PathBuf,
    folder: PathBuf,
    limit_bytes: u64,
    whole: bool,
    force: bool,
}

impl Want {
    fn write(
        &self,
        all: &Gathered,
        detail: &SessionDetail,
        stop: &AtomicBool,
    ) -> Result<Option<Done>, Error> {
        let unwritten = |err: std::io::Error| pack::unwritten(&self.target, err);
        let base = Facts::of(detail, all, self.whole, self.limit_bytes);
        let parts = Parts::of(all, self.limit_bytes).map_err(unwritten)?;
        let page: usize = papers(all, &base).texts.iter().map(|t| t.1.len()).sum();
        // A page packs to a quarter or less; what that estimate misses the next try mends.
        let mut gone = parts.over(self.limit_bytes, page as u64 / 4);
        for _ in 0..TRIES_MAX {
            let facts = left(&base, &parts, gone);
            let zip = Zip {
                all,
                without: without(all, &parts, gone),
                papers: papers(all, &facts),
                stop,
            };
            let (file, bytes) = match zip.write(&self.folder) {
                Ok(written) => written,
                Err(Trouble::Stopped) => return Ok(None),
                Err(Trouble::Io(err)) => return Err(unwritten(err)),
            };
            if bytes <= self.limit_bytes {
                return self.place(file, bytes, facts).map(Some);
            }
            if gone == parts.parts.len() {
                return Err(self.too_large(bytes));
            }
            gone = more(&parts, gone, bytes - self.limit_bytes);
        }
        Err(self.too_large(base.limit_bytes))
    }

    fn place(&self, file: Written, bytes: u64, facts: Facts) -> Result<Done, Error> {
        pack::place(file, &self.target, self.force)?;
        Ok(Done {
            file: self.target.display().to_string(),
            bytes,
            facts,
        })
    }

    fn too_large(&self, at_least: u64) -> Error {
        let err = Error::new(
            codes::EXPORT_LARGE,
            "the session's events alone are larger than the export may be",
        );
        err.found(format!(
            "{} are not below {}",
            bytes(at_least),
            bytes(self.limit_bytes)
        ))
        .next("give it more room: --max-size 256MiB")
    }
}

/// So many of the largest more that `over_bytes` less are written.
fn more(parts: &Parts, gone: usize, over_bytes: u64) -> usize {
    let (mut freed, mut next) = (0, gone);
    while next < parts.parts.len() && (freed <= over_bytes || next == gone) {
        freed += parts.parts[next].bytes / 2;
        next += 1;
    }
    next
}

fn left(base: &Facts, parts: &Parts, gone: usize) -> Facts {
    let dropped = &parts.parts[..gone];
    let mut left: Vec<Left> = dropped
        .iter()
        .map(|part| Left {
            what: part.what.clone(),
            bytes: part.bytes,
        })
        .collect();
    left.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.what.cmp(&b.what)));
    Facts {
        contents: base.contents - dropped.iter().filter(|p| p.proven).count() as u64,
        left,
        ..base.clone()
    }
}

fn without(all: &Gathered, parts: &Parts, gone: usize) -> Without {
    let hidden = (0..all.held.len()).filter(|c| all.held[*c].places > 0);
    let dropped = &parts.parts[..gone];
    Without {
        contents: hidden.chain(dropped.iter().map(|p| p.content)).collect(),
        files: dropped.iter().filter_map(|p| p.file).collect(),
    }
}

fn papers(all: &Gathered, facts: &Facts) -> Papers {
    Papers {
        texts: vec![
            ("README.txt", facts.readme()),
            ("index.html", html::page(&all.story, facts)),
            ("verify.py", VERIFY.to_owned()),
            ("checkpoint.note", all.note.clone()),
        ],
    }
}

fn told(done: &Done) -> String {
    use atoll_domain::Shown;
    let facts = &done.facts;
    let file = Shown::line(&done.file);
    let mut out = format!(
        "Session {} is in {file}: {}, {} events, {} contents.\n",
        Shown::line(&facts.ordinal),
        bytes(done.bytes),
        count(facts.events),
        count(facts.contents)
    );
    for line in facts.missing() {
        out.push_str(&format!("  {}\n", Shown::line(&line)));
    }
    for left in facts.left.iter().take(10) {
        out.push_str(&format!(
            "  {:>9}  {}\n",
            bytes(left.bytes),
            Shown::line(&left.what)
        ));
    }
    if facts.left.len() > 10 {
        out.push_str(&format!(
            "  and {} more: README.txt in it lists them\n",
            facts.left.len() - 10
        ));
    }
    let root = Shown::line(&facts.root);
    out.push_str(&format!(
        "\nNext  atoll log verify --from {file} --root {root}\n"
    ));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(size("64MiB"), Ok(64 << 20));
        assert_eq!(size("100k"), Ok(100 << 10));
        assert_eq!(size("1GB"), Ok(1_000_000_000));
        for bad in ["", "MiB", "-1", "1", "63k", "12 parsecs", "99999999999g"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
