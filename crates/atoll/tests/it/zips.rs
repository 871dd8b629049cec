//! Exports that somebody changed or made to do harm: both verifiers refuse them, and say the same.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::exports::Files;
use crate::proofs::both;
use crate::scene::Scene;

fn zipped(files: &Files) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name.as_str(), SimpleFileOptions::default())
            .unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Both refuse it.
#[track_caller]
fn refused(scene: &Scene, bytes: &[u8], said: &str) {
    let path = scene.path().join("hostile.zip");
    std::fs::write(&path, bytes).unwrap();
    both(scene, &[path.to_str().unwrap()], 8, said);
}

/// Changes of an export that is intact.
pub fn tampered(scene: &Scene, files: &Files) {
    let with = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut files = files.clone();
        change(&mut files.iter_mut().find(|f| f.0 == name).unwrap().1);
        zipped(&files)
    };
    let swap = |from: &'static str, to: &'static str| {
        move |bytes: &mut Vec<u8>| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            assert!(text.contains(from), "{from}");
            *bytes = text.replacen(from, to, 1).into_bytes();
        }
    };
    let event = with(
        "events.ndjson",
        &swap("\"PatchProposed\"", "\"PatchProposee\""),
    );
    refused(scene, &event, "NOT intact: first at line");
    let patch = with("patches/p1.diff", &swap("+total=3", "+total=4"));
    refused(
        scene,
        &patch,
        "patches/p1.diff is no content that the events commit to",
    );
    let longer = with("patches/p1.diff", &|bytes| bytes.extend(b"+evil\n"));
    refused(
        scene,
        &longer,
        "patches/p1.diff is no content that the events commit to",
    );
    let note = with("checkpoint.note", &swap("\n", "\n1"));
    refused(scene, &note, "checkpoint.note is not the checkpoint");

    let and = |name: &str, bytes: &[u8]| {
        let mut files = files.clone();
        files.push((name.into(), bytes.to_vec()));
        zipped(&files)
    };
    for name in [
        "../../.bashrc",
        "/etc/passwd",
        "a\\..\\b",
        "C:x",
        "artifacts/../../x",
        "artifacts//x",
    ] {
        refused(scene, &and(name, b"x"), "name leads elsewhere");
    }
    refused(
        scene,
        &and("setup.exe", b"MZ"),
        "setup.exe is no file of an export",
    );
    refused(
        scene,
        &and("artifacts/j1/x", b"never kept"),
        "is no content that the events commit to",
    );
    let without: Files = files
        .iter()
        .filter(|f| f.0 != "events.ndjson")
        .cloned()
        .collect();
    refused(scene, &zipped(&without), "it has no events.ndjson");
    hostile(scene, files);
}

/// Zips that no writer of ours makes.
fn hostile(scene: &Scene, files: &Files) {
    // One name twice: what one reader takes for the file, another doesn't.
    let twice = {
        let mut files = files.clone();
        files.push(("patches/p2.diff".into(), b"+evil\n".to_vec()));
        replaced(&zipped(&files), b"patches/p2.diff", b"patches/p1.diff")
    };
    refused(scene, &twice, "two files have one name");

    // A bomb: far more of nothing than the file has bytes.
    let mut zip = ZipWriter::new_append(Cursor::new(zipped(files))).unwrap();
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    zip.start_file("artifacts/j1/bomb", options).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..64 {
        zip.write_all(&zeros).unwrap();
    }
    zip.write_all(&zeros[..12_345]).unwrap(); // a length that is found nowhere else
    let bomb = zip.finish().unwrap().into_inner();
    assert!(bomb.len() < 1 << 20);
    refused(
        scene,
        &bomb,
        "artifacts/j1/bomb is no content that the events commit to",
    );
    // It says of itself that it is far too large.
    let size = ((64u32 << 20) + 12_345).to_le_bytes();
    let huge = replaced(&bomb, &size, &u32::MAX.wrapping_sub(1).to_le_bytes());
    refused(scene, &huge, "and an export at most");
    // Its events say that they are shorter than they are, and longer.
    let events = files
        .iter()
        .find(|f| f.0 == "events.ndjson")
        .unwrap()
        .1
        .len();
    let size = u32::try_from(events).unwrap();
    for said in [size - 10, size + 10] {
        let lies = replaced(&zipped(files), &size.to_le_bytes(), &said.to_le_bytes());
        refused(scene, &lies, "NOT intact");
    }
    // Half of one, and something that only begins like one.
    let whole = zipped(files);
    refused(
        scene,
        &whole[..whole.len() / 2],
        "it is no zip that can be read",
    );
    refused(
        scene,
        b"PK\x03\x04 and no more",
        "it is no zip that can be read",
    );
}

/// Every occurrence of some bytes in place of others of the same length.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut out = bytes.to_vec();
    let mut found = 0;
    for at in 0..=out.len() - from.len() {
        if &out[at..at + from.len()] == from {
            out[at..at + to.len()].copy_from_slice(to);
            found += 1;
        }
    }
    assert!(found > 0);
    out
}
