#![allow(clippy::disallowed_methods, reason = "a test")]

use std::os::unix::fs::FileExt as _;

use std::time::Duration;

use super::*;
use crate::names::RelPath;

const LIMIT: u64 = 64 << 20;

fn flat(files: &[(&str, &str)], batch: &mut Batch<'_>) -> Flat {
    files
        .iter()
        .map(|(p, c)| {
            let id = batch.blob(c.as_bytes()).unwrap();
            (
                RelPath::parse(p).unwrap(),
                Leaf {
                    mode: Mode::File,
                    id,
                },
            )
        })
        .collect()
}

#[test]
fn a_tree_survives_reopening_and_reads_back() {
    let t = tempfile::tempdir().unwrap();
    let store = Store::open(&t.path().join("r"), LIMIT).unwrap();
    let mut batch = store.batch();
    let files = flat(
        &[("a", "1"), ("b/c", "2"), ("b.x", "3"), ("b/d/e", "1")],
        &mut batch,
    );
    let root = tree::write(&files, &mut batch).unwrap();
    assert!(
        store.odb().read(root).is_err(),
        "nothing is visible before finish"
    );
    assert_eq!(batch.finish().unwrap(), 3 + 3);
    drop(store);
    let store = Store::open(&t.path().join("r"), LIMIT).unwrap();
    assert!(store.contains(root));
    assert_eq!(
        tree::read(store.odb(), root, 100, &mut Vec::new()).unwrap(),
        files
    );
    assert!(tree::read(store.odb(), root, 3, &mut Vec::new()).is_err());
}

#[test]
fn a_dropped_batch_leaves_nothing_and_sweeping_clears_the_dead() {
    let t = tempfile::tempdir().unwrap();
    let path = t.path().join("r");
    let store = Store::open(&path, LIMIT).unwrap();
    let mut batch = store.batch();
    batch.blob(b"x").unwrap();
    drop(batch);
    assert_eq!(
        std::fs::read_dir(path.join("objects/pack"))
            .unwrap()
            .count(),
        0
    );
    std::fs::write(
        path.join("objects/pack").join(format!("{TEMP_PREFIX}1")),
        "half",
    )
    .unwrap();
    drop(store);
    Store::open(&path, LIMIT).unwrap();
    assert_eq!(
        std::fs::read_dir(path.join("objects/pack"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn damage_is_named_not_returned() {
    let t = tempfile::tempdir().unwrap();
    let path = t.path().join("r");
    let store = Store::open(&path, LIMIT).unwrap();
    let mut batch = store.batch();
    let id = batch.blob(&[7; 5000]).unwrap();
    batch.finish().unwrap();
    let pack = std::fs::read_dir(path.join("objects/pack"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| p.extension().is_some_and(|e| e == "pack"))
        .unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(pack).unwrap();
    file.write_all_at(&[0xff; 4], 20).unwrap();
    assert!(matches!(store.blob(id), Err(Error::Corrupt { .. })));
    let missing = object::name_of(Kind::Blob, b"nothing");
    assert!(matches!(store.blob(missing), Err(Error::NoObject(_))));
}

#[test]
fn many_small_packs_become_one() {
    let t = tempfile::tempdir().unwrap();
    let path = t.path().join("r");
    let store = Store::open(&path, LIMIT).unwrap();
    let ids: Vec<_> = (0..SMALL_PACKS_MAX + 3)
        .map(|n| {
            let mut batch = store.batch();
            let id = batch.blob(format!("{n}").as_bytes()).unwrap();
            batch.finish().unwrap();
            id
        })
        .collect();
    drop(store);
    let store = Store::open(&path, LIMIT).unwrap();
    assert_eq!(store.odb().packs().len(), 1);
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(store.blob(*id).unwrap(), format!("{n}").as_bytes());
    }
}

#[test]
fn the_stat_cache_distrusts_recent_times_and_damage() {
    let t = tempfile::tempdir().unwrap();
    let path = t.path().join("stat");
    let id = object::name_of(Kind::Blob, b"x");
    let stamp = |ctime_ns| crate::beneath::Stamp {
        dev: 1,
        ino: 2,
        size: 3,
        mtime_ns: 4,
        ctime_ns,
    };
    let mut cache = StatCache::load(&path);
    cache.put(stamp(1_000_000_000), id, 1_000_000_001);
    assert_eq!(cache.len(), 0, "a time as recent as this may repeat");
    cache.put(stamp(1_000_000_000), id, 2_000_000_000);
    cache.save().unwrap();
    assert_eq!(StatCache::load(&path).get(&stamp(1_000_000_000)), Some(id));
    assert_eq!(StatCache::load(&path).get(&stamp(1_000_000_001)), None);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(StatCache::load(&path).len(), 0);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]
    #[test]
    fn any_set_of_paths_comes_back(paths in proptest::collection::btree_set("[a-c.-]{1,2}(/[a-c]{1,2}){0,3}", 0..20)) {
        let t = tempfile::tempdir().unwrap();
        let store = Store::open(&t.path().join("r"), LIMIT).unwrap();
        let mut batch = store.batch();
        let id = batch.blob(b"x").unwrap();
        let all: Vec<RelPath> = paths.iter().filter_map(|p| RelPath::parse(p).ok()).collect();
        let clash = all.iter().any(|p| all.iter().any(|q| q.as_str().starts_with(&format!("{p}/"))));
        let files: Flat = all.into_iter().map(|p| (p, Leaf { mode: Mode::Exec, id })).collect();
        let root = tree::write(&files, &mut batch);
        proptest::prop_assert_eq!(clash, root.is_err());
        if let Ok(root) = root {
            batch.finish().unwrap();
            proptest::prop_assert_eq!(tree::read(store.odb(), root, 1000, &mut Vec::new()).unwrap(), files);
        }
    }
}

/// Trees of these files, each in a pack of its own.
fn trees(store: &Store, all: &[&[(&str, &str)]]) -> Vec<ObjectId> {
    let one = |files: &&[(&str, &str)]| {
        let mut batch = store.batch();
        let flat = flat(files, &mut batch);
        let tree = tree::write(&flat, &mut batch).unwrap();
        batch.finish().unwrap();
        tree
    };
    all.iter().map(one).collect()
}

fn whole(store: &Store, tree: ObjectId) -> bool {
    let flat = tree::read(store.odb(), tree, 100, &mut Vec::new());
    flat.is_ok_and(|flat| flat.values().all(|leaf| store.blob(leaf.id).is_ok()))
}

fn packs(path: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(path.join("objects/pack")).unwrap();
    entries.count()
}

#[test]
fn a_sweep_removes_dead_packs_and_writes_mixed_ones_anew() {
    let t = tempfile::tempdir().unwrap();
    let path = t.path().join("r");
    let store = Store::open(&path, LIMIT).unwrap();
    let made = trees(
        &store,
        &[
            &[("a", "shared"), ("b", "1"), ("c", "2"), ("d", "3")],
            &[("a", "shared"), ("x/y", "4")],
            &[("z", "5")],
        ],
    );
    assert_eq!(packs(&path), 6);
    // The second tree's blob `a` lies in the first one's pack.
    let swept = store.sweep_unwanted(&[made[1]], Duration::ZERO).unwrap();
    assert_eq!(
        swept.removed, 2,
        "the third pack, and the first written anew"
    );
    assert_eq!(packs(&path), 4);
    assert!(whole(&store, made[1]));
    assert!(!store.contains(made[0]) && !store.contains(made[2]));
    assert!(whole(&Store::open(&path, LIMIT).unwrap(), made[1]));
    // What went is written again where it is needed again.
    let again = trees(&store, &[&[("z", "5")]]);
    assert!(again[0] == made[2] && whole(&store, made[2]));
    let none = store.sweep_unwanted(&[], Duration::ZERO).unwrap();
    assert_eq!((none.left_bytes, packs(&path)), (0, 0));
}

#[test]
fn a_sweep_keeps_what_was_just_named_and_what_it_cannot_understand() {
    let t = tempfile::tempdir().unwrap();
    let path = t.path().join("r");
    let store = Store::open(&path, LIMIT).unwrap();
    let made = trees(&store, &[&[("a", "1")], &[("b", "2")]]);
    store.name(made[0]);
    let swept = store.sweep_unwanted(&[], Duration::from_secs(60)).unwrap();
    assert_eq!(swept.removed, 1);
    assert!(whole(&store, made[0]) && !store.contains(made[1]));
    // A tree that can't be read: what it reaches isn't known, so nothing goes.
    let broken = {
        let mut batch = store.batch();
        let id = batch.put(Kind::Blob, b"no tree").unwrap();
        batch.finish().unwrap();
        id
    };
    assert!(store.sweep_unwanted(&[broken], Duration::ZERO).is_err());
    assert!(whole(&store, made[0]));
    // One that isn't there is passed over.
    let gone = made[1];
    assert!(
        store
            .sweep_unwanted(&[gone, made[0]], Duration::ZERO)
            .is_ok()
    );
    assert!(whole(&store, made[0]));
}

#[test]
fn a_sweep_that_was_killed_anywhere_leaves_all_that_is_wanted() {
    let t = tempfile::tempdir().unwrap();
    let path = t.path().join("r");
    let store = Store::open(&path, LIMIT).unwrap();
    let files: &[(&str, &str)] = &[("a", "1"), ("b", "2"), ("c", "3")];
    let made = trees(&store, &[files, &[("a", "1"), ("x", "4")], &[("z", "5")]]);
    drop(store);
    let before = names(&path);
    let done = {
        let store = Store::open(&path, LIMIT).unwrap();
        copy_all(&path, &t.path().join("before"));
        store.sweep_unwanted(&[made[1]], Duration::ZERO).unwrap();
        names(&path)
    };
    // The steps in their order: the new pack and its index come, then each old index goes and its pack.
    let fresh: Vec<&String> = done.iter().filter(|n| !before.contains(*n)).collect();
    let mut old: Vec<&String> = before.iter().filter(|n| !done.contains(*n)).collect();
    old.sort_by_key(|n| (n.split('.').next(), n.ends_with(".pack")));
    assert_eq!((fresh.len(), old.len()), (2, 4));
    for killed_after in 0..=fresh.len() + old.len() {
        let at = t.path().join(format!("at-{killed_after}"));
        copy_all(&t.path().join("before"), &at);
        let pack = |root: &std::path::Path, name: &str| root.join("objects/pack").join(name);
        let mut coming = fresh.clone();
        coming.sort_by_key(|n| n.ends_with(".idx"));
        for name in coming.iter().take(killed_after) {
            std::fs::copy(pack(&path, name), pack(&at, name)).unwrap();
        }
        for name in old.iter().take(killed_after.saturating_sub(fresh.len())) {
            std::fs::remove_file(pack(&at, name)).unwrap();
        }
        let store = Store::open(&at, LIMIT).unwrap();
        assert!(whole(&store, made[1]), "after {killed_after} steps");
        store.sweep_unwanted(&[made[1]], Duration::ZERO).unwrap();
        assert!(whole(&store, made[1]), "after {killed_after} steps");
        assert_eq!(names(&at), done, "gone on with to the same end");
    }
}

fn names(path: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(path.join("objects/pack")).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn copy_all(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
