use atoll_domain::Hash;
use atoll_log::{Bad, Checkpoint, Error, Flaw, Intact, Key, Verifier, signed};
use proptest::prelude::*;

use crate::made::{Log, relink};

fn verify(rows: &[(Vec<u8>, Hash)], kept: &[Checkpoint]) -> Result<Intact, Bad> {
    let mut verifier = Verifier::new();
    kept.iter().cloned().for_each(|c| verifier.keep(c));
    for (bytes, hash) in rows {
        verifier.stored(bytes, hash)?;
    }
    verifier.finish()
}

fn sample() -> (Log, Checkpoint) {
    let mut log = Log::open(1);
    for i in 0..6 {
        log.note(&format!("note {i}"));
    }
    let (kept, _) = log.checkpoint();
    log.note("after");
    log.rotate();
    log.note("new epoch");
    log.checkpoint();
    log.note("last");
    (log, kept)
}

#[test]
fn a_whole_log_is_intact() {
    let (log, kept) = sample();
    let intact = verify(&log.rows, std::slice::from_ref(&kept)).unwrap();
    assert_eq!(
        (
            intact.events,
            intact.checkpoints,
            intact.covered,
            intact.kept
        ),
        (13, 3, 11, 1)
    );
    assert_eq!(intact.head, log.head.hash);
    assert_eq!(intact.node.as_deref(), Some(log.node.as_str()));
    assert!(verify(&[], &[]).unwrap().node.is_none());
}

/// Signing is slow without optimisation, so the many cases share one log.
fn sample_rows() -> Vec<(Vec<u8>, Hash)> {
    static ROWS: std::sync::OnceLock<Vec<(Vec<u8>, Hash)>> = std::sync::OnceLock::new();
    ROWS.get_or_init(|| sample().0.rows).clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_changed_byte_is_named(line in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut rows = sample_rows();
        let line = line.index(rows.len());
        let bytes = &mut rows[line].0;
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let bad = verify(&rows, &[]).unwrap_err();
        prop_assert_eq!((bad.line, bad.seq), (line as u64 + 1, line as u64 + 1));
        let edited = matches!(bad.flaw, Flaw::Edited { .. });
        prop_assert!(edited);
    }

    #[test]
    fn a_missing_line_is_named(line in 0..12usize) {
        let mut rows = sample_rows();
        rows.remove(line);
        let bad = verify(&rows, &[]).unwrap_err();
        prop_assert_eq!(bad.line, line as u64 + 1);
        let gap = Flaw::Gap { expected: line as u64 + 1, found: line as u64 + 2 };
        prop_assert_eq!(bad.flaw, gap);
    }

    #[test]
    fn swapped_lines_are_named(line in 0..11usize) {
        let mut rows = sample_rows();
        rows.swap(line, line + 1);
        let bad = verify(&rows, &[]).unwrap_err();
        prop_assert_eq!(bad.line, line as u64 + 1);
    }
}

#[test]
fn a_repeated_line_is_out_of_order() {
    let (mut log, _) = sample();
    let copy = log.rows[3].clone();
    log.rows.insert(4, copy);
    let bad = verify(&log.rows, &[]).unwrap_err();
    assert_eq!(
        (bad.line, bad.flaw),
        (
            5,
            Flaw::Reordered {
                expected: 5,
                found: 4
            }
        )
    );
}

#[test]
fn one_rewritten_and_rehashed_event_breaks_the_link_behind_it() {
    let (mut log, _) = sample();
    let text = String::from_utf8(log.rows[3].0.clone()).unwrap();
    log.rows[3].0 = text.replace("\"bytes\":6", "\"bytes\":7").into_bytes();
    assert_ne!(log.rows[3].0, text.as_bytes());
    log.rows[3].1 = Hash::of(&log.rows[3].0);
    let bad = verify(&log.rows, &[]).unwrap_err();
    assert_eq!((bad.line, bad.flaw), (5, Flaw::Unlinked));
}

#[test]
fn a_rewritten_tail_stops_at_the_next_signed_checkpoint() {
    let (mut log, _) = sample();
    log.rows[2].0 = String::from_utf8(log.rows[2].0.clone())
        .unwrap()
        .replace("\"bytes\":6", "\"bytes\":7")
        .into_bytes();
    relink(&mut log.rows, 2);
    // Event 8 is the first checkpoint.
    let bad = verify(&log.rows, &[]).unwrap_err();
    assert_eq!((bad.line, bad.flaw), (8, Flaw::WrongRoot));
}

#[test]
fn todays_thief_cannot_rewrite_an_earlier_epoch() {
    let (log, _) = sample();
    let thief = Key::from_seed(&[3; 32]);
    assert_eq!(
        thief.public(),
        log.key.public(),
        "the key in force was stolen"
    );
    let mut forged = Log::open(1);
    forged.note("a nicer past");
    let body = signed(&forged.here(None), &thief).unwrap();
    forged.push(body);
    let bad = verify(&forged.rows, &[]).unwrap_err();
    assert_eq!(
        (bad.line, bad.flaw),
        (3, Flaw::WrongSignature(Error::UnknownSigner))
    );
}

#[test]
fn truncation_and_rewriting_show_against_a_kept_checkpoint_alone() {
    let (log, kept) = sample();
    let cut = &log.rows[..5];
    assert!(verify(cut, &[]).is_ok(), "a cut log is sound in itself");
    let bad = verify(cut, std::slice::from_ref(&kept)).unwrap_err();
    assert_eq!(
        (bad.line, bad.seq, bad.flaw),
        (6, 6, Flaw::Truncated { size: 7, found: 5 })
    );

    let mut other = Log::open(1);
    for _ in 0..8 {
        other.note("another story");
    }
    assert!(verify(&other.rows, &[]).is_ok());
    let bad = verify(&other.rows, std::slice::from_ref(&kept)).unwrap_err();
    assert_eq!((bad.line, bad.flaw), (7, Flaw::Rewritten { size: 7 }));

    let mut strange = Log::open(40);
    for _ in 0..8 {
        strange.note("another node");
    }
    assert_eq!(
        verify(&strange.rows, &[kept]).unwrap_err().flaw,
        Flaw::OtherCheckpoint
    );
}

#[test]
fn a_log_opened_by_another_key_than_its_name_is_refused() {
    let mut log = Log::open(1);
    let text = String::from_utf8(log.rows[0].0.clone()).unwrap();
    let stranger = Key::from_seed(&[99; 32]).public().to_string();
    log.rows[0].0 = text
        .replace(
            &format!("\"node\":\"{}\"", log.node),
            &format!("\"node\":\"{stranger}\""),
        )
        .into_bytes();
    log.rows[0].1 = Hash::of(&log.rows[0].0);
    assert!(matches!(
        verify(&log.rows, &[]).unwrap_err().flaw,
        Flaw::WrongSignature(Error::Key(_))
    ));
}

#[test]
fn events_of_another_node_do_not_join() {
    let (mut log, _) = sample();
    let at = log.rows.len() - 1;
    let stranger = Key::from_seed(&[99; 32]).public().to_string();
    log.rows[at].0 = String::from_utf8(log.rows[at].0.clone())
        .unwrap()
        .replace(&log.node, &stranger)
        .into_bytes();
    log.rows[at].1 = Hash::of(&log.rows[at].0);
    assert_eq!(verify(&log.rows, &[]).unwrap_err().flaw, Flaw::OtherNode);
}

#[test]
fn a_clock_that_went_back_is_counted_and_no_flaw() {
    use atoll_domain::{Draft, EventId, Heartbeat, Ms};
    let mut log = Log::open(1);
    for ts in [5000, 4000, 4500] {
        let draft = Draft::node(Heartbeat { sessions: 0 }.into());
        let sealed = atoll_log::seal(
            &draft,
            &log.node,
            &mut log.head,
            EventId::new(Ms(ts), [0; 10]),
            Ms(ts),
        )
        .unwrap();
        log.rows.push((sealed.bytes, sealed.hash));
    }
    assert_eq!(verify(&log.rows, &[]).unwrap().clock_back, 1);
}

#[test]
fn verifying_can_start_in_the_middle() {
    let (log, kept) = sample();
    let mut first = Verifier::new();
    for (bytes, hash) in &log.rows[..7] {
        first.stored(bytes, hash).unwrap();
    }
    let mut rest = Verifier::resume(first.pause().unwrap());
    rest.keep(kept);
    for (bytes, hash) in &log.rows[7..] {
        rest.stored(bytes, hash).unwrap();
    }
    assert_eq!(rest.finish().unwrap().events, 13);
}
