//! No permit, no effect: processes, file changes and sockets belong to named
//! modules. clippy.toml resolves the real paths; this is the second look, and it
//! keeps the exceptions themselves on a list.

use super::Finding;
use super::allow::{ALLOWED, Allowed, Class};
use crate::rust_text::{line_of, regex};
use crate::tree::Tree;
use regex::Regex;
use std::sync::LazyLock;

const WHY_PROCESS: &str = "no permit, no effect: only the runner starts processes, so that each belongs to a supervised tree and a sandbox";
const WHY_FILES: &str = "no permit, no effect: files change in the store, the workspace, the box and the modules listed in xtask/src/tidy/allow.rs";
const WHY_SOCKETS: &str = "no permit, no effect: sockets are opened by providers' clients, the proxy and the node's own door";
const WHY_GUARD: &str =
    "a Guard is built only in the node and in testkit: whoever builds one can make permits";
const WHY_ATTRIBUTE: &str = "the bans of clippy.toml may be lifted only where xtask/src/tidy/allow.rs says so, with a reason";
const WHY_STALE: &str = "an exception that nothing needs is an open door: take it off the list";

static CALLS: LazyLock<[(Class, &'static str, Regex); 4]> = LazyLock::new(|| {
    [
        (
            Class::Process,
            WHY_PROCESS,
            regex(concat!(
                r"\bprocess::Command\b|\bprocess::\{[^}]*\bCommand\b|\btokio::process\b",
                r"|\blibc::(?:v?fork|exec\w+|fexecve|posix_spawnp?|system|clone3?)\b",
                r"|\bunistd::(?:fork|exec\w+|fexecve)\b|\bunistd::\{[^}]*\b(?:fork|exec\w+)\b",
            )),
        ),
        (
            Class::Files,
            WHY_FILES,
            regex(concat!(
                r"\bfs::(?:write|create_dir\w*|remove_\w+|rename\w*|copy|hard_link|set_permissions",
                r"|symlink\w*|mkdir\w*|unlink\w*|rmdir|link\w*|chmod\w*|chown\w*|mknod\w*)\b",
                r"|\bfs::\{[^}]*\b(?:write|create_dir\w*|remove_\w+|rename\w*|copy|hard_link|OpenOptions",
                r"|mkdir\w*|unlink\w*|symlink\w*|linkat|mknod\w*|chmod\w*|chown\w*)\b",
                r"|\bOFlags::(?:CREATE|WRONLY|RDWR|TRUNC|TMPFILE)\b|\bO_(?:CREAT|WRONLY|RDWR|TRUNC)\b",
                r"|\bFile::(?:create\w*|options)\b|\bOpenOptions::new\b",
                r"|\btempfile::\w+",
            )),
        ),
        (
            Class::Sockets,
            WHY_SOCKETS,
            regex(concat!(
                r"\b(?:TcpStream|TcpListener|TcpSocket|UdpSocket|UnixStream|UnixListener|UnixDatagram)\b",
                r"|\breqwest::|\brustix::net::(?:socket|connect|bind|listen)\w*|\bsys::socket::socket\b",
            )),
        ),
        (Class::Guard, WHY_GUARD, regex(r"\bGuard::new\b")),
    ]
});

static LIFTED: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"#!?\[(?:allow|expect)\s*\(([^\]]*\bclippy::disallowed_\w+[^\]]*)\)\s*\]")
});

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, rust) in tree.product() {
        if !(file.path.starts_with("crates/") || file.path.starts_with("xtask/")) {
            continue;
        }
        for (class, why, pattern) in CALLS.iter() {
            if allowed(&file.path, *class) {
                continue;
            }
            for hit in pattern.find_iter(&rust.product) {
                let place = format!("{}:{}", file.path, line_of(&rust.product, hit.start()));
                let call = hit
                    .as_str()
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ");
                found.push(Finding::fail(place, format!("uses {call}"), why));
            }
        }
        for lifted in LIFTED.captures_iter(&rust.product) {
            let start = lifted.get(0).map_or(0, |whole| whole.start());
            let place = format!("{}:{}", file.path, line_of(&rust.product, start));
            if !may_lift(&file.path) {
                found.push(Finding::fail(place, "lifts a ban", WHY_ATTRIBUTE));
            } else if !lifted[1].contains("reason") {
                found.push(Finding::fail(
                    place,
                    "lifts a ban without a reason",
                    WHY_ATTRIBUTE,
                ));
            }
        }
    }
    stale(tree, &mut found);
    found
}

fn allowed(path: &str, class: Class) -> bool {
    let mut entries = ALLOWED.iter().filter(|entry| covers(entry, path));
    entries.any(|entry| entry.classes.contains(&class))
}

/// clippy bans all but the guard's making, so that one is no excuse.
fn may_lift(path: &str) -> bool {
    let banned = [Class::Process, Class::Files, Class::Sockets];
    banned.into_iter().any(|class| allowed(path, class))
}

fn covers(entry: &Allowed, path: &str) -> bool {
    path.starts_with(entry.path)
}

/// Entries whose crate is there and which allow what nothing does.
fn stale(tree: &Tree, found: &mut Vec<Finding>) {
    for entry in ALLOWED {
        let files = || {
            tree.product()
                .filter(|(file, _)| covers(&entry, &file.path))
        };
        for class in entry.classes {
            let pattern = CALLS.iter().find(|(of, ..)| of == class);
            let used = files().any(|(_, rust)| {
                pattern.is_some_and(|(.., pattern)| pattern.is_match(&rust.product))
            });
            if !used && files().next().is_some() {
                let what = format!("allows {class:?}, which nothing there does: {}", entry.why);
                found.push(Finding::warn(entry.path, what, WHY_STALE));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::testing::{failures, warnings};

    const NODE: &str = "crates/atoll-node/src/turn.rs";

    #[test]
    fn what_only_reads_is_free() {
        let text = "use std::fs;\nfn f() { fs::read(p); File::open(p); clap::Command::new(n); let s = \"fs::write\"; }\n\
            // std::process::Command\n#[cfg(test)] mod t { fn t() { std::fs::write(a, b); } }";
        assert_eq!(failures(check, &[(NODE, text)]), [""; 0]);
    }

    #[test]
    fn each_class_is_refused_where_it_does_not_belong() {
        for call in [
            "use std::process::Command;",
            "use std::process::{Child, Command};",
            "fn f() { unsafe { libc::fork() } }",
            "fn f() { std::fs::write(a, b) }",
            "use std::fs::{OpenOptions, read};",
            "fn f() { fs::remove_dir_all(a) }",
            "fn f() { File::create(a) }",
            "fn f() { rustix::fs::unlinkat(a, b, c) }",
            "fn f() { tempfile::tempdir() }",
            "use rustix::fs::{CWD, mkdirat};",
            "fn f() { openat(d, p, OFlags::CREATE, m) }",
            "use std::net::TcpStream;",
            "fn f() { reqwest::get(a) }",
        ] {
            let found = failures(check, &[(NODE, call)]);
            assert_eq!(found.len(), 1, "{call}: {found:?}");
        }
        assert_eq!(
            failures(
                check,
                &[("crates/atoll/src/x.rs", "fn f() { Guard::new() }")]
            )
            .len(),
            1
        );
        assert_eq!(
            failures(check, &[(NODE, "fn f() { Guard::new() }")]),
            [""; 0]
        );
    }

    #[test]
    fn a_listed_module_may_and_its_tests_need_no_list() {
        let spawn = "#![allow(clippy::disallowed_types, reason = \"the spawner\")]\nuse std::process::Command;";
        assert_eq!(
            failures(check, &[("crates/atoll-runners/src/spawn.rs", spawn)]),
            [""; 0]
        );
        let test = "#![allow(clippy::disallowed_methods)]\nfn t() { std::fs::write(a, b) }";
        assert_eq!(
            failures(check, &[("crates/atoll-node/tests/it/main.rs", test)]),
            [""; 0]
        );
    }

    #[test]
    fn an_exception_that_nothing_needs_is_mentioned() {
        let path = "crates/atoll-client/src/connect.rs";
        assert_eq!(
            warnings(check, &[(path, "use tokio::net::UnixStream;")]),
            [""; 0]
        );
        assert_eq!(warnings(check, &[(path, "fn f() {}")]).len(), 1);
    }

    #[test]
    fn a_ban_is_lifted_only_on_the_list_and_with_a_reason() {
        let plain = "#![allow(clippy::disallowed_methods)]";
        let reason = "#![allow(\n    clippy::disallowed_methods,\n    reason = \"x\"\n)]";
        assert_eq!(failures(check, &[(NODE, reason)]).len(), 1);
        assert_eq!(
            failures(check, &[("crates/atoll-store/src/a.rs", plain)]).len(),
            1
        );
        assert_eq!(
            failures(check, &[("crates/atoll-store/src/a.rs", reason)]),
            [""; 0]
        );
    }
}
