//! Dependencies fetched for real, through the whole product: a small package of each ecosystem, by its
//! name alone, from whatever registry this machine uses.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::scene::{Ran, Scene};

/// What a tool is told by its owner: where it lies, and which registry it uses.
const OWN_VARS: [&str; 8] = [
    "RUSTUP_HOME",
    "PYENV_ROOT",
    "GOPROXY",
    "PIP_INDEX_URL",
    "npm_config_registry",
    "NPM_CONFIG_REGISTRY",
    "VOLTA_HOME",
    "ASDF_DATA_DIR",
];
const OWN_FILES: [&str; 5] = [
    ".cargo/config.toml",
    ".npmrc",
    ".config/pip/pip.conf",
    ".pip/pip.conf",
    ".config/go/env",
];

/// A home without any package, whose owner has set what this machine's has.
struct Bare {
    scene: Scene,
    vars: Vec<(String, PathBuf)>,
}

impl Bare {
    fn new() -> Option<Bare> {
        let scene = Scene::new();
        if !scene.sandboxed() {
            return None;
        }
        let home = PathBuf::from(std::env::var_os("HOME")?);
        for name in OWN_FILES {
            if let Ok(text) = std::fs::read_to_string(home.join(name)) {
                scene.file(name, &text);
            }
        }
        let mut vars: Vec<(String, PathBuf)> = OWN_VARS
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), std::env::var_os(name)?.into())))
            .collect();
        for (name, dir) in [("RUSTUP_HOME", ".rustup"), ("PYENV_ROOT", ".pyenv")] {
            if home.join(dir).is_dir() && !vars.iter().any(|(n, _)| n == name) {
                vars.push((name.into(), home.join(dir)));
            }
        }
        Some(Bare { scene, vars })
    }

    fn own(&self, mut command: Command) -> Command {
        command.envs(self.vars.iter().map(|(n, v)| (n, v)));
        command
    }

    /// Runs a tool outside, which makes a lock file. `false`, said plainly, where it reaches no registry.
    fn outside(&self, dir: &str, words: &[&str]) -> bool {
        let mut tool = Command::new(words[0]);
        tool.args(&words[1..])
            .current_dir(self.scene.path().join(dir))
            .env("HOME", self.scene.path().join("elsewhere"));
        for name in OWN_FILES {
            if let Ok(text) = std::fs::read_to_string(self.scene.path().join(name)) {
                self.scene.file(&format!("elsewhere/{name}"), &text);
            }
        }
        for name in [
            "CARGO_HOME",
            "GOPATH",
            "GOMODCACHE",
            "GOFLAGS",
            "CARGO_NET_OFFLINE",
        ] {
            tool.env_remove(name);
        }
        let ran = self.own(tool).output();
        let why = match ran {
            Ok(ran) if ran.status.success() => return true,
            Ok(ran) => String::from_utf8_lossy(&ran.stderr).into_owned(),
            Err(err) => format!("{}: {err}", words[0]),
        };
        let words = format!("no registry: {} did not reach one: {why}", words.join(" "));
        assert!(std::env::var("CI").is_err(), "{words}");
        eprintln!("SKIPPED: {words}");
        false
    }

    fn atoll(&self, words: &[&str]) -> Command {
        self.own(self.scene.with_node(words))
    }

    /// The command, first without its dependencies, then with them let in at a gate, then again.
    fn tried(&self, dir: &str, cmd: &[&str], fetch: &str) {
        let exec = |flags: &[&str]| {
            let words = [&["exec", "--repo", dir], flags, &["--"], cmd].concat();
            self.atoll(&words)
        };
        let without = Ran::of(exec(&[]).output().unwrap());
        assert_ne!(without.code, 0, "{}{}", without.out, without.err);
        assert!(
            without
                .err
                .contains("atoll exec --fetch -- CMD fetches it first"),
            "{}",
            without.err
        );
        let mut asking = exec(&["--fetch", "--on-ask", "wait"]);
        let asking = asking
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let asking = asking.spawn().unwrap();
        let begun = Instant::now();
        let gate = loop {
            assert!(begun.elapsed() < Duration::from_secs(60), "no gate opened");
            let listed = self.scene.run(&["--json", "gate", "list"]);
            if listed.code == 0
                && let Some(gate) = listed.data().as_array().and_then(|g| g.first().cloned())
            {
                break gate;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let what = gate["question"]["what"].as_str().unwrap();
        assert!(what.contains(fetch), "{gate}");
        let place = gate["question"]["place"].as_str().unwrap();
        assert!(
            place.contains("network to ") && place.contains(":443"),
            "{gate}"
        );
        let ordinal = gate["ordinal"].as_str().unwrap();
        assert_eq!(self.scene.run(&["gate", "answer", ordinal, "once"]).code, 0);
        let ran = Ran::of(asking.wait_with_output().unwrap());
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        assert!(ran.out.contains("it is here"), "{}{}", ran.out, ran.err);
        // What the registry said is nobody's here: the session that fetched knows, and so does who uses it later.
        let labels = || {
            let said = Ran::of(self.atoll(&["session", "labels", "@"]).output().unwrap());
            said.out.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let first = labels();
        assert!(
            first.contains("network: fetch job with ") && first.contains(": untrusted, "),
            "{first}"
        );
        // It stays, and nothing is asked for it again.
        let again = Ran::of(exec(&["--on-ask", "fail"]).output().unwrap());
        assert_eq!(again.code, 0, "{}{}", again.out, again.err);
        let later = labels();
        assert!(
            later.contains("fetched dependencies in ") && later.contains(": untrusted, "),
            "{later}"
        );
        assert_eq!(self.scene.run(&["log", "verify"]).code, 0);
    }
}

#[test]
fn a_crate() {
    let Some(bare) = Bare::new() else { return };
    let manifest = "[package]\nname = \"lib\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nitoa = \"=1.0.11\"\n[workspace]\n";
    bare.scene.file("lib/Cargo.toml", manifest);
    let main = "fn main() { println!(\"it is here {}\", itoa::Buffer::new().format(7)); }\n";
    bare.scene.file("lib/src/main.rs", main);
    if bare.outside("lib", &["cargo", "generate-lockfile"]) {
        bare.tried("lib", &["cargo", "run", "-q"], "cargo fetch --locked");
    }
}

#[test]
fn a_package_of_node() {
    let Some(bare) = Bare::new() else { return };
    let package = r#"{"name": "lib", "version": "0.1.0", "dependencies": {"isarray": "2.0.5"}}"#;
    bare.scene.file("lib/package.json", package);
    let main = "console.log('it is here', require('isarray')([]));\n";
    bare.scene.file("lib/main.js", main);
    let lock = ["npm", "install", "--package-lock-only", "--ignore-scripts"];
    if bare.outside("lib", &lock) {
        bare.tried("lib", &["node", "main.js"], "npm ci --ignore-scripts");
    }
}

#[test]
fn a_wheel() {
    let Some(bare) = Bare::new() else { return };
    bare.scene.file("lib/requirements.txt", "roman==4.2\n");
    bare.scene.file(
        "lib/main.py",
        "import roman\nprint('it is here', roman.toRoman(7))\n",
    );
    let download = ["-m", "pip", "download", "--no-deps", "--dest", "../wheels"];
    let download = [&["python3"], &download[..], &["roman==4.2"]].concat();
    if bare.outside("lib", &download) {
        bare.tried("lib", &["python3", "main.py"], "-m pip install");
    }
}

#[test]
fn a_module_of_go() {
    let Some(bare) = Bare::new() else { return };
    let main = "package main\n\nimport (\n\t\"fmt\"\n\n\t\"rsc.io/sampler\"\n)\n\nfunc main() { fmt.Println(\"it is here\", sampler.Hello()) }\n";
    bare.scene.file("lib/main.go", main);
    let module = "module lib.example/lib\n\ngo 1.18\n\nrequire rsc.io/sampler v1.3.0\n";
    bare.scene.file("lib/go.mod", module);
    // Listing resolves imports and compiles nothing.
    let list = ["go", "list", "-f", "it is here {{.Dir}}", "rsc.io/sampler"];
    if bare.outside("lib", &["go", "mod", "tidy"]) {
        bare.tried("lib", &list, "go mod download");
    }
}

#[test]
fn without_a_yes_nothing_is_fetched_and_the_command_is_not_run() {
    let Some(bare) = Bare::new() else { return };
    bare.scene.file(
        "lib/go.mod",
        "module lib.example/lib\n\ngo 1.18\n\nrequire a.example/one v1.0.0\n",
    );
    bare.scene.file("lib/go.sum", "a.example/one v1.0.0 h1:x\n");
    let exec = |proxy: &str| {
        let mut command = bare.atoll(&["exec", "--repo", "lib", "--fetch", "--", "echo", "ran"]);
        Ran::of(command.env("GOPROXY", proxy).output().unwrap())
    };
    // Nobody is there to ask: it is denied.
    let denied = exec("https://proxy.example");
    assert_eq!(denied.code, 126, "{}{}", denied.out, denied.err);
    assert!(
        denied.err.contains("ATL-0301") && !denied.out.contains("ran"),
        "{}",
        denied.err
    );
    let jobs = bare.scene.run(&["--json", "session", "show", "s1"]).data();
    assert_eq!(jobs["jobs"].as_array().map(Vec::len), Some(0), "{jobs}");
    assert_eq!(bare.scene.run(&["down"]).code, 0);
    let unnamed = exec("off");
    assert_eq!(unnamed.code, 125, "{}{}", unnamed.out, unnamed.err);
    assert!(
        unnamed.err.contains("ATL-0418") && unnamed.err.contains("go env -w GOPROXY"),
        "{}",
        unnamed.err
    );
    let sessions = bare.scene.run(&["--json", "session", "list"]).data();
    assert_eq!(
        sessions.as_array().map(Vec::len),
        Some(1),
        "nothing was begun"
    );
}
