//! `log verify` by this command's own hand: an export, or the log in the data directory.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use atoll_api::{Error, Verification, codes};
use atoll_log::export::{LINE_BYTES_MAX, Proven, Reader};
use atoll_log::{Bad, Checkpoint, PublicKey, note};
use serde::Serialize;

use super::zipped::{self, Wrong, Zipped};
use crate::app::App;
use crate::ui::words::plural;
use crate::ui::{Page, Style};

/// Of a file of kept checkpoints: some hundred thousand.
const KEPT_BYTES_MAX: u64 = 64 << 20;

const PROMISE: &str = "Any change to a line shows here. Rewriting or cutting the whole log by who holds its disk \
                       and key shows only against a checkpoint kept elsewhere (--checkpoint).";

fn unreadable(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::new(codes::FILES, "the file can't be read").found(format!("{}: {why}", path.display()))
}

/// What a log is held against beside itself.
#[derive(Clone, Debug, Default)]
pub struct Against {
    /// The node's root key, as somebody was told it.
    pub root: Option<PublicKey>,
    /// Files of checkpoints that were kept elsewhere.
    pub kept: Vec<PathBuf>,
}

impl Against {
    /// The checkpoints of all files. Their signatures aren't needed: a kept root is what is compared.
    fn checkpoints(&self) -> Result<Vec<Checkpoint>, Error> {
        let mut all = Vec::new();
        for path in &self.kept {
            let mut text = String::new();
            let file = File::open(path).map_err(|err| unreadable(path, err))?;
            file.take(KEPT_BYTES_MAX)
                .read_to_string(&mut text)
                .map_err(|err| unreadable(path, err))?;
            let notes = note::each(&text);
            if notes.is_empty() {
                return Err(unreadable(path, "it holds no checkpoint"));
            }
            for note in notes {
                let checkpoint = Checkpoint::open_unsigned(note);
                all.push(checkpoint.map_err(|err| unreadable(path, err))?);
            }
        }
        Ok(all)
    }
}

/// Events that the newest checkpoint in a file covers.
pub fn newest(path: &Path) -> Result<u64, Error> {
    let against = Against {
        kept: vec![path.into()],
        ..Against::default()
    };
    let sizes = against.checkpoints()?.into_iter().map(|c| c.size);
    Ok(sizes.max().unwrap_or(0))
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// What was found in an export.
#[derive(Debug, Serialize)]
struct Found {
    intact: bool,
    kind: &'static str,
    events: u64,
    contents: u64,
    checkpoints: u64,
    /// Whose log it is: the root key that it names, and whether that is the one that was asked for.
    root: Option<String>,
    asked: bool,
    /// Checkpoints that were kept elsewhere, and how many of them could be compared.
    kept: u64,
    compared: u64,
    bad: Option<(u64, u64, String)>,
    /// What is wrong with the zip itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    zip: Option<String>,
    /// Of a zip: files beside the events that are contents of the log, and those that are for reading alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<u64>,
    #[serde(skip_serializing_if = "is_zero")]
    unproven: u64,
    promise: &'static str,
}

/// Verifies an export.
pub fn file(app: &App, path: &Path, against: &Against) -> Result<u8, Error> {
    let mut reader = Reader::new();
    let keeps = against.checkpoints()?;
    let mut found = Found {
        intact: true,
        kind: "an export",
        events: 0,
        contents: 0,
        checkpoints: 0,
        root: None,
        asked: against.root.is_some(),
        kept: keeps.len() as u64,
        compared: 0,
        bad: None,
        zip: None,
        files: None,
        unproven: 0,
        promise: PROMISE,
    };
    against
        .root
        .into_iter()
        .for_each(|root| reader.expect(root));
    keeps.into_iter().for_each(|c| reader.keep(c));
    let read = match zipped::is_zip(path) {
        true => unzipped(&mut reader, path, &mut found)?,
        false => {
            let file = File::open(path).map_err(|err| unreadable(path, err))?;
            read(&mut reader, BufReader::new(file), path)?.map_err(Wrong::Line)
        }
    };
    match read.and_then(|()| reader.finish().map_err(Wrong::Line)) {
        Ok(Proven::Log { log, contents }) => {
            found.kind = "a whole log";
            (found.events, found.contents) = (log.events, contents);
            (found.checkpoints, found.compared) = (log.checkpoints, log.kept);
            found.root = log.node;
        }
        Ok(Proven::Part {
            checkpoint,
            events,
            contents,
            kept,
        }) => {
            found.kind = "a part of a log, each event proven to be in it";
            (found.events, found.contents) = (events, contents);
            (found.checkpoints, found.compared) = (1, kept);
            found.root = Some(checkpoint.node);
        }
        Err(Wrong::Line(bad)) => {
            found.intact = false;
            found.bad = Some((bad.line, bad.seq, bad.flaw.to_string()));
        }
        Err(Wrong::Zip(why)) => {
            found.intact = false;
            found.zip = Some(why);
        }
    }
    app.show("verification", &found, |style| page(style, &found))?;
    Ok(if found.intact { 0 } else { codes::LOG_BAD.exit })
}

/// The same of an export in a zip.
fn unzipped(
    reader: &mut Reader,
    path: &Path,
    found: &mut Found,
) -> Result<Result<(), Wrong>, Error> {
    let file = File::open(path).map_err(|err| unreadable(path, err))?;
    let verified = Zipped::open(file).and_then(|mut zip| zip.verify(reader));
    Ok(verified.map(|beside| {
        (found.files, found.unproven) = (Some(beside.proven), beside.unproven);
    }))
}

/// One line of at most `limit_bytes` and a little more, without its new line; how much was read for it.
pub fn line(
    lines: &mut impl BufRead,
    line: &mut Vec<u8>,
    limit_bytes: usize,
) -> std::io::Result<usize> {
    let mut bounded = lines.take(limit_bytes as u64 + 2);
    let read = bounded.read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(read)
}

/// Every line; the inner error is the first bad one.
fn read(
    reader: &mut Reader,
    mut lines: impl BufRead,
    path: &Path,
) -> Result<Result<(), Bad>, Error> {
    let mut text = Vec::new();
    loop {
        text.clear();
        let read = line(&mut lines, &mut text, LINE_BYTES_MAX);
        if read.map_err(|err| unreadable(path, err))? == 0 {
            return Ok(Ok(()));
        }
        if let Err(bad) = reader.line(&text) {
            return Ok(Err(bad));
        }
    }
}

fn page(style: &Style, found: &Found) -> String {
    let mut page = Page::new(style, 2, 13);
    match (&found.bad, &found.zip) {
        (_, Some(why)) => page
            .line(style.red("NOT intact: the zip is not an export as it was made."))
            .row("why", why),
        (None, None) => page.line(style.green(&format!(
            "Intact: {}, {}.",
            found.kind,
            plural(found.events, "event")
        ))),
        (Some((line, seq, why)), None) => {
            let head = format!("NOT intact: first at line {line} (event {seq}).");
            page.line(style.red(&head)).row("why", why)
        }
    };
    if found.intact {
        if let Some(root) = &found.root {
            let asked = if found.asked {
                "the one you asked for"
            } else {
                "as it says itself; --root KEY compares"
            };
            page.row("root", root).row("", asked);
        }
        let held = match found.kept {
            0 => format!("{} hold", found.checkpoints),
            kept => format!(
                "{} hold; of the {kept} that you kept, {} could be compared and fit",
                found.checkpoints, found.compared
            ),
        };
        page.row("checkpoints", held);
        page.row("contents", format!("{} hold", found.contents));
        if let Some(files) = found.files {
            let told = format!(
                "{} as the events commit to; {} only to read",
                plural(files, "file"),
                found.unproven
            );
            page.row("beside", told);
        }
    }
    page.row("promise", found.promise);
    page.end()
}

/// Verifies the log in the data directory; works beside a running node too.
pub fn own(app: &App, against: &Against) -> Result<Verification, Error> {
    let data = &app.paths.data;
    let failed = |err| super::past::unreadable(data, err);
    let keeps = against.checkpoints()?;
    let reader = super::past::reader(data)?;
    let found = reader
        .verify(against.root.as_ref(), &keeps, true)
        .map_err(failed)?;
    Ok(Verification {
        events: found.events,
        head: found.head,
        checkpoints: found.checkpoints,
        note: found.note,
        bad: found.bad,
        contents: found.contents.0,
        erased: found.contents.1,
        clock_back: found.clock_back,
        root: found.root,
        kept: found.kept,
        promise: PROMISE.into(),
    })
}
