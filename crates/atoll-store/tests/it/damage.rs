use atoll_domain::SessionId;
use atoll_guard::{Entry, Journal as _};
use atoll_log::Checkpoint;
use atoll_log::export::{Proven, Reader as ExportReader};
use atoll_ports::Log as _;
use atoll_ports::log::{Error, Export, Sink};
use atoll_store::{Reader, Store};

use crate::made::{Place, bare, note, of, words};

async fn filled(place: &Place) -> Checkpoint {
    let store = place.open();
    for i in 0..8 {
        store.append(bare(i), true).await.unwrap();
    }
    store.checkpoint().await.unwrap();
    let note = store.verify().unwrap().note.unwrap();
    for i in 0..3 {
        store.append(bare(100 + i), true).await.unwrap();
    }
    Checkpoint::open_unsigned(&note).unwrap()
}

fn bad(place: &Place, kept: &[Checkpoint]) -> (u64, String) {
    Reader::open(&place.path())
        .unwrap()
        .verify(None, kept, true)
        .unwrap()
        .bad
        .unwrap()
}

#[tokio::test]
async fn one_changed_byte_is_named() {
    let place = Place::new();
    filled(&place).await;
    let db = place.db();
    let mut bytes: Vec<u8> = db
        .query_row("SELECT bytes FROM events WHERE seq = 5", [], |r| r.get(0))
        .unwrap();
    bytes[40] ^= 1;
    db.execute("UPDATE events SET bytes = ?1 WHERE seq = 5", [bytes])
        .unwrap();
    let (seq, why) = bad(&place, &[]);
    assert_eq!(seq, 5);
    assert!(why.contains("edited"), "{why}");
}

#[tokio::test]
async fn a_missing_and_a_swapped_row_are_named() {
    let place = Place::new();
    filled(&place).await;
    place
        .db()
        .execute("DELETE FROM events WHERE seq = 4", [])
        .unwrap();
    let (seq, why) = bad(&place, &[]);
    assert_eq!((seq, why.contains("missing")), (4, true), "{why}");

    let place = Place::new();
    filled(&place).await;
    place
        .db()
        .execute_batch(
            "UPDATE events SET seq = -1 WHERE seq = 3; UPDATE events SET seq = 3 WHERE seq = 4;
             UPDATE events SET seq = 4 WHERE seq = -1;",
        )
        .unwrap();
    assert_eq!(bad(&place, &[]).0, 3);
}

#[tokio::test]
async fn a_truncated_log_is_named_by_its_state_or_by_a_kept_checkpoint() {
    let place = Place::new();
    let kept = filled(&place).await;
    let db = place.db();
    db.execute("DELETE FROM events WHERE seq > 6", []).unwrap();
    let (seq, why) = bad(&place, &[]);
    assert_eq!((seq, why.contains("truncated")), (7, true), "{why}");
    assert!(
        matches!(Store::open(place.options()), Err(Error::Damaged { .. })),
        "a node does not go on from it"
    );

    // The owner of the disk covers the traces: then only what was kept elsewhere tells.
    db.execute_batch(
        "UPDATE log SET seq = 6, hash = (SELECT hash FROM events WHERE seq = 6), checkpoint = 0",
    )
    .unwrap();
    let reader = Reader::open(&place.path()).unwrap();
    assert_eq!(reader.verify(None, &[], true).unwrap().bad, None);
    let (seq, why) = bad(&place, &[kept]);
    assert_eq!((seq, why.contains("truncated")), (7, true), "{why}");
}

#[tokio::test]
async fn an_intact_log_fits_the_kept_checkpoint() {
    let place = Place::new();
    let kept = filled(&place).await;
    let reader = Reader::open(&place.path()).unwrap();
    let verified = reader.verify(None, &[kept], true).unwrap();
    assert_eq!(
        (verified.bad, verified.events, verified.checkpoints),
        (None, 13, 1)
    );
}

#[tokio::test]
async fn exports_verify_alone() {
    let place = Place::new();
    let store = place.open();
    let (mine, other) = (
        SessionId::new(atoll_domain::Ms(1), [1; 10]),
        SessionId::new(atoll_domain::Ms(1), [2; 10]),
    );
    for i in 0..6u8 {
        let (entry, _) = note(&[i; 20]);
        let mut draft = entry.draft;
        let s = if i % 2 == 0 { mine } else { other };
        draft.session = Some(s);
        draft.topic = atoll_domain::Topic::session(&s);
        store.append(Entry::plain(draft), true).await.unwrap();
        if i == 3 {
            store.rotate().await.unwrap();
        }
    }
    let body = atoll_domain::FeedbackNote {
        text: words("never given"),
    };
    store
        .append(Entry::plain(of(Some(mine), body.into())), true)
        .await
        .unwrap();

    let all = Export {
        contents: true,
        ..Export::default()
    };
    let mine_all = Export {
        session: Some(mine),
        ..all.clone()
    };
    let whole = lines(|out| store.export(&all, out));
    let Proven::Log { log, contents } = read(&whole) else {
        panic!("a log")
    };
    assert_eq!((log.events, contents), (9, 6));

    let refused = store.export(&mine_all, &mut |_| Ok(()));
    assert!(refused.is_ok(), "a rotation is a checkpoint too");
    store.checkpoint().await.unwrap();
    let part = lines(|out| store.export(&mine_all, out));
    let Proven::Part {
        events,
        contents,
        checkpoint,
        ..
    } = read(&part)
    else {
        panic!("a part")
    };
    // Three notes and one without content, event 1, and the one that names the second key.
    assert_eq!((events, contents, checkpoint.size), (6, 3, 9));
    let bare = Export {
        contents: false,
        since: Some(4),
        ..mine_all.clone()
    };
    let bare_part = lines(|out| store.export(&bare, out));
    assert!(matches!(
        read(&bare_part),
        Proven::Part {
            contents: 0,
            events: 6,
            ..
        }
    ));
    let beyond = Export {
        since: Some(99),
        ..bare
    };
    let refused = store.export(&beyond, &mut |_| panic!("nothing is handed out"));
    assert!(matches!(refused, Err(Error::Missing(_))), "{refused:?}");
}

fn lines(export: impl FnOnce(Sink<'_>) -> Result<u64, Error>) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    export(&mut |line| {
        out.push(line.to_vec());
        Ok(())
    })
    .unwrap();
    out
}

fn read(lines: &[Vec<u8>]) -> Proven {
    let mut reader = ExportReader::new();
    for line in lines {
        reader.line(line).unwrap();
    }
    reader.finish().unwrap()
}
