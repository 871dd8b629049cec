use std::io::Read as _;

use globset::{GlobBuilder, GlobMatcher};
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkContext, SinkMatch};
use rustix::fs::Stat;

use super::{Shown, content, cut};
use crate::beneath::Dir;
use crate::error::{Error, Result};
use crate::names::{Mask, RelPath, mask};
use crate::walk::{Limits, Options, Skip, Tracked, Visit, walk};

/// What to look for, where, and how much at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SearchAsk<'a> {
    pub(crate) pattern: &'a str,
    pub(crate) literal: bool,
    pub(crate) glob: Option<&'a str>,
    pub(crate) context: usize,
    pub(crate) matches_max: usize,
    pub(crate) matches_per_file_max: usize,
    pub(crate) text_limit_bytes: usize,
    pub(crate) file_limit_bytes: u64,
}

impl<'a> SearchAsk<'a> {
    pub(crate) fn of(pattern: &'a str, literal: bool) -> Self {
        Self {
            pattern,
            literal,
            glob: None,
            context: 0,
            matches_max: 200,
            matches_per_file_max: 50,
            text_limit_bytes: 48 << 10,
            file_limit_bytes: 8 << 20,
        }
    }
}

const PATTERN_BYTES_MAX: usize = 4096;
const REGEX_LIMIT_BYTES: usize = 4 << 20;
const LINE_CHARS_MAX: usize = 300;
const CONTEXT_MAX: usize = 10;

/// Lines that match, as `path:line: text`; lines of context as `path-line- text`.
pub(crate) fn search(
    root: &Dir,
    from: Option<&RelPath>,
    ask: SearchAsk<'_>,
    tracked: &Tracked,
) -> Result<Shown> {
    if ask.pattern.is_empty() || ask.pattern.len() > PATTERN_BYTES_MAX {
        return Err(Error::Pattern("a pattern has 1 to 4,096 bytes".into()));
    }
    let matcher = RegexMatcherBuilder::new()
        .fixed_strings(ask.literal)
        .line_terminator(Some(b'\n'))
        .size_limit(REGEX_LIMIT_BYTES)
        .dfa_size_limit(REGEX_LIMIT_BYTES)
        .build(ask.pattern)
        .map_err(|e| Error::Pattern(format!("{e}; set literal to search for the text as it is")))?;
    let context = ask.context.min(CONTEXT_MAX);
    let searcher = SearcherBuilder::new()
        .line_number(true)
        .before_context(context)
        .after_context(context)
        .binary_detection(BinaryDetection::quit(0))
        .heap_limit(Some(
            usize::try_from(ask.file_limit_bytes).unwrap_or(usize::MAX),
        ))
        .build();
    let mut finder = Finder {
        glob: ask.glob.map(glob).transpose()?,
        ask,
        matcher,
        searcher,
        hits: Hits {
            text: String::new(),
            matches: 0,
            full: false,
        },
        files: 0,
        searched: 0,
        large: 0,
        capped: 0,
    };
    if let Some(file) = from.filter(|p| is_file(root, p)) {
        finder.one(root, file)?;
    } else {
        walk(
            root,
            from,
            Options {
                limits: Limits::default(),
                ignores: true,
                tracked,
            },
            &mut finder,
        )?;
    }
    Ok(finder.shown())
}

fn glob(glob: &str) -> Result<GlobMatcher> {
    // As in .gitignore: without a slash it fits names at any depth.
    let anywhere = if glob.contains('/') {
        glob.trim_start_matches('/').to_owned()
    } else {
        format!("**/{glob}")
    };
    if anywhere.len() > 512 {
        return Err(Error::Pattern("a glob has at most 500 bytes".into()));
    }
    GlobBuilder::new(&anywhere)
        .literal_separator(true)
        .build()
        .map(|g| g.compile_matcher())
        .map_err(|e| Error::Pattern(format!("the glob: {e}")))
}

fn is_file(root: &Dir, path: &RelPath) -> bool {
    let stat = root
        .parent(path)
        .and_then(|d| d.stat(path.name().as_bytes()));
    stat.is_ok_and(|s| crate::beneath::kind_of(&s) == "a file")
}

struct Finder<'a> {
    ask: SearchAsk<'a>,
    glob: Option<GlobMatcher>,
    matcher: RegexMatcher,
    searcher: Searcher,
    hits: Hits,
    files: u64,
    searched: u64,
    large: u64,
    capped: u64,
}

struct Hits {
    text: String,
    matches: usize,
    full: bool,
}

impl Finder<'_> {
    fn one(&mut self, root: &Dir, path: &RelPath) -> Result<()> {
        if mask(path) != Mask::No {
            // Says that it is masked, if its content is.
            content(root, path, self.ask.file_limit_bytes)?;
        }
        let fail = |e| Error::io("read", path, e);
        let at = root.parent(path).map_err(fail)?;
        let stat = at.stat(path.name().as_bytes()).map_err(fail)?;
        self.glob = None;
        self.file(&at, path.name().as_bytes(), path, &stat)
            .map(drop)
    }

    fn shown(self) -> Shown {
        let mut notes = Vec::new();
        if self.hits.matches == 0 {
            notes.push(format!("no match in {} files", self.searched));
        }
        if self.hits.full {
            notes.push(
                "there are more matches; narrow the pattern, the path or the glob".to_owned(),
            );
        }
        if self.capped > 0 {
            let max = self.ask.matches_per_file_max;
            notes.push(format!(
                "only the first {max} matches are shown of {} files",
                self.capped
            ));
        }
        if self.large > 0 {
            notes.push(format!(
                "{} files over {} bytes were not searched",
                self.large, self.ask.file_limit_bytes
            ));
        }
        Shown {
            text: self.hits.text,
            more: (!notes.is_empty()).then(|| notes.join("; ")),
        }
    }
}

impl Visit for Finder<'_> {
    fn file(&mut self, at: &Dir, name: &[u8], path: &RelPath, stat: &Stat) -> Result<Option<Skip>> {
        if self
            .glob
            .as_ref()
            .is_some_and(|g| !g.is_match(path.as_str()))
            || mask(path) == Mask::Yes
        {
            return Ok(None);
        }
        if u64::try_from(stat.st_size).unwrap_or(0) > self.ask.file_limit_bytes {
            self.large += 1;
            return Ok(None);
        }
        let Ok(file) = at.file(name) else {
            return Ok(None);
        };
        if !file.metadata().is_ok_and(|m| m.is_file()) {
            return Ok(None);
        }
        self.searched += 1;
        let before = self.hits.text.len();
        let mut sink = FileSink {
            path,
            ask: &self.ask,
            hits: &mut self.hits,
            here: 0,
            capped: false,
        };
        // A file that grows meanwhile is read to its bound.
        let reader = file.take(self.ask.file_limit_bytes);
        if let Err(e) = self
            .searcher
            .search_reader(&self.matcher, reader, &mut sink)
        {
            tracing::debug!(error = %e, "a file was not searched to its end");
        }
        self.capped += u64::from(sink.capped);
        self.files += u64::from(self.hits.text.len() > before);
        Ok(None)
    }

    fn link(&mut self, _path: &RelPath, _target: &[u8]) -> Result<()> {
        Ok(())
    }

    fn full(&self) -> bool {
        self.hits.full
    }
}

struct FileSink<'a> {
    path: &'a RelPath,
    ask: &'a SearchAsk<'a>,
    hits: &'a mut Hits,
    here: usize,
    capped: bool,
}

impl FileSink<'_> {
    /// `false`: the answer is full.
    fn push(&mut self, number: Option<u64>, bytes: &[u8], mark: char) -> bool {
        let lines = bytes.split_inclusive(|b| *b == b'\n');
        for (number, line) in (number.unwrap_or(0)..).zip(lines) {
            let text = String::from_utf8_lossy(line);
            let shown = cut(text.trim_end_matches(['\n', '\r']), LINE_CHARS_MAX);
            let line = format!("{}{mark}{number}{mark} {shown}\n", self.path);
            if self.hits.text.len() + line.len() > self.ask.text_limit_bytes {
                self.hits.full = true;
                return false;
            }
            self.hits.text.push_str(&line);
        }
        true
    }
}

impl Sink for FileSink<'_> {
    type Error = std::io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> std::io::Result<bool> {
        if self.hits.matches >= self.ask.matches_max {
            self.hits.full = true;
            return Ok(false);
        }
        if self.here >= self.ask.matches_per_file_max {
            self.capped = true;
            return Ok(false);
        }
        self.here += 1;
        self.hits.matches += 1;
        Ok(self.push(found.line_number(), found.bytes(), ':'))
    }

    fn context(&mut self, _: &Searcher, context: &SinkContext<'_>) -> std::io::Result<bool> {
        Ok(self.push(context.line_number(), context.bytes(), '-'))
    }

    fn context_break(&mut self, _: &Searcher) -> std::io::Result<bool> {
        self.hits.text.push_str("--\n");
        Ok(true)
    }
}
