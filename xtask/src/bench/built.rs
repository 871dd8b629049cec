//! The release binary, with the engine built in as it is shipped.

use super::{Context, Error};
use std::path::PathBuf;
use std::process::Command;

/// What every build here has in common, so that none undoes another's.
pub const FEATURES: [&str; 2] = ["--features", "atoll/embedded,atoll/keychain"];

/// Builds the release binary, and more of `more` (cargo's arguments); where what was built lies.
pub fn release(context: &Context, more: &[&str]) -> Result<PathBuf, Error> {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "-p", "atoll"])
        .args(more)
        .args(FEATURES)
        .arg("--bins")
        .current_dir(&context.root)
        .status()?;
    if !built.success() {
        return Err("the binary could not be built".into());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| context.root.join("target"), PathBuf::from);
    Ok(target.join("release"))
}
