use atoll_domain::{Commitment, Hash};
use atoll_log::export::{Extra, Proven, Reader, Signed};
use atoll_log::merkle::Levels;
use atoll_log::{Bad, Flaw, line};

use crate::made::Log;

fn read(lines: &[Vec<u8>]) -> Result<Proven, Bad> {
    let mut reader = Reader::new();
    for line in lines {
        reader.line(line)?;
    }
    reader.finish()
}

pub fn event_line(row: &(Vec<u8>, Hash)) -> Vec<u8> {
    line::export(&row.0, &row.1).unwrap()
}

pub fn content(text: &str) -> Vec<u8> {
    Extra::content(
        &Commitment::of(&[3; 32], text.as_bytes()),
        &[3; 32],
        text.as_bytes(),
    )
    .line()
    .unwrap()
}

/// Three epochs, and a part of the log: the events at `wanted` beside those that name keys.
fn part(wanted: &[usize]) -> Vec<Vec<u8>> {
    let mut log = Log::open(1);
    for text in ["one", "two"] {
        log.note(text);
    }
    log.rotate();
    log.note("three");
    log.rotate();
    log.note("four");
    let (checkpoint, note) = log.checkpoint();
    let size = checkpoint.size as usize;
    let tree = Levels::of(log.hashes()[..size].iter().copied());
    let mut lines = vec![Extra::Checkpoint(Signed { note }).line().unwrap()];
    for (i, row) in log.rows[..size].iter().enumerate() {
        if [0, 3, 5].contains(&i) || wanted.contains(&i) {
            lines.push(event_line(row));
            lines.push(Extra::proof(&tree, i as u64 + 1).unwrap().line().unwrap());
        }
    }
    lines
}

#[test]
fn a_whole_log_verifies_with_content_and_without() {
    let mut log = Log::open(1);
    log.note("hello");
    log.note("erased");
    log.checkpoint();
    let mut lines: Vec<Vec<u8>> = log.rows.iter().map(event_line).collect();
    assert!(matches!(read(&lines).unwrap(), Proven::Log { contents: 0, log } if log.events == 4));
    lines.insert(2, content("hello"));
    assert!(
        matches!(read(&lines).unwrap(), Proven::Log { contents: 1, log } if log.checkpoints == 1)
    );
}

#[test]
fn content_that_does_not_open_or_was_not_named_is_refused() {
    let mut log = Log::open(1);
    log.note("hello");
    let lines: Vec<Vec<u8>> = log.rows.iter().map(event_line).collect();
    for bent in [
        content("other"),
        String::from_utf8(content("hello"))
            .unwrap()
            .replace("aGVsbG8=", "aGVsbG9v")
            .into_bytes(),
        String::from_utf8(content("hello"))
            .unwrap()
            .replace("0303", "0304")
            .into_bytes(),
    ] {
        let mut lines = lines.clone();
        lines.push(bent);
        let bad = read(&lines).unwrap_err();
        assert_eq!((bad.line, bad.flaw), (3, Flaw::Content));
    }
    let mut early = lines.clone();
    early.insert(1, content("hello"));
    assert_eq!(read(&early).unwrap_err().flaw, Flaw::Content);
}

#[test]
fn a_changed_export_is_named_to_the_line() {
    let mut log = Log::open(1);
    log.note("a");
    log.note("b");
    let lines: Vec<Vec<u8>> = log.rows.iter().map(event_line).collect();
    let mut bent = lines.clone();
    bent[1] = String::from_utf8(bent[1].clone())
        .unwrap()
        .replace("\"system\"", "\"human\"")
        .into_bytes();
    let bad = read(&bent).unwrap_err();
    assert_eq!((bad.line, bad.seq), (2, 2));
    assert!(matches!(bad.flaw, Flaw::Edited { .. }));
    let mut short = lines.clone();
    short.remove(1);
    assert_eq!(
        read(&short).unwrap_err().flaw,
        Flaw::Gap {
            expected: 2,
            found: 3
        }
    );
    let mut cut = lines;
    cut[2].truncate(100);
    assert!(matches!(read(&cut).unwrap_err().flaw, Flaw::Malformed(_)));
    assert!(matches!(read(&[]).unwrap_err().flaw, Flaw::Incomplete(_)));
}

#[test]
fn a_part_verifies_through_three_epochs() {
    let lines = part(&[2, 4]);
    let Proven::Part {
        checkpoint,
        events,
        contents,
        ..
    } = read(&lines).unwrap()
    else {
        panic!("a part")
    };
    assert_eq!((checkpoint.size, events, contents), (7, 5, 0));
    let mut with = lines;
    with.insert(5, content("two"));
    assert!(matches!(
        read(&with).unwrap(),
        Proven::Part { contents: 1, .. }
    ));
}

#[test]
fn a_part_needs_its_keys_and_its_proofs() {
    let lines = part(&[2]);
    let mut keyless = lines.clone();
    keyless.drain(1..3);
    assert!(read(&keyless).is_err());
    let mut unrotated = lines.clone();
    unrotated.drain(5..7);
    assert!(read(&unrotated).is_err());
    let mut unproven = lines.clone();
    unproven.remove(4);
    assert!(matches!(
        read(&unproven).unwrap_err().flaw,
        Flaw::Incomplete(_)
    ));
    let mut swapped = lines.clone();
    swapped.swap(2, 4);
    assert!(matches!(
        read(&swapped).unwrap_err().flaw,
        Flaw::Incomplete(_)
    ));
    let mut bent = lines;
    let text = String::from_utf8(bent[4].clone()).unwrap();
    let digit = text.find("sha256:").unwrap() + 7;
    let other = if text.as_bytes()[digit] == b'0' {
        "1"
    } else {
        "0"
    };
    bent[4] = format!("{}{other}{}", &text[..digit], &text[digit + 1..]).into_bytes();
    assert!(matches!(read(&bent).unwrap_err().flaw, Flaw::Unproven(_)));
}
