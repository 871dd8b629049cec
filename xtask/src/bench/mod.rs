//! `cargo xtask bench`: figures as ratios to a peer measured in the same run.
//!
//! One file per benchmark. A new one is a file with a `pub const BENCH: Bench`
//! and a line in `BENCHES`; it measures in `measure` and returns rows.

mod built;
mod cold_test;
mod engine;
mod example;
mod log;
mod node;
mod page;
mod policy;
mod redact;
mod row;
mod sandbox;
mod table;
mod turns;

pub use row::{Reach, Row};

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Why a benchmark has no figure.
pub type Error = Box<dyn std::error::Error>;

/// What a benchmark is given.
pub struct Context {
    /// The project's folder.
    pub root: PathBuf,
}

/// One benchmark: what it is called, and how it measures.
pub struct Bench {
    /// As it is asked for: `cargo xtask bench NAME`.
    pub name: &'static str,
    pub about: &'static str,
    /// Takes minutes: runs only when it is named.
    pub slow: bool,
    /// # Errors
    /// What was missing or failed; other benchmarks still run.
    pub measure: fn(&Context) -> Result<Vec<Row>, Error>,
}

const BENCHES: [Bench; 9] = [
    log::BENCH,
    redact::BENCH,
    policy::BENCH,
    sandbox::BENCH,
    node::BENCH,
    turns::PATH,
    engine::BENCH,
    turns::SOAK,
    cold_test::BENCH,
];

pub fn list() {
    for bench in BENCHES {
        let slow = if bench.slow { " (slow: name it)" } else { "" };
        println!("bench  {:<12} {}{slow}", bench.name, bench.about);
    }
}

/// Runs the named benchmarks, or all quick ones, prints their table and keeps it
/// in the page. Fails if a figure is missed or can't be had.
pub fn run(root: &Path, wanted: &[String]) -> ExitCode {
    if let Some(unknown) = wanted
        .iter()
        .find(|want| BENCHES.iter().all(|b| b.name != **want))
    {
        eprintln!("no such benchmark: {unknown}; `cargo xtask list` names them");
        return ExitCode::from(2);
    }
    let context = Context {
        root: root.to_path_buf(),
    };
    let asked = |bench: &Bench| {
        let named = wanted.iter().any(|want| want == bench.name);
        named || (wanted.is_empty() && !bench.slow)
    };
    let (mut rows, mut broken) = (Vec::new(), 0);
    for bench in BENCHES.iter().filter(|bench| asked(bench)) {
        eprintln!("bench   {}: {}", bench.name, bench.about);
        match (bench.measure)(&context) {
            Ok(more) => rows.extend(more),
            Err(error) => {
                eprintln!("FAILED  {}: {error}", bench.name);
                broken += 1;
            }
        }
    }
    if rows.is_empty() {
        eprintln!("bench   nothing was measured; `cargo xtask list` names what can be");
        return ExitCode::from(u8::from(broken > 0));
    }
    print!("{}", table::plain(&rows));
    if let Err(error) = page::write(root, &rows) {
        eprintln!("FAILED  {}: {error}", page::PATH);
        broken += 1;
    }
    let missed = rows.iter().filter(|row| !row.reached()).count();
    ExitCode::from(u8::from(missed + broken > 0))
}
