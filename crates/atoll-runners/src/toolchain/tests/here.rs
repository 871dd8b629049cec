//! The toolchains of the machine the tests run on. One that isn't installed is skipped, loudly.

use super::*;

fn here(manifest: &str, text: &str, cmd: &[&str]) -> Option<(World, Found)> {
    let mut world = World::new();
    world.file(&format!("project/{manifest}"), text);
    let home = PathBuf::from(std::env::var_os("HOME")?);
    world.path = std::env::var("PATH").ok()?;
    let dirs: Vec<PathBuf> = std::env::split_paths(&world.path).collect();
    if crate::toolchain::resolve::which(cmd[0], dirs.iter().map(PathBuf::as_path)).is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "{} is not installed: install it",
            cmd[0]
        );
        eprintln!("SKIPPED: {} is not installed", cmd[0]);
        return None;
    }
    let vars = super::super::CALLER_VARS
        .iter()
        .filter_map(|name| Some((name.to_string(), std::env::var(name).ok()?)));
    // Its own target folder and registries are no part of what is tried.
    let vars = vars
        .filter(|(name, _)| !name.contains("TARGET") && !name.contains("PROXY"))
        .collect();
    let finder = Finder::new(Options {
        cache_dir: world.home.join(".cache/atoll"),
        etc_dir: "/etc".into(),
        vars,
    });
    let found = finder.find(&Want {
        home,
        ..world.want(cmd)
    });
    Some((world, found))
}

/// Whether a host path is there inside, at the same place.
fn shows(found: &Found, path: &Path) -> bool {
    let real = fs::canonicalize(path).unwrap();
    let system = ["/usr", "/bin", "/lib", "/lib64", "/sbin"]
        .iter()
        .any(|s| real.starts_with(s));
    system
        || found
            .mounts
            .iter()
            .any(|m| m.src == m.dst && real.starts_with(&m.dst))
}

fn check(found: &Found) {
    assert_eq!(found.missing, [""; 0]);
    let exe = found.exe.as_ref().unwrap();
    assert!(
        shows(found, Path::new(&exe.path)),
        "{exe:?} {:?}",
        found.mounts
    );
    assert_eq!(exe.sha256, Hash::of(&fs::read(&exe.path).unwrap()));
    for mount in &found.mounts {
        assert!(
            mount.kind == MountKind::Tmpfs || Path::new(&mount.src).exists(),
            "{mount:?}"
        );
    }
    let home = std::env::var("HOME").unwrap();
    for secret in [
        ".ssh",
        ".npmrc",
        ".cargo/credentials.toml",
        ".netrc",
        ".gitconfig",
    ] {
        let secret = Path::new(&home).join(secret);
        let mut binds = found.mounts.iter().filter(|m| m.kind != MountKind::Tmpfs);
        assert!(!binds.any(|m| secret.starts_with(&m.src)));
    }
    assert!(!found.env["PATH"].contains("shims"));
}

/// The registry of an installed tool is known without a list: by configuration, or by the tool itself.
fn registry(files: &[(&str, &str)], cmd: &str) {
    let Some((world, _)) = here(files[0].0, files[0].1, &[cmd]) else {
        return;
    };
    for (name, text) in files {
        world.file(&format!("project/{name}"), text);
    }
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    let vars = super::super::CALLER_VARS
        .iter()
        .filter_map(|name| Some((name.to_string(), std::env::var(name).ok()?)));
    let finder = Finder::new(Options {
        cache_dir: world.home.join(".cache/atoll"),
        etc_dir: "/etc".into(),
        vars: vars.collect(),
    });
    let want = Want {
        home,
        ..world.want(&[cmd])
    };
    match finder.fetch(&want) {
        Ok(plan) => assert!(!plan.unwrap().hosts.is_empty()),
        // Such as a mirror with a password: a person's own.
        Err(err) => assert!(matches!(err, Error::Registry { .. }), "{err}"),
    }
}

#[test]
fn each_installed_tool_names_its_registry() {
    let lock = LOCK.replace("1.2.3", "0.0.0-none");
    registry(&[("Cargo.toml", ""), ("Cargo.lock", &lock)], "cargo");
    let package = r#"{"dependencies": {"one": "1"}}"#;
    registry(
        &[("package.json", package), ("package-lock.json", "{}")],
        "npm",
    );
    registry(
        &[("requirements.txt", "no-such-package-here==1\n")],
        "python3",
    );
    let module = "module x\n\ngo 1.20\n\nrequire a.example/one v1.0.0\n";
    registry(&[("go.mod", module), ("go.sum", "")], "go");
}

#[test]
fn cargo() {
    let Some((_world, found)) = here("Cargo.toml", "", &["cargo", "test"]) else {
        return;
    };
    check(&found);
    if let Some(toolchain) = found.env.get("RUSTUP_TOOLCHAIN") {
        let rustc = found
            .mounts
            .iter()
            .map(|m| Path::new(&m.src).join(toolchain).join("bin/rustc"));
        assert!(rustc.into_iter().any(|path| path.is_file()));
    }
}

#[test]
fn python3() {
    let Some((_world, found)) = here("setup.py", "", &["python3", "-V"]) else {
        return;
    };
    check(&found);
}

#[test]
fn npm() {
    let Some((_world, found)) = here("package.json", "{}", &["npm", "test"]) else {
        return;
    };
    check(&found);
}

#[test]
fn go() {
    let Some((_world, found)) = here("go.mod", "module x\n\ngo 1.20\n", &["go", "test"]) else {
        return;
    };
    check(&found);
}

#[test]
fn make() {
    let Some((_world, found)) = here("Makefile", "test:\n", &["make", "test"]) else {
        return;
    };
    check(&found);
    assert!(found.exe.unwrap().path.ends_with("make"));
}
