//! What a repository can plant, and what must not come of it.

use super::*;

fn private(world: &World) {
    for file in [
        ".ssh/id_ed25519",
        ".aws/credentials",
        ".config/gh/hosts.yml",
        ".npmrc",
        ".netrc",
        ".cargo/credentials.toml",
    ] {
        world.file(file, "secret");
    }
}

fn holds_no_secret(world: &World, found: &Found) {
    for mount in &found.mounts {
        for file in [
            ".ssh/id_ed25519",
            ".aws/credentials",
            ".config/gh/hosts.yml",
            ".npmrc",
            ".netrc",
            ".cargo/credentials.toml",
        ] {
            let file = world.home.join(file);
            assert!(
                mount.kind == MountKind::Tmpfs || !file.starts_with(&mount.src),
                "{mount:?}"
            );
        }
    }
    assert!(!format!("{found:?}").contains("secret"));
}

#[test]
fn planted_links_lead_nowhere() {
    let world = rust();
    private(&world);
    world.file("project/package.json", r#"{"dependencies": {"a": "1"}}"#);
    world.file("project/pyproject.toml", "");
    for name in ["target", "node_modules", ".venv", "venv", ".yarn"] {
        world.link("~/.ssh", &format!("project/{name}"));
    }
    world.file(".ssh/CACHEDIR.TAG", "");
    world.file(".ssh/pyvenv.cfg", "home = /usr/bin\n");
    world.link("~/.aws/credentials", "project/Cargo.lock");
    let found = world.find(&["cargo", "test"]);
    let shown = world.shown(&found.mounts);
    assert!(!shown.iter().any(|m| m.contains("~/project")), "{shown:?}");
    holds_no_secret(&world, &found);
}

#[test]
fn a_planted_environment_must_lead_to_a_python() {
    for target in [
        "~/.ssh/id_ed25519",
        "~/.ssh",
        "~/fake/bin/python3.11",
        "~/bin/python3.11",
    ] {
        let world = World::new();
        private(&world);
        world.program("fake/bin/python3.11");
        // The home itself dressed up as a prefix.
        world.program("bin/python3.11");
        world.file("lib/python3.11/os.py", "");
        world.file(
            "project/.venv/pyvenv.cfg",
            &format!("home = {}\n", world.home.join(".ssh").display()),
        );
        world.link(target, "project/.venv/bin/python");
        let found = world.find(&["make"]);
        holds_no_secret(&world, &found);
        let shown = world.shown(&found.mounts);
        let whole = ["ro ~", "ro ~/.ssh", "ro ~/fake"];
        assert!(
            !shown.iter().any(|m| whole.contains(&m.as_str())),
            "{target} {shown:?}"
        );
    }
}

#[test]
fn versions_that_are_paths_are_no_versions() {
    let mut world = World::new();
    private(&world);
    world.program(".pyenv/shims/python3");
    world.program(".ssh/bin/python3");
    world.on_path(".pyenv/shims");
    fs::create_dir_all(world.home.join(".pyenv/versions")).unwrap();
    world.file("project/setup.py", "");
    world.file("project/.python-version", "../../.ssh\n");
    world.file("project/rust-toolchain", "../../../.ssh\n");
    world.path = format!("{}/.pyenv/shims", world.home.display());
    let found = world.find(&["pytest"]);
    holds_no_secret(&world, &found);
    assert!(
        found
            .missing
            .contains(&"no Python was found: install python3".to_owned())
    );
}

#[test]
fn the_owners_mounts_bring_no_credentials_either() {
    let world = World::new();
    private(&world);
    world.file("data/x", "");
    let mount = |src: &str, dst: &str| Mount {
        kind: MountKind::Bind,
        src: src.replace('~', world.home.to_str().unwrap()),
        dst: dst.to_owned(),
        ro: false,
    };
    let mut want = world.want(&["sh"]);
    want.extra = vec![
        mount("~/data", "/data"),
        mount("~/.ssh", "/keys"),
        mount("~", "/all"),
        mount("~/data", "/etc"),
        mount("~/data", "/usr/x"),
        mount("~/data/../.ssh", "/dots"),
        mount("~/gone", "/gone"),
    ];
    let found = world.finder().find(&want);
    assert_eq!(world.shown(&found.mounts), ["rw ~/data /data", "tmp  ~"]);
    assert_eq!((found.notes.len(), found.missing.len()), (4, 2));
    holds_no_secret(&world, &found);
}

#[test]
fn garbage_in_every_file_that_is_read_is_harmless() {
    let world = rust();
    for file in [
        "Cargo.lock",
        "rust-toolchain",
        "rust-toolchain.toml",
        "package.json",
        "package-lock.json",
        ".nvmrc",
        ".npmrc",
        "go.mod",
        "go.sum",
        "uv.lock",
        "poetry.lock",
        "requirements.txt",
        "pyproject.toml",
        ".python-version",
        ".tool-versions",
        "mise.toml",
        ".cargo/config.toml",
    ] {
        fs::create_dir_all(world.root.join(".cargo")).unwrap();
        fs::write(
            world.root.join(file),
            b"\xff\xfe{[\"\0= ==1 -r ../x\nrequire (\n\x1b[31m",
        )
        .unwrap();
    }
    let found = world.find(&["cargo", "test"]);
    assert!(found.env.values().all(|v| !v.contains('\0')));
    let _ = world.fetch(&["cargo", "test"]);
    // A folder, and a link that goes round, where files are expected.
    let world = rust();
    fs::create_dir(world.root.join("Cargo.lock")).unwrap();
    world.link("rust-toolchain", "project/rust-toolchain");
    assert_eq!(world.find(&["cargo"]).missing, [""; 0]);
}

#[test]
fn a_flood_of_folders_is_bounded() {
    let world = rust();
    for i in 0..90 {
        world.file(&format!("project/p{i:02}/target/CACHEDIR.TAG"), "");
        world.file(&format!("project/p{i:02}/node_modules/x"), "");
        world.file(&format!("project/p{i:02}/package.json"), "{}");
    }
    world.file("project/package.json", "{}");
    let found = world.find(&["cargo", "test"]);
    assert_eq!(found.mounts.len(), 100);
    assert!(
        found
            .notes
            .iter()
            .any(|n| n.starts_with("more than 100 mounts"))
    );
    let shown = world.shown(&found.mounts);
    assert!(shown.contains(&"ro ~/.rustup/toolchains".to_owned()));
}
