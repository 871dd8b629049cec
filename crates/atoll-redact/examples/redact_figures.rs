//! The redaction's figures as one line of JSON, and the corpus that they are of:
//! `cargo run --release -p atoll-redact --example redact_figures -- DIR [TEXTS]`.
//!
//! DIR gets the labelled corpus, a file each, and `labels.json`, so that a peer can be asked about the same texts. TEXTS
//! is a folder whose text files the speed is measured over, beside the corpus itself. With `look TEXTS` it prints what
//! would be taken out of a folder's files instead.
// A measurement that can't go on may panic.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement"
)]

#[path = "../tests/it/corpus/mod.rs"]
mod corpus;

use std::path::Path;

use atoll_redact::{Classes, places, redact_classes};
use corpus::score::{Score, score};
use corpus::{SEED, Sample};
use serde_json::json;

const TEXTS_LIMIT_BYTES: usize = 256 << 20;
const FILE_LIMIT_BYTES: u64 = 4 << 20;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        [look, dir] if look == "look" => looked(Path::new(dir)),
        [dir, rest @ ..] => println!("{}", figures(Path::new(dir), rest.first())),
        [] => panic!("name the folder for the corpus"),
    }
}

fn figures(dir: &Path, texts: Option<&String>) -> serde_json::Value {
    let (resident, cpu) = (resident_mb(), cpu_s());
    redact_classes("api_key = none", Classes::default());
    let first = json!({"ms": (cpu_s() - cpu) * 1e3, "mb": resident_mb() - resident});
    let samples = corpus::make(SEED);
    write(dir, &samples);
    let quiet = |_: &Sample, _: &str, _: &str| {};
    let of = |held_out: bool| {
        score(
            samples.iter().filter(|s| s.held_out == held_out),
            Classes::SECRETS,
            quiet,
            quiet,
        )
    };
    let scored = [of(false), of(true)];
    // All forms are compiled by now, and each has its caches.
    let warm_mb = resident_mb();
    let pii = corpus::pii::make(SEED);
    let personal = score(pii.iter(), Classes::ALL, quiet, quiet);
    let all: Vec<String> = samples.iter().map(|s| s.text.clone()).collect();
    let plain: Vec<String> = samples
        .iter()
        .filter(|s| s.planted.is_empty())
        .map(|s| s.text.clone())
        .collect();
    let mut out = json!({
        "kinds": corpus::KINDS.len(),
        "contexts": corpus::CONTEXTS.len(),
        "first_use": first,
        "warm_mb": warm_mb - resident,
        "tuned": said(scored[0]),
        "held_out": said(scored[1]),
        "personal": said(personal),
        "corpus_mb": megabytes(&all),
        "corpus_mb_per_s": rate(&all),
        "corpus_seconds": megabytes(&all) / rate(&all),
        "plain_mb_per_s": rate(&plain),
    });
    if let Some(texts) = texts {
        let mut all = Vec::new();
        read(Path::new(texts), &mut all, &mut 0);
        out["texts_mb"] = json!(megabytes(
            &all.iter().map(|(_, t)| t.clone()).collect::<Vec<_>>()
        ));
        out["texts_mb_per_s"] = json!(rate(&all.into_iter().map(|(_, t)| t).collect::<Vec<_>>()));
    }
    out
}

fn said(score: Score) -> serde_json::Value {
    json!({
        "planted": score.planted, "recall": score.recall(),
        "finds": score.finds, "precision": score.precision(),
    })
}

/// Each sample as a file, and what is planted in it.
fn write(dir: &Path, samples: &[Sample]) {
    let mut labels = Vec::new();
    for sample in samples {
        let path = dir.join("corpus").join(&sample.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &sample.text).unwrap();
        let planted = sample.planted.iter().map(|p| json!({"kind": p.kind, "secret": sample.text[p.at.clone()], "line": sample.text[..p.at.start].matches('\n').count() + 1}));
        labels.push(json!({"path": sample.path, "held_out": sample.held_out, "planted": planted.collect::<Vec<_>>()}));
    }
    std::fs::write(
        dir.join("labels.json"),
        serde_json::to_vec(&labels).unwrap(),
    )
    .unwrap();
}

fn megabytes(texts: &[String]) -> f64 {
    texts.iter().map(String::len).sum::<usize>() as f64 / 1e6
}

/// Seconds of the processor's that this thread has had: neighbours don't count.
fn cpu_s() -> f64 {
    let said = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    said.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// Resident memory of this process.
fn resident_mb() -> f64 {
    let said = std::fs::read_to_string("/proc/self/statm").unwrap();
    said.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4096.0 / 1e6
}

/// Megabytes per second of one core's time, the best of five runs of at least half a second.
fn rate(texts: &[String]) -> f64 {
    let size = megabytes(texts);
    let run = || {
        let (start, mut rounds, mut hits) = (cpu_s(), 0_u32, 0);
        while cpu_s() - start < 0.5 {
            hits += texts
                .iter()
                .map(|text| redact_classes(text, Classes::default()).count)
                .sum::<u64>();
            rounds += 1;
        }
        std::hint::black_box(hits);
        size * f64::from(rounds) / (cpu_s() - start)
    };
    run();
    (0..5).map(|_| run()).fold(0.0, f64::max)
}

fn read(dir: &Path, all: &mut Vec<(String, String)>, bytes: &mut usize) {
    let mut entries: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap())
        .collect();
    entries.sort_by_key(std::fs::DirEntry::path);
    for entry in entries {
        let (kind, path) = (entry.file_type().unwrap(), entry.path());
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if kind.is_dir() && !hidden && entry.file_name() != "target" {
            read(&path, all, bytes);
        } else if kind.is_file()
            && entry.metadata().unwrap().len() < FILE_LIMIT_BYTES
            && *bytes < TEXTS_LIMIT_BYTES
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            *bytes += text.len();
            all.push((path.display().to_string(), text));
        }
    }
}

fn looked(dir: &Path) {
    let mut all = Vec::new();
    read(dir, &mut all, &mut 0);
    for (path, text) in all {
        for place in places(&text, Classes::default()) {
            let line = text[..place.at.start].matches('\n').count() + 1;
            let shown: String = text[place.at].chars().take(80).collect();
            println!("{}\t{path}:{line}\t{shown:?}", place.kind);
        }
    }
}
