//! Labels: where they come from, and how they get into the log before what they are about can go on.
//!
//! A label is an event of its session (`Labelled`), with its source. It is appended before the content can reach
//! the model or a next effect, so that no crash comes between. Contents that leave a labelled context for the
//! workspace, or as artifacts, are marked by what they are (`FilesLabelled`); a later session whose snapshot holds
//! one gains the label when it reads it, or runs a job over it.

use std::collections::{BTreeMap, BTreeSet};

use atoll_api::Error;
use atoll_domain::action::ReadOp;
use atoll_domain::{
    FilesLabelled, JobId, Label, Labelled, Labels, MarkedFile, PatchId, SecretName, SessionId,
    TreeId, WorkspaceId,
};
use atoll_guard::Entry;

use crate::shared::{Origin, Shared, files_error, full_error, log_error};

/// Sources of one label that a session's log names; more of the same add nothing.
const SOURCES_MAX: usize = 200;
/// Files that are named one by one where many are read at once.
const NAMED_MAX: usize = 8;
/// Events about marked files of a workspace that are looked through. With more, every file counts as marked.
const MARKS_MAX: usize = 10_000;
/// The blob of no bytes: that it was written says nothing.
const EMPTY_BLOB: &str = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";

/// Where a label comes from. Made by the node alone: the adapter's registration, never the content, says what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) label: Label,
    /// The word of it: a kind of source.
    pub(crate) source: &'static str,
    /// What exactly, for people.
    pub(crate) what: String,
}

impl Source {
    fn of(label: Label, source: &'static str, what: String) -> Source {
        Source {
            label,
            source,
            what,
        }
    }
    /// The files of a workspace.
    pub(crate) fn workspace(root: &str) -> Source {
        Source::of(Label::Private, "workspace", format!("{root}/"))
    }
    /// A repository that its owner hasn't vouched for.
    pub(crate) fn repository(root: &str) -> Source {
        let what = format!("repository not vouched for: {root}");
        Source::of(Label::Untrusted, "repository", what)
    }
    /// A job with network.
    pub(crate) fn network(purpose: &str, hosts: &[String]) -> Source {
        let what = format!("network: {purpose} job with {}", hosts.join(", "));
        Source::of(Label::Untrusted, "network", what)
    }
    /// What was fetched from a registry, in a job's box.
    pub(crate) fn fetched(places: &[String]) -> Source {
        let what = format!("fetched dependencies in {}", places.join(", "));
        Source::of(Label::Untrusted, "fetched", what)
    }
    /// Keys and the like that were found in what was to be sent.
    pub(crate) fn redaction(provider: &str) -> Source {
        let what = format!("redaction: a key in what was to go to {provider}");
        Source::of(Label::Secret, "redaction", what)
    }
    /// A secret of the vault, given to a job.
    pub(crate) fn vault(name: &SecretName) -> Source {
        Source::of(Label::Secret, "vault", format!("vault: {name}"))
    }
    /// More was taken out of unread contents than a session may.
    pub(crate) fn extract(from: &str) -> Source {
        let what = format!("extract: values of {from}, past the session's bound");
        Source::of(Label::Untrusted, "extract", what)
    }
    fn marked(file: &Marked) -> Source {
        Source::of(
            Label::Untrusted,
            "file",
            format!("file {}, {} (untrusted)", file.path, file.origin),
        )
    }
}

/// A source without its words: of logs of before, or erased.
pub(crate) fn bare(source: &str) -> String {
    match source {
        "workspace" => "the workspace's files".into(),
        "repository" => "a repository not vouched for".into(),
        "network" => "a job with network".into(),
        "redaction" => "redaction: a key in what was to be sent".into(),
        other => other.to_owned(),
    }
}

/// A file of a snapshot whose content came out of an untrusted context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marked {
    /// Where it is now.
    pub(crate) path: String,
    /// `written by s3`.
    pub(crate) origin: String,
    /// Whether its name came from there, too.
    pub(crate) named: bool,
}

/// Marked contents by blob, each with the session that it came from.
type Blobs = BTreeMap<String, (Option<SessionId>, MarkedFile)>;

/// Those of a snapshot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    files: Vec<Marked>,
    /// Why nothing is known of any file: then all count.
    unknown: Option<&'static str>,
}

/// A source a file; of many the first are named, and the rest counted.
fn named(files: Vec<&Marked>) -> Vec<Source> {
    let kept = match files.len() > NAMED_MAX {
        true => NAMED_MAX - 1,
        false => files.len(),
    };
    let mut sources: Vec<Source> = files[..kept].iter().map(|f| Source::marked(f)).collect();
    if let rest @ 1.. = files.len() - kept {
        let origins: BTreeSet<&str> = files[kept..].iter().map(|f| f.origin.as_str()).collect();
        let some: Vec<&str> = origins.into_iter().take(NAMED_MAX).collect();
        let what = format!("{rest} more files, {} (untrusted)", some.join(", "));
        sources.push(Source::of(Label::Untrusted, "file", what));
    }
    sources
}

impl Marks {
    fn all(&self) -> Vec<Source> {
        let unknown = self.unknown.map(|why| {
            let what = format!("files of this workspace: {why}");
            Source::of(Label::Untrusted, "file", what)
        });
        unknown
            .into_iter()
            .chain(named(self.files.iter().collect()))
            .collect()
    }

    fn those(&self, is: impl Fn(&Marked) -> bool) -> Vec<Source> {
        match self.unknown {
            Some(_) => self.all(),
            None => named(self.files.iter().filter(|f| is(f)).collect()),
        }
    }

    /// What a job gains that runs over the copy: it may read all of it.
    pub(crate) fn in_box(&self) -> Vec<Source> {
        self.all()
    }

    /// What a read, list or search gains. Names count where the context that made the file chose them.
    pub(crate) fn of_read(&self, op: &ReadOp) -> Vec<Source> {
        match op {
            ReadOp::Read { path, .. } => self.of_path(path),
            ReadOp::List { path, .. } => self.those(|f| f.named && below(&f.path, path)),
            ReadOp::Search { path, .. } => {
                let folder = path.as_deref().unwrap_or_default();
                self.those(|f| below(&f.path, folder))
            }
        }
    }

    /// What reading or editing a file gains.
    pub(crate) fn of_path(&self, path: &str) -> Vec<Source> {
        let path = plain(path);
        // Both alike: a name that ends in a space is no other file than its label.
        self.those(|f| plain(&f.path) == path)
    }

    /// What the agent's instructions of the repository gain.
    pub(crate) fn of_guide(&self) -> Vec<Source> {
        self.those(|f| {
            let name = f.path.rsplit('/').next().unwrap_or_default();
            ["agents.md", "claude.md"].contains(&name.to_ascii_lowercase().as_str())
        })
    }
}

/// A path without what means nothing in it. The workspace refuses links and `..`.
fn plain(path: &str) -> String {
    let parts: Vec<&str> = path
        .trim()
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    parts.join("/")
}

pub(crate) fn below(path: &str, folder: &str) -> bool {
    let (path, folder) = (plain(path), plain(folder));
    folder.is_empty()
        || path == folder
        || path
            .strip_prefix(folder.as_str())
            .is_some_and(|rest| rest.starts_with('/'))
}

impl Shared {
    /// Labels of a session's context with `sources`: what is new of them is in the log when this returns.
    pub(crate) async fn mark(
        &self,
        session: SessionId,
        sources: Vec<Source>,
    ) -> Result<Labels, Error> {
        let mut labels = Labels::default();
        let mut entries = Vec::new();
        if !sources.is_empty() {
            let rows = self.log.labels_of(&session).map_err(log_error)?;
            let mut known: Vec<(Label, String, u64)> = Vec::with_capacity(rows.len());
            for row in &rows {
                let what = row.what.as_ref().map(|w| self.words(w)).unwrap_or_default();
                known.push((row.label, what, row.cleared));
            }
            for source in sources {
                let same = known
                    .iter()
                    .rfind(|(label, what, _)| *label == source.label && *what == source.what);
                // The very content that was cleared is no new source; what comes from a network may be another.
                let still = matches!(source.source, "file" | "repository" | "workspace");
                let set = known.iter().filter(|k| k.0 == source.label && k.2 == 0);
                let full = set.count() >= SOURCES_MAX;
                if full || same.is_some_and(|(_, _, cleared)| *cleared == 0 || still) {
                    continue;
                }
                labels = labels.with(source.label);
                known.push((source.label, source.what.clone(), 0));
                entries.push(self.labelled_entry(session, &source));
            }
        }
        if !entries.is_empty() {
            let done = self.log.append_all(entries, false).await;
            done.map_err(|full| full_error(&full))?;
        }
        let row = self.log.session(&session).map_err(log_error)?;
        Ok(row.map_or(labels, |row| row.labels.join(labels)))
    }

    /// The labels of a session as the log has them now, with those that are known already.
    pub(crate) fn labels_now(&self, session: &SessionId, labels: Labels) -> Labels {
        let row = self.log.session(session).ok().flatten();
        row.map_or(labels, |row| row.labels.join(labels))
    }

    /// The event that a source is.
    pub(crate) fn labelled_entry(&self, session: SessionId, source: &Source) -> Entry {
        self.entry(|s| {
            let body = Labelled {
                label: source.label,
                source: source.source.into(),
                what: Some(s.text(&source.what)),
            };
            (Origin::system(session), body)
        })
    }

    /// The event that marks files of a context; `None` if there is nothing to mark.
    pub(crate) fn files_entry(
        &self,
        session: SessionId,
        workspace: WorkspaceId,
        (patch, job): (Option<PatchId>, Option<JobId>),
        mut files: Vec<MarkedFile>,
    ) -> Option<Entry> {
        files.retain(|f| f.blob != EMPTY_BLOB);
        (!files.is_empty()).then(|| {
            self.entry(|s| {
                let body = FilesLabelled {
                    workspace,
                    label: Label::Untrusted,
                    patch,
                    job,
                    files: s.json(&files),
                };
                (Origin::system(session), body)
            })
        })
    }

    /// The files that are marked in a workspace: each blob with the session it came from, and whether its name did.
    fn marked_blobs(&self, workspace: &WorkspaceId) -> Result<Result<Blobs, &'static str>, Error> {
        let rows = self.log.marks_of(workspace, MARKS_MAX).map_err(log_error)?;
        if rows.len() >= MARKS_MAX {
            return Ok(Err(
                "more came out of untrusted sessions than is kept track of",
            ));
        }
        let (mut marked, mut freed) = (BTreeMap::new(), BTreeSet::new());
        for row in rows.iter().filter(|r| r.label == Label::Untrusted) {
            let Some(files) = self.json::<Vec<MarkedFile>>(&row.files) else {
                if row.cleared {
                    continue; // nothing is freed by what nobody can read
                }
                return Ok(Err("what was written by an untrusted session was erased"));
            };
            for file in files {
                if freed.contains(&file.blob) || marked.contains_key(&file.blob) {
                    continue;
                }
                match row.cleared {
                    true => drop(freed.insert(file.blob)),
                    false => drop(marked.insert(file.blob.clone(), (row.session, file))),
                }
            }
        }
        Ok(Ok(marked))
    }

    /// What a snapshot holds of marked contents.
    pub(crate) async fn marks(
        &self,
        workspace: WorkspaceId,
        tree: &TreeId,
    ) -> Result<Marks, Error> {
        let marked = match self.marked_blobs(&workspace)? {
            Ok(marked) if marked.is_empty() => return Ok(Marks::default()),
            Ok(marked) => marked,
            Err(why) => {
                return Ok(Marks {
                    unknown: Some(why),
                    ..Marks::default()
                });
            }
        };
        let blobs = marked.keys().cloned().collect();
        let held = self.workspaces.holding(workspace, tree, blobs).await;
        let mut names = BTreeMap::new();
        let mut files = Vec::new();
        for (path, blob) in held.map_err(files_error)? {
            let Some((session, file)) = marked.get(&blob) else {
                continue;
            };
            let origin = names.entry(*session).or_insert_with(|| match session {
                Some(session) => format!("written by {}", self.ordinal_of(session)),
                None => "written by an untrusted session".into(),
            });
            files.push(Marked {
                path,
                origin: origin.clone(),
                named: file.named,
            });
        }
        Ok(Marks {
            files,
            unknown: None,
        })
    }

    /// Those of the marked contents whose path, where they were put, is `path` or below it.
    pub(crate) fn marked_below(
        &self,
        workspace: &WorkspaceId,
        path: &str,
    ) -> Result<Vec<MarkedFile>, Error> {
        let marked = self.marked_blobs(workspace)?.unwrap_or_default();
        let files = marked.into_values().map(|(_, file)| file);
        Ok(files.filter(|f| below(&f.path, path)).collect())
    }

    /// A flow, for who decides: what was read, and where it would go now. `None`: no flow is asked about.
    pub(crate) fn flow_words(
        &self,
        session: SessionId,
        asked: &atoll_guard::Asked,
    ) -> Option<String> {
        if !asked.rules.iter().any(|r| r.id == atoll_guard::FLOW_RULE) {
            return None;
        }
        let rows = self.log.labels_of(&session).ok()?;
        let some = |label: Label| {
            let mut all: Vec<String> = Vec::new();
            for row in rows.iter().filter(|r| r.label == label && r.cleared == 0) {
                let words = row.what.as_ref().map(|w| self.words(w));
                let words = words.filter(|w| !w.is_empty());
                all.push(words.unwrap_or_else(|| bare(&row.source)));
            }
            all.dedup();
            let more = all.len().saturating_sub(3);
            all.truncate(3);
            let more = match more {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            let name = label.name();
            let tail = format!("({name})");
            let all: Vec<String> = all
                .iter()
                .map(|w| w.trim_end_matches(tail.as_str()).trim_end().to_owned())
                .collect();
            (!all.is_empty()).then(|| format!("{}{more} ({name})", all.join(", ")))
        };
        let read: Vec<String> = Label::ALL.into_iter().filter_map(some).collect();
        let to = crate::egress::destination(&asked.canonical.value);
        Some(format!("read {}; now sends to {to}", read.join(" and ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks() -> Marks {
        let file = |path: &str, named| Marked {
            path: path.into(),
            origin: "written by s3".into(),
            named,
        };
        Marks {
            files: vec![
                file("notes.md", true),
                file("src/a.py", false),
                file("doc/AGENTS.md", false),
            ],
            unknown: None,
        }
    }

    fn read(path: &str) -> ReadOp {
        ReadOp::Read {
            path: path.into(),
            start_line: None,
            lines_max: None,
        }
    }

    #[test]
    fn what_touches_a_marked_file_gains_its_source() {
        let marks = marks();
        for path in ["notes.md", "./notes.md", ".//notes.md ", "/notes.md"] {
            let sources = marks.of_read(&read(path));
            assert_eq!(
                sources[0].what, "file notes.md, written by s3 (untrusted)",
                "{path}"
            );
        }
        let odd = Marks {
            files: vec![Marked {
                path: "odd ".into(),
                origin: "written by s3".into(),
                named: true,
            }],
            unknown: None,
        };
        assert_eq!(odd.of_read(&read("odd ")).len(), 1);
        assert_eq!(odd.of_read(&read("odd")).len(), 1);
        assert!(marks.of_read(&read("notes.mdx")).is_empty());
        assert_eq!(marks.of_path("src/a.py").len(), 1);
        assert_eq!(marks.in_box().len(), 3);
        assert_eq!(marks.of_guide().len(), 1);
        let list = |path: &str| ReadOp::List {
            path: path.into(),
            depth: None,
        };
        assert_eq!(
            marks.of_read(&list("")).len(),
            1,
            "its name was chosen there"
        );
        assert!(marks.of_read(&list("src")).is_empty());
        let search = |path: Option<&str>| ReadOp::Search {
            pattern: "x".into(),
            literal: true,
            path: path.map(str::to_owned),
            glob: None,
            context: None,
        };
        assert_eq!(marks.of_read(&search(None)).len(), 3);
        assert_eq!(marks.of_read(&search(Some("src/"))).len(), 1);
        assert!(marks.of_read(&search(Some("sr"))).is_empty());
    }

    #[test]
    fn of_many_files_the_first_are_named_and_the_rest_counted() {
        let file = |n: usize| Marked {
            path: format!("f{n}"),
            origin: format!("written by s{}", n % 2),
            named: false,
        };
        let marks = |n: usize| Marks {
            files: (0..n).map(file).collect(),
            unknown: None,
        };
        assert_eq!(marks(8).in_box().len(), 8);
        let many = marks(500).in_box();
        assert_eq!(many.len(), 8);
        assert_eq!(
            many[7].what,
            "493 more files, written by s0, written by s1 (untrusted)"
        );
    }

    #[test]
    fn where_nothing_is_known_every_file_counts() {
        let marks = Marks {
            unknown: Some("lost"),
            ..Marks::default()
        };
        assert_eq!(marks.of_read(&read("any")).len(), 1);
        assert_eq!(marks.in_box()[0].what, "files of this workspace: lost");
    }
}
