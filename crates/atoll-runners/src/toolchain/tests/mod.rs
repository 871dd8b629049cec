//! Finding over made-up homes and checkouts, and over what this machine really has.
#![allow(clippy::disallowed_methods, reason = "a test")]

mod conformance;
mod fetching;
mod here;
mod hostile;
mod python;
mod world;

use std::fs;
use std::path::{Path, PathBuf};

use atoll_domain::{Hash, Language, Mount, MountKind};
use atoll_ports::toolchain::{Error, FetchPlan, Found, Toolchains, Want};

use super::{Finder, Options};
use world::World;

const STABLE: &str = concat!(
    ".rustup/toolchains/stable-",
    "x86_64",
    "-unknown-linux-gnu/bin/rustc"
);

fn rust() -> World {
    let mut world = World::new();
    world.program(&STABLE.replace("x86_64", std::env::consts::ARCH));
    world.file(".rustup/settings.toml", "default_toolchain = \"stable\"\n");
    world.program(".cargo/bin/cargo");
    let cargo = STABLE.replace("x86_64", std::env::consts::ARCH);
    let cargo = cargo.replace("rustc", "cargo");
    world.file(&cargo, "..sparse+https://index.example/another string");
    world.on_path(".cargo/bin");
    world.file("project/Cargo.toml", "");
    world
}

const LOCK: &str = r#"
[[package]]
name = "project"
version = "0.1.0"
dependencies = ["one"]
[[package]]
name = "one"
version = "1.2.3"
source = "registry+https://index.example/git"
[[package]]
name = "two"
version = "0.1.0"
source = "git+https://git.example/two?rev=1#abc"
"#;

#[test]
fn a_rust_project_gets_its_toolchain_and_caches() {
    let world = rust();
    world.file("project/Cargo.lock", LOCK);
    world.file(".cargo/registry/cache/index/one-1.2.3.crate", "");
    world.file(".cargo/registry/src/index/one-1.2.3/Cargo.toml", "");
    world.file(".cargo/git/db/x", "");
    world.file(".cargo/credentials.toml", "[registry]\ntoken = 'secret'\n");
    world.file(
        ".cargo/config.toml",
        "[registry]\ntoken = 'secret'\n[profile.dev]\ndebug = 0\n",
    );
    world.file("project/target/CACHEDIR.TAG", "");
    world.file("project/sub/target/notes.txt", "the project's own");
    let found = world.find(&["cargo", "test"]);
    let content = "[profile.dev]\ndebug = 0\n";
    let config = format!(
        "ro ~/.cache/atoll/config/{}.toml ~/.cargo/config.toml",
        Hash::of(content.as_bytes()).hex()
    );
    let want = [
        "tmp  ~",
        "ro ~/.cargo/bin",
        &config,
        "ro ~/.cargo/git",
        "ro ~/.cargo/registry",
        "ro ~/.rustup/toolchains",
        "over ~/project/target",
    ];
    assert_eq!(world.shown(&found.mounts), want);
    assert_eq!(found.missing, [""; 0]);
    assert_eq!(found.env["CARGO_NET_OFFLINE"], "true");
    assert_eq!(
        found.env["RUSTUP_TOOLCHAIN"],
        format!("stable-{}-unknown-linux-gnu", std::env::consts::ARCH)
    );
    assert_eq!(found.env["HOME"], world.home.to_str().unwrap());
    assert!(!found.env.contains_key("CI") && !found.env.contains_key("CARGO_HOME"));
    assert!(
        world
            .path_of(&found)
            .starts_with("~/.cargo/bin:/usr/bin:/bin:")
    );
    let exe = found.exe.unwrap();
    assert_eq!(
        exe.path,
        world.home.join(".cargo/bin/cargo").to_str().unwrap()
    );
    assert_eq!(exe.sha256, Hash::of(b"#!/bin/sh\n"));
}

#[test]
fn proxies_that_lie_elsewhere_are_stood_for_by_the_toolchain() {
    let world = rust();
    fs::remove_file(world.home.join(".cargo/bin/cargo")).unwrap();
    world.program(
        &STABLE
            .replace("x86_64", std::env::consts::ARCH)
            .replace("rustc", "cargo"),
    );
    let found = world.find(&["cargo", "test"]);
    assert_eq!(found.missing, [""; 0]);
    assert!(found.exe.unwrap().path.contains("/toolchains/stable-"));
}

#[test]
fn a_toolchain_that_is_not_installed_is_said_before() {
    let mut world = rust();
    world.file(
        "project/rust-toolchain.toml",
        "[toolchain]\nchannel = \"1.80\"\n",
    );
    let said =
        "toolchain 1.80 of rust-toolchain.toml is not installed: rustup toolchain install 1.80";
    assert_eq!(world.find(&["cargo", "test"]).missing, [said]);
    // A command that doesn't need it only hears of it.
    let found = world.find(&["sh", "-c", "true"]);
    assert_eq!(
        (found.missing, found.notes),
        (vec![], vec![said.to_owned()])
    );
    // The user's own choice goes first; an override of the folder before its file.
    world.vars = vec![("RUSTUP_TOOLCHAIN", "stable".into())];
    assert_eq!(world.find(&["cargo"]).missing, [""; 0]);
    world.vars.clear();
    let settings = format!("[overrides]\n\"{}\" = \"stable\"\n", world.root.display());
    world.file(".rustup/settings.toml", &settings);
    assert_eq!(world.find(&["cargo"]).missing, [""; 0]);
}

#[test]
fn a_registry_that_cargo_must_write_into_is_laid_under() {
    let world = rust();
    world.file(".cargo/registry/cache/index/one-1.2.3.crate", "");
    let over = "over ~/.cargo/registry".to_owned();
    assert!(
        world.shown(&world.find(&["cargo"]).mounts).contains(&over),
        "no lock file"
    );
    world.file("project/Cargo.lock", LOCK);
    let found = world.find(&["cargo"]);
    assert!(world.shown(&found.mounts).contains(&over), "not unpacked");
    assert_eq!(found.missing, [""; 0]);
    fs::remove_file(
        world
            .home
            .join(".cargo/registry/cache/index/one-1.2.3.crate"),
    )
    .unwrap();
    let found = world.find(&["cargo"]);
    assert_eq!(found.missing, [""; 0], "nothing says that it is needed");
    assert_eq!(found.notes.len(), 1);
    world.file("project/Cargo.toml", "[dependencies]\none = \"1\"\n");
    let found = world.find(&["cargo"]);
    assert_eq!(
        found.missing,
        ["1 crates of Cargo.lock are not downloaded (one-1.2.3 first): cargo fetch"]
    );
}

#[test]
fn homes_elsewhere_are_named_and_a_compiler_cache_is_left_out() {
    let mut world = rust();
    world.program("tools/cargo/bin/cargo");
    world.file("tools/target/CACHEDIR.TAG", "");
    world.file(
        "project/.cargo/config.toml",
        "[build]\nrustc-wrapper = \"sccache\"\n",
    );
    let tools = |name: &str| world.home.join("tools").join(name).display().to_string();
    world.vars = vec![
        ("CARGO_HOME", tools("cargo")),
        ("CARGO_TARGET_DIR", tools("target")),
    ];
    let found = world.find(&["cargo", "test"]);
    assert_eq!(found.env["CARGO_HOME"], tools("cargo"));
    assert_eq!(found.env["CARGO_TARGET_DIR"], tools("target"));
    assert_eq!(found.env["RUSTC_WRAPPER"], "");
    let shown = world.shown(&found.mounts);
    assert!(
        shown.contains(&"ro ~/tools/cargo/bin".into())
            && shown.contains(&"over ~/tools/target".into())
    );
}

fn node() -> World {
    let mut world = World::new();
    world.program(".nvm/versions/node/v20.1.0/bin/node");
    world.program(".nvm/versions/node/v20.1.0/lib/node_modules/npm/bin/npm-cli.js");
    world.link(
        "../lib/node_modules/npm/bin/npm-cli.js",
        ".nvm/versions/node/v20.1.0/bin/npm",
    );
    world.file(
        ".nvm/versions/node/v20.1.0/lib/node_modules/npm/node_modules/@npmcli/config/lib/definitions/definitions.js",
        "const d = {\n  'registry-x': 1,\n  registry: new Definition('registry', {\n    default: 'https://npm.example/',\n",
    );
    world.file(
        ".nvm/versions/node/v20.1.0/include/node/node_version.h",
        "#define NODE_MAJOR_VERSION 20\n",
    );
    world.on_path(".nvm/versions/node/v20.1.0/bin");
    world.file(
        "project/package.json",
        r#"{"devDependencies": {"jest": "1"}}"#,
    );
    world
}

#[test]
fn a_node_project_gets_its_prefix_and_each_node_modules() {
    let world = node();
    world.file("project/node_modules/jest/package.json", "{}");
    world.file("project/packages/one/package.json", "{}");
    world.file("project/packages/one/node_modules/x/package.json", "{}");
    world.file("project/data/node_modules/odd", "no package.json beside");
    world.file("project/.nvmrc", "v18\n");
    let found = world.find(&["npm", "test"]);
    let want = [
        "tmp  ~",
        "ro ~/.nvm/versions/node/v20.1.0",
        "over ~/project/node_modules",
        "over ~/project/packages/one/node_modules",
    ];
    assert_eq!(world.shown(&found.mounts), want);
    assert!(
        world
            .path_of(&found)
            .starts_with("~/.nvm/versions/node/v20.1.0/bin:/usr/bin:")
    );
    assert_eq!(found.notes, [".nvmrc asks for Node.js 18; 20 is used"]);
    assert_eq!(found.missing, [""; 0]);
    assert!(found.exe.unwrap().path.ends_with("/npm/bin/npm-cli.js"));
}

#[test]
fn missing_packages_are_said_with_the_right_tool() {
    let world = node();
    let said = |found: Found| found.missing.join("");
    assert!(said(world.find(&["npm", "test"])).ends_with("not installed: npm install"));
    world.file("project/yarn.lock", "");
    assert!(said(world.find(&["npm", "test"])).ends_with("not installed: yarn install"));
    world.file("project/package-lock.json", "{}");
    assert!(said(world.find(&["npm", "test"])).ends_with("not installed: npm ci"));
    world.file("project/package.json", "{}");
    assert_eq!(said(world.find(&["npm", "test"])), "");
}

#[test]
fn links_and_managers_lead_to_the_real_version() {
    let mut world = World::new();
    world.file("project/package.json", "{}");
    world.program("opt/node-20/bin/node");
    world.link("~/opt/node-20", "opt/node");
    world.on_path("opt/node/bin");
    let found = world.find(&["node"]);
    assert_eq!(
        world.shown(&found.mounts),
        ["tmp  ~", "ro ~/opt/node-20 ~/opt/node", "ro ~/opt/node-20"]
    );
    assert!(
        world
            .path_of(&found)
            .starts_with("~/opt/node/bin:~/opt/node-20/bin:")
    );

    let mut world = World::new();
    world.file("project/package.json", "{}");
    world.program(".asdf/shims/node");
    for version in ["18.1.0", "20.2.0", "20.10.0"] {
        world.program(&format!(".asdf/installs/nodejs/{version}/bin/node"));
    }
    world.on_path(".asdf/shims");
    world.file("project/.tool-versions", "python 3.1\nnodejs 20\n");
    let found = world.find(&["node"]);
    assert_eq!(
        world.shown(&found.mounts)[1..],
        ["ro ~/.asdf/installs/nodejs/20.10.0"]
    );
    assert!(!world.path_of(&found).contains("shims"));
    world.file("project/.tool-versions", "nodejs ../../../.ssh\n");
    world.path = world.home.join(".asdf/shims").display().to_string();
    assert_eq!(
        world.find(&["node"]).missing[0],
        "no Node.js was found: install node"
    );
}

fn go() -> World {
    let mut world = World::new();
    world.program("sdk/go/bin/go");
    world.file("sdk/go/pkg/tool/linux/compile", "");
    world.file("sdk/go/VERSION", "go1.22.1\ntime x\n");
    world.file(
        "sdk/go/go.env",
        "# GOPROXY=https://no.example\nGOPROXY=https://proxy.example,direct\nGOSUMDB=sums.example\n",
    );
    world.on_path("sdk/go/bin");
    world.file(
        "project/go.mod",
        "module x\n\ngo 1.21\n\nrequire a.example/One v1.0.0\n",
    );
    world.file("project/go.sum", "a.example/One v1.0.0 h1:x\n");
    world
}

#[test]
fn a_go_project_gets_its_root_and_caches() {
    let world = go();
    world.file("go/pkg/mod/a.example/!one@v1.0.0/go.mod", "");
    world.file(".cache/go-build/README", "");
    world.file(
        ".config/go/env",
        "GOFLAGS=-buildvcs=false\nGOPROXY=https://u:secret@proxy.example\n",
    );
    let found = world.find(&["go", "test", "./..."]);
    let want = [
        "tmp  ~",
        "over ~/.cache/go-build",
        "ro ~/go/pkg/mod",
        "ro ~/sdk/go",
    ];
    assert_eq!(world.shown(&found.mounts), want);
    assert_eq!(found.missing, [""; 0]);
    for (name, value) in [
        ("GOTOOLCHAIN", "local"),
        ("GOPROXY", "off"),
        ("GOFLAGS", "-buildvcs=false"),
    ] {
        assert_eq!(found.env[name], value);
    }
    assert!(!format!("{found:?}").contains("secret"));
}

#[test]
fn a_newer_go_is_used_if_it_was_downloaded_and_asked_for_if_not() {
    let world = go();
    world.file("project/go.mod", "module x\n\ngo 1.23.4\n");
    let found = world.find(&["go", "test"]);
    assert_eq!(
        found.missing,
        ["go.mod wants Go 1.23.4; 1.22.1 is installed, and none newer was downloaded"]
    );
    for version in ["1.23.1", "1.23.5", "1.24.0"] {
        world.program(&format!(
            "go/pkg/mod/golang.org/toolchain@v0.0.1-go{version}.linux-amd64/bin/go"
        ));
    }
    let found = world.find(&["go", "test"]);
    assert_eq!(found.missing, [""; 0]);
    assert!(
        world
            .path_of(&found)
            .contains("toolchain@v0.0.1-go1.23.5.linux-amd64/bin:")
    );
    assert!(found.exe.unwrap().path.contains("go1.23.5"));
}

#[test]
fn a_make_project_gets_what_its_files_speak_of() {
    let world = node();
    world.file("project/Makefile", "test:\n");
    world.file("project/node_modules/x", "");
    let found = world.find(&["make", "test"]);
    assert!(
        world
            .shown(&found.mounts)
            .contains(&"over ~/project/node_modules".into())
    );
    let mut want = world.want(&["./run.sh"]);
    want.languages = vec![Language::Make];
    world.program("project/run.sh");
    let found = world.finder().find(&want);
    assert_eq!((found.exe, found.missing), (None, vec![]));
}

#[test]
fn a_program_elsewhere_is_mounted_by_itself_and_an_unknown_one_is_missing() {
    let mut world = World::new();
    world.program("opt/just-1/just");
    world.link("~/opt/just-1/just", "mine/just");
    world.on_path("mine");
    let found = world.find(&["just", "test"]);
    let want = [
        "tmp  ~",
        "ro ~/opt/just-1/just ~/mine/just",
        "ro ~/opt/just-1/just",
    ];
    assert_eq!(world.shown(&found.mounts), want);
    assert!(world.path_of(&found).starts_with("~/mine:/usr/bin"));
    assert_eq!(
        world.find(&["no-such-program"]).missing,
        ["no-such-program was not found on PATH"]
    );
    assert_eq!(world.find(&["/no/such"]).missing.len(), 1);
}

#[test]
fn a_home_that_cannot_be_one_is_replaced() {
    let world = World::new();
    for home in ["/usr/share/x", "/", "relative", "/proc"] {
        let found = world.finder().find(&Want {
            home: home.into(),
            ..world.want(&["sh"])
        });
        assert_eq!(found.env["HOME"], "/home/atoll", "{home}");
    }
    // The checkout may be the home itself: the copy stands there.
    let found = world.finder().find(&Want {
        root: world.home.clone(),
        ..world.want(&["sh"])
    });
    assert_eq!(found.mounts, []);
}
