//! Attacks on a row of segments, each judged twice: by this crate, and by `docs/audit/verify.py`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "runs the other implementation on files"
)]

use std::path::Path;
use std::process::Command;

use atoll_domain::Hash;
use atoll_log::export::Extra;
use atoll_log::segment::{Before, HEADER_BYTES_MAX, Header};
use atoll_log::{Checkpoint, Key, note, signed};

use crate::export::{content, event_line};
use crate::made::{Log, relink};
use crate::rows::{Lines, checkpoints, read, segments};

/// What the other implementation says of files: the file and the line of the first bad one.
fn judged(dir: &Path, row: &[Lines], root: Option<&str>, kept: &[&str]) -> Option<(usize, u64)> {
    let _ = std::fs::remove_dir_all(dir.join("row"));
    std::fs::create_dir(dir.join("row")).unwrap();
    for (i, lines) in row.iter().enumerate() {
        let text: Vec<u8> = lines
            .iter()
            .flat_map(|l| [l.as_slice(), b"\n"].concat())
            .collect();
        std::fs::write(dir.join(format!("row/segment-0-{i}.ndjson")), text).unwrap();
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/audit/verify.py");
    let mut python = Command::new("python3");
    python.arg(script).arg(dir.join("row"));
    root.into_iter().for_each(|r| {
        python.args(["--root", r]);
    });
    for (i, note) in kept.iter().enumerate() {
        let file = dir.join(format!("kept{i}"));
        std::fs::write(&file, note).unwrap();
        python.arg("--checkpoint").arg(file);
    }
    let out = python
        .output()
        .expect("python3 runs the other implementation");
    let said = String::from_utf8(out.stdout).unwrap();
    match out.status.code() {
        Some(0) if said.starts_with("Intact: ") => None,
        Some(8) => {
            let rest = said
                .strip_prefix("NOT intact: first at line ")
                .unwrap_or_else(|| panic!("no line: {said}"));
            let place = rest.split(".ndjson").next().unwrap();
            let (line, file) = place.split_once(" of segment-0-").unwrap();
            Some((file.parse().unwrap(), line.parse().unwrap()))
        }
        other => panic!("{other:?}: {said}{}", String::from_utf8_lossy(&out.stderr)),
    }
}

struct Attack {
    what: &'static str,
    row: Vec<Lines>,
    root: Option<String>,
    kept: Vec<String>,
    /// The file and the line that are named; `None`: it can't be found.
    found: Option<(usize, u64)>,
}

fn attack(
    what: &'static str,
    row: impl IntoIterator<Item = Lines>,
    found: impl Into<Option<(usize, u64)>>,
) -> Attack {
    Attack {
        what,
        row: row.into_iter().collect(),
        root: None,
        kept: vec![],
        found: found.into(),
    }
}

/// Three epochs in three segments; the second changes the key in its middle. And the notes of all checkpoints.
fn story(text: &str) -> (Log, Vec<usize>, Vec<String>) {
    let mut log = Log::open(1);
    log.note("one");
    log.note(text);
    let mut notes = vec![log.checkpoint().1];
    log.note("two");
    log.rotate();
    log.note("three");
    notes.push(log.checkpoint().1);
    log.note("four");
    log.rotate();
    log.note("five");
    notes.push(log.checkpoint().1);
    let all = checkpoints(&log.rows);
    let cuts = vec![all[0], all[2], all[4]];
    (log, cuts, notes)
}

fn edited(
    row: &[Lines],
    file: usize,
    line: usize,
    change: impl FnOnce(&str) -> String,
) -> Vec<Lines> {
    let mut row = row.to_vec();
    let text = String::from_utf8(row[file][line].clone()).unwrap();
    let other = change(&text);
    assert_ne!(text, other, "something changes in line {line} of {file}");
    row[file][line] = other.into_bytes();
    row
}

fn header(row: &[Lines], file: usize, change: impl FnOnce(&mut Header)) -> Vec<Lines> {
    let mut row = row.to_vec();
    let Extra::Segment(mut header) = serde_json::from_slice(&row[file][0]).unwrap() else {
        panic!("a header")
    };
    change(&mut header);
    row[file][0] = Extra::Segment(header).line().unwrap();
    row
}

fn header_text(row: &[Lines], change: impl FnOnce(&str) -> String) -> Vec<Lines> {
    edited(row, 1, 0, change)
}

fn within(row: &[Lines], file: usize, change: impl FnOnce(&mut Lines)) -> Vec<Lines> {
    let mut row = row.to_vec();
    change(&mut row[file]);
    row
}

/// The last event but one of the second segment becomes another, and all behind it is signed anew with a key that a
/// thief has: the rows from there on.
fn forged(log: &Log, from: usize, key: &Key) -> Vec<(Vec<u8>, Hash)> {
    let mut rows = log.rows.clone();
    let other = Log::open(1).note("stolen");
    let mut value: serde_json::Value = serde_json::from_slice(&rows[from].0).unwrap();
    value["body"]["text"] = serde_json::to_value(other).unwrap();
    rows[from].0 = atoll_log::canonical::bytes(&value).unwrap();
    relink(&mut rows, from);
    for i in from + 1..rows.len() {
        let mut value: serde_json::Value = serde_json::from_slice(&rows[i].0).unwrap();
        if value["type"] == "Checkpoint" {
            let hashes: Vec<[u8; 32]> = rows[..i].iter().map(|r| r.1.0).collect();
            let here = Checkpoint {
                node: log.node.clone(),
                size: i as u64,
                root: Hash(atoll_log::merkle::root(&hashes)),
                next: value["body"]["next"].as_str().map(|k| k.parse().unwrap()),
            };
            value["body"] = serde_json::to_value(signed(&here, key).unwrap()).unwrap();
            rows[i].0 = atoll_log::canonical::bytes(&value).unwrap();
            relink(&mut rows, i);
        }
    }
    rows
}

/// One event of the first epoch, written anew, and sealed by the last key with all that led to it.
fn stolen(log: &Log, row: &[Lines]) -> Lines {
    let at = 4;
    let rows = forged(log, at, &log.key);
    let mut before = Before::default();
    rows[..at].iter().for_each(|row| before.push(row.1));
    let mut keys = the(&row[2]).keys;
    let last: serde_json::Value = serde_json::from_slice(&log.rows[9].0).unwrap();
    keys.push(last["body"]["note"].as_str().unwrap().to_owned());
    keys.into_iter().for_each(|note| before.key(note));
    let hashes: Vec<[u8; 32]> = rows[..=at].iter().map(|r| r.1.0).collect();
    let seal = Checkpoint {
        node: log.node.clone(),
        size: at as u64 + 1,
        root: Hash(atoll_log::merkle::root(&hashes)),
        next: None,
    };
    let seal = signed(&seal, &log.key).unwrap().note;
    let header = Extra::Segment(before.header(seal)).line().unwrap();
    vec![header, event_line(&rows[at])]
}

fn on_events(row: &[Lines]) -> Vec<Attack> {
    let swap = |from: &str, to: &str| {
        let (from, to) = (from.to_owned(), to.to_owned());
        move |text: &str| text.replacen(&from, &to, 1)
    };
    let other = event_line(&Log::open(9).rows[0]);
    let end = row[1].len();
    vec![
        attack(
            "an edit",
            edited(row, 1, 2, swap("FeedbackNote", "FeedbackNotf")),
            (1, 3),
        ),
        attack(
            "an edit of the hash",
            edited(row, 1, 2, swap("\"hash\":\"sha256:", "\"hash\":\"sha256:0")),
            (1, 3),
        ),
        attack(
            "an insertion",
            within(row, 1, |l| l.insert(3, l[2].clone())),
            (1, 4),
        ),
        attack("a deletion", within(row, 1, |l| drop(l.remove(2))), (1, 3)),
        attack("another order", within(row, 1, |l| l.swap(2, 3)), (1, 3)),
        attack(
            "another log's event",
            within(row, 1, |l| l[2] = other),
            (1, 3),
        ),
        attack("a cut", within(row, 1, |l| drop(l.pop())), (1, end as u64)),
        attack(
            "the next one's event at its end",
            within(row, 0, |l| l.push(row[1][1].clone())),
            (0, row[0].len() as u64 + 1),
        ),
        attack(
            "content",
            within(row, 0, |l| l.insert(3, content("one"))),
            (0, 4),
        ),
        attack(
            "no first line",
            within(row, 1, |l| drop(l.remove(0))),
            (1, 1),
        ),
        attack(
            "two first lines",
            within(row, 1, |l| l.insert(1, l[0].clone())),
            (1, 2),
        ),
        attack("nothing in it", within(row, 1, Vec::clear), (1, 1)),
    ]
}

fn on_headers(row: &[Lines]) -> Vec<Attack> {
    let bent = |hash: &mut Hash| hash.0[7] ^= 1;
    let one = |file: usize| vec![row[file].clone()];
    let first = |n: u64| move |h: &mut Header| h.first = n;
    vec![
        attack(
            "a bent frontier in a row",
            header(row, 1, |h| bent(&mut h.edge[0])),
            (1, 1),
        ),
        attack(
            "a bent frontier alone",
            header(&one(1), 0, |h| bent(&mut h.edge[0])),
            (0, 2),
        ),
        attack(
            "a frontier with one more",
            header(&one(1), 0, |h| h.edge.push(h.edge[0])),
            (0, 1),
        ),
        attack(
            "no frontier",
            header(&one(1), 0, |h| h.edge.clear()),
            (0, 1),
        ),
        attack(
            "another event before",
            header(&one(1), 0, |h| bent(&mut h.prev)),
            (0, 2),
        ),
        attack(
            "an event before the first",
            header(row, 0, |h| bent(&mut h.prev)),
            (0, 1),
        ),
        attack("another number", header(&one(1), 0, first(3)), (0, 1)),
        attack("number 0", header(&one(0), 0, first(0)), (0, 1)),
        attack(
            "a number behind its end",
            header(&one(0), 0, first(99)),
            (0, 1),
        ),
    ]
}

fn on_forms(row: &[Lines]) -> Vec<Attack> {
    let mut long = row[1].clone();
    let text = String::from_utf8(long[0].clone()).unwrap();
    long[0] = text
        .replacen("\\n", &format!("\\n{}\\n", "x".repeat(HEADER_BYTES_MAX)), 1)
        .into_bytes();
    vec![
        attack(
            "a hash in other letters",
            header_text(row, |t| {
                let at = t.find("sha256:").unwrap() + 7;
                format!(
                    "{}{}{}",
                    &t[..at],
                    t[at..at + 64].to_uppercase(),
                    &t[at + 64..]
                )
            }),
            (1, 1),
        ),
        attack(
            "a frontier that is no list",
            header_text(row, |t| {
                let (head, rest) = t.split_once("\"edge\":[").unwrap();
                let (edge, rest) = rest.split_once(']').unwrap();
                let edge = edge.replace("\",", "\":1,");
                format!("{head}\"edge\":{{{edge}:1}}{rest}")
            }),
            (1, 1),
        ),
        attack("too long a first line", [long], (0, 1)),
        attack(
            "a member more",
            edited(row, 1, 0, |t| {
                t.replacen("{\"edge\"", "{\"a\":1,\"edge\"", 1)
            }),
            (1, 1),
        ),
    ]
}

fn on_named_keys(row: &[Lines], other: &[Lines]) -> Vec<Attack> {
    let one = |file: usize| vec![row[file].clone()];
    let foreign = |what: &str| match what {
        "note" => header(row, 1, |h| h.note = the(&other[1]).note),
        _ => header(row, 1, |h| h.keys = the(&other[1]).keys),
    };
    vec![
        attack("no keys", header(&one(1), 0, |h| h.keys.clear()), (0, 1)),
        attack(
            "keys before the first event",
            header(row, 0, |h| h.keys = the(&row[1]).keys),
            (0, 1),
        ),
        attack(
            "a key left out",
            header(&one(2), 0, |h| drop(h.keys.remove(1))),
            (0, 2),
        ),
        attack(
            "the root's word left out",
            header(&one(2), 0, |h| drop(h.keys.remove(0))),
            (0, 1),
        ),
        attack(
            "a key twice",
            header(&one(1), 0, |h| h.keys.push(h.keys[0].clone())),
            (0, 1),
        ),
        attack(
            "a key too early",
            header(&one(1), 0, |h| h.keys = the(&row[2]).keys),
            (0, 1),
        ),
        attack("another's keys", foreign("keys"), (1, 1)),
        attack("another's seal", foreign("note"), (1, 1)),
        attack(
            "a seal over less",
            header(row, 0, |h| {
                h.note = the(&row[0]).note.replacen("\n3\n", "\n2\n", 1)
            }),
            (0, 4),
        ),
    ]
}

fn the(lines: &Lines) -> Header {
    match serde_json::from_slice(&lines[0]).unwrap() {
        Extra::Segment(header) => header,
        other => panic!("a header: {other:?}"),
    }
}

impl Attack {
    fn told(mut self, root: &str) -> Attack {
        self.root = Some(root.into());
        self
    }
    fn kept(mut self, notes: &[&String]) -> Attack {
        self.kept = notes.iter().map(|n| (*n).clone()).collect();
        self
    }
}

fn on_rows() -> Vec<Attack> {
    let (log, cuts, notes) = story("zero");
    let row = segments(&log.rows, &cuts);
    let (mut other, mut other_cuts) = (Log::open(9), vec![]);
    for text in ["a", "b", "c", "d"] {
        other.note(text);
        other_cuts.push(other.rows.len());
        other.checkpoint();
    }
    let others = segments(&other.rows, &other_cuts);
    let finer = segments(&log.rows, &checkpoints(&log.rows));
    let [one, two, three] = [0, 1, 2].map(|i: usize| row[i].clone());
    let mut all = vec![
        attack("nothing", row.clone(), None)
            .told(&log.node)
            .kept(&[&notes[0], &notes[1], &notes[2]]),
        attack("nothing, from the middle on", row[1..].to_vec(), None)
            .told(&log.node)
            .kept(&[&notes[0], &notes[1]]),
        attack("nothing, with finer cuts", finer.clone(), None),
        attack("the middle left out", [one.clone(), three], (1, 1)),
        attack("the last left out, seen by nobody", row[..2].to_vec(), None),
        attack("one twice", [one.clone(), one.clone(), two.clone()], (1, 1)),
        attack("two overlap", [one.clone(), two, finer[2].clone()], (2, 1)),
        attack(
            "another log's in the middle",
            [one, others[1].clone()],
            (1, 1),
        ),
        attack("another root was told", row.clone(), (0, 1)).told(&other.node),
    ];
    all.extend(on_events(&row));
    all.extend(on_headers(&row));
    all.extend(on_forms(&row));
    all.extend(on_named_keys(&row, &others));
    all
}

/// By whoever has keys: today's, or all.
fn on_keys() -> Vec<Attack> {
    let (log, cuts, notes) = story("zero");
    let row = segments(&log.rows, &cuts);
    let (fork, _, forked_notes) = story("null");
    let forked = segments(&fork.rows, &cuts);
    let late = segments(&forged(&log, cuts[2] - 1, &log.key), &cuts);
    let early = segments(&forged(&log, cuts[1] - 1, &log.key), &cuts);
    let text = Checkpoint::open_unsigned(&notes[1]).unwrap().text();
    let unsigned = note::sign(&text, &log.node, &Key::from_seed(&[77; 32])).unwrap();
    let [last, end] = [row[2].len() as u64, row[1].len() as u64];
    let mut reworded = row.clone();
    *reworded[1].last_mut().unwrap() = early[1].last().unwrap().clone();
    // The root key signs the empty tree and nothing else.
    let mut named = Checkpoint::open_unsigned(&the(&row[1]).keys[0]).unwrap();
    named.size = 1;
    let root_key = Key::from_seed(&[1; 32]);
    let twice = signed(&named, &root_key).unwrap().note;
    // And a key hands on to the next behind what it was named for.
    let mut back = Checkpoint::open_unsigned(&the(&row[2]).keys[1]).unwrap();
    back.size -= 1;
    let back = signed(&back, &Key::from_seed(&[3; 32])).unwrap().note;
    let mixed = [row[0].clone(), forked[1].clone(), row[2].clone()];
    vec![
        attack("a fork in the middle", mixed, (1, 1)),
        attack(
            "a key named before the one that names it",
            header(&[row[2].clone()], 0, |h| h.keys.push(back)),
            (0, 1),
        ),
        attack("the last event another", reworded, (1, end + 1)),
        attack(
            "the root's word about another tree",
            header(&[row[1].clone()], 0, |h| h.keys[0] = twice),
            (0, 1),
        ),
        attack("a fork, seen by nobody", forked.clone(), None),
        attack("a fork, with a kept checkpoint", forked.clone(), (0, 4)).kept(&[&notes[0]]),
        attack(
            "the end of a fork, with what was kept of its beginning",
            forked[1..].to_vec(),
            (0, 1),
        )
        .kept(&[&notes[0]]),
        attack("a kept checkpoint of a fork", row.clone(), (1, end)).kept(&[&forked_notes[1]]),
        attack(
            "another's seal",
            header(&row, 1, |h| h.note = unsigned),
            (1, end + 1),
        ),
        attack(
            "a stolen current key, on its own epoch, seen by nobody",
            late.clone(),
            None,
        ),
        attack(
            "a stolen current key, with a kept checkpoint",
            late,
            (2, last),
        )
        .kept(&[&notes[2]]),
        attack(
            "a stolen current key, on an epoch before",
            early.clone(),
            (1, end + 1),
        ),
        attack(
            "a stolen current key seals an epoch before",
            [stolen(&log, &row)],
            (0, 1),
        ),
        attack("the same, alone", [early[1].clone()], (0, end + 1)),
    ]
}

#[test]
fn two_implementations_agree_on_every_attack_on_a_row() {
    let dir = tempfile::tempdir().unwrap();
    let mut otherwise = Vec::new();
    for a in on_rows().into_iter().chain(on_keys()) {
        let kept: Vec<&str> = a.kept.iter().map(String::as_str).collect();
        let ours = read(&a.row, a.root.as_deref(), &kept).err();
        let ours = ours.map(|(file, bad)| (file, bad.line));
        let theirs = judged(dir.path(), &a.row, a.root.as_deref(), &kept);
        if (ours, theirs) != (a.found, a.found) {
            otherwise.push((a.what, ours, theirs, a.found));
        }
    }
    assert_eq!(otherwise, [], "what, here, there, expected");
}
