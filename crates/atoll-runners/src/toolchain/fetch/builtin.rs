//! The registries that installed tools have built in, read from the tools' own files. Nothing is executed.
//!
//! What can't be read with certainty is none: then a person sets it, and the tool's own setting says where.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::super::site::Site;

const PROGRAM_LIMIT_BYTES: u64 = 512 << 20;
const INDEXES_MAX: usize = 64;
/// DNS allows no longer name; a port may follow it.
const HOST_BYTES_MAX: usize = 253 + 6;

/// The index in cargo's program, where it holds exactly one URL of a sparse index.
pub(super) fn cargo(program: &Path) -> Option<String> {
    const MARK: &[u8] = b"sparse+https://";
    let mut file = File::open(program).ok()?;
    let meta = file.metadata().ok()?;
    if !meta.is_file() || meta.len() > PROGRAM_LIMIT_BYTES {
        return None;
    }
    let finder = memchr::memmem::Finder::new(MARK);
    let mut found = BTreeSet::new();
    // A piece begins with the end of the one before, so that no URL is cut.
    let keep = MARK.len() + HOST_BYTES_MAX + 1;
    let (mut piece, mut kept) = (vec![0; 1 << 20], 0);
    loop {
        let read = file.read(&mut piece[kept..]).ok()?;
        let there = &piece[..kept + read];
        for at in finder.find_iter(there) {
            found.extend(host_after(&there[at + MARK.len()..]));
        }
        if read == 0 {
            break;
        }
        let end = kept + read;
        let from = end.saturating_sub(keep);
        piece.copy_within(from..end, 0);
        kept = end - from;
    }
    let host = found.pop_first().filter(|_| found.is_empty())?;
    Some(format!("sparse+https://{host}/"))
}

/// A host that a slash ends. In a program strings stand without an end: other text may follow.
fn host_after(bytes: &[u8]) -> Option<String> {
    let bytes = &bytes[..bytes.len().min(HOST_BYTES_MAX + 1)];
    let end = bytes.iter().position(|b| *b == b'/')?;
    let host = std::str::from_utf8(&bytes[..end]).ok()?;
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:".contains(c);
    (host.contains('.') && host.chars().all(fine)).then(|| host.to_owned())
}

/// Where the index of `host` says that the crates' files lie, as its `config.json` below `indexes` was
/// when it was read last.
pub(super) fn downloads(site: &Site<'_>, indexes: &Path, host: &str) -> Option<String> {
    let entries = fs::read_dir(indexes).ok()?.flatten().take(INDEXES_MAX);
    let mut of_host = entries.filter(|e| {
        let name = e.file_name();
        // `host-digest`
        name.to_str()
            .and_then(|n| n.rsplit_once('-'))
            .is_some_and(|(named, _)| named == host)
    });
    of_host.find_map(|e| {
        let text = site.text(&e.path().join("config.json"));
        let config: serde_json::Value = serde_json::from_str(&text).ok()?;
        Some(config.get("dl")?.as_str()?.to_owned())
    })
}

/// The registry that npm's own table of settings has as its default.
pub(super) fn npm(site: &Site<'_>, package: &Path) -> Option<String> {
    let table = "@npmcli/config/lib/definitions/definitions.js";
    let tables = [
        package.join("node_modules").join(table),
        // Debian keeps npm's parts beside it.
        package.with_file_name(table),
        package.join("lib/utils/config/definitions.js"),
    ];
    tables.iter().find_map(|table| {
        let text = site.text(table);
        let (_, entry) = text.split_once("('registry', {")?;
        let (_, value) = entry.split_once("default:")?;
        quoted(value).next().map(str::to_owned)
    })
}

/// pip's index for installing, and the host of its files.
pub(super) fn pip(site: &Site<'_>, places: &[PathBuf]) -> Option<(String, String)> {
    places.iter().find_map(|place| {
        let text = site.text(&place.join("pip/_internal/models/index.py"));
        let (_, made) = text.split_once("\nPyPI = PackageIndex(")?;
        let (made, _) = made.split_once(')')?;
        let mut words = quoted(made);
        let (url, files) = (words.next()?, words.next()?);
        // pip's own way from the index to its pages (PEP 503).
        let url = format!("{}/simple/", url.trim_end_matches('/'));
        Some((url, files.to_owned()))
    })
}

/// The strings of a piece of source text that has no escapes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(['"', '\'']).skip(1).step_by(2);
    words.filter(|word| word.len() <= 500 && !word.contains(['\\', '\n']))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test")]
    use super::*;

    fn scan(bytes: &[u8]) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("cargo");
        fs::write(&program, bytes).unwrap();
        cargo(&program)
    }

    #[test]
    fn an_index_is_found_among_other_text() {
        let some = b"xsparse+https://iints_Xsparse+https://i.example/nextsparse+https://i.example/";
        assert_eq!(scan(some).as_deref(), Some("sparse+https://i.example/"));
        let two = b"sparse+https://i.example/ sparse+https://j.example/";
        assert_eq!(scan(two), None, "which of them isn't certain");
        for none in [
            &b"sparse+https://"[..],
            b"sparse+https://nodot/",
            b"sparse+https://a.example",
            b"",
        ] {
            assert_eq!(scan(none), None);
        }
    }

    #[test]
    fn an_index_is_found_where_pieces_meet() {
        let url = b"sparse+https://i.example/";
        for at in [0, 1, 10, 24, 25, 26, 300] {
            let mut bytes = vec![b'.'; (1 << 20) - at];
            bytes.extend_from_slice(url);
            bytes.resize(3 << 20, b'.');
            assert_eq!(
                scan(&bytes).as_deref(),
                Some("sparse+https://i.example/"),
                "{at}"
            );
        }
    }
}
