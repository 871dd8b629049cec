//! Clearing a label: the owner vouches for what set it, and says why.

use std::collections::BTreeSet;

use atoll_api::{Caller, Cleared, DeclassifyRequest, Error, LabelSource, codes};
use atoll_domain::{Declassified, Label, MarkedFile, SessionId};
use atoll_ports::log::SessionRow;

use crate::labels::bare;
use crate::shared::{Origin, Shared, files_error, log_error, no_such};

/// A reason, in bytes.
const WHY_BYTES_MAX: usize = 1000;

fn usage(words: impl Into<String>) -> Error {
    Error::new(codes::USAGE, words.into()).next("atoll session declassify --help")
}

impl Shared {
    /// Where a session's labels come from, the oldest first.
    pub(crate) fn label_sources(&self, session: &SessionId) -> Result<Vec<LabelSource>, Error> {
        let rows = self.log.labels_of(session).map_err(log_error)?;
        let sources = rows.into_iter().map(|row| {
            let what = row.what.as_ref().map(|w| self.words(w));
            LabelSource {
                label: row.label,
                what: what
                    .filter(|w| !w.is_empty())
                    .unwrap_or_else(|| bare(&row.source)),
                seq: row.seq,
                cleared: Some(row.cleared).filter(|seq| *seq > 0),
            }
        });
        Ok(sources.collect())
    }

    pub(crate) async fn declassify(
        &self,
        caller: &Caller,
        name: &str,
        request: DeclassifyRequest,
    ) -> Result<Cleared, Error> {
        let why = request.why.trim();
        if why.is_empty() || why.len() > WHY_BYTES_MAX {
            return Err(usage(format!("say why, in at most {WHY_BYTES_MAX} bytes")));
        }
        let instead = match request.label {
            Label::Untrusted => None,
            Label::Secret => Some(
                "secret can't be cleared: what was seen can't be unseen; begin a new session without it",
            ),
            Label::Private => Some(
                "private can't be cleared: the workspace is read again by the next step; answer the gate instead",
            ),
        };
        if let Some(words) = instead {
            return Err(usage(words));
        }
        let row = self.find_session(name)?;
        // What runs counts its labels with it: nothing is taken from under it.
        self.idle(&row)?;
        match &request.file {
            Some(file) => self.declassify_files(caller, &row, file, why).await,
            None => self.declassify_context(caller, &row, why).await,
        }
    }

    async fn declassify_context(
        &self,
        caller: &Caller,
        row: &SessionRow,
        why: &str,
    ) -> Result<Cleared, Error> {
        let label = Label::Untrusted;
        let mut sources = self.label_sources(&row.id)?;
        sources.retain(|s| s.label == label && s.cleared.is_none());
        if sources.is_empty() {
            let words = format!("s{} is not {}", row.ordinal, label.name());
            return Err(Error::new(codes::SESSION_STATE, words)
                .next(format!("atoll session labels s{}", row.ordinal)));
        }
        let origin = Origin::human(&caller.name, Some(row.id));
        let cleared = sources.iter().map(|s| s.seq).collect();
        let done = self.append(true, |s| {
            let body = Declassified {
                label,
                cleared,
                workspace: None,
                files: None,
                why: s.text(why),
            };
            (origin, body)
        });
        done.await?;
        Ok(Cleared {
            label,
            sources,
            files: Vec::new(),
        })
    }

    async fn declassify_files(
        &self,
        caller: &Caller,
        row: &SessionRow,
        file: &str,
        why: &str,
    ) -> Result<Cleared, Error> {
        let root = self.words(&row.root);
        let path = file.strip_prefix(root.as_str()).unwrap_or(file);
        let files = self.marked_here(row, path).await?;
        if files.is_empty() {
            let list = format!("atoll session labels s{}", row.ordinal);
            return Err(no_such("untrusted file", file, &list));
        }
        let label = Label::Untrusted;
        let origin = Origin::human(&caller.name, Some(row.id));
        let paths: BTreeSet<String> = files.iter().map(|f| f.path.clone()).collect();
        let done = self.append(true, |s| {
            let body = Declassified {
                label,
                cleared: Vec::new(),
                workspace: Some(row.workspace),
                files: Some(s.json(&files)),
                why: s.text(why),
            };
            (origin, body)
        });
        done.await?;
        Ok(Cleared {
            label,
            sources: Vec::new(),
            files: paths.into_iter().collect(),
        })
    }

    /// The marked contents at `path` or below it: where they were put, or where the session's snapshot has them.
    async fn marked_here(&self, row: &SessionRow, path: &str) -> Result<Vec<MarkedFile>, Error> {
        let mut files = self.marked_below(&row.workspace, path)?;
        let all = self.marked_below(&row.workspace, "")?;
        let base = row.base.as_ref().and_then(|base| self.tree(base));
        if let (Some(base), false) = (base, all.is_empty()) {
            let blobs = all.iter().map(|f| f.blob.clone()).collect();
            let held = self.workspaces.holding(row.workspace, &base, blobs).await;
            let held = held.map_err(files_error)?.into_iter();
            let here = held.filter(|(at, _)| crate::labels::below(at, path));
            files.extend(here.map(|(path, blob)| MarkedFile {
                path,
                blob,
                named: false,
            }));
        }
        files.sort();
        files.dedup_by(|a, b| a.blob == b.blob && a.path == b.path);
        Ok(files)
    }
}
