//! `log verify` by this command's own hand: an export, segments, or the log in the data directory.

use std::fs::File;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use atoll_api::{Error, Verification, codes};
use atoll_log::export::{Proven, Reader};
use atoll_log::{Checkpoint, PublicKey, note};
use serde::Serialize;

use super::row;
use super::zipped::{self, Wrong, Zipped};
use crate::app::App;
use crate::ui::words::plural;
use crate::ui::{Page, Style};

/// Of a file of kept checkpoints: some hundred thousand.
const KEPT_BYTES_MAX: u64 = 64 << 20;

const PROMISE: &str = "Any change to a line shows here. Rewriting or cutting the whole log by who holds its disk \
                       and key shows only against a checkpoint kept elsewhere (--checkpoint).";

pub fn unreadable(path: &Path, why: impl std::fmt::Display) -> Error {
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
#[derive(Debug, Default, Serialize)]
pub struct Found {
    pub intact: bool,
    pub kind: String,
    pub events: u64,
    contents: u64,
    pub checkpoints: u64,
    /// Whose log it is: the root key that it names, and whether that is the one that was asked for.
    pub root: Option<String>,
    asked: bool,
    /// Checkpoints that were kept elsewhere, and how many of them could be compared.
    kept: u64,
    pub compared: u64,
    pub bad: Option<(u64, u64, String)>,
    /// Of segments: their first and last event.
    #[serde(skip_serializing_if = "is_zero")]
    pub first: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub last: u64,
    /// In which of several files the bad line is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Events that are missing between segments, from and to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<(u64, u64)>,
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

/// Verifies an export, or segments.
pub fn files(app: &App, named: &[PathBuf], against: &Against) -> Result<u8, Error> {
    let keeps = against.checkpoints()?;
    let mut found = Found {
        intact: true,
        kind: "an export".into(),
        asked: against.root.is_some(),
        kept: keeps.len() as u64,
        promise: PROMISE,
        ..Found::default()
    };
    match row::files(named)? {
        (paths, true) => row::verify(&mut found, paths, against.root, &keeps)?,
        (paths, false) => {
            for path in paths {
                file(&mut found, &path, against.root, &keeps)?;
            }
        }
    }
    app.show("verification", &found, |style| page(style, &found))?;
    Ok(if found.intact { 0 } else { codes::LOG_BAD.exit })
}

fn file(
    found: &mut Found,
    path: &Path,
    root: Option<PublicKey>,
    keeps: &[Checkpoint],
) -> Result<(), Error> {
    let mut reader = Reader::new();
    root.into_iter().for_each(|root| reader.expect(root));
    keeps.iter().cloned().for_each(|c| reader.keep(c));
    let read = match zipped::is_zip(path) {
        true => unzipped(&mut reader, path, found)?,
        false => row::read(&mut reader, path)?.map_err(Wrong::Line),
    };
    match read.and_then(|()| reader.finish().map_err(Wrong::Line)) {
        Ok(Proven::Log { log, contents }) => {
            found.kind = "a whole log".into();
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
            found.kind = "a part of a log, each event proven to be in it".into();
            (found.events, found.contents) = (events, contents);
            (found.checkpoints, found.compared) = (1, kept);
            found.root = Some(checkpoint.node);
        }
        Ok(Proven::Segment { first, log, .. }) => {
            (found.first, found.last) = (first, log.events);
            found.kind = format!("a segment of a log, from event {first} to {}", log.events);
            found.events = log.events + 1 - first;
            (found.checkpoints, found.compared) = (log.checkpoints, log.kept);
            found.root = log.node;
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
    Ok(())
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

/// What segments don't show.
fn beyond(first: u64, last: u64) -> String {
    match first {
        1 => format!("what came after event {last} is not in it"),
        first => format!("what came before event {first} and after event {last} is not in it"),
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
            let file = found.file.as_ref();
            let of = file.map_or(String::new(), |file| format!(" of {file}"));
            let head = format!("NOT intact: first at line {line}{of} (event {seq}).");
            page.line(style.red(&head)).row("why", why)
        }
    };
    for (from, to) in &found.missing {
        page.row("missing", format!("events {from} to {to}"));
    }
    if found.file.is_some() && found.last > 0 {
        let held = format!("from event {} to {}", found.first, found.last);
        page.row("looked at", held);
    }
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
        match found.last {
            0 => page.row("contents", format!("{} hold", found.contents)),
            last => page.row("beyond", beyond(found.first, last)),
        };
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
