//! `log verify` by this command's own hand: an export, or the log in the data directory.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use atoll_api::{Error, Verification, codes};
use atoll_log::export::{LINE_BYTES_MAX, Proven, Reader};
use atoll_log::{Bad, Checkpoint};
use serde::Serialize;

use crate::app::App;
use crate::ui::words::plural;
use crate::ui::{Page, Style};

const NOTE_BYTES_MAX: u64 = 64 << 10;

const PROMISE: &str = "Any change to a line shows here. Rewriting or cutting the whole log by who holds its disk \
                       and key shows only against a checkpoint kept elsewhere (--checkpoint).";

fn unreadable(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::new(codes::FILES, "the file can't be read").found(format!("{}: {why}", path.display()))
}

/// A checkpoint that was kept elsewhere.
fn kept(path: &Path) -> Result<Checkpoint, Error> {
    let mut text = String::new();
    let file = File::open(path).map_err(|err| unreadable(path, err))?;
    file.take(NOTE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|err| unreadable(path, err))?;
    // Its signature is checked with the log's own keys, which verifying proves.
    Checkpoint::open_unsigned(text.trim_start()).map_err(|err| unreadable(path, err))
}

/// What was found in an export.
#[derive(Debug, Serialize)]
struct Found {
    intact: bool,
    kind: &'static str,
    events: u64,
    contents: u64,
    checkpoints: u64,
    kept: u64,
    bad: Option<(u64, u64, String)>,
    promise: &'static str,
}

/// Verifies an export.
pub fn file(app: &App, path: &Path, checkpoint: Option<&Path>) -> Result<u8, Error> {
    let mut reader = Reader::new();
    let keeps = checkpoint.map(kept).transpose()?;
    let kept = u64::from(keeps.is_some());
    keeps.into_iter().for_each(|c| reader.keep(c));
    let file = File::open(path).map_err(|err| unreadable(path, err))?;
    let proven = read(&mut reader, BufReader::new(file), path)?;
    let found = match proven.and_then(|()| reader.finish()) {
        Ok(Proven::Log { log, contents }) => Found {
            intact: true,
            kind: "a whole log",
            events: log.events,
            contents,
            checkpoints: log.checkpoints,
            kept,
            bad: None,
            promise: PROMISE,
        },
        Ok(Proven::Part {
            events, contents, ..
        }) => Found {
            intact: true,
            kind: "a part of a log, each event proven to be in it",
            events,
            contents,
            checkpoints: 1,
            kept,
            bad: None,
            promise: PROMISE,
        },
        Err(bad) => Found {
            intact: false,
            kind: "an export",
            events: 0,
            contents: 0,
            checkpoints: 0,
            kept,
            bad: Some((bad.line, bad.seq, bad.flaw.to_string())),
            promise: PROMISE,
        },
    };
    app.show("verification", &found, |style| page(style, &found))?;
    Ok(if found.intact { 0 } else { codes::LOG_BAD.exit })
}

/// Every line; the inner error is the first bad one.
fn read(
    reader: &mut Reader,
    mut lines: impl BufRead,
    path: &Path,
) -> Result<Result<(), Bad>, Error> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bounded = (&mut lines).take(LINE_BYTES_MAX as u64 + 2);
        let read = bounded
            .read_until(b'\n', &mut line)
            .map_err(|err| unreadable(path, err))?;
        if read == 0 {
            return Ok(Ok(()));
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if let Err(bad) = reader.line(&line) {
            return Ok(Err(bad));
        }
    }
}

fn page(style: &Style, found: &Found) -> String {
    let mut page = Page::new(style, 2, 13);
    match &found.bad {
        None => page.line(style.green(&format!(
            "Intact: {}, {}.",
            found.kind,
            plural(found.events, "event")
        ))),
        Some((line, seq, why)) => {
            let head = format!("NOT intact: first at line {line} (event {seq}).");
            page.line(style.red(&head)).row("why", why)
        }
    };
    if found.intact {
        page.row(
            "checkpoints",
            format!("{} hold, {} of yours fit", found.checkpoints, found.kept),
        );
        page.row("contents", format!("{} hold", found.contents));
    }
    page.row("promise", found.promise);
    page.end()
}

/// Verifies the log in the data directory; works beside a running node too.
pub fn own(app: &App, checkpoint: Option<&Path>) -> Result<Verification, Error> {
    let data = &app.paths.data;
    let failed = |err: atoll_ports::log::Error| {
        use atoll_ports::log::Error as E;
        let code = match &err {
            E::Missing(_) => codes::NO_SUCH,
            E::Newer { .. } => codes::STORE_NEWER,
            E::Damaged { .. } => codes::LOG_BAD,
            _ => codes::STORE_UNUSABLE,
        };
        let err = Error::new(code, err.to_string()).found(data.display().to_string());
        if code == codes::NO_SUCH {
            err.next("atoll up begins one")
        } else {
            err.next("atoll doctor")
        }
    };
    let keeps: Vec<Checkpoint> = checkpoint.map(kept).transpose()?.into_iter().collect();
    let reader = atoll_store::Reader::open(data).map_err(failed)?;
    let found = reader.verify(&keeps, true).map_err(failed)?;
    Ok(Verification {
        events: found.events,
        head: found.head,
        checkpoints: found.checkpoints,
        note: found.note,
        bad: found.bad,
        contents: found.contents.0,
        erased: found.contents.1,
        clock_back: found.clock_back,
        promise: PROMISE.into(),
    })
}
