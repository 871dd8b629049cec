//! What every finder of toolchains must do, whichever it finds: an adapter brings a [`Ground`] per toolchain
//! and joins by one line each, `testkit::toolchain_conformance!(name, ground)`.
#![allow(clippy::unwrap_used, reason = "a suite of tests")]
#![allow(clippy::disallowed_methods, reason = "a suite's scratch folders")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use atoll_domain::{Hash, Mount, MountKind};
use atoll_ports::Toolchains;
use atoll_ports::toolchain::{FetchPlan, Found, Want};

/// A made-up home with one toolchain that is installed in it.
pub trait Ground: Send + Sync {
    /// A finder with what it remembers of its own.
    fn finder(&self) -> Arc<dyn Toolchains>;
    /// The user's home, which the suite may fill.
    fn home(&self) -> PathBuf;
    /// The caller's PATH.
    fn path(&self) -> String;
    /// Below this the finder may keep things, and nowhere else.
    fn cache(&self) -> PathBuf;
    /// Writes a project whose lock file names a dependency that is not here.
    fn project(&self, root: &Path);
    /// A command that needs the toolchain.
    fn cmd(&self) -> Vec<String>;
    /// Does to the mounted places what the plan's job would do; its network is the suite's word.
    fn fetched(&self, plan: &FetchPlan);
}

/// What a suite knows as secret: it must come out nowhere.
const SECRET: &str = "s3cr3t-of-the-suite";

struct Desk<'a> {
    ground: &'a dyn Ground,
    finder: Arc<dyn Toolchains>,
    root: PathBuf,
}

impl Desk<'_> {
    fn new(ground: &dyn Ground) -> Desk<'_> {
        let root = fs::canonicalize(ground.home()).unwrap().join("suite");
        fs::create_dir_all(&root).unwrap();
        ground.project(&root);
        Desk {
            ground,
            finder: ground.finder(),
            root,
        }
    }

    fn want(&self) -> Want {
        Want {
            root: self.root.clone(),
            home: self.ground.home(),
            path: self.ground.path(),
            cmd: self.ground.cmd(),
            ..Want::default()
        }
    }

    fn find(&self) -> Found {
        self.finder.find(&self.want())
    }

    fn plan(&self) -> Option<FetchPlan> {
        self.finder.fetch(&self.want()).unwrap()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.ground.home().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// All that lies in the home but the cache and what holds it, by path, with its content's digest.
    fn all(&self) -> BTreeMap<PathBuf, Hash> {
        let mut found = BTreeMap::new();
        let mut todo = vec![self.ground.home()];
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(dir).unwrap().flatten() {
                let (path, kind) = (entry.path(), entry.file_type().unwrap());
                let content = match kind.is_file() {
                    true => fs::read(&path).unwrap(),
                    false => Vec::new(),
                };
                if path == self.ground.cache() {
                    continue;
                }
                if kind.is_dir() {
                    todo.push(path.clone());
                }
                if !self.ground.cache().starts_with(&path) {
                    found.insert(path, Hash::of(&content));
                }
            }
        }
        found
    }
}

fn plain(path: &str) -> bool {
    let fine = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
    Path::new(path).is_absolute() && Path::new(path).components().all(fine)
}

/// What holds of any job's mounts and variables.
fn sound(mounts: &[Mount], env: &BTreeMap<String, String>, home: &Path) {
    for (at, mount) in mounts.iter().enumerate() {
        assert!(plain(&mount.dst), "{mount:?}");
        let earlier = mounts[..at].iter().map(|m| Path::new(&m.dst));
        for before in earlier {
            assert!(
                !before.starts_with(&mount.dst),
                "{mount:?} hides {before:?}"
            );
        }
        match mount.kind {
            MountKind::Tmpfs => assert_eq!(mount.src, ""),
            _ => {
                let real = fs::canonicalize(&mount.src).unwrap();
                assert_eq!(real, Path::new(&mount.src), "links are followed before");
                assert!(!home.starts_with(&real), "{mount:?} holds the home");
            }
        }
    }
    assert_eq!(env["HOME"], home.to_str().unwrap());
    let path: Vec<&Path> = env["PATH"].split(':').map(Path::new).collect();
    assert!(path.iter().all(|p| p.is_absolute()), "{path:?}");
    assert!(path.contains(&Path::new("/usr/bin")), "{path:?}");
    assert!(!env.contains_key("CI"), "jest refuses new snapshots then");
    assert!(!format!("{mounts:?}{env:?}").contains(SECRET));
}

/// What a job needs stands where it stands outside, below a fresh home.
pub fn a_toolchain_is_found_and_named_by_its_content(ground: &dyn Ground) {
    let desk = Desk::new(ground);
    let found = desk.find();
    sound(&found.mounts, &found.env, &desk.ground.home());
    let fresh = found
        .mounts
        .iter()
        .find(|m| Path::new(&m.dst) == ground.home());
    assert_eq!(fresh.map(|m| m.kind), Some(MountKind::Tmpfs));
    let exe = found.exe.clone().unwrap();
    assert!(!Path::new(&exe.path).starts_with(&desk.root));
    assert_eq!(exe.sha256, Hash::of(&fs::read(&exe.path).unwrap()));
    let system = ["/usr", "/bin"].iter().any(|s| exe.path.starts_with(s));
    let mut shown = found.mounts.iter().filter(|m| m.kind != MountKind::Tmpfs);
    assert!(system || shown.any(|m| Path::new(&exe.path).starts_with(&m.src)));
    let written = found.mounts.iter().filter(|m| m.kind == MountKind::Bind);
    assert!(written.into_iter().all(|m| m.ro), "{:?}", found.mounts);
    assert_eq!(desk.find(), found, "and again the same");
    assert_eq!(ground.finder().find(&desk.want()), found);
}

/// Looking changes nothing and runs nothing.
pub fn looking_changes_nothing(ground: &dyn Ground) {
    let desk = Desk::new(ground);
    for name in ["setup.py", "conftest.py", ".envrc", "run"] {
        desk.write(&format!("suite/{name}"), "#!/bin/sh\ntouch /tmp/ran\n");
        let file = desk.root.join(name);
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let before = desk.all();
    let _ = (desk.find(), desk.plan());
    assert_eq!(desk.all(), before);
}

/// Files that hold credentials come along in no way.
pub fn no_credentials_come_along(ground: &dyn Ground) {
    let desk = Desk::new(ground);
    let places = [
        ".ssh/id_rsa",
        ".netrc",
        ".git-credentials",
        ".aws/credentials",
        ".config/gh/hosts.yml",
        ".cargo/credentials.toml",
        ".pypirc",
        ".docker/config.json",
    ];
    for place in places {
        desk.write(place, SECRET);
    }
    desk.write(".npmrc", &format!("//r.example/:_authToken={SECRET}\n"));
    desk.write(
        ".cargo/config.toml",
        &format!("[registry]\ntoken = '{SECRET}'\n"),
    );
    let found = desk.find();
    sound(&found.mounts, &found.env, &ground.home());
    assert!(!format!("{found:?}").contains(SECRET));
    let plan = desk.plan().unwrap();
    assert!(!format!("{plan:?}").contains(SECRET));
    for mounts in [&found.mounts, &plan.mounts] {
        for mount in mounts.iter().filter(|m| m.kind != MountKind::Tmpfs) {
            assert!(
                !holds(Path::new(&mount.src), SECRET.as_bytes()),
                "{mount:?}"
            );
        }
    }
}

/// Whether a file at or below `path` holds the bytes.
fn holds(path: &Path, bytes: &[u8]) -> bool {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return false;
    };
    if meta.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        return entries.into_iter().any(|e| holds(&e.path(), bytes));
    }
    // A system's own programs are no place for a suite's word.
    meta.is_file()
        && meta.len() < 1 << 20
        && fs::read(path).is_ok_and(|c| c.windows(bytes.len()).any(|w| w == bytes))
}

/// A command that is nowhere is missing, in words.
pub fn what_is_not_installed_is_missing(ground: &dyn Ground) {
    let desk = Desk::new(ground);
    let found = desk.finder.find(&Want {
        cmd: vec!["no-such-program-here".into()],
        ..desk.want()
    });
    assert_eq!(found.exe, None);
    assert!(
        found
            .missing
            .iter()
            .any(|m| m.contains("no-such-program-here"))
    );
    let own = desk.root.join("tool");
    desk.write("suite/tool", "#!/bin/sh\n");
    fs::set_permissions(&own, fs::Permissions::from_mode(0o755)).unwrap();
    let found = desk.finder.find(&Want {
        cmd: vec!["./tool".into()],
        ..desk.want()
    });
    assert_eq!(found.exe, None, "the workspace's own is bound by its tree");
    // Dependencies that the command surely needs are said beforehand.
    assert!(!desk.find().missing.is_empty());
}

/// Links of a checkout are a stranger's wish.
pub fn a_checkouts_links_lead_nowhere(ground: &dyn Ground) {
    let desk = Desk::new(ground);
    let other = ground.home().join("elsewhere");
    desk.write("elsewhere/package.json", "{}");
    desk.write("elsewhere/CACHEDIR.TAG", "");
    desk.write("elsewhere/pyvenv.cfg", "home = /usr/bin\n");
    for name in ["node_modules", "target", ".venv", "vendor", "venv"] {
        symlink(&other, desk.root.join(name)).unwrap();
    }
    let found = desk.find();
    sound(&found.mounts, &found.env, &ground.home());
    let reached = |m: &Mount| Path::new(&m.src).starts_with(&other);
    assert!(!found.mounts.iter().any(reached), "{:?}", found.mounts);
}

/// What the owner trusts is mounted, credentials never.
pub fn the_owners_own_mounts_are_taken_with_care(ground: &dyn Ground) {
    let desk = Desk::new(ground);
    desk.write("data/x", "1");
    desk.write(".ssh/id_rsa", SECRET);
    let bind = |path: &str| Mount {
        kind: MountKind::Bind,
        src: ground.home().join(path).display().to_string(),
        dst: ground.home().join(path).display().to_string(),
        ro: true,
    };
    let found = desk.finder.find(&Want {
        extra: vec![bind("data"), bind(".ssh"), bind("none")],
        ..desk.want()
    });
    sound(&found.mounts, &found.env, &ground.home());
    let has = |path: &str| found.mounts.iter().any(|m| m.src == bind(path).src);
    assert!(
        has("data") && !has(".ssh") && !has("none"),
        "{:?}",
        found.mounts
    );
}

/// A plan reaches named hosts alone and writes into the finder's cache alone.
pub fn a_fetch_is_bounded(ground: &dyn Ground) {
    let desk = Desk::new(ground);
    let plan = desk.plan().unwrap();
    sound(&plan.mounts, &plan.env, &ground.home());
    assert!(!plan.hosts.is_empty() && !plan.cmd.is_empty());
    for host in &plan.hosts {
        assert!(plan.what.contains(&host.to_string()), "{}", plan.what);
    }
    let cache = fs::canonicalize(ground.cache()).unwrap();
    let writable = plan
        .mounts
        .iter()
        .filter(|m| m.kind == MountKind::Bind && !m.ro);
    let writable: Vec<&Mount> = writable.collect();
    assert!(!writable.is_empty());
    for mount in writable {
        assert!(Path::new(&mount.src).starts_with(&cache), "{mount:?}");
        assert_eq!(
            fs::read_dir(&mount.src).unwrap().count(),
            0,
            "empty at first"
        );
    }
    assert_eq!(desk.plan(), Some(plan), "and again the same");
}

/// What was fetched is found, mounted so that a job can't change it, and planned no more.
pub fn what_was_fetched_is_used_and_fetched_no_more(ground: &dyn Ground) {
    let desk = Desk::new(ground);
    assert!(!desk.find().missing.is_empty());
    let plan = desk.plan().unwrap();
    ground.fetched(&plan);
    assert_eq!(desk.plan(), None);
    let found = desk.find();
    assert_eq!(found.missing, [""; 0]);
    sound(&found.mounts, &found.env, &ground.home());
    let cache = fs::canonicalize(ground.cache()).unwrap();
    let kept = found.mounts.iter().filter(|m| {
        let config = m.dst.ends_with("config.toml");
        !config && Path::new(&m.src).starts_with(&cache)
    });
    let kept: Vec<&Mount> = kept.collect();
    assert!(!kept.is_empty());
    assert!(kept.iter().all(|m| m.ro || m.kind == MountKind::Overlay));
    // Another process finds it, too.
    assert_eq!(ground.finder().find(&desk.want()), found);
}

/// A sweep keeps to its limit, and takes nothing that a job may stand on.
pub fn a_sweep_leaves_what_was_just_used(ground: &dyn Ground) {
    let desk = Desk::new(ground);
    ground.fetched(&desk.plan().unwrap());
    let found = desk.find();
    let before = desk.all();
    assert_eq!(desk.finder.sweep(u64::MAX, 0).removed, 0);
    let kept = desk.finder.sweep(0, 3600);
    assert_eq!(
        (kept.removed, kept.freed_bytes),
        (0, 0),
        "it was used a moment ago"
    );
    assert_eq!(desk.find(), found);
    let swept = desk.finder.sweep(0, 0);
    assert!(swept.removed > 0 && swept.left_bytes == 0, "{swept:?}");
    assert_eq!(swept.freed_bytes, kept.left_bytes);
    assert!(!desk.find().missing.is_empty());
    assert!(desk.plan().is_some(), "it is fetched again");
    assert_eq!(desk.all(), before, "only the cache was touched");
}

/// Where nothing is locked nothing is fetched.
pub fn an_unlocked_project_has_no_plan(ground: &dyn Ground) {
    let desk = Desk::new(ground);
    let empty = ground.home().join("empty");
    fs::create_dir(&empty).unwrap();
    let want = Want {
        root: empty,
        ..desk.want()
    };
    assert_eq!(desk.finder.fetch(&want), Ok(None));
    assert_eq!(ground.finder().fetch(&Want::default()), Ok(None));
}

/// Runs the suite on an expression that makes a new [`Ground`].
#[macro_export]
macro_rules! toolchain_conformance {
    ($name:ident, $ground:expr, [$($test:ident),* $(,)?]) => {
        mod $name {
            $(
                #[test]
                fn $test() {
                    let ground = $ground;
                    testkit::toolchain::$test(&ground);
                }
            )*
        }
    };
    ($name:ident, $ground:expr) => {
        testkit::toolchain_conformance!($name, $ground, [
            a_toolchain_is_found_and_named_by_its_content, looking_changes_nothing,
            no_credentials_come_along, what_is_not_installed_is_missing,
            a_checkouts_links_lead_nowhere, the_owners_own_mounts_are_taken_with_care,
            a_fetch_is_bounded, what_was_fetched_is_used_and_fetched_no_more,
            a_sweep_leaves_what_was_just_used, an_unlocked_project_has_no_plan,
        ]);
    };
}
