//! Looking at this machine, without a node.

use atoll_api::{Error, codes};
use atoll_ports::Runner;
use atoll_ports::runner::Check;

use crate::app::{App, say};
use crate::config;
use crate::ui::words::plural;

/// Where AppArmor looks for profiles.
const PROFILE: &str = "/etc/apparmor.d/atoll";
/// Free space below which the log takes nothing new is near, in bytes.
const FREE_BYTES_MIN: u64 = 1 << 30;

fn check(name: &str, ok: bool, found: impl Into<String>, fix: Option<&str>) -> Check {
    Check {
        name: name.into(),
        found: found.into(),
        ok,
        fix: fix.map(str::to_owned),
    }
}

/// Everything that was looked at.
pub async fn look(app: &App) -> Vec<Check> {
    let mut checks = vec![system()];
    checks.extend(sandbox(app));
    checks.push(git());
    checks.push(disk(app));
    checks.push(configuration(app));
    checks.push(policy(app));
    checks.push(model(app));
    checks.push(vault(app));
    checks.push(node(app).await);
    checks
}

fn system() -> Check {
    let release = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    let number = |i: usize| {
        release
            .split(['.', '-'])
            .nth(i)
            .and_then(|n| n.parse::<u32>().ok())
            .unwrap_or(0)
    };
    let fix = "Linux 5.13 or newer has what the sandbox is made of";
    check(
        "system",
        (number(0), number(1)) >= (5, 13),
        format!("Linux {release}"),
        Some(fix),
    )
}

/// Git is looked for and not run: it is a job's, in the sandbox.
fn git() -> Check {
    let path = crate::app::env("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|dir| dir.join("git"))
        .find(|p| p.is_file());
    let fix = "install git 2.34 or newer; without it a copy's history is made up";
    let words = found
        .as_ref()
        .map_or("not on your PATH".into(), |p| p.display().to_string());
    check("git", found.is_some(), words, Some(fix))
}

/// The vault as its files say; nothing is unlocked or asked.
fn vault(app: &App) -> Check {
    let state = atoll_ports::Vault::state(&crate::wiring::vault(&app.paths));
    let plain = super::models::keys_file(&app.paths).exists();
    let found = match (state.strength, plain) {
        (Some(strength), false) => strength.words().to_owned(),
        (Some(strength), true) => {
            format!("{}; keys.toml holds keys in plain text", strength.words())
        }
        (None, true) => "none yet; keys.toml holds keys in plain text".into(),
        (None, false) => "none yet; atoll secret set NAME makes one".into(),
    };
    match state.problem {
        Some(problem) => check("vault", false, problem, Some("atoll secret list")),
        None if plain => check("vault", true, format!("{found}: atoll secret import"), None),
        None => check("vault", true, found, None),
    }
}

async fn node(app: &App) -> Check {
    match app.running().await {
        Ok(client) => check(
            "node",
            true,
            format!("up, {}", client.socket().display()),
            None,
        ),
        Err(err) if err.is(codes::NODE_UNREACHABLE) => check(
            "node",
            true,
            "down; a command that needs it starts it",
            None,
        ),
        Err(err) => check(
            "node",
            false,
            format!("{}; {}", err.message, err.found.unwrap_or_default()),
            err.next.first().map(String::as_str),
        ),
    }
}

/// The sandbox, by trying it.
fn sandbox(app: &App) -> Vec<Check> {
    let runner = match crate::wiring::runner(&app.paths) {
        Ok(runner) => runner,
        Err(err) => {
            return vec![check(
                "sandbox",
                false,
                err.found.unwrap_or(err.message),
                None,
            )];
        }
    };
    let abilities = runner.abilities();
    let full = abilities.level == "full";
    let found = abilities.why.clone().unwrap_or_else(|| {
        let who = if abilities.root {
            "jobs run as an unprivileged user of their own"
        } else {
            "jobs run as you"
        };
        format!("{}; {who}", abilities.level)
    });
    let mut rows = vec![check(
        "sandbox",
        full,
        found,
        Some("sudo atoll doctor --fix sandbox"),
    )];
    let kept = abilities
        .enforced
        .0
        .iter()
        .map(|(name, how)| format!("{name} {how:?}").to_lowercase());
    let kept: Vec<String> = kept.collect();
    if !kept.is_empty() {
        rows.push(check("limits", true, kept.join(", "), None));
    }
    // The runner's own first row is the verdict again.
    rows.extend(abilities.checks.into_iter().filter(|c| c.name != "sandbox"));
    rows
}

fn disk(app: &App) -> Check {
    let mut at = app.paths.data.as_path();
    while !at.exists() {
        let Some(parent) = at.parent() else { break };
        at = parent;
    }
    match rustix::fs::statvfs(at) {
        Ok(stat) => {
            let free = stat.f_bavail * stat.f_frsize;
            let words = format!("{} MiB free at {}", free >> 20, at.display());
            check(
                "disk",
                free >= FREE_BYTES_MIN,
                words,
                Some("free some space: a full log admits nothing new"),
            )
        }
        Err(err) => check("disk", false, format!("{}: {err}", at.display()), None),
    }
}

fn configuration(app: &App) -> Check {
    let path = app.paths.config_file();
    match config::load(&path) {
        Ok(_) if path.exists() => check("config", true, path.display().to_string(), None),
        Ok(_) => check("config", true, "defaults; there is no file yet", None),
        Err(err) => check(
            "config",
            false,
            err.found.unwrap_or(err.message),
            Some("atoll config show"),
        ),
    }
}

fn policy(app: &App) -> Check {
    match super::policy::view(&app.paths, None) {
        Ok(view) => check(
            "policy",
            true,
            format!(
                "{}, {}",
                view.profile,
                plural(view.rules.len() as u64, "rule")
            ),
            None,
        ),
        Err(err) => check(
            "policy",
            false,
            err.found.unwrap_or(err.message),
            Some("atoll policy check"),
        ),
    }
}

fn model(app: &App) -> Check {
    let registry = config::load(&app.paths.config_file()).and_then(|c| {
        super::models::registry(&app.paths, &c, super::models::embedded(&app.paths, &c))
    });
    match registry.map(|r| atoll_ports::Models::default_model(&r)) {
        Ok(Some(choice)) => {
            let place = if choice.remote { "elsewhere" } else { "here" };
            check(
                "model",
                true,
                format!("{} at {}, {place}", choice.model, choice.endpoint),
                None,
            )
        }
        // No fault of this machine: somebody has to choose.
        Ok(None) => check(
            "model",
            true,
            "none is chosen yet: atoll model use PROVIDER/MODEL",
            None,
        ),
        Err(err) => check(
            "model",
            false,
            err.found.unwrap_or(err.message),
            Some("atoll config show"),
        ),
    }
}

/// Writes the AppArmor profile and loads it; as somebody else than root, says what it would be.
pub fn fix_sandbox(app: &App, print: bool) -> Result<u8, Error> {
    let exe = std::fs::read_link("/proc/self/exe")
        .map_err(|err| Error::new(codes::FILES, err.to_string()))?;
    let profile = atoll_runners::apparmor_profile(&exe.display().to_string());
    if print {
        return app.show(
            "profile",
            &serde_json::json!({ "path": PROFILE, "text": profile }),
            |_| profile.clone(),
        );
    }
    if !rustix::process::getuid().is_root() {
        return Err(
            Error::new(codes::SANDBOX_WEAK, "only root writes AppArmor profiles")
                .found(format!("it would be {PROFILE}:\n{profile}"))
                .next("sudo atoll doctor --fix sandbox"),
        );
    }
    if !std::path::Path::new("/etc/apparmor.d").is_dir() {
        return Err(
            Error::new(codes::SANDBOX_WEAK, "there is no AppArmor here to mend")
                .next("atoll doctor"),
        );
    }
    write(&profile)?;
    let loaded = load();
    if let Err(why) = &loaded {
        say(&format!(
            "Written: {PROFILE}. It is not loaded yet ({why}): apparmor_parser -r {PROFILE}\n"
        ));
    } else {
        say(&format!(
            "Written and loaded: {PROFILE}. atoll doctor shows what it changed.\n"
        ));
    }
    let data = serde_json::json!({ "profile": PROFILE, "loaded": loaded.is_ok() });
    app.show("fixed", &data, |_| String::new())?;
    Ok(u8::from(loaded.is_err()))
}

#[allow(
    clippy::disallowed_methods,
    reason = "the one file that `doctor --fix sandbox` is asked to write"
)]
fn write(profile: &str) -> Result<(), Error> {
    std::fs::write(PROFILE, profile)
        .map_err(|err| Error::new(codes::FILES, format!("{PROFILE}: {err}")))
}

#[allow(
    clippy::disallowed_types,
    reason = "as root, on its user's word: loads the profile that was just written"
)]
fn load() -> Result<(), String> {
    let mut parser = std::process::Command::new("apparmor_parser");
    parser
        .args(["-r", PROFILE])
        .env_clear()
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    let status = parser
        .status()
        .map_err(|err| format!("apparmor_parser: {err}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("apparmor_parser: {status}"))
    }
}
