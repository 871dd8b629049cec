//! Finds what makes a project's tests run: toolchains, caches, dependency folders; and plans how to
//! fetch what is missing.
//!
//! Everything stands inside at the path it has outside, below a fresh home. Folders are mounted by
//! sub-folder, so that no credentials come along ([`credentials`]). A checkout is hostile: its links are
//! not followed, except a virtual environment's to its interpreter, and that must lead to a Python.
//! Nothing is executed to find out: files are read, links are followed, names are compared.
//!
//! Nothing outside the cache's own folder is changed.

mod cache;
mod cargo_config;
mod credentials;
mod env;
mod evict;
mod exe;
mod fetch;
mod folders;
mod go;
mod managers;
mod needed;
mod node;
mod python;
mod requirements;
mod resolve;
mod rust;
mod site;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use atoll_domain::Language;
use atoll_ports::sweep::Swept;
use atoll_ports::toolchain::{Error, FetchPlan, Found, Toolchains, Want};

use cache::Cache;
pub use env::CALLER_VARS;
use site::{Draft, Site};

/// What the finder is told once.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where fetched dependencies and copies of configuration lie: Atoll's own folder, which may not
    /// be there yet.
    pub cache_dir: PathBuf,
    /// The system's configuration: `/etc`. What all users of the machine have set for pip and npm is
    /// looked for in it.
    pub etc_dir: PathBuf,
    /// The user's variables that say where toolchains are and which registries to use: those of
    /// [`CALLER_VARS`] are of interest, others are not looked at.
    pub vars: BTreeMap<String, String>,
}

/// Finds toolchains on this machine.
#[derive(Clone)]
pub struct Finder {
    options: Options,
    digests: Arc<resolve::Digests>,
}

impl Finder {
    /// A finder with its own memory of digests.
    pub fn new(options: Options) -> Finder {
        Finder {
            options,
            digests: Arc::default(),
        }
    }

    /// The same finder for a caller with other variables; the memory of digests is shared.
    pub fn with_vars(&self, vars: BTreeMap<String, String>) -> Finder {
        let mut other = self.clone();
        other.options.vars = vars;
        other
    }

    fn site<'a>(&'a self, want: &Want) -> Site<'a> {
        Site::new(want, &self.options.vars, &self.options.etc_dir)
    }
}

impl Toolchains for Finder {
    fn find(&self, want: &Want) -> Found {
        let site = self.site(want);
        let cache = Cache {
            dir: &self.options.cache_dir,
        };
        let mut draft = Draft::default();
        env::base(&site, &mut draft);
        for language in &site.languages {
            match language {
                Language::Rust => rust::find(&site, &mut draft, &cache),
                Language::Python => python::find(&site, &mut draft, &cache),
                Language::Node => node::find(&site, &mut draft, &cache),
                Language::Go => go::find(&site, &mut draft, &cache),
                // make is the system's; what it calls is found by the project's other files.
                Language::Make => {}
            }
        }
        exe::extra(&site, &mut draft, &want.extra);
        let exe = exe::of(&site, &mut draft, &self.digests, &want.cmd);
        let path: Vec<String> = draft
            .path(&site)
            .iter()
            .map(|p| p.to_string_lossy().into_owned())
            .collect();
        draft.set("PATH", path.join(":"));
        let mut found = draft.finish();
        found.exe = exe;
        found.fetched = cache.fetched(&found.mounts);
        found
    }

    fn fetch(&self, want: &Want) -> Result<Option<FetchPlan>, Error> {
        let cache = Cache {
            dir: &self.options.cache_dir,
        };
        fetch::plan(&self.site(want), &cache)
    }

    fn sweep(&self, limit_bytes: u64, young_s: u64) -> Swept {
        evict::sweep(
            &self.options.cache_dir,
            limit_bytes,
            Duration::from_secs(young_s),
        )
    }
}

#[cfg(test)]
mod tests;
