//! Whole trees as a sorted list of files: the form in which snapshots are made,
//! compared and written back.

use std::collections::BTreeMap;

use super::object::{Kind, Mode, TreeEntry, decode_tree, encode_tree};
use super::{Batch, ObjectId, Odb};
use crate::error::{Error, Result};
use crate::names::RelPath;

/// What a path holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Leaf {
    /// File, executable, link or gitlink; never a folder.
    pub mode: Mode,
    /// Its blob (a gitlink's: its commit).
    pub id: ObjectId,
}

/// Every file of a tree by its path.
pub(crate) type Flat = BTreeMap<RelPath, Leaf>;

const DEPTH_MAX: usize = 256;

/// Writes the tree objects of `flat` through `put`; the root's id.
pub(crate) fn write_with(
    flat: &Flat,
    put: &mut dyn FnMut(&[u8]) -> Result<ObjectId>,
) -> Result<ObjectId> {
    let all: Vec<(&str, Leaf)> = flat.iter().map(|(p, l)| (p.as_str(), *l)).collect();
    write_level(&all, 0, 0, put)
}

/// Writes the tree objects of `flat` into `batch`.
pub(crate) fn write(flat: &Flat, batch: &mut Batch<'_>) -> Result<ObjectId> {
    write_with(flat, &mut |content| batch.put(Kind::Tree, content))
}

fn write_level(
    files: &[(&str, Leaf)],
    skip: usize,
    depth: usize,
    put: &mut dyn FnMut(&[u8]) -> Result<ObjectId>,
) -> Result<ObjectId> {
    if depth > DEPTH_MAX {
        return Err(Error::Limit {
            what: "the depth of a tree".into(),
            limit: DEPTH_MAX as u64,
            hint: "flatten or ignore the folders",
        });
    }
    let mut entries: Vec<TreeEntry> = Vec::new();
    let mut at = 0;
    while at < files.len() {
        let (path, leaf) = files[at];
        let below = &path[skip..];
        if let Some(slash) = below.find('/') {
            let prefix = &path[..=skip + slash];
            let end = at
                + files[at..]
                    .iter()
                    .take_while(|(p, _)| p.starts_with(prefix))
                    .count();
            let id = write_level(&files[at..end], prefix.len(), depth + 1, put)?;
            entries.push(TreeEntry {
                name: below[..slash].into(),
                mode: Mode::Dir,
                id,
            });
            at = end;
        } else {
            entries.push(TreeEntry {
                name: below.into(),
                mode: leaf.mode,
                id: leaf.id,
            });
            at += 1;
        }
    }
    let content = encode_tree(&mut entries);
    // Not only neighbours: `a-b` sorts between the file `a` and the folder `a/`.
    let mut names = std::collections::HashSet::with_capacity(entries.len());
    if !entries.iter().all(|e| names.insert(e.name.as_slice())) {
        return Err(Error::corrupt(
            "a tree",
            "a path is both a file and a folder",
        ));
    }
    put(&content)
}

/// Reads a whole tree. Names that no workspace can hold (not UTF-8, `..`, an
/// alias of `.git`) go to `refused` instead.
pub(crate) fn read(
    odb: &Odb,
    root: ObjectId,
    entries_max: usize,
    refused: &mut Vec<String>,
) -> Result<Flat> {
    let mut flat = Flat::new();
    let mut open: Vec<(Option<RelPath>, ObjectId, usize)> = vec![(None, root, 0)];
    let mut seen = 0;
    while let Some((at, id, depth)) = open.pop() {
        for entry in decode_tree(id, &odb.read_kind(id, Kind::Tree)?)? {
            seen += 1;
            if seen > entries_max || depth > DEPTH_MAX {
                return Err(Error::Limit {
                    what: format!("the size of tree {root}"),
                    limit: entries_max as u64,
                    hint: "raise entries_max",
                });
            }
            let path = std::str::from_utf8(&entry.name)
                .ok()
                .filter(|n| !n.contains('/'))
                .and_then(|n| RelPath::parse_outside_git(n).ok())
                .and_then(|n| {
                    RelPath::parse(RelPath::join_checked(at.as_ref(), n.as_str()).as_str()).ok()
                });
            match path {
                None => refused.push(crate::beneath::lossy(&entry.name)),
                Some(path) if entry.mode == Mode::Dir => {
                    open.push((Some(path), entry.id, depth + 1))
                }
                Some(path) => {
                    flat.insert(
                        path,
                        Leaf {
                            mode: entry.mode,
                            id: entry.id,
                        },
                    );
                }
            }
        }
    }
    Ok(flat)
}

/// One difference between two trees, raw: the path is as the trees say it,
/// whether or not a workspace could hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) path: String,
    pub(crate) before: Option<Leaf>,
    pub(crate) after: Option<Leaf>,
}

/// What differs between two trees, sorted by path. Equal folders are not read.
pub(crate) fn differences(
    odb: &Odb,
    before: ObjectId,
    after: ObjectId,
    changes_max: usize,
) -> Result<Vec<Difference>> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), Some(before), Some(after), 0)];
    while let Some((at, old, new, depth)) = open.pop() {
        if old == new {
            continue;
        }
        if depth > DEPTH_MAX {
            return Err(Error::corrupt("a tree", "it is too deep"));
        }
        let level = |id: Option<ObjectId>| -> Result<BTreeMap<Vec<u8>, TreeEntry>> {
            let Some(id) = id else {
                return Ok(BTreeMap::new());
            };
            let entries = decode_tree(id, &odb.read_kind(id, Kind::Tree)?)?;
            Ok(entries.into_iter().map(|e| (e.name.clone(), e)).collect())
        };
        let (old, new) = (level(old)?, level(new)?);
        let names: std::collections::BTreeSet<&Vec<u8>> = old.keys().chain(new.keys()).collect();
        for name in names {
            let (a, b) = (old.get(name), new.get(name));
            if a.map(|e| (e.mode, e.id)) == b.map(|e| (e.mode, e.id)) {
                continue;
            }
            let shown = crate::beneath::lossy(name);
            let path = if at.is_empty() {
                shown
            } else {
                format!("{at}/{shown}")
            };
            let folder = |e: Option<&TreeEntry>| e.filter(|e| e.mode == Mode::Dir).map(|e| e.id);
            if folder(a).is_some() || folder(b).is_some() {
                open.push((path.clone(), folder(a), folder(b), depth + 1));
            }
            let leaf = |e: Option<&TreeEntry>| {
                e.filter(|e| e.mode != Mode::Dir).map(|e| Leaf {
                    mode: e.mode,
                    id: e.id,
                })
            };
            if leaf(a) != leaf(b) {
                found.push(Difference {
                    path,
                    before: leaf(a),
                    after: leaf(b),
                });
            }
            if found.len() > changes_max {
                return Err(Error::Limit {
                    what: "the number of changed files".into(),
                    limit: changes_max as u64,
                    hint: "ignore generated folders in .gitignore",
                });
            }
        }
    }
    found.sort_by(|x, y| x.path.cmp(&y.path));
    Ok(found)
}
