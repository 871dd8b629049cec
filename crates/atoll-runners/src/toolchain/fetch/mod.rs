//! Plans for fetch jobs: registry hosts only, no secrets, no scripts of the packages, into the cache.
//!
//! A fetch job stands in the private copy, like any other, and the tool that it runs reads the
//! repository's settings: what could make it run something is set by variables and flags, which go
//! before files. Whatever still would is held by the box, whose network ends at the registry.

mod builtin;
mod plans;
mod registry;

use atoll_domain::Language;
use atoll_ports::toolchain::{Error, FetchPlan};

use super::cache::Cache;
use super::env;
use super::site::{Draft, Site};

/// The plan for the first language that lacks what its lock file names; `None` where nothing is
/// lacking, or nothing is locked. An error only where no other language has a plan.
pub(super) fn plan(site: &Site<'_>, cache: &Cache<'_>) -> Result<Option<FetchPlan>, Error> {
    const ORDER: [Language; 4] = [
        Language::Rust,
        Language::Node,
        Language::Python,
        Language::Go,
    ];
    let mut blocked = None;
    for language in ORDER.iter().filter(|l| site.languages.contains(l)) {
        let mut draft = Draft::default();
        env::base(site, &mut draft);
        match plans::of(*language, site, cache, &mut draft) {
            Ok(Some(plan)) => return Ok(Some(finish(site, plan, draft))),
            Ok(None) => {}
            Err(err) => {
                blocked.get_or_insert(err);
            }
        }
    }
    blocked.map_or(Ok(None), Err)
}

fn finish(site: &Site<'_>, plan: plans::Plan, mut draft: Draft) -> FetchPlan {
    let path: Vec<String> = draft
        .path(site)
        .iter()
        .map(|p| p.to_string_lossy().into_owned())
        .collect();
    draft.set("PATH", path.join(":"));
    let hosts: Vec<String> = plan.from.hosts.iter().map(ToString::to_string).collect();
    FetchPlan {
        cmd: plan.cmd,
        what: format!(
            "{}; from {}, which {} names",
            plan.what,
            hosts.join(", "),
            plan.from.from
        ),
        hosts: plan.from.hosts,
        mounts: draft.take_mounts(),
        env: draft.env,
    }
}
