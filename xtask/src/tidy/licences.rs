//! Every dependency's licence is one that this project can live with.

use super::{Finding, spdx};
use serde::Deserialize;
use std::path::Path;
use std::process::Command;

const WHY: &str = "permissive and weak copyleft licences only: a stronger one would bind whoever uses or ships the product";
const WHY_CARGO: &str = "what can't be looked at can't be vouched for";

/// The platforms that are shipped: what others would pull in is never built.
const PLATFORMS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    license_file: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
}

pub fn check(root: &Path) -> Vec<Finding> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["metadata", "--format-version", "1", "--locked"]);
    for platform in PLATFORMS {
        cargo.args(["--filter-platform", platform]);
    }
    let asked = cargo.current_dir(root).output();
    match asked {
        Ok(output) if output.status.success() => judge(&output.stdout),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.trim().lines().last().unwrap_or("nothing").to_owned();
            let what = format!("cargo metadata failed: {last}");
            vec![Finding::fail("Cargo.lock", what, WHY_CARGO)]
        }
        Err(error) => {
            let what = format!("cargo can't be started: {error}");
            vec![Finding::fail("Cargo.lock", what, WHY_CARGO)]
        }
    }
}

/// Judges what `cargo metadata` printed.
fn judge(json: &[u8]) -> Vec<Finding> {
    let metadata: Metadata = match serde_json::from_slice(json) {
        Ok(metadata) => metadata,
        Err(error) => {
            let what = format!("cargo metadata said something unexpected: {error}");
            return vec![Finding::fail("Cargo.lock", what, WHY_CARGO)];
        }
    };
    let built = |package: &&Package| metadata.resolve.nodes.iter().any(|n| n.id == package.id);
    let refusal = |package: &Package| {
        let what = match (&package.license, &package.license_file) {
            (Some(licence), _) if spdx::accepted(licence) => return None,
            (Some(licence), _) => format!("is under {licence:?}"),
            (None, Some(file)) => format!("names no licence, only the file {file:?}"),
            (None, None) => "names no licence".to_owned(),
        };
        let place = format!("{} {}", package.name, package.version);
        Some(Finding::fail(place, what, WHY))
    };
    metadata
        .packages
        .iter()
        .filter(built)
        .filter_map(refusal)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::judge;

    fn metadata(licence: &str) -> String {
        format!(
            r#"{{"packages": [
                {{"id": "a", "name": "good", "version": "1.0.0", "license": "MIT", "license_file": null}},
                {{"id": "b", "name": "other", "version": "2.0.0", "license": {licence}, "license_file": null}},
                {{"id": "c", "name": "unbuilt", "version": "3.0.0", "license": "GPL-3.0-only", "license_file": null}}
            ], "resolve": {{"nodes": [{{"id": "a"}}, {{"id": "b"}}]}}}}"#
        )
    }

    #[test]
    fn what_is_built_under_good_licences_passes() {
        assert_eq!(judge(metadata("\"Apache-2.0 OR MIT\"").as_bytes()), []);
    }

    #[test]
    fn the_offender_is_named() {
        let found = judge(metadata("\"AGPL-3.0-only\"").as_bytes());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "other 2.0.0");
        assert_eq!(judge(metadata("null").as_bytes()).len(), 1);
        assert_eq!(judge(b"{}").len(), 1, "no answer is no clearance");
    }
}
