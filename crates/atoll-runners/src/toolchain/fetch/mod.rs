//! Plans for fetch jobs: registry hosts only, no secrets, no scripts of the packages, into the cache.
//!
//! A fetch job stands in the private copy, like any other, and the tool that it runs reads the
//! repository's settings: what could make it run something is set by variables and flags, which go
//! before files. Whatever still would is held by the box, whose network ends at the registry.

mod plans;
mod registry;

use atoll_domain::Language;
use atoll_ports::toolchain::FetchPlan;

use super::cache::Cache;
use super::env;
use super::site::{Draft, Site};

/// The plan for the first language that lacks what its lock file names; `None` where nothing is
/// lacking, nothing is locked, or the user's registry can't be used (see [`blocked`]).
pub(super) fn plan(site: &Site<'_>, cache: &Cache<'_>) -> Option<FetchPlan> {
    const ORDER: [Language; 4] = [
        Language::Rust,
        Language::Node,
        Language::Python,
        Language::Go,
    ];
    let mut known = ORDER
        .iter()
        .filter(|language| site.languages.contains(language));
    known.find_map(|language| {
        let from = registry::of(site, *language).ok()?;
        let mut draft = Draft::default();
        env::base(site, &mut draft);
        let (cmd, what) = plans::of(*language, site, cache, &from, &mut draft)?;
        let path = draft
            .path(site)
            .iter()
            .map(|p| p.to_string_lossy().into_owned())
            .collect::<Vec<_>>();
        draft.set("PATH", path.join(":"));
        let hosts = from
            .hosts
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        Some(FetchPlan {
            cmd,
            what: format!("{what}; from {hosts}"),
            hosts: from.hosts,
            mounts: draft.take_mounts(),
            env: draft.env,
        })
    })
}

/// Why dependencies can't be fetched here, for each language that the user's registry stands in the way of.
pub(super) fn blocked(site: &Site<'_>) -> Vec<String> {
    let known = site
        .languages
        .iter()
        .filter(|language| **language != Language::Make);
    known
        .filter_map(|language| registry::of(site, *language).err())
        .collect()
}
