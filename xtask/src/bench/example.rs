//! Runs a release example that prints one line of JSON figures.

use super::{Context, Error};
use serde_json::Value;
use std::process::{Command, Stdio};

/// The figures of `cargo run --release -p PACKAGE --example NAME -- ARGS`.
pub fn figures(
    context: &Context,
    package: &str,
    name: &str,
    args: &[&str],
) -> Result<Value, Error> {
    figures_with(context, package, &[], name, args)
}

/// The same with cargo's `features`.
pub fn figures_with(
    context: &Context,
    package: &str,
    features: &[&str],
    name: &str,
    args: &[&str],
) -> Result<Value, Error> {
    let ran = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--release", "-p", package])
        .args(features)
        .args(["--example", name, "--"])
        .args(args)
        .current_dir(&context.root)
        .stderr(Stdio::inherit())
        .output()?;
    if !ran.status.success() {
        return Err(format!("{name} ended with {}", ran.status).into());
    }
    let text = String::from_utf8(ran.stdout)?;
    let line = text.lines().last().ok_or("it printed no figures")?;
    Ok(serde_json::from_str(line)?)
}

/// One figure by its name.
pub fn figure(figures: &Value, name: &str) -> Result<f64, Error> {
    figures
        .get(name)
        .and_then(Value::as_f64)
        .ok_or_else(|| format!("there is no figure {name}").into())
}
