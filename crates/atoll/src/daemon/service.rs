//! The node as a service of the user's own systemd.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "on its user's word: writes the node's unit and calls systemctl"
)]

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use atoll_api::{Error, codes};

use super::unit;
use crate::app::{App, env};

/// Of what systemctl says, so much is told, in characters.
const SAID_CHARS_MAX: usize = 400;
/// A unit is no longer, in bytes.
const UNIT_BYTES_MAX: u64 = 64 << 10;

fn unusable(what: &str, found: &str) -> Error {
    Error::new(codes::SERVICE, what)
        .found(found)
        .next("atoll up")
        .next("atoll explain ATL-0708")
}

/// The variables that the unit keeps.
fn vars() -> Vec<(&'static str, String)> {
    let mut vars: Vec<(&str, String)> = Vec::new();
    for name in unit::KEPT {
        vars.extend(env(name).map(|value| (name, value)));
    }
    if let Some((_, home)) = vars.iter_mut().find(|(name, _)| *name == "ATOLL_HOME")
        && let Ok(whole) = std::path::absolute(&home)
    {
        *home = whole.display().to_string();
    }
    vars
}

fn exec() -> Result<PathBuf, Error> {
    let exec = std::env::current_exe()
        .map_err(|err| unusable("the binary's own path is unknown", &err.to_string()))?;
    if !exec.exists() {
        return Err(unusable(
            "the binary was replaced while it ran",
            &exec.display().to_string(),
        )
        .next("run the command again"));
    }
    Ok(exec)
}

/// The unit's text, for this binary.
pub fn text() -> Result<String, Error> {
    let exec = exec()?;
    unit::text(&exec, &vars())
        .ok_or_else(|| unusable("a path can't stand in a unit", &format!("{exec:?}")))
}

/// Where the unit lies.
pub fn path(app: &App) -> PathBuf {
    let config = env("XDG_CONFIG_HOME").map(PathBuf::from);
    config
        .filter(|p| p.is_absolute())
        .unwrap_or_else(|| app.paths.home.join(".config"))
        .join("systemd/user")
        .join(unit::NAME)
}

fn installed(app: &App) -> Option<String> {
    let path = path(app);
    let short = std::fs::metadata(&path).is_ok_and(|m| m.is_file() && m.len() <= UNIT_BYTES_MAX);
    short.then(|| std::fs::read_to_string(path).ok()).flatten()
}

/// Whether this user's node is a service.
pub fn owns(app: &App) -> bool {
    installed(app).is_some_and(|unit| unit::is_of(&unit, &vars()))
}

/// Whether the service runs this very binary.
pub fn runs_this(app: &App) -> bool {
    let Ok(exec) = exec() else { return false };
    installed(app).is_some_and(|unit| unit::is_for(&unit, &exec, &vars()))
}

/// What systemctl answers to `words`.
fn systemctl(words: &[&str]) -> Result<(), Error> {
    let ran = Command::new("systemctl")
        .arg("--user")
        .args(words)
        .stdin(Stdio::null())
        .output();
    let what = format!("systemctl --user {}", words.join(" "));
    match ran {
        Ok(ran) if ran.status.success() => Ok(()),
        Ok(ran) => {
            let said = String::from_utf8_lossy(&ran.stderr);
            let said: String = said.trim().chars().take(SAID_CHARS_MAX).collect();
            Err(unusable(&format!("{what}: {}", ran.status), &said))
        }
        Err(err) => Err(unusable(&what, &err.to_string())),
    }
}

/// Says no where this user has no manager, before anything is changed.
pub fn usable() -> Result<(), Error> {
    systemctl(&["show-environment"]).map_err(|err| {
        let found = err.found.filter(|f| !f.is_empty()).unwrap_or(err.message);
        unusable("systemd does not answer for this user", &found).next("atoll up --service --print")
    })
}

/// Starts the service.
pub fn start() -> Result<(), Error> {
    systemctl(&["start", unit::NAME])
        .map_err(|err| err.next(format!("journalctl --user -u {}", unit::NAME)))
}

/// Puts the unit in place and starts it, now and at each login. All or nothing.
pub fn install(app: &App) -> Result<PathBuf, Error> {
    let (text, path) = (text()?, path(app));
    let before = installed(app);
    put(&path, &text).map_err(|err| unusable(&path.display().to_string(), &err.to_string()))?;
    let done = systemctl(&["daemon-reload"]).and_then(|()| systemctl(&["enable", unit::NAME]));
    let done = done.and_then(|()| start());
    if let Err(err) = done {
        // As it was: the error that is told is the one that led here.
        let _ = match before {
            Some(before) => put(&path, &before),
            None => {
                let _ = systemctl(&["disable", unit::NAME]);
                std::fs::remove_file(&path)
            }
        };
        let _ = systemctl(&["daemon-reload"]);
        return Err(err);
    }
    Ok(path)
}

/// Stops the service and takes the unit away; whether there was one.
pub fn remove(app: &App) -> Result<bool, Error> {
    let path = path(app);
    if installed(app).is_none() {
        return Ok(false);
    }
    systemctl(&["disable", "--now", unit::NAME])?;
    std::fs::remove_file(&path)
        .map_err(|err| unusable(&path.display().to_string(), &err.to_string()))?;
    systemctl(&["daemon-reload"])?;
    Ok(true)
}

fn put(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(std::path::Path::new("/"));
    std::fs::create_dir_all(folder)?;
    let part = folder.join(format!(".{}.{}", unit::NAME, std::process::id()));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&part)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&part, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&part); // it is of no use
    }
    written
}

/// Whether the user's services go on without a login; `None` where that can't be known.
pub fn lingers() -> Option<bool> {
    let uid = rustix::process::getuid().as_raw().to_string();
    let ran = Command::new("loginctl")
        .args(["show-user", &uid, "--property=Linger", "--value"])
        .stdin(Stdio::null())
        .output()
        .ok()
        .filter(|ran| ran.status.success())?;
    match String::from_utf8_lossy(&ran.stdout).trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}
