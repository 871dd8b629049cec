//! How strong the sandbox is here, for `doctor` and for policies.

use atoll_ports::runner::{Abilities, Check};

use super::task;
use crate::wire::Prepared;

/// Where AppArmor says whether ordinary users may make user namespaces.
const APPARMOR: &str = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
const USERNS_MAX: &str = "/proc/sys/user/max_user_namespaces";
const DEBIAN: &str = "/proc/sys/kernel/unprivileged_userns_clone";

/// An AppArmor profile that lets the program at `path` alone make user namespaces: what
/// `doctor --fix sandbox` writes to `/etc/apparmor.d/atoll`.
pub fn apparmor_profile(path: &str) -> String {
    format!(
        "abi <abi/4.0>,\ninclude <tunables/global>\n\n\
         # Lets atoll make its sandbox where ordinary programs may not make user namespaces.\n\
         profile atoll \"{}\" flags=(unconfined) {{\n  userns,\n\n  include if exists <local/atoll>\n}}\n",
        path.replace(['"', '\n', '\\'], "")
    )
}

/// Of what the spawner found.
pub fn of(found: &Prepared) -> Abilities {
    let why = found.failed.as_ref().map(|failed| explain(failed));
    let weak = found.landlock_abi == 0;
    Abilities {
        level: if found.failed.is_some() {
            "none"
        } else {
            "full"
        }
        .into(),
        why: why.or_else(|| weak.then(|| found.notes.join("; "))),
        root: found.root,
        enforced: task::enforced(found, None),
        checks: checks(found),
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path)
        .ok()
        .map(|text| text.trim().to_owned())
}

/// What forbids user namespaces here, if a setting does, and what to do.
fn forbidden() -> Option<(String, String)> {
    if read(APPARMOR).as_deref() == Some("1") {
        return Some((
            "AppArmor forbids user namespaces to ordinary programs".into(),
            "sudo atoll doctor --fix sandbox (a profile for atoll alone)".into(),
        ));
    }
    if read(USERNS_MAX).as_deref() == Some("0") {
        return Some((
            "user.max_user_namespaces is 0".into(),
            "sudo sysctl user.max_user_namespaces=10000".into(),
        ));
    }
    if read(DEBIAN).as_deref() == Some("0") {
        return Some((
            "kernel.unprivileged_userns_clone is 0".into(),
            "sudo sysctl kernel.unprivileged_userns_clone=1".into(),
        ));
    }
    None
}

fn explain(failed: &str) -> String {
    match forbidden() {
        Some((found, fix)) => format!("{failed}; {found}; {fix}"),
        None => failed.to_owned(),
    }
}

fn checks(found: &Prepared) -> Vec<Check> {
    let check = |name: &str, found: String, ok: bool, fix: Option<String>| Check {
        name: name.into(),
        found,
        ok,
        fix,
    };
    let mut checks = Vec::new();
    match &found.failed {
        Some(failed) => {
            let fix = forbidden().map(|(_, fix)| fix);
            checks.push(check("sandbox", explain(failed), false, fix));
        }
        None => checks.push(check("sandbox", "a box was made".into(), true, None)),
    }
    let mode = if found.root {
        "root: jobs run as a user of their own"
    } else {
        "ordinary user: jobs run in a user namespace, as the same user"
    };
    checks.push(check("mode", mode.into(), true, None));
    let landlock = match found.landlock_abi {
        0 => "off".to_owned(),
        abi => format!("version {abi}"),
    };
    let fix = (found.landlock_abi == 0).then(|| "add landlock to the kernel's lsm= list".into());
    checks.push(check("landlock", landlock, found.landlock_abi > 0, fix));
    for (name, by) in [
        ("memory", &found.memory),
        ("pids", &found.pids),
        ("cpu", &found.cpu),
    ] {
        let kept = match (by.is_empty(), name) {
            (false, _) => by.clone(),
            (true, "pids") => "by a resource limit".into(),
            (true, _) => "polled".into(),
        };
        let hard = !by.is_empty() || name != "memory";
        let fix = (!hard)
            .then(|| "start the node with systemd-run --user --scope -p Delegate=yes".into());
        checks.push(check(&format!("limit of {name}"), kept, hard, fix));
    }
    if found.root {
        let words = if found.idmap {
            "work"
        } else {
            "don't work: private files stay unreadable"
        };
        checks.push(check("idmapped mounts", words.into(), found.idmap, None));
    }
    checks
}
