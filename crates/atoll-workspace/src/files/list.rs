use rustix::fs::Stat;

use super::Shown;
use crate::beneath::Dir;
use crate::error::Result;
use crate::names::RelPath;
use crate::walk::{Limits, Options, Skip, Tracked, Visit, walk};

/// How deep, and how many names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListAsk {
    /// 1: the folder's own names.
    pub(crate) depth: usize,
    pub(crate) names_max: usize,
}

impl Default for ListAsk {
    fn default() -> Self {
        Self {
            depth: 2,
            names_max: 500,
        }
    }
}

/// Names below a folder, without what is ignored; folders end in `/`, files show
/// their length.
pub(crate) fn list(
    root: &Dir,
    from: Option<&RelPath>,
    ask: ListAsk,
    tracked: &Tracked,
) -> Result<Shown> {
    let base = from.map_or(0, |p| p.components().count());
    let mut lister = Lister {
        depth_end: base + ask.depth.max(1) - 1,
        names_max: ask.names_max,
        lines: vec![],
        more: false,
    };
    let options = Options {
        limits: Limits::default(),
        ignores: true,
        tracked,
    };
    let omitted = walk(root, from, options, &mut lister)?;
    let mut notes = Vec::new();
    if lister.more {
        notes.push(format!(
            "more than {} names; list a folder below, or with a smaller depth",
            ask.names_max
        ));
    }
    if !omitted.masked.is_empty() {
        notes.push(format!(
            "{} credential files are not shown",
            omitted.masked.len()
        ));
    }
    let skipped = omitted.skipped.len() as u64 + omitted.skipped_more;
    if skipped > 0 {
        notes.push(format!(
            "{skipped} special, escaping or overlarge entries are not shown"
        ));
    }
    lister.lines.sort();
    Ok(Shown {
        text: lister.lines.join("\n"),
        more: (!notes.is_empty()).then(|| notes.join("; ")),
    })
}

struct Lister {
    depth_end: usize,
    names_max: usize,
    lines: Vec<String>,
    more: bool,
}

impl Lister {
    fn push(&mut self, line: String) {
        if self.lines.len() < self.names_max {
            self.lines.push(line);
        } else {
            self.more = true;
        }
    }
}

impl Visit for Lister {
    fn file(
        &mut self,
        _at: &Dir,
        _name: &[u8],
        path: &RelPath,
        stat: &Stat,
    ) -> Result<Option<Skip>> {
        self.push(format!("{path}  {} bytes", stat.st_size));
        Ok(None)
    }

    fn link(&mut self, path: &RelPath, target: &[u8]) -> Result<()> {
        self.push(format!("{path} -> {}", String::from_utf8_lossy(target)));
        Ok(())
    }

    fn folder(&mut self, path: &RelPath, depth: usize) -> Result<bool> {
        let enter = depth < self.depth_end;
        // A folder that is entered shows in its files' paths.
        self.push(format!("{path}/"));
        Ok(enter)
    }

    fn full(&self) -> bool {
        self.more
    }
}
