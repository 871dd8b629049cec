//! Attacks on a log, each judged twice: by this crate, and by `docs/audit/verify.py`, which shares no code with it
//! and was written from the specifications alone. What can't be found is in the table too.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "runs the other implementation on files"
)]

use std::path::Path;
use std::process::Command;

use atoll_domain::{FeedbackNote, Hash};
use atoll_log::export::{Extra, Reader, Signed};
use atoll_log::merkle::Levels;
use atoll_log::{Checkpoint, Key, note, signed};

use crate::export::{content, event_line};
use crate::made::{Log, relink};

type Lines = Vec<Vec<u8>>;

/// A log of two epochs, and a checkpoint that somebody kept in each.
struct Story {
    text: &'static str,
    log: Log,
    old: String,
    new: String,
}

fn story(text: &'static str) -> Story {
    let mut log = Log::open(1);
    log.note("one");
    log.note(text);
    let (_, old) = log.checkpoint();
    log.note("three");
    log.rotate();
    log.note("four");
    let (_, new) = log.checkpoint();
    log.note("five");
    Story {
        text,
        log,
        old,
        new,
    }
}

impl Story {
    fn whole(&self) -> Lines {
        self.log.rows.iter().map(event_line).collect()
    }

    /// A part under the newest checkpoint: the second note and the events that name keys, with the proof that the
    /// checkpoint extends the older one.
    fn part(&self) -> Lines {
        let newest = Checkpoint::open_unsigned(&self.new).unwrap();
        let size = usize::try_from(newest.size).unwrap();
        let tree = Levels::of(self.log.hashes()[..size].iter().copied());
        let old = Checkpoint::open_unsigned(&self.old).unwrap().size;
        let mut lines = vec![
            Extra::Checkpoint(Signed {
                note: self.new.clone(),
            })
            .line()
            .unwrap(),
            Extra::consistency(&tree, old).unwrap().line().unwrap(),
        ];
        for (i, row) in self.log.rows[..size].iter().enumerate() {
            if [0, 2, 5].contains(&i) {
                lines.push(event_line(row));
                lines.push(Extra::proof(&tree, i as u64 + 1).unwrap().line().unwrap());
            }
        }
        lines.insert(6, content(self.text));
        lines
    }
}

fn replaced(lines: &Lines, at: usize, from: &str, to: &str) -> Lines {
    let mut lines = lines.clone();
    let text = String::from_utf8(lines[at].clone()).unwrap();
    let other = text.replacen(from, to, 1);
    assert_ne!(text, other, "{from} is in line {at}");
    lines[at] = other.into_bytes();
    lines
}

/// From row `from` on all is linked and hashed anew, and each checkpoint signed with the key that a thief has today.
fn forged(story: &Story, change: impl FnOnce(&mut Vec<(Vec<u8>, Hash)>)) -> Lines {
    let mut rows = story.log.rows.clone();
    change(&mut rows);
    relink(&mut rows, 0);
    for i in 0..rows.len() {
        let mut value: serde_json::Value = serde_json::from_slice(&rows[i].0).unwrap();
        if value["type"] != "Checkpoint" || rows[i] == story.log.rows[i] {
            continue;
        }
        let here = Checkpoint {
            node: story.log.node.clone(),
            size: i as u64,
            root: Hash(Levels::of(rows[..i].iter().map(|r| r.1.0)).root()),
            next: value["body"]["next"].as_str().map(|k| k.parse().unwrap()),
        };
        value["body"] = serde_json::to_value(signed(&here, &story.log.key).unwrap()).unwrap();
        rows[i].0 = atoll_log::canonical::bytes(&value).unwrap();
        relink(&mut rows, i);
    }
    rows.iter().map(event_line).collect()
}

/// The text of row `at` becomes another.
fn reworded(rows: &mut [(Vec<u8>, Hash)], at: usize, log: &mut Log) {
    let other = log.note("another");
    let mut value: serde_json::Value = serde_json::from_slice(&rows[at].0).unwrap();
    value["body"] = serde_json::to_value(FeedbackNote { text: other }).unwrap();
    rows[at].0 = atoll_log::canonical::bytes(&value).unwrap();
}

/// What each of the two says: `None` where the export is intact, else the first bad line.
fn judged(
    dir: &Path,
    lines: &Lines,
    root: Option<&str>,
    kept: &[&str],
) -> (Option<u64>, Option<u64>) {
    let mut reader = Reader::new();
    root.into_iter()
        .for_each(|r| reader.expect(r.parse().unwrap()));
    for note in kept {
        reader.keep(Checkpoint::open_unsigned(note).unwrap());
    }
    let read = lines.iter().try_for_each(|line| reader.line(line));
    let ours = read
        .and_then(|()| reader.finish())
        .err()
        .map(|bad| bad.line);

    let file = dir.join("export.ndjson");
    let text: Vec<u8> = lines
        .iter()
        .flat_map(|l| [l.as_slice(), b"\n"].concat())
        .collect();
    std::fs::write(&file, text).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/audit/verify.py");
    let mut python = Command::new("python3");
    python.arg(script).arg(&file);
    if let Some(root) = root {
        python.args(["--root", root]);
    }
    for (i, note) in kept.iter().enumerate() {
        let file = dir.join(format!("kept{i}"));
        std::fs::write(&file, note).unwrap();
        python.arg("--checkpoint").arg(file);
    }
    let out = python
        .output()
        .expect("python3 runs the other implementation");
    let said = String::from_utf8(out.stdout).unwrap();
    let theirs = match out.status.code() {
        Some(0) if said.starts_with("Intact: ") => None,
        Some(8) => {
            let rest = said
                .strip_prefix("NOT intact: first at line ")
                .expect("the line");
            Some(rest.split(':').next().unwrap().parse().unwrap())
        }
        other => panic!("{other:?}: {said}{}", String::from_utf8_lossy(&out.stderr)),
    };
    (ours, theirs)
}

struct Attack {
    what: &'static str,
    lines: Lines,
    root: Option<String>,
    kept: Vec<String>,
    /// The line that is named; `None`: it can't be found.
    found: Option<u64>,
}

fn attack(what: &'static str, lines: Lines, found: impl Into<Option<u64>>) -> Attack {
    Attack {
        what,
        lines,
        root: None,
        kept: vec![],
        found: found.into(),
    }
}

impl Attack {
    fn root(mut self, root: &str) -> Attack {
        self.root = Some(root.into());
        self
    }
    fn kept(mut self, notes: &[&String]) -> Attack {
        self.kept = notes.iter().map(|n| (*n).clone()).collect();
        self
    }
}

fn on_a_whole_log() -> Vec<Attack> {
    let story = story("two");
    let whole = story.whole();
    let node = story.log.node.clone();
    let other = Log::open(9);
    let without = |at: usize| {
        let mut lines = whole.clone();
        lines.remove(at);
        lines
    };
    let mut inserted = whole.clone();
    inserted.insert(2, whole[1].clone());
    let mut swapped = whole.clone();
    swapped.swap(1, 2);
    let mut foreign = whole.clone();
    foreign[4] = event_line(&other.rows[0]);
    // What was erased is gone, what is there must open.
    let mut opened = whole.clone();
    opened.insert(3, content("two"));
    let mut lying = whole.clone();
    lying.insert(3, content("twö"));
    let mut made = Log::open(1);
    let late = forged(&story, |rows| reworded(rows, 6, &mut made));
    let early = forged(&story, |rows| reworded(rows, 1, &mut made));
    let cut = whole[..5].to_vec();
    vec![
        attack("nothing", whole.clone(), None)
            .root(&node)
            .kept(&[&story.old, &story.new]),
        attack("nothing, with content", opened, None),
        attack(
            "an edit",
            replaced(&whole, 1, "FeedbackNote", "FeedbackNotf"),
            2,
        ),
        attack(
            "an edit of the hash",
            replaced(&whole, 1, "\"hash\":\"sha256:", "\"hash\":\"sha256:0"),
            2,
        ),
        attack(
            "a key twice",
            replaced(&whole, 1, "{\"actor\"", "{\"actor\":1,\"actor\""),
            2,
        ),
        attack(
            "another form of the same",
            replaced(&whole, 1, "{\"actor\":", "{ \"actor\":"),
            2,
        ),
        attack("an insertion", inserted, 3),
        attack("a deletion", without(3), 4),
        attack("a deleted beginning", without(0), 1),
        attack("another order", swapped, 2),
        attack("an event of another log", foreign, 5),
        attack("content that doesn't open", lying, 4),
        attack("another's log under its own name", other_log(), 1).root(&node),
        attack("a cut, seen by nobody", cut.clone(), None),
        attack("a cut, with a kept checkpoint", cut, 6).kept(&[&story.new]),
        attack("a fork before what was kept", fork(), 3).kept(&[&story.old]),
        attack(
            "a stolen current key, on its own epoch, seen by nobody",
            late.clone(),
            None,
        ),
        attack("a stolen current key, with a kept checkpoint", late, 7).kept(&[&story.new]),
        attack("a stolen current key, on an epoch before", early, 4),
        attack("nothing at all", vec![], 1),
    ]
}

/// The same node wrote another story: it has all keys.
fn fork() -> Lines {
    story("zwei").whole()
}

fn other_log() -> Lines {
    Log::open(9).rows.iter().map(event_line).collect()
}

fn on_a_part() -> Vec<Attack> {
    let story = story("two");
    let part = story.part();
    let node = story.log.node.clone();
    let without = |at: usize| {
        let mut lines = part.clone();
        lines.remove(at);
        lines
    };
    let end = part.len() as u64 + 1;
    let mut unsigned = part.clone();
    let text = Checkpoint::open_unsigned(&story.new).unwrap().text();
    let thief = Key::from_seed(&[77; 32]);
    let note = note::sign(&text, &node, &thief).unwrap();
    unsigned[0] = Extra::Checkpoint(Signed { note }).line().unwrap();
    let forked = self::story("zwei");
    vec![
        attack("nothing", part.clone(), None)
            .root(&node)
            .kept(&[&story.old, &story.new]),
        attack(
            "an edit",
            replaced(&part, 4, "FeedbackNote", "FeedbackNotf"),
            5,
        ),
        attack(
            "a proof of another place",
            replaced(&part, 5, "\"seq\":3", "\"seq\":4"),
            6,
        ),
        attack("no proof", without(5), 7),
        attack(
            "content of another event",
            replaced(&part, 6, "\"bytes\":3", "\"bytes\":4"),
            7,
        ),
        attack(
            "the keys left out",
            part[..2].iter().chain(&part[4..7]).cloned().collect(),
            end - 4,
        ),
        attack("another's signature", unsigned, end),
        attack("another root was told", part.clone(), 1).root(&Log::open(9).node),
        attack("a fork, with a kept checkpoint", forked.part(), end).kept(&[&story.old]),
        attack("a fork, seen by nobody", forked.part(), None),
        attack("no proof of consistency: not compared", without(1), None).kept(&[&story.old]),
    ]
}

#[test]
fn two_implementations_agree_on_every_attack() {
    let dir = tempfile::tempdir().unwrap();
    let mut otherwise = Vec::new();
    for attacks in [on_a_whole_log(), on_a_part()] {
        for a in attacks {
            let kept: Vec<&str> = a.kept.iter().map(String::as_str).collect();
            let (ours, theirs) = judged(dir.path(), &a.lines, a.root.as_deref(), &kept);
            if (ours, theirs) != (a.found, a.found) {
                otherwise.push((a.what, ours, theirs, a.found));
            }
        }
    }
    assert_eq!(otherwise, [], "what, here, there, expected");
}

#[test]
fn notes_that_were_appended_are_read_and_a_cut_one_is_left_out() {
    let story = story("two");
    let (old, new) = (story.old.as_str(), story.new.as_str());
    assert_eq!(note::each(""), [""; 0]);
    assert_eq!(note::each(&format!("{old}\n{new}")), [old, new]);
    assert_eq!(note::each(&format!("\n\n{old}\n\n\n{new}\n")), [old, new]);
    for cut in 1..old.len() {
        let cut = String::from_utf8_lossy(&old.as_bytes()[..cut]).into_owned();
        let file = format!("{new}\n{cut}\n\n{new}");
        let found = note::each(&file);
        assert_eq!((found[0], *found.last().unwrap()), (new, new), "{cut}");
        // Of a cut signature the text is whole: it is no other checkpoint.
        assert!(found.len() == 2 || found[1].starts_with(note::text(old).unwrap()));
    }
}
