//! Files beside the log that no content names.

use atoll_domain::Hash;
use atoll_guard::Journal as _;
use atoll_ports::Log as _;

use crate::made::{Place, note};

fn files(place: &Place) -> usize {
    let folders = std::fs::read_dir(place.path().join("blobs")).unwrap();
    folders
        .flatten()
        .filter(|e| e.path().is_dir())
        .map(|e| std::fs::read_dir(e.path()).unwrap().count())
        .sum()
}

#[tokio::test]
async fn what_no_content_names_goes_and_all_else_stays() {
    let place = Place::new();
    let store = place.open();
    let mut kept = Vec::new();
    for n in 0..3u8 {
        let (entry, content) = note(&vec![n; 100_000]);
        store.append(entry, true).await.unwrap();
        kept.push(content);
    }
    assert_eq!(files(&place), 3);
    let before = store.sweep().await.unwrap();
    assert_eq!((before.removed, before.freed_bytes), (0, 0));
    assert!(before.left_bytes > 300_000, "the log itself is counted");
    // What a kill leaves: a file whose row never came, and half of one.
    let orphan = Hash::of(b"orphan").hex();
    let folder = place.path().join("blobs").join(&orphan[..2]);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(&orphan[2..]), vec![0; 5000]).unwrap();
    std::fs::write(folder.join(&orphan[2..]).with_extension("new"), "half").unwrap();
    std::fs::write(folder.join("notes"), "a person's own").unwrap();
    let swept = store.sweep().await.unwrap();
    assert_eq!((swept.removed, swept.freed_bytes), (2, 5004));
    assert_eq!(files(&place), 4);
    assert_eq!(store.sweep().await.unwrap().removed, 0);
    for content in &kept {
        assert!(store.content(content).unwrap().is_some());
    }
    assert_eq!(store.verify().unwrap().bad, None);
    drop(store);
    let again = place.open();
    assert!(again.content(&kept[0]).unwrap().is_some());
}

#[tokio::test]
async fn appends_go_on_while_it_sweeps() {
    let place = Place::new();
    let store = std::sync::Arc::new(place.open());
    let appending = {
        let store = store.clone();
        tokio::spawn(async move {
            let mut kept = Vec::new();
            for n in 0..20u8 {
                let (entry, content) = note(&vec![n; 70_000]);
                store.append(entry, false).await.unwrap();
                kept.push(content);
            }
            kept
        })
    };
    let mut removed = 0;
    while !appending.is_finished() {
        removed += store.sweep().await.unwrap().removed;
    }
    assert_eq!(removed, 0);
    for content in appending.await.unwrap() {
        assert!(store.content(&content).unwrap().is_some());
    }
}
