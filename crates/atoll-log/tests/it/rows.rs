//! Segments, alone and in a row: any cut at checkpoints gives some that verify and join.

use atoll_domain::Hash;
use atoll_log::export::{Extra, Proven, Reader};
use atoll_log::segment::{Before, opening};
use atoll_log::{Bad, Checkpoint, Flaw};
use proptest::prelude::*;

use crate::export::event_line;
use crate::made::Log;

pub type Lines = Vec<Vec<u8>>;

fn body(row: &(Vec<u8>, Hash)) -> (String, serde_json::Value) {
    let mut value: serde_json::Value = serde_json::from_slice(&row.0).unwrap();
    let kind = value["type"].as_str().unwrap().to_owned();
    (kind, value["body"].take())
}

/// The segments of `rows` that end before the checkpoints at `cuts` (positions in `rows`).
pub fn segments(rows: &[(Vec<u8>, Hash)], cuts: &[usize]) -> Vec<Lines> {
    let mut before = Before::default();
    let mut from = 0;
    let mut all = Vec::new();
    for &to in cuts {
        let note = body(&rows[to]).1["note"].as_str().unwrap().to_owned();
        let header = Extra::Segment(before.header(note)).line().unwrap();
        let mut lines = vec![header];
        for row in &rows[from..to] {
            lines.push(event_line(row));
            before.push(row.1);
            let (kind, body) = body(row);
            match kind.as_str() {
                "LogOpened" => {
                    before.key(opening(&serde_json::from_value(body).unwrap()).unwrap());
                }
                "Checkpoint" if body["next"].is_string() => {
                    before.key(body["note"].as_str().unwrap().to_owned());
                }
                _ => {}
            }
        }
        from = to;
        all.push(lines);
    }
    all
}

pub fn checkpoints(rows: &[(Vec<u8>, Hash)]) -> Vec<usize> {
    let is = |i: &usize| body(&rows[*i]).0 == "Checkpoint";
    (1..rows.len()).filter(is).collect()
}

/// Reads a row in the order that it is handed in; the file and line of the first bad one.
pub fn read(
    row: &[Lines],
    root: Option<&str>,
    kept: &[&str],
) -> Result<(u64, u64, u64), (usize, Bad)> {
    let (mut behind, mut first, mut fit, mut last) = (None, 0, 0, 0);
    for (at, lines) in row.iter().enumerate() {
        let mut reader = Reader::new();
        root.into_iter()
            .for_each(|r| reader.expect(r.parse().unwrap()));
        for note in kept {
            reader.keep(Checkpoint::open_unsigned(note).unwrap());
        }
        behind.take().into_iter().for_each(|end| reader.behind(end));
        let done = lines.iter().try_for_each(|line| reader.line(line));
        match done.and_then(|()| reader.finish()) {
            Ok(Proven::Segment { first: f, log, end }) => {
                first = if at == 0 { f } else { first };
                (last, fit) = (log.events, fit + log.kept);
                behind = Some(*end);
            }
            Ok(other) => panic!("a segment: {other:?}"),
            Err(bad) => return Err((at, bad)),
        }
    }
    Ok((first, last, fit))
}

/// Notes, checkpoints and changes of keys, as the digits of `shape` say.
fn grown(shape: &[u8]) -> Log {
    let mut log = Log::open(1);
    for (i, what) in shape.iter().enumerate() {
        match what % 8 {
            0 => log.rotate(),
            1 | 2 => drop(log.checkpoint()),
            _ => drop(log.note(&i.to_string())),
        }
    }
    log.checkpoint();
    log
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn any_cut_at_checkpoints_gives_segments_that_verify_and_join(
        shape in proptest::collection::vec(any::<u8>(), 0..24), picks in any::<u64>(), flip in any::<usize>(),
    ) {
        let log = grown(&shape);
        let all = checkpoints(&log.rows);
        let mut cuts: Vec<usize> = all.iter().enumerate().filter(|(i, _)| picks >> (i % 64) & 1 == 1).map(|(_, c)| *c).collect();
        if cuts.last() != all.last() {
            cuts.extend(all.last());
        }
        let row = segments(&log.rows, &cuts);
        let last = *cuts.last().unwrap() as u64;
        prop_assert_eq!(read(&row, Some(&log.node), &[]).unwrap(), (1, last, 0));
        // One alone, and the rest from any on.
        let i = flip % row.len();
        let from = if i == 0 { 1 } else { cuts[i - 1] as u64 + 1 };
        prop_assert_eq!(read(&row[i..=i], None, &[]).unwrap(), (from, cuts[i] as u64, 0));
        prop_assert_eq!(read(&row[i..], None, &[]).unwrap(), (from, last, 0));
        // Without one in the middle, twice the same, in another order: all found at the first line.
        if row.len() > 2 {
            let at = 1 + flip % (row.len() - 2);
            let mut less = row.clone();
            less.remove(at);
            let (file, bad) = read(&less, None, &[]).unwrap_err();
            prop_assert!(file == at && bad.line == 1 && matches!(bad.flaw, Flaw::Gap { .. }), "{bad}");
            let mut twice = row.clone();
            twice.insert(at, row[at].clone());
            prop_assert_eq!(read(&twice, None, &[]).unwrap_err().0, at + 1);
        }
        // Any digit of any line.
        let at = flip % row.len();
        let mut bent = row.clone();
        let line = flip / 7 % bent[at].len();
        let digits: Vec<usize> = (0..bent[at][line].len()).filter(|i| bent[at][line][*i].is_ascii_hexdigit()).collect();
        let byte = digits[flip / 3 % digits.len()];
        let old = bent[at][line][byte];
        bent[at][line][byte] = if old == b'0' { b'1' } else { b'0' };
        prop_assert!(read(&bent, Some(&log.node), &[]).is_err(), "file {at}, line {line}, byte {byte}");
    }
}
