//! The unit that hands the node to the user's systemd: its text, and what is read off it again.
//! Quoting follows systemd.syntax(7) and systemd.service(5).

use std::path::Path;

/// The unit's name.
pub const NAME: &str = "atoll.service";

/// The variables that say where things lie; a unit keeps those that are set.
pub const KEPT: [&str; 5] = [
    "ATOLL_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "XDG_CACHE_HOME",
];

/// A word within double quotes; `None` if it holds what a unit can't.
fn quoted(word: &str, dollars: bool) -> Option<String> {
    if word.chars().any(char::is_control) {
        return None;
    }
    let mut out = String::from("\"");
    for c in word.chars() {
        match c {
            '\\' | '"' => out.extend(['\\', c]),
            '%' => out.push_str("%%"),
            '$' if dollars => out.push_str("$$"),
            c => out.push(c),
        }
    }
    out.push('"');
    Some(out)
}

/// The unit for the binary at `exec`, with these variables; `None` if a path in it is no plain text.
pub fn text(exec: &Path, vars: &[(&str, String)]) -> Option<String> {
    let mut env = String::new();
    for (name, value) in vars {
        let set = quoted(&format!("{name}={value}"), false)?;
        env.push_str(&format!("Environment={set}\n"));
    }
    let exec = quoted(exec.to_str()?, true)?;
    Some(format!(
        "[Unit]
Description=Atoll, the node: agents that work on this machine, by its owner's rules
Documentation=man:atoll(1)

[Service]
Type=exec
ExecStart={exec} up --foreground
{env}Restart=on-failure
RestartSec=2
# The node ends its jobs itself; what is left after that is killed.
KillMode=mixed
TimeoutStopSec=30
# A control group of its own, so that a job's limits are enforced and not polled.
Delegate=cpu memory pids
NoNewPrivileges=yes
UMask=0077

[Install]
WantedBy=default.target
"
    ))
}

/// Whether a unit starts the binary at `exec` with these variables.
pub fn is_for(unit: &str, exec: &Path, vars: &[(&str, String)]) -> bool {
    let Some(ours) = text(exec, vars) else {
        return false;
    };
    let told = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|l| l.starts_with("ExecStart=") || l.starts_with("Environment="))
            .map(str::to_owned)
            .collect()
    };
    told(unit) == told(&ours)
}

/// Whether a unit's node keeps its things where these variables say.
pub fn is_of(unit: &str, vars: &[(&str, String)]) -> bool {
    let exec = unit.lines().find(|l| l.starts_with("ExecStart="));
    let told: Vec<&str> = unit
        .lines()
        .filter(|l| l.starts_with("Environment="))
        .collect();
    let ours = text(Path::new("/atoll"), vars).unwrap_or_default();
    let wanted: Vec<&str> = ours
        .lines()
        .filter(|l| l.starts_with("Environment="))
        .collect();
    exec.is_some() && told == wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_would_expand_is_quoted() {
        let vars = [("ATOLL_HOME", "/srv/50% \"a\" $b\\".to_owned())];
        let unit = text(Path::new("/opt/my $tools/100%/atoll"), &vars).unwrap();
        assert!(
            unit.contains("ExecStart=\"/opt/my $$tools/100%%/atoll\" up --foreground\n"),
            "{unit}"
        );
        assert!(
            unit.contains("Environment=\"ATOLL_HOME=/srv/50%% \\\"a\\\" $b\\\\\"\n"),
            "{unit}"
        );
    }

    #[test]
    fn a_path_can_add_no_line() {
        assert_eq!(text(Path::new("/a\nExecStartPre=/bin/sh"), &[]), None);
        let vars = [("ATOLL_HOME", "/a\r\n[Service]".to_owned())];
        assert_eq!(text(Path::new("/bin/atoll"), &vars), None);
    }

    #[test]
    fn a_unit_is_known_again() {
        let (exec, other) = (Path::new("/usr/bin/atoll"), Path::new("/opt/atoll"));
        let vars = [("ATOLL_HOME", "/srv/a".to_owned())];
        let unit = text(exec, &vars).unwrap();
        assert!(is_for(&unit, exec, &vars) && is_of(&unit, &vars));
        assert!(!is_for(&unit, other, &vars) && is_of(&unit, &vars));
        assert!(!is_for(&unit, exec, &[]) && !is_of(&unit, &[]));
        assert!(!is_of("", &[]));
    }
}
