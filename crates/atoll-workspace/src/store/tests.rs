#![allow(clippy::disallowed_methods, reason = "a test")]

use std::os::unix::fs::FileExt as _;

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
