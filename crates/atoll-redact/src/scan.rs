//! One pass over a text for the hints of all rules, and at each what it hints at.

use std::ops::Range;

use crate::assigned::{self, Strength};
use crate::chance;
use crate::classes::Classes;
use crate::find::{Find, RANK_NAMED, RANK_RULES, merge};
use crate::rules::{RULES, Rule, Rules, Try, When};
use crate::{blocks, manifest, pii};

/// How far behind its hint a form may reach. What is longer is followed to the end of its word.
const WINDOW_BYTES: usize = 4096;

/// The same for one that may begin before its hint, and so is looked for at each byte.
const BACK_WINDOW_BYTES: usize = 256;
/// What a form that begins at its hint is taken to look at until it fails.
const ANCHORED_BYTES: usize = 256;

/// So much base64 beside a match says that it is a piece of more.
const BLOB_BYTES_MIN: usize = 24;
const LINE_BYTES_MIN: usize = 56;

/// Bits of chance in each byte of any key. A password in an address may be three letters.
const CERTAIN_BITS_MIN: f64 = 1.5;

/// What finding cost, in counts that no clock disturbs: each is linear in the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Hints that stand in the text.
    pub hints: u64,
    /// What was tried at them.
    pub tries: u64,
    /// Bytes that tries were shown, beyond the one pass over all of them.
    pub shown_bytes: u64,
}

/// A place in a text that would be taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// In bytes, on whole characters.
    pub at: Range<usize>,
    pub kind: &'static str,
}

/// The places that hold something, in order and apart, as one look finds them.
pub fn places(text: &str, classes: Classes) -> Vec<Place> {
    let finds = finds(text, classes).into_iter();
    finds
        .map(|Find { at, kind, .. }| Place { at, kind })
        .collect()
}

/// What it costs to look through a text once, for everything.
pub fn work(text: &str) -> Work {
    let mut scan = Scan::new(text);
    scan.run(Classes::ALL);
    scan.work
}

/// The places that hold something, in order and apart.
pub(crate) fn finds(text: &str, classes: Classes) -> Vec<Find> {
    let mut scan = Scan::new(text);
    scan.run(classes);
    merge(text, scan.out)
}

struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    rules: &'static Rules,
    /// Up to where each rule has found something, or has looked: nothing is looked at by it twice.
    done: Vec<usize>,
    /// The end of the last name that was read.
    name_done: usize,
    block_done: usize,
    manifest_done: usize,
    out: Vec<Find>,
    work: Work,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str) -> Scan<'a> {
        let rules: &'static Rules = &RULES;
        Scan {
            text,
            bytes: text.as_bytes(),
            rules,
            done: vec![0; rules.all.len()],
            name_done: 0,
            block_done: 0,
            manifest_done: 0,
            out: Vec::new(),
            work: Work::default(),
        }
    }

    fn run(&mut self, classes: Classes) {
        if let Some(hints) = &self.rules.hints {
            for hint in hints.find_overlapping_iter(self.bytes) {
                self.work.hints += 1;
                for what in &self.rules.tries[hint.pattern().as_usize()] {
                    self.attempt(*what, hint.start(), hint.end());
                }
            }
        }
        pii::find(self.text, classes, &mut self.out);
    }

    fn attempt(&mut self, what: Try, start: usize, end: usize) {
        match what {
            Try::Key(number) => self.key(number, start),
            Try::Near(number) => self.near(number, start, end),
            Try::Name => self.name(start, end),
            Try::Manifest => {
                let done = manifest::find(self.text, start, self.manifest_done, &mut self.out);
                self.work.shown_bytes += (done - self.manifest_done) as u64;
                self.manifest_done = done;
            }
            Try::Block if start >= self.block_done => {
                self.work.tries += 1;
                self.block_done = blocks::find(self.text, start, &mut self.out);
                self.work.shown_bytes += (self.block_done - start) as u64;
            }
            Try::Block => {}
        }
    }

    fn key(&mut self, number: usize, hint: usize) {
        let rule = &self.rules.all[number];
        let from = hint.saturating_sub(rule.back_bytes).max(self.done[number]);
        if hint < from || rule.back_bytes == 0 && !begins(self.bytes, from) {
            return;
        }
        let Some(form) = rule.regex() else { return };
        let reach = if rule.back_bytes == 0 {
            WINDOW_BYTES
        } else {
            BACK_WINDOW_BYTES
        };
        let to = self.bytes.len().min(hint + reach);
        let window = &self.bytes[from..to];
        self.work.tries += 1;
        // Most tries find nothing: the groups are looked for where there is a match.
        let found = form.find(window).and_then(|whole| {
            if form.captures_len() == 1 {
                return Some(whole);
            }
            form.captures(window).and_then(|c| c.get(1))
        });
        let Some(found) = found else {
            // What begins at its hint fails within a few bytes of it; no form without an end can go on failing.
            let shown = if rule.back_bytes == 0 {
                ANCHORED_BYTES
            } else {
                to - from
            };
            self.work.shown_bytes += shown.min(to - from) as u64;
            // No match begins up to here: the next look needs not go back further.
            self.done[number] = self.done[number].max(hint);
            return;
        };
        let (start, mut end) = (from + found.start(), from + found.end());
        self.work.shown_bytes += (end - from) as u64;
        if rule.back_bytes > 0 && !begins(self.bytes, start) {
            return;
        }
        end += word_bytes(&self.bytes[end..]);
        self.done[number] = end;
        if is_encoded(self.bytes, start..end) {
            return;
        }
        if counts(rule, &self.bytes[start..end]) {
            self.found(start..end, &rule.kind, RANK_RULES + number);
        }
    }

    fn near(&mut self, number: usize, start: usize, end: usize) {
        if start < self.done[number] {
            return;
        }
        let name = assigned::name_around(self.bytes, start, end);
        self.done[number] = name.end;
        self.work.tries += 1;
        let rule = &self.rules.all[number];
        let (Some(value), Some(form)) = (assigned::value_after(self.bytes, &name), rule.regex())
        else {
            return;
        };
        self.work.shown_bytes += (value.at.end - start) as u64;
        let Some(found) = form.find(&self.bytes[value.at.clone()]) else {
            return;
        };
        let end = value.at.start + found.end();
        let secret = &self.bytes[value.at.start..end];
        let ends = word_bytes(&self.bytes[end..]) == 0;
        let named = || assigned::strength(&self.bytes[name.clone()]) != Strength::Never;
        if ends && chance::mixed(secret) && counts(rule, secret) && named() {
            self.found(value.at.start..end, &rule.kind, RANK_RULES + number);
        }
    }

    fn name(&mut self, start: usize, end: usize) {
        if start < self.name_done {
            return;
        }
        let name = assigned::name_around(self.bytes, start, end);
        self.name_done = name.end;
        self.work.tries += 1;
        // Most names are followed by no value, and most values are none: what a name says is read last.
        let Some(value) = assigned::value_after(self.bytes, &name) else {
            return;
        };
        self.work.shown_bytes += (value.at.end - start) as u64;
        let secret = &self.bytes[value.at.clone()];
        if !assigned::may_be_secret(secret) {
            return;
        }
        let strength = assigned::strength(&self.bytes[name]);
        if assigned::is_secret(secret, strength, value.quoted) {
            let end = assigned::value_end(self.bytes, &value);
            self.name_done = self.name_done.max(end);
            self.found(value.at.start..end, "secret", RANK_NAMED);
        }
    }

    fn found(&mut self, at: Range<usize>, kind: &'static str, rank: usize) {
        self.out.push(Find { at, kind, rank });
    }
}

fn counts(rule: &Rule, secret: &[u8]) -> bool {
    let when = match rule.when {
        When::Always => true,
        When::Random => chance::random(secret),
        When::Mixed => chance::mixed(secret),
        When::Uncommon => chance::uncommon(secret),
    };
    // Even what is certain by its form is none if it is a row of one letter.
    when && chance::entropy_bits(secret) >= rule.entropy_bits_min.max(CERTAIN_BITS_MIN)
}

/// Whether a key may begin here: not within a word. A word may end in an escape (`\n`, `%3D`, `\u0026`), since tools'
/// arguments are JSON within JSON, and addresses are written in percents.
fn begins(bytes: &[u8], at: usize) -> bool {
    let Some(first) = bytes.get(at) else {
        return false;
    };
    let before = &bytes[..at];
    match before.last() {
        None => true,
        Some(last) if *first == b'-' => !last.is_ascii_alphanumeric() && *last != b'-',
        Some(last) if last.is_ascii_alphanumeric() && first.is_ascii_alphanumeric() => {
            escape(before)
        }
        Some(_) => true,
    }
}

fn escape(before: &[u8]) -> bool {
    let tail = |n: usize| &before[before.len().saturating_sub(n)..];
    let hex = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_hexdigit);
    match (tail(2), tail(3), tail(6)) {
        ([b'\\', b'n' | b'r' | b't' | b'f'], ..) => true,
        (_, [b'%', rest @ ..], _) if rest.len() == 2 && hex(rest) => true,
        (_, _, [b'\\', b'u', rest @ ..]) if rest.len() == 4 && hex(rest) => true,
        _ => false,
    }
}

/// Whether a match is a piece of something longer in base64, or a hash: what has no sign in it can stand there by chance.
fn is_encoded(bytes: &[u8], at: Range<usize>) -> bool {
    let fits = |b: &u8| b.is_ascii_alphanumeric() || b"+/".contains(b);
    let before = &bytes[at.start.saturating_sub(LINE_BYTES_MIN + 2)..at.start];
    if [b"sha256=".as_slice(), b"sha256-", b"sha512-", b"sha384-"]
        .iter()
        .any(|hash| before.ends_with(hash))
    {
        return true;
    }
    if !bytes[at.clone()].iter().all(fits) {
        return false;
    }
    let run = |line: &[u8]| line.iter().rev().take_while(|b| fits(b)).count();
    let begun = match before {
        [.., b'+' | b'/'] => run(before) >= BLOB_BYTES_MIN,
        // Blobs are broken into lines, which are longer than what else stands on one.
        [line @ .., b'\n'] => run(line) >= LINE_BYTES_MIN,
        _ => false,
    };
    let rest = bytes[at.end..].iter().take(BLOB_BYTES_MIN);
    begun || rest.take_while(|b| fits(b)).count() >= BLOB_BYTES_MIN
}

/// How much of a word goes on here.
fn word_bytes(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || b"_-".contains(b))
        .count()
}
