//! Tokens on their way: from the environment or a file to the node, never through the command line.
#![allow(
    clippy::disallowed_methods,
    reason = "writes a token where its user asked for it"
)]

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use atoll_api::{Error, Token, codes};
use atoll_ports::grants::TOKEN_BYTES_MAX;
use rustix::fs::OFlags;

use crate::app::env;

fn misplaced(why: impl Into<String>) -> Error {
    Error::new(codes::TOKEN_PLACE, why)
}

/// Refuses a command line that holds a token: every user of the machine can read it there, and shells keep it.
pub fn not_in_words(words: impl Iterator<Item = std::ffi::OsString>) -> Result<(), Error> {
    for word in words {
        if atoll_grant::looks_like_token(&word.to_string_lossy()) {
            return Err(misplaced("a token stands in the command line, where others can read it")
                .next("put it into ATOLL_TOKEN, or into a file of your own and name that: --token-file FILE")
                .next("revoke it where others may have seen it: atoll grant revoke NAME"));
        }
    }
    Ok(())
}

/// The token that this command acts with: of the file that is named, else of `ATOLL_TOKEN`.
pub fn find(file: Option<&Path>) -> Result<Option<Token>, Error> {
    let text = match file {
        Some(path) => Some(read(path)?),
        None => env("ATOLL_TOKEN"),
    };
    text.map(|text| checked(&text)).transpose()
}

/// A token's text, without the line's end.
pub fn checked(text: &str) -> Result<Token, Error> {
    let text = text.trim();
    let bad = |why: String| Err(Error::new(codes::TOKEN_BAD, why).next("atoll grant mint --help"));
    match () {
        () if text.is_empty() => bad("there is no token".into()),
        () if text.len() > TOKEN_BYTES_MAX => {
            bad(format!("a token has at most {TOKEN_BYTES_MAX} bytes"))
        }
        () if !text.bytes().all(|b| b.is_ascii_graphic()) => {
            bad("it is no token of Atoll's".into())
        }
        () => Ok(Token::new(text)),
    }
}

/// A token out of a file that its user alone can read.
fn read(path: &Path) -> Result<String, Error> {
    let shown = path.display();
    let io = |err: std::io::Error| misplaced(format!("{shown} can't be read: {err}"));
    let flags = (OFlags::NONBLOCK | OFlags::CLOEXEC).bits() as i32;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .map_err(io)?;
    let meta = file.metadata().map_err(io)?;
    if !meta.is_file() {
        return Err(misplaced(format!("{shown} is no file")));
    }
    if meta.uid() != rustix::process::getuid().as_raw() || meta.mode() & 0o077 != 0 {
        return Err(misplaced(format!(
            "{shown} is not yours alone: others can read the token in it"
        ))
        .found(format!(
            "mode {:o}, of uid {}",
            meta.mode() & 0o777,
            meta.uid()
        ))
        .next(format!("chmod 600 {shown}"))
        .next("atoll grant revoke NAME    where others may have read it"));
    }
    let mut text = String::new();
    let read = file
        .take(TOKEN_BYTES_MAX as u64 + 2)
        .read_to_string(&mut text);
    read.map_err(io)?;
    Ok(text)
}

/// Writes a token into a new file that its user alone can read.
pub fn write(path: &Path, token: &Token) -> Result<(), Error> {
    let shown = path.display();
    let io = |err: std::io::Error| {
        misplaced(format!("{shown} can't be written: {err}")).next("name a file that is not there")
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(io)?;
    file.write_all(format!("{}\n", token.reveal()).as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(io)
}
