//! Plans for fetch jobs.

use super::*;

fn hosts(plan: &FetchPlan) -> String {
    plan.hosts
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The only part of a cache's path that changes, left out.
fn keyless(lines: Vec<String>) -> Vec<String> {
    let digest = |part: &&str| !(part.len() == 64 && part.bytes().all(|b| b.is_ascii_hexdigit()));
    lines
        .iter()
        .map(|l| l.split('/').filter(digest).collect::<Vec<_>>().join("/"))
        .collect()
}

#[test]
fn crates_are_fetched_into_the_cache() {
    let world = rust();
    world.file("project/Cargo.lock", LOCK);
    world.file(".cargo/config.toml", "[source.crates-io]\nreplace-with = 'm'\n[source.m]\nregistry = 'sparse+https://m.example/i/'\n");
    let plan = world.fetch(&["cargo", "test"]).unwrap();
    assert_eq!(plan.cmd, ["cargo", "fetch", "--locked"]);
    assert_eq!(
        hosts(&plan),
        "m.example:443",
        "the user's mirror, and not the lock file's git host"
    );
    let want = [
        "tmp  ~",
        "ro ~/.cargo/bin",
        "rw ~/.cache/atoll/cargo/git ~/.cargo/git",
        "rw ~/.cache/atoll/cargo/registry ~/.cargo/registry",
        "ro ~/.rustup/toolchains",
    ];
    let shown = keyless(world.shown(&plan.mounts));
    let shown: Vec<_> = shown
        .into_iter()
        .filter(|m| !m.contains("config.toml"))
        .collect();
    assert_eq!(shown, want);
    assert!(
        plan.mounts
            .iter()
            .all(|m| m.src.is_empty() || Path::new(&m.src).exists()),
        "mountable at once"
    );
    assert_eq!(plan.env["CARGO_NET_OFFLINE"], "false");
    assert_eq!(plan.env["RUSTC_WRAPPER"], "");
    let said = "cargo fetch: 1 crates of Cargo.lock, of which 1 are not here";
    assert!(plan.what.starts_with(said), "{}", plan.what);
    let wish = "git+https://git.example/two";
    assert!(plan.what.contains(wish), "{}", plan.what);
}

#[test]
fn fetched_crates_are_found_and_fetched_no_more() {
    let world = rust();
    world.file("project/Cargo.lock", LOCK);
    let plan = world.fetch(&["cargo", "test"]).unwrap();
    // What the job brought is used, and nothing is left to fetch.
    let registry = plan
        .mounts
        .iter()
        .find(|m| m.dst.ends_with("/registry"))
        .unwrap();
    fs::create_dir_all(format!("{}/cache/i", registry.src)).unwrap();
    fs::write(format!("{}/cache/i/one-1.2.3.crate", registry.src), "").unwrap();
    assert_eq!(world.fetch(&["cargo", "test"]), None);
    let found = world.find(&["cargo", "test"]);
    assert_eq!(found.missing, [""; 0]);
    let over = found
        .mounts
        .iter()
        .find(|m| m.dst.ends_with("/.cargo/registry"))
        .unwrap();
    assert_eq!((over.kind, &over.src), (MountKind::Overlay, &registry.src));
    // Other settings of the same lock file are another cache.
    world.file("project/.cargo/config.toml", "[net]\n");
    assert!(world.fetch(&["cargo", "test"]).is_some());
}

#[test]
fn registries_with_credentials_are_never_used_and_it_is_said() {
    let world = rust();
    world.file("project/Cargo.lock", LOCK);
    world.file(".cargo/config.toml", "[source.crates-io]\nreplace-with = 'm'\n[source.m]\nregistry = 'sparse+https://u:p@m.example/i/'\n");
    let why = world.blocked(&["cargo", "test"]).to_string();
    assert!(
        why.contains("holds credentials") && !why.contains("u:p"),
        "{why}"
    );
}

#[test]
fn packages_are_fetched_for_each_workspace_without_scripts() {
    let mut world = node();
    world.vars = vec![("npm_config_registry", "https://n.example:8443/npm/".into())];
    world.file("project/packages/one/package.json", "{}");
    world.file("project/.npmrc", "registry=https://evil.example/\n");
    let lock = r#"{"packages": {
        "node_modules/jest": {"resolved": "https://evil.example/jest.tgz"},
        "packages/one/node_modules/x": {"resolved": "https://n.example:8443/x.tgz"},
        "packages/gone/node_modules/x": {}, "../../out/node_modules/x": {}
    }}"#;
    world.file("project/package-lock.json", lock);
    let plan = world.fetch(&["npm", "test"]).unwrap();
    assert_eq!(plan.cmd[..3], ["npm", "ci", "--ignore-scripts"]);
    assert_eq!(hosts(&plan), "n.example:8443");
    assert_eq!(
        plan.env["npm_config_registry"],
        "https://n.example:8443/npm/"
    );
    assert!(!plan.env.contains_key("npm_config_offline"));
    let rw: Vec<_> = keyless(world.shown(&plan.mounts))
        .into_iter()
        .filter(|m| m.starts_with("rw"))
        .collect();
    let want = [
        "rw ~/.cache/atoll/npm/0 ~/project/node_modules",
        "rw ~/.cache/atoll/npm/1 ~/project/packages/one/node_modules",
    ];
    assert_eq!(rw, want);
    assert!(
        plan.what.contains("evil.example") && !plan.what.contains("1: n.example"),
        "{}",
        plan.what
    );
    // npm writes its own lock file into node_modules last.
    let place = plan
        .mounts
        .iter()
        .find(|m| m.dst.ends_with("project/node_modules"))
        .unwrap();
    fs::write(format!("{}/half", place.src), "").unwrap();
    assert!(world.fetch(&["npm", "test"]).is_some());
    fs::write(format!("{}/.package-lock.json", place.src), "{}").unwrap();
    assert_eq!(world.fetch(&["npm", "test"]), None);
    let found = world.find(&["npm", "test"]);
    assert_eq!(found.missing, [""; 0]);
    assert_eq!(
        found
            .mounts
            .iter()
            .filter(|m| m.kind == MountKind::Overlay)
            .count(),
        2
    );
}

pub(super) fn python() -> World {
    let mut world = World::new();
    world.program("py/bin/python3.11");
    world.link("python3.11", "py/bin/python3");
    world.file("py/lib/python3.11/os.py", "");
    world.on_path("py/bin");
    world
}

#[test]
fn wheels_are_fetched_by_digest_and_put_on_the_path() {
    let world = python();
    world.file(
        ".config/pip/pip.conf",
        "[global]\ntimeout = 9\nindex-url = https://p.example/simple\n",
    );
    let digest = "a".repeat(64);
    let lines = format!(
        "--extra-index-url https://evil.example/\nSix==1.16.0 --hash=sha256:{digest}\n-e git+https://evil.example/x\n"
    );
    world.file("project/requirements.txt", &lines);
    let plan = world.fetch(&["pytest"]).unwrap();
    let cmd = plan.cmd.join(" ");
    assert!(
        cmd.contains("-m pip install --isolated") && cmd.contains("--only-binary :all:"),
        "{cmd}"
    );
    assert!(
        cmd.contains("--index-url https://p.example/simple --require-hashes --no-deps"),
        "{cmd}"
    );
    assert_eq!(hosts(&plan), "p.example:443");
    assert!(plan.what.contains("2 of its entries"), "{}", plan.what);
    let file = plan
        .mounts
        .iter()
        .find(|m| m.dst.ends_with("requirements.txt"))
        .unwrap();
    assert_eq!(
        fs::read_to_string(&file.src).unwrap(),
        format!("Six==1.16.0 --hash=sha256:{digest}\n")
    );
    let site = plan
        .mounts
        .iter()
        .find(|m| m.dst.ends_with("/site"))
        .unwrap();
    fs::create_dir(format!("{}/six-1.16.0.dist-info", site.src)).unwrap();
    assert_eq!(world.fetch(&["pytest"]), None);
    let found = world.find(&["python3"]);
    assert_eq!(
        (found.missing, &found.env["PYTHONPATH"]),
        (vec![], &site.dst)
    );
}

#[test]
fn modules_are_fetched_from_the_users_proxy_alone() {
    let mut world = go();
    world.vars = vec![("GOPROXY", "https://g.example,direct".into())];
    let plan = world.fetch(&["go", "test"]).unwrap();
    assert_eq!(plan.cmd, ["go", "mod", "download"]);
    assert_eq!(
        (hosts(&plan).as_str(), plan.env["GOPROXY"].as_str()),
        ("g.example:443", "https://g.example")
    );
    assert_eq!(plan.env["GOVCS"], "*:off");
    let cache = plan
        .mounts
        .iter()
        .find(|m| !m.ro && m.kind == MountKind::Bind)
        .unwrap();
    assert!(cache.dst.ends_with("/go/pkg/mod"));
    fs::create_dir_all(format!("{}/a.example/!one@v1.0.0", cache.src)).unwrap();
    assert_eq!(world.fetch(&["go", "test"]), None);
    assert_eq!(world.find(&["go", "test"]).missing, [""; 0]);
    fs::remove_dir_all(&cache.src).unwrap();
    world.vars = vec![("GOPROXY", "off".into())];
    let why = world.blocked(&["go", "test"]);
    assert!(why.to_string().contains("go env -w GOPROXY"), "{why}");
}

#[test]
fn what_the_user_has_not_set_the_installed_tool_names() {
    let mut python = python();
    python.file("project/requirements.txt", "six==1.16.0\n");
    python.file(
        "py/lib/python3.11/site-packages/pip/_internal/models/index.py",
        "class PackageIndex:\n    pass\n\nPyPI = PackageIndex(\n    \"https://index.example/\", file_storage_domain=\"files.example\"\n)\n",
    );
    let rust = rust();
    rust.file("project/Cargo.lock", LOCK);
    let node = node();
    node.file("project/package-lock.json", "{}");
    for (world, want) in [
        (&rust, "index.example:443"),
        (&node, "npm.example:443"),
        (&python, "index.example:443 files.example:443"),
        (&go(), "proxy.example:443 sums.example:443"),
    ] {
        let plan = world.fetch(&["sh"]).unwrap();
        assert_eq!(hosts(&plan), want);
        assert!(
            plan.what.contains(&plan.hosts[0].to_string()),
            "{}",
            plan.what
        );
    }
    assert_eq!(
        node.fetch(&["sh"]).unwrap().env["npm_config_registry"],
        "https://npm.example/"
    );
    let cmd = python.fetch(&["sh"]).unwrap().cmd.join(" ");
    assert!(
        cmd.contains("--index-url https://index.example/simple/ "),
        "{cmd}"
    );
    // The machine's settings go before the tool's, the user's before the machine's.
    python.file(
        "etc/pip.conf",
        "[global]\nindex-url = https://all.example/simple\n",
    );
    assert_eq!(hosts(&python.fetch(&["sh"]).unwrap()), "all.example:443");
    python.vars = vec![("PIP_INDEX_URL", "https://mine.example/simple".into())];
    assert_eq!(hosts(&python.fetch(&["sh"]).unwrap()), "mine.example:443");
    python.vars = vec![("PIP_INDEX_URL", "https://index.example/simple".into())];
    assert_eq!(
        hosts(&python.fetch(&["sh"]).unwrap()),
        "index.example:443 files.example:443"
    );
}

#[test]
fn what_nobody_names_is_asked_for_with_the_setting_to_set() {
    let rust = rust();
    rust.file("project/Cargo.lock", LOCK);
    let cargo = STABLE.replace("x86_64", std::env::consts::ARCH);
    rust.file(&cargo.replace("rustc", "cargo"), "sparse+https://no");
    let node = node();
    // What a repository names is no registry of the user's.
    let lock = r#"{"packages": {"node_modules/x": {"resolved": "https://evil.example/x.tgz"}}}"#;
    node.file("project/package-lock.json", lock);
    node.file("project/.npmrc", "registry=https://evil.example/\n");
    node.file(
        ".nvm/versions/node/v20.1.0/lib/node_modules/npm/node_modules/@npmcli/config/lib/definitions/definitions.js",
        "",
    );
    let go = go();
    go.file("sdk/go/go.env", "GOTOOLCHAIN=local\n");
    let python = python();
    python.file("project/requirements.txt", "six==1.16.0\n");
    for (world, set) in [
        (&rust, "[source.crates-io] replace-with"),
        (&node, "npm config set registry"),
        (&go, "go env -w GOPROXY"),
        (&python, "global.index-url"),
    ] {
        let why = world.blocked(&["sh"]);
        assert!(matches!(why, Error::Unnamed { .. }), "{why:?}");
        let why = why.to_string();
        assert!(why.contains(set) && !why.contains("evil"), "{why}");
    }
    // Nor does a program of the repository's own.
    let mut planted = World::new();
    planted.file("project/Cargo.toml", "");
    planted.file("project/Cargo.lock", LOCK);
    let program = planted.program("project/bin/cargo");
    fs::write(program, "sparse+https://evil.example/").unwrap();
    planted.on_path("project/bin");
    let why = planted.blocked(&["sh"]).to_string();
    assert!(!why.contains("evil"), "{why}");
    // Another language's plan is not held up by it.
    python.file(
        "project/go.mod",
        "module x\n\nrequire a.example/One v1.0.0\n",
    );
    python.file("project/go.sum", "a.example/One v1.0.0 h1:x\n");
    let both = World {
        vars: vec![("GOPROXY", "https://g.example".into())],
        ..python
    };
    assert_eq!(hosts(&both.fetch(&["sh"]).unwrap()), "g.example:443");
}

#[test]
fn where_crates_lie_is_learned_from_the_index() {
    let world = rust();
    world.file("project/Cargo.lock", LOCK);
    let first = world.fetch(&["cargo", "test"]).unwrap();
    assert!(first.what.contains("that is asked then"), "{}", first.what);
    let there = |world: &World| {
        let plan = world.fetch(&["cargo", "test"]).unwrap();
        assert!(!plan.what.contains("that is asked then"), "{}", plan.what);
        hosts(&plan)
    };
    // What a first try brought.
    let cache = first.mounts.iter().find(|m| m.dst.ends_with("/registry"));
    let index = Path::new(&cache.unwrap().src).join("index");
    for (name, url) in [
        ("other.example-0", "https://no.example/"),
        ("index.example-1", "https://files.example/crates"),
    ] {
        fs::create_dir_all(index.join(name)).unwrap();
        let config = format!("{{\"dl\": \"{url}\"}}");
        fs::write(index.join(name).join("config.json"), config).unwrap();
    }
    assert_eq!(there(&world), "index.example:443 files.example:443");
    // What the user's cargo knows goes before it.
    world.file(
        ".cargo/registry/index/index.example-1/config.json",
        "{\"dl\": \"https://index.example/files\"}",
    );
    assert_eq!(there(&world), "index.example:443");
}

#[test]
fn without_a_lock_file_there_is_no_plan() {
    for world in [rust(), node(), World::new()] {
        assert_eq!(world.fetch(&["sh"]), None);
    }
    let world = World::new();
    world.file("project/requirements.txt", "flask>=3\n");
    assert_eq!(world.fetch(&["python3"]), None);
}
