//! The project's own chores, in Rust: `cargo xtask tidy`, `cargo xtask bench`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a developer's tool: asks git and cargo, writes docs/benchmarks.md, starts what it measures"
)]

mod bench;
mod rules;
mod rust_text;
mod tidy;
mod tree;

use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "cargo xtask COMMAND

  tidy [CHECK…]   floors, bans, room sizes and the rest, each failure with its why
  bench [NAME…]   measure, print the table and write it into docs/benchmarks.md
  rules           the redaction's rules, again from the pinned version of gitleaks'
  list            the names of all checks and benchmarks";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let names: Vec<String> = words.collect();
    match command.as_str() {
        "tidy" => tidy::run(&root(), &names),
        "bench" => bench::run(&root(), &names),
        "rules" => rules::run(&root()),
        "list" => {
            tidy::list();
            bench::list();
            ExitCode::SUCCESS
        }
        other => {
            eprintln!("{USAGE}");
            if !other.is_empty() {
                eprintln!("\nno such command: {other}");
            }
            ExitCode::from(2)
        }
    }
}

/// The project's folder: above this package's, as cargo says it at run time.
fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.parent().map_or(package.clone(), PathBuf::from)
}
