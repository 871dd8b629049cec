//! Segments of a store, and the folder that they are put into: order, age, what is in the way, kills, a full disk.

use std::io::{self, Read as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use atoll_domain::{Entropy as _, Ms};
use atoll_guard::Journal as _;
use atoll_log::export::{Proven, Reader};
use atoll_log::{Flaw, Start};
use atoll_ports::log::{Cut, Error, Segment};
use atoll_ports::{Archive, Log as _};
use atoll_store::{ArchiveFolder, Store};
use flate2::read::GzDecoder;

use crate::full::on_a_small_disk;
use crate::made::{Counter, Place, bare};

const ALL: Ms = Ms(i64::MAX as u64);

fn cut(behind: Option<String>, before: Ms, begun: Ms, events_max: u64) -> Cut {
    Cut {
        behind,
        before,
        begun,
        events_max,
    }
}

async fn append(store: &Store, n: u64) {
    for i in 0..n {
        store.append(bare(i), false).await.unwrap();
    }
}

fn put(store: &Store, folder: &ArchiveFolder, segment: Segment) -> io::Result<PathBuf> {
    let put = folder.put(segment.first, segment.last, &mut |out| {
        let done = store.segment(segment, out);
        done.map_err(|err| io::Error::other(err.to_string()))
    })?;
    let path = Path::new(&folder.place()).join(put.name);
    assert_eq!(path.metadata().unwrap().len(), put.bytes);
    Ok(path)
}

/// Everything, in segments of about `events_max`.
fn put_all(store: &Store, folder: &ArchiveFolder, events_max: u64) -> Vec<PathBuf> {
    let mut all = Vec::new();
    loop {
        let behind = folder.last(store.node()).unwrap();
        let Some(segment) = store.cut(&cut(behind, ALL, ALL, events_max)).unwrap() else {
            return all;
        };
        all.push(put(store, folder, segment).unwrap());
    }
}

fn read(path: &Path, behind: Option<Start>) -> Result<(u64, u64, Start), Flaw> {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut reader = Reader::new();
    behind.into_iter().for_each(|end| reader.behind(end));
    for line in text.lines() {
        reader.line(line.as_bytes()).map_err(|bad| bad.flaw)?;
    }
    match reader.finish().map_err(|bad| bad.flaw)? {
        Proven::Segment { first, log, end } => Ok((first, log.events, *end)),
        other => panic!("a segment: {other:?}"),
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn segments_follow_each_other_over_epochs_and_restarts_and_hold_the_log() {
    let (place, away) = (Place::new(), tempfile::tempdir().unwrap());
    let folder = ArchiveFolder::new(away.path());
    let mut options = place.options();
    options.pace.epoch_events = 12;
    let store = Store::open(options.clone()).unwrap();
    for n in [3, 9, 1, 14, 2] {
        append(&store, n).await;
        store.checkpoint().await.unwrap();
    }
    let first = put_all(&store, &folder, 10);
    drop(store);
    let store = Store::open(options).unwrap();
    append(&store, 5).await;
    store.checkpoint().await.unwrap();
    let later = put_all(&store, &folder, 10);
    assert_eq!((first.len(), later.len()), (5, 1), "{first:?} {later:?}");
    let (mut behind, mut next) = (None, 1);
    for path in first.iter().chain(&later) {
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (from, to, end) = read(path, behind).unwrap();
        assert_eq!(from, next);
        (behind, next) = (Some(end), to + 1);
    }
    // All but the checkpoint that seals the last.
    assert_eq!(next, store.head());
    assert_eq!(put_all(&store, &folder, 10), [] as [PathBuf; 0]);
    assert_eq!(store.verify().unwrap().bad, None);
}

#[tokio::test]
async fn only_what_is_old_enough_goes_and_a_small_one_waits_for_its_day() {
    let place = Place::new();
    let store = place.open();
    let begun = place.now.load(Ordering::Relaxed);
    append(&store, 3).await;
    store.checkpoint().await.unwrap(); // event 5 covers 4
    place.now.store(begun + 1000, Ordering::Relaxed);
    append(&store, 3).await;
    store.checkpoint().await.unwrap(); // event 9 covers 8
    let at = |before: u64, begun_ms: u64, max| {
        let cut = cut(None, Ms(begun + before), Ms(begun + begun_ms), max);
        store.cut(&cut).unwrap().map(|s| (s.first, s.last))
    };
    assert_eq!(at(0, 0, 100), None);
    assert_eq!(at(500, 500, 100), Some((1, 4)));
    assert_eq!(at(1001, 500, 100), Some((1, 8)));
    assert_eq!(at(1001, 0, 100), None, "it isn't full, and young");
    assert_eq!(at(1001, 0, 5), Some((1, 4)), "it is full");
    // No checkpoint so close: up to the next, if that is old enough.
    assert_eq!(at(1001, 0, 2), Some((1, 4)));
    assert_eq!(at(500, 0, 2), Some((1, 4)));
}

#[tokio::test]
async fn a_damaged_or_other_log_is_not_put_away() {
    let (place, away) = (Place::new(), tempfile::tempdir().unwrap());
    let folder = ArchiveFolder::new(away.path());
    let store = place.open();
    append(&store, 4).await;
    store.checkpoint().await.unwrap();
    let other = Place::new();
    let mut options = other.options();
    options.entropy = std::sync::Arc::new(Counter::new(1 << 40));
    let stranger = Store::open(options).unwrap();
    append(&stranger, 4).await;
    stranger.checkpoint().await.unwrap();
    put_all(&stranger, &folder, 100);
    let err = folder.last(store.node()).unwrap_err();
    assert!(err.to_string().contains(stranger.node()), "{err}");
    // Of the same node, such as before an older copy of its disk was put back.
    for behind in [5, 9] {
        let fork = Place::new();
        let fork = fork.open();
        append(&fork, behind).await;
        fork.checkpoint().await.unwrap();
        let away = tempfile::tempdir().unwrap();
        let folder = ArchiveFolder::new(away.path());
        put_all(&fork, &folder, 100);
        let behind = folder.last(store.node()).unwrap();
        let refused = store.cut(&cut(behind, ALL, ALL, 100));
        assert!(matches!(refused, Err(Error::Unusable(_))), "{refused:?}");
    }

    let clean = tempfile::tempdir().unwrap();
    let folder = ArchiveFolder::new(clean.path());
    let bend = "UPDATE events SET bytes = CAST(replace(CAST(bytes AS TEXT), 'FeedbackNote', 'FeedbackNotf') AS BLOB) WHERE seq = 3";
    assert_eq!(place.db().execute(bend, []).unwrap(), 1);
    let segment = Segment { first: 1, last: 5 };
    let err = put(&store, &folder, segment).unwrap_err();
    assert!(err.to_string().contains("edited"), "{err}");
    assert_eq!(names(clean.path()), [""; 0]);
}

fn one(bytes: &'static [u8]) -> impl FnMut(atoll_ports::log::Sink<'_>) -> io::Result<()> {
    move |out| out(bytes)
}

#[tokio::test]
async fn what_is_in_the_way_stays_as_it_is() {
    let (place, away) = (Place::new(), tempfile::tempdir().unwrap());
    let store = place.open();
    append(&store, 4).await;
    store.checkpoint().await.unwrap();
    let dir = away.path().join("archive");
    let folder = ArchiveFolder::new(&dir);
    // Away: it isn't made.
    let err = folder.last(store.node()).unwrap_err();
    assert_eq!(err.kind(), io::ErrorKind::NotFound);
    assert!(folder.put(1, 2, &mut one(b"x")).is_err());
    assert!(!dir.exists());
    std::fs::create_dir(&dir).unwrap();
    // Others' files are not looked at.
    for name in ["letter.txt", "segment-1-2.txt", "segment-x-9.ndjson.gz"] {
        std::fs::write(dir.join(name), "dear you\n").unwrap();
    }
    assert_eq!(folder.last(store.node()).unwrap(), None);

    let segment = store.cut(&cut(None, ALL, ALL, 100)).unwrap().unwrap();
    assert_eq!((segment.first, segment.last), (1, 5));
    let name = "segment-000000000001-000000000005.ndjson.gz";
    let victim = away.path().join("victim");
    std::fs::write(&victim, "mine\n").unwrap();
    for link in [true, false] {
        match link {
            true => symlink(&victim, dir.join(name)).unwrap(),
            false => std::fs::write(dir.join(name), "mine\n").unwrap(),
        }
        let err = put(&store, &folder, segment).unwrap_err();
        assert!(err.to_string().contains("exists"), "{err}");
        assert_eq!(std::fs::read_to_string(dir.join(name)).unwrap(), "mine\n");
        assert!(folder.last(store.node()).is_err(), "it is no segment");
        assert!(!names(&dir).contains(&".segment.new".to_owned()));
        std::fs::remove_file(dir.join(name)).unwrap();
    }
    // A kill before it had its name: what was left goes, and a link is not followed.
    std::fs::write(dir.join(".segment.new"), "half").unwrap();
    assert_eq!(folder.last(store.node()).unwrap(), None);
    put(&store, &folder, segment).unwrap();
    let good = std::fs::read(dir.join(name)).unwrap();
    std::fs::remove_file(dir.join(name)).unwrap();
    symlink(&victim, dir.join(".segment.new")).unwrap();
    put(&store, &folder, segment).unwrap();
    assert_eq!(std::fs::read(dir.join(name)).unwrap(), good);
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine\n");
    // Its name lies, or it was cut.
    let longer = dir.join("segment-000000000001-000000000009.ndjson.gz");
    std::fs::write(&longer, &good).unwrap();
    assert!(folder.last(store.node()).is_err());
    std::fs::write(&longer, &good[..40]).unwrap();
    assert!(folder.last(store.node()).is_err());
}

#[test]
fn a_kill_while_it_is_written_leaves_no_segment() {
    const CHILD: &str = "ATOLL_TEST_ARCHIVE";
    if let Some(dir) = std::env::var_os(CHILD) {
        let folder = ArchiveFolder::new(PathBuf::from(dir));
        let _ = folder.put(1, 2, &mut |out| {
            out(b"half")?;
            rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::KILL,
            )?;
            Ok(())
        });
        return;
    }
    let away = tempfile::tempdir().unwrap();
    let this = std::env::current_exe().unwrap();
    let status = std::process::Command::new(this)
        .args([
            "--exact",
            "segments::a_kill_while_it_is_written_leaves_no_segment",
        ])
        .env(CHILD, away.path())
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success());
    assert_eq!(names(away.path()), [".segment.new"]);
    let folder = ArchiveFolder::new(away.path());
    assert_eq!(folder.last("N").unwrap(), None);
    let name = folder.put(1, 2, &mut one(b"whole")).unwrap().name;
    assert_eq!(names(away.path()), [name]);
}

#[test]
fn a_full_disk_leaves_nothing_of_a_segment() {
    on_a_small_disk(|place| {
        let dir = place.dir.path().join("archive");
        std::fs::create_dir(&dir).unwrap();
        let folder = ArchiveFolder::new(&dir);
        let chance = Counter::new(7);
        let mut noise = vec![0; 1 << 20];
        let err = folder.put(1, 2, &mut |out| {
            for _ in 0..16 {
                chance.fill(&mut noise);
                out(&noise)?;
            }
            Ok(())
        });
        let err = err.unwrap_err();
        assert_eq!(err.kind(), io::ErrorKind::StorageFull, "{err}");
        assert_eq!(names(&dir), [""; 0]);
        folder.put(1, 2, &mut one(b"small")).unwrap();
    });
}
