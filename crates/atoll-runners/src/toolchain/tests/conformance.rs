//! The finder passes the suite of finders, with each of its toolchains.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use atoll_ports::Toolchains;
use atoll_ports::toolchain::FetchPlan;
use testkit::toolchain::Ground;

use super::fetching::python;
use super::{LOCK, World, go, node, rust};

struct Made {
    world: World,
    files: &'static [(&'static str, &'static str)],
    cmd: &'static [&'static str],
    /// What the job would leave: below the writable mount whose place ends so, a file.
    brought: (&'static str, &'static str),
}

impl Ground for Made {
    fn finder(&self) -> Arc<dyn Toolchains> {
        Arc::new(self.world.finder())
    }

    fn home(&self) -> PathBuf {
        self.world.home.clone()
    }

    fn path(&self) -> String {
        self.world.path.clone()
    }

    fn cache(&self) -> PathBuf {
        self.world.home.join(".cache/atoll")
    }

    fn project(&self, root: &Path) {
        for (name, text) in self.files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn cmd(&self) -> Vec<String> {
        self.cmd.iter().map(|word| (*word).to_owned()).collect()
    }

    fn fetched(&self, plan: &FetchPlan) {
        let (place, file) = self.brought;
        let mount = plan.mounts.iter().find(|m| !m.ro && m.dst.ends_with(place));
        let file = Path::new(&mount.unwrap().src).join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
    }
}

testkit::toolchain_conformance!(
    cargo,
    super::Made {
        world: super::rust(),
        files: &[
            ("Cargo.toml", "[dependencies]\none = \"1\"\n"),
            ("Cargo.lock", super::LOCK),
        ],
        cmd: &["cargo", "test"],
        brought: ("/registry", "cache/i/one-1.2.3.crate"),
    }
);

testkit::toolchain_conformance!(
    npm,
    super::Made {
        world: super::node(),
        files: &[
            ("package.json", r#"{"dependencies": {"one": "1"}}"#),
            ("package-lock.json", "{}"),
        ],
        cmd: &["npm", "test"],
        brought: ("/node_modules", ".package-lock.json"),
    }
);

testkit::toolchain_conformance!(
    pip,
    super::Made {
        world: {
            let world = super::python();
            world.file(
                ".config/pip/pip.conf",
                "[global]\nindex-url = https://p.example/simple\n",
            );
            world
        },
        files: &[("requirements.txt", "six==1.16.0\n")],
        cmd: &["python3", "-m", "pytest"],
        brought: ("/site", "six-1.16.0.dist-info/METADATA"),
    }
);

testkit::toolchain_conformance!(
    modules,
    super::Made {
        world: super::go(),
        files: &[
            (
                "go.mod",
                "module x\n\ngo 1.21\n\nrequire a.example/one v1.0.0\n"
            ),
            ("go.sum", "a.example/one v1.0.0 h1:x\n"),
        ],
        cmd: &["go", "test"],
        brought: ("/pkg/mod", "a.example/one@v1.0.0/go.mod"),
    }
);
