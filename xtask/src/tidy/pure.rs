//! The pure crates do no I/O and read no clock.

use super::Finding;
use crate::rust_text::{line_of, regex};
use crate::tree::Tree;
use regex::Regex;
use std::sync::LazyLock;
use toml::{Table, Value};

const PURE: [&str; 5] = [
    "atoll-domain",
    "atoll-guard",
    "atoll-agent",
    "atoll-log",
    "atoll-redact",
];

/// Dependencies that could only be there for I/O, time or chance.
const HEAVY: [&str; 22] = [
    "tokio",
    "tokio-util",
    "tokio-stream",
    "rusqlite",
    "reqwest",
    "axum",
    "hyper",
    "hyper-util",
    "tower",
    "cedar-policy",
    "rustix",
    "nix",
    "libc",
    "getrandom",
    "rand",
    "tempfile",
    "chrono",
    "time",
    "ignore",
    "walkdir",
    "tracing-subscriber",
    "indicatif",
];

const WHY: &str = "domain, guard, agent, log and redact take facts and return effects or verdicts; without I/O and clocks they can be simulated, property-tested and replayed byte for byte";

static IMPURE: LazyLock<Regex> = LazyLock::new(|| {
    regex(concat!(
        r"\b(?:tokio|rusqlite|reqwest|axum|hyper|rustix|nix|libc|getrandom)::",
        // Whatever is used later must first be named by its path; an address is
        // only a value.
        r"|\bstd::(?:fs|process|env|os)\b|\bstd::net::(?:Tcp|Udp|ToSocket|\{|\*|self)",
        r"|\bstd::\{[^}]*\b(?:fs|process|env|os)\b[^}]*\}",
        r"|\benv::(?:vars?|args|current_dir|temp_dir|home_dir)(?:_os)?\b",
        r"|\bprocess::(?:Command|exit|abort|id)\b",
        r"|\b(?:SystemTime|Instant)::now\b|\.elapsed\(",
        r"|\bthread::(?:sleep|spawn|Builder)\b",
        r"|\bio::std(?:in|out|err)\b|\be?println!|\be?print!",
    ))
});

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, rust) in tree.product() {
        let pure = file.crate_name().is_some_and(|name| PURE.contains(&name));
        if !pure {
            continue;
        }
        for hit in IMPURE.find_iter(&rust.product) {
            let place = format!("{}:{}", file.path, line_of(&rust.product, hit.start()));
            found.push(Finding::fail(
                place,
                format!("uses {}", hit.as_str().trim()),
                WHY,
            ));
        }
    }
    for name in PURE {
        let path = format!("crates/{name}/Cargo.toml");
        let manifest = tree.text(&path).and_then(|text| text.parse::<Table>().ok());
        let entries = manifest
            .as_ref()
            .and_then(|table| table.get("dependencies"))
            .and_then(Value::as_table);
        for (key, value) in entries.into_iter().flatten() {
            let real = value.get("package").and_then(Value::as_str).unwrap_or(key);
            if HEAVY.contains(&real) {
                found.push(Finding::fail(&path, format!("depends on {real}"), WHY));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::failures;

    const PATH: &str = "crates/atoll-guard/src/judge.rs";

    #[test]
    fn facts_in_verdicts_out_is_pure() {
        let clean = "// std::fs is not for us\nuse std::collections::BTreeMap;\nuse std::net::IpAddr;\n\
            const NAME: &str = env!(\"CARGO_PKG_NAME\");\nfn at(now: Tick) { let s = \"SystemTime::now\"; }\n\
            #[cfg(test)]\nmod tests { use std::fs; fn t() { println!(\"{:?}\", Instant::now()); } }";
        assert_eq!(failures(check, &[(PATH, clean)]), [""; 0]);
        let elsewhere = "fn f() { std::fs::read(p); SystemTime::now(); }";
        assert_eq!(
            failures(check, &[("crates/atoll-store/src/a.rs", elsewhere)]),
            [""; 0]
        );
        assert_eq!(
            failures(check, &[("crates/atoll-log/tests/it/main.rs", elsewhere)]),
            [""; 0]
        );
    }

    #[test]
    fn each_way_out_is_refused() {
        for impure in [
            "use std::fs;",
            "use std::{collections::BTreeMap, env};",
            "use tokio::sync::mpsc;",
            "fn f() { rusqlite::Connection::open(p) }",
            "fn f() { SystemTime::now() }",
            "fn f() { std::time::Instant::now() }",
            "fn f(t: Instant) { t.elapsed() }",
            "fn f() { std::env::var(x) }",
            "use std::net::TcpStream;",
            "fn f() { std::process::exit(1) }",
            "fn f() { println!(\"x\") }",
            "fn f() { thread::sleep(d) }",
        ] {
            let found = failures(check, &[(PATH, impure)]);
            assert_eq!(found.len(), 1, "{impure}: {found:?}");
        }
    }

    #[test]
    fn a_heavy_dependency_is_refused_but_not_for_tests() {
        let path = "crates/atoll-agent/Cargo.toml";
        let heavy =
            "[dependencies]\nserde = \"1\"\nclock = { package = \"tokio\", version = \"1\" }";
        assert_eq!(failures(check, &[(path, heavy)]).len(), 1);
        let for_tests = "[dependencies]\nserde = \"1\"\n[dev-dependencies]\ntokio = \"1\"";
        assert_eq!(failures(check, &[(path, for_tests)]), [""; 0]);
    }
}
