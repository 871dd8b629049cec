//! Writing the file: its comments and order stay, and it is replaced whole or not at all.
#![allow(
    clippy::disallowed_methods,
    reason = "writes the configuration its user asked for"
)]

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use atoll_api::{Error, codes};
use atoll_domain::Hash;
use toml_edit::{DocumentMut, Item, Table, value};

use super::file::{check, parse, unknown};
use super::keys::{self, Takes};

fn failed(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::new(codes::FILES, "the configuration can't be written")
        .found(format!("{}: {why}", path.display()))
}

fn read(path: &Path) -> Result<DocumentMut, Error> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(err) => return Err(failed(path, err)),
    };
    // What is wrong already is said before anything is changed.
    parse(&text, path)?;
    text.parse()
        .map_err(|err: toml_edit::TomlError| failed(path, err))
}

/// Writes beside it, syncs, and renames over it.
fn write(path: &Path, document: &DocumentMut) -> Result<(), Error> {
    let text = document.to_string();
    parse(&text, path)?;
    replace(path, &text)
}

fn replace(path: &Path, text: &str) -> Result<(), Error> {
    let fail = |err: std::io::Error| failed(path, err);
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::DirBuilder::new()
        .recursive(true)
        .create(folder)
        .map_err(fail)?;
    // A link stays a link: what it points to is replaced.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let beside = target.with_extension(format!("toml.{}.new", std::process::id()));
    let written = (|| {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, &target)
    })();
    written.map_err(|err| {
        let _ = std::fs::remove_file(&beside); // it may not be there
        fail(err)
    })
}

/// The table that holds a key's last part, made where it is missing.
fn table_of<'a>(document: &'a mut DocumentMut, parents: &[&str]) -> Option<&'a mut Table> {
    let mut table = document.as_table_mut();
    for part in parents {
        let mut fresh = Table::new();
        fresh.set_implicit(true);
        table = table
            .entry(part)
            .or_insert(Item::Table(fresh))
            .as_table_mut()?;
    }
    table.set_implicit(false);
    Some(table)
}

/// Sets `key` to `text`, checked.
pub fn set(path: &Path, key: &str, text: &str) -> Result<(), Error> {
    let setting = keys::find(key).ok_or_else(|| unknown(key))?;
    if setting.takes == Takes::File {
        let err = Error::new(
            codes::USAGE,
            format!("`{key}` is a table or list: it is written in the file"),
        );
        return Err(err.next(format!("edit {}", path.display())));
    }
    check(key, setting.takes, text)?;
    let item = match setting.takes {
        Takes::Whole(..) => value(text.parse::<i64>().map_err(|err| failed(path, err))?),
        Takes::Bool => value(text == "true"),
        // As text: money is exact, and a file's number would not be.
        _ => value(text),
    };
    let mut document = read(path)?;
    let parts: Vec<&str> = key.split('.').collect();
    let (last, parents) = parts.split_last().ok_or_else(|| unknown(key))?;
    let Some(table) = table_of(&mut document, parents) else {
        return Err(failed(path, format!("{} is no table", parents.join("."))));
    };
    match table.get_mut(last) {
        // In place, so that a comment beside it stays.
        Some(Item::Value(old)) => {
            if let Item::Value(mut new) = item {
                *new.decor_mut() = old.decor().clone();
                *old = new;
            }
        }
        _ => {
            table.insert(last, item);
        }
    }
    write(path, &document)
}

/// Takes lines out of the key file, whose keys are in the vault by now. It stays its owner's alone.
pub fn take_out(path: &Path, providers: &[String]) -> Result<(), Error> {
    let text = std::fs::read_to_string(path).map_err(|err| failed(path, err))?;
    let mut document: DocumentMut = text
        .parse()
        .map_err(|_| failed(path, "it is no key file: each line is `provider = \"key\"`"))?;
    for provider in providers {
        document.remove(provider);
    }
    replace(path, &document.to_string())
}

/// Takes `key` out, so that its default holds.
pub fn unset(path: &Path, key: &str) -> Result<(), Error> {
    keys::find(key).ok_or_else(|| unknown(key))?;
    let mut document = read(path)?;
    let parts: Vec<&str> = key.split('.').collect();
    if let Some((last, parents)) = parts.split_last()
        && let Some(table) = table_of(&mut document, parents)
    {
        table.remove(last);
    }
    write(path, &document)
}

/// Vouches for a workspace, or no longer (`hash` is `None`).
pub fn trust(path: &Path, root: &str, hash: Option<Option<Hash>>) -> Result<(), Error> {
    let mut document = read(path)?;
    let list = document
        .entry("trust")
        .or_insert(Item::ArrayOfTables(toml_edit::ArrayOfTables::new()));
    let Some(list) = list.as_array_of_tables_mut() else {
        return Err(failed(
            path,
            "trust is written as a list in one line; write it as [[trust]]",
        ));
    };
    list.retain(|entry| entry.get("path").and_then(Item::as_str) != Some(root));
    if let Some(hash) = hash {
        let mut entry = Table::new();
        entry.insert("path", value(root));
        if let Some(hash) = hash {
            entry.insert("hash", value(hash.to_string()));
        }
        list.push(entry);
    }
    if list.is_empty() {
        document.remove("trust");
    }
    write(path, &document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    #[test]
    fn comments_stay_and_values_change() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/config.toml");
        set(&path, "policy.profile", "open").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(
            &path,
            format!(
                "# mine\n{}# end\n",
                text.replace("\"open\"", "\"open\" # why")
            ),
        )
        .unwrap();
        set(&path, "policy.profile", "careful").unwrap();
        set(&path, "budget.day.usd", "1.25").unwrap();
        set(&path, "limits.steps", "9").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("# mine\n") && text.contains("\"careful\" # why"),
            "{text}"
        );
        let config = load(&path).unwrap();
        assert_eq!(config.micros("budget.day.usd"), Some(1_250_000));
        assert_eq!(config.whole("limits.steps"), Some(9));
        unset(&path, "limits.steps").unwrap();
        assert_eq!(load(&path).unwrap().whole("limits.steps"), Some(60));
        let left: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_is_wrong_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, "[policy]\nprofil = \"open\"\n").unwrap();
        assert!(
            set(&path, "policy.profile", "open")
                .unwrap_err()
                .is(codes::CONFIG_KEY)
        );
        assert!(
            set(&path, "policy.nothing", "open")
                .unwrap_err()
                .is(codes::CONFIG_KEY)
        );
        assert!(
            set(&path, "providers.a.models", "x")
                .unwrap_err()
                .is(codes::USAGE)
        );
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "[policy]\nprofil = \"open\"\n"
        );
    }

    #[test]
    fn trust_is_kept_once_per_workspace() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        let hash = Hash::of(b"x");
        trust(&path, "/home/u/a", Some(None)).unwrap();
        trust(&path, "/home/u/a", Some(Some(hash))).unwrap();
        trust(&path, "/home/u/b", Some(None)).unwrap();
        let config = load(&path).unwrap();
        assert_eq!(config.trust.len(), 2);
        assert_eq!(config.trust[0].hash, Some(hash));
        trust(&path, "/home/u/a", None).unwrap();
        trust(&path, "/home/u/b", None).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), "");
    }
}
