//! The adapter passes the suite that all workspaces pass.
#![allow(clippy::disallowed_methods, reason = "a test")]

use std::path::PathBuf;
use std::sync::Arc;

use testkit::workspace::Ground;

use super::{Options, Workspaces};

struct Plain(tempfile::TempDir);

impl Plain {
    fn new() -> Plain {
        let ground = Plain(tempfile::tempdir().unwrap());
        std::fs::create_dir(ground.checkout()).unwrap();
        ground
    }
}

impl Ground for Plain {
    fn open(&self) -> Arc<dyn atoll_ports::Workspaces> {
        Arc::new(Workspaces::open(Options::new(self.0.path().join("data"))).unwrap())
    }

    fn checkout(&self) -> PathBuf {
        self.0.path().join("checkout")
    }
}

testkit::workspace_conformance!(plain, super::Plain::new());

/// The same where the checkout is a git repository.
mod repository {
    use super::{Arc, Ground, PathBuf, Plain};

    struct Repository(Plain);

    impl Repository {
        fn new() -> Repository {
            let plain = Plain::new();
            crate::testing::git(&plain.checkout(), &["init", "-q"]);
            Repository(plain)
        }
    }

    impl Ground for Repository {
        fn open(&self) -> Arc<dyn atoll_ports::Workspaces> {
            self.0.open()
        }

        fn checkout(&self) -> PathBuf {
            self.0.checkout()
        }
    }

    testkit::workspace_conformance!(git, super::Repository::new());
}
