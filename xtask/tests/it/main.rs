//! `./dev` is the first thing that anybody runs: its parts are tried here on
//! made-up input, each in a bash of its own.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test"
)]

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs `script` with all of ./dev's parts loaded and `input` as its stdin.
fn bash(script: &str, input: &str) -> String {
    let parts = [
        "say",
        "install",
        "engine",
        "preflight",
        "build",
        "test",
        "lint",
    ];
    let loaded: String = parts
        .iter()
        .map(|part| format!(". \"$ROOT/dev.d/{part}.sh\"\n"))
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), input).unwrap();
    let output = Command::new("bash")
        .args(["-c", &format!("set -euo pipefail\n{loaded}{script}")])
        .env("ROOT", root())
        .env("INPUT", file.path())
        .stdin(std::fs::File::open(file.path()).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn dev(argument: &str) -> Output {
    Command::new(root().join("dev"))
        .arg(argument)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

const TWO_GOOD: &str = "     Running unittests src/lib.rs (target/debug/deps/a-1)
test one ... ok
test result: ok. 5 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.01s
     Running tests/it/main.rs (target/debug/deps/it-2)
test result: ok. 7 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
";

fn closing(log: &str, status: i32) -> Vec<String> {
    let script = format!("SECONDS=75; closing_lines \"$INPUT\" {status}");
    bash(&script, log).lines().map(str::to_owned).collect()
}

#[test]
fn counts_are_summed_over_all_binaries() {
    let lines = closing(TWO_GOOD, 0);
    assert_eq!(lines.last().unwrap(), "12 passed, 0 failed");
    assert!(
        lines[0].contains("2 ignored; 2 binaries; 1 min 15 s"),
        "{lines:?}"
    );
    assert!(lines[0].ends_with(" ok"), "{lines:?}");
}

#[test]
fn a_failure_is_named_and_counted() {
    let log = format!(
        "{TWO_GOOD}     Running unittests src/b.rs (b)\ntest deep::two ... FAILED\n\
         test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n"
    );
    let lines = closing(&log, 101);
    assert_eq!(lines[0], "failed  deep::two");
    assert_eq!(lines.last().unwrap(), "13 passed, 1 failed");
}

#[test]
fn a_binary_that_crashed_is_a_failure() {
    for log in [
        format!("     Running unittests src/b.rs (b)\nrunning 3 tests\n{TWO_GOOD}"),
        format!("{TWO_GOOD}     Running unittests src/b.rs (b)\nrunning 3 tests\n"),
    ] {
        assert_eq!(closing(&log, 101).last().unwrap(), "12 passed, 1 failed");
    }
}

#[test]
fn a_build_that_failed_is_no_success() {
    let lines = closing("error: could not compile `a`\n", 101);
    assert!(lines[0].starts_with("broken "), "{lines:?}");
    assert_eq!(lines.last().unwrap(), "0 passed, 1 failed");
}

#[test]
fn cargos_bar_becomes_a_figure_and_its_words_are_kept() {
    let cargo = "   Compiling hex v0.4.3\n    Building [      ] 0/20: hex     \r   Compiling p v0.1.0\n    \
                 Building [====> ] 14/20: p(bin)  \rerror[E0308]: mismatched types\n --> src/main.rs:1:20\n";
    let script =
        "LOG=$(mktemp); follow quiet \"$LOG\"; echo \"$PROGRESS\"; cat \"$LOG\"; rm \"$LOG\"";
    let said = bash(script, cargo);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "14/20 crates");
    assert_eq!(
        lines[3..],
        ["error[E0308]: mismatched types", " --> src/main.rs:1:20"]
    );
}

#[test]
fn the_time_left_is_said_once_it_is_known() {
    let script = "PHASE=build BASE=10 BASE_S=0 TOTAL=110
        DONE=12 SECONDS=9; time_left; echo
        DONE=60 SECONDS=60; time_left; echo
        DONE=60 SECONDS=300; time_left; echo";
    let said = bash(script, "");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[..2], ["", ", about 60 s left"]);
    assert_eq!(lines[2], ", about 5 min left");
}

#[test]
fn versions_are_compared_as_numbers() {
    let script =
        "for pair in '1.95.0 1.95' '1.100.0 1.95' '2.0.0 1.95' '1.94.1 1.95' '1.9.0 1.95'; do
        read -r have want <<<\"$pair\"; at_least \"$have\" \"$want\" && echo yes || echo no; done";
    assert_eq!(bash(script, ""), "yes\nyes\nyes\nno\nno\n");
}

#[test]
fn only_rust_examples_count_as_documentation_tests() {
    for (fence, expected) in [
        ("", "yes"),
        ("no_run", "yes"),
        ("text", "no"),
        ("json", "no"),
    ] {
        let script = "ROOT=$(mktemp -d); trap 'rm -rf \"$ROOT\"' EXIT
            mkdir -p \"$ROOT/crates/a/src\"; cat >\"$ROOT/crates/a/src/lib.rs\"
            has_doc_tests && echo yes || echo no";
        let source = format!("/// ```{fence}\n/// a()\n/// ```\nfn a() {{}}\n");
        assert_eq!(bash(script, &source).trim(), expected, "{fence}");
    }
}

#[test]
fn the_preflight_describes_this_machine() {
    let script = "[[ $(memory_mib) -gt 0 && $(disk_free_mib \"$ROOT/no/such/folder\") -gt 0 ]]
        sandbox_check; echo \"$SANDBOX ${#LACKS[@]}\"";
    let said = bash(script, "");
    let (words, lacks) = said.trim().rsplit_once(' ').unwrap();
    // Whatever this machine lacks is paired with what to do about it.
    let count: usize = lacks.parse().unwrap();
    assert_eq!(count % 2, 0, "{said}");
    assert_eq!(count > 0, words == "sandbox not possible yet", "{said}");
}

/// What the preflight says on a machine that `machine` describes.
fn preflight(machine: &str) -> String {
    let script = format!(
        "disk_free_mib() {{ echo 99999; }}; memory_mib() {{ echo 8000; }}; target_dir() {{ mktemp -du; }}
        namespaces_work() {{ :; }}; landlock_version() {{ echo 7; }}; seccomp_there() {{ :; }}
        {machine}; (preflight) 2>&1 || echo \"ended with $?\""
    );
    bash(&script, "")
}

#[test]
fn what_is_missing_is_said_with_what_to_do() {
    let good = preflight(":");
    assert!(
        good.contains("sandbox full") && good.contains("ok"),
        "{good}"
    );
    assert!(!good.contains("lacks"), "{good}");
    for machine in [
        "namespaces_work() { return 1; }",
        "landlock_version() { echo 0; }",
    ] {
        let bad = preflight(machine);
        for part in [
            "incomplete",
            "  lacks",
            "  do",
            "never runs them outside the sandbox",
        ] {
            assert!(bad.contains(part), "{machine}: {part}: {bad}");
        }
        assert!(
            !bad.contains("ended with"),
            "the build can still go on: {bad}"
        );
    }
}

#[test]
fn a_full_disk_stops_before_the_build() {
    let said = preflight("disk_free_mib() { echo 100; }");
    assert!(
        said.contains("100 MiB are free") && said.contains("CARGO_TARGET_DIR"),
        "{said}"
    );
    assert!(said.ends_with("ended with 1\n"), "{said}");
}

#[test]
fn the_engine_is_built_in_wherever_it_can_be_and_left_out_on_demand() {
    let features = |words: &str| bash(&format!("features {words} | tr '\\n' ' '"), "");
    let (whole, alone) = (
        "--features atoll/embedded,atoll/keychain ",
        "--features atoll-llama/engine ",
    );
    for words in ["", "prefix_of_a_test", "-p atoll", "--package=atoll -- x"] {
        assert_eq!(features(words), whole, "{words}");
    }
    for words in [
        "-p atoll-llama",
        "-patoll-llama",
        "--package atoll-llama computed",
    ] {
        assert_eq!(features(words), alone, "{words}");
    }
    assert_eq!(features("-p atoll-log"), "");
    assert_eq!(
        features("-p atoll -p atoll-llama"),
        format!("{whole}{alone}")
    );
    assert_eq!(bash("ATOLL_EMBEDDED=0 features", ""), "");
    let asked =
        "apt_install() { shift; echo \"$*\"; }; libclang_there() { false; }; command() { false; }";
    let wanted = |with: &str| bash(&format!("{asked}; {with} want_engine"), "");
    assert_eq!(wanted(""), "g++ make cmake libclang-dev\n");
    assert_eq!(wanted("ATOLL_EMBEDDED=0"), "");
}

#[test]
fn an_unknown_command_is_a_usage_error() {
    let output = dev("nonsense");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no such command: nonsense"));
    let help = dev("help");
    assert!(help.status.success() && help.stdout.starts_with(b"./dev COMMAND"));
    let web = dev("web");
    assert_eq!(web.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&web.stderr).contains("no web app yet"));
}
