//! The node as a service, with a stand-in for systemctl that does what the unit says.

use std::os::unix::fs::PermissionsExt;

use crate::scene::{Ran, Scene};

/// Writes down what it is asked, fails where a file `fails` names the verb, and starts what the unit names.
const SYSTEMCTL: &str = r#"#!/bin/sh
shift
echo "$*" >>"$HOME/asked"
if grep -qx "$1" "$HOME/fails" 2>/dev/null; then
  echo "no $1 today" >&2
  exit 3
fi
unit="$HOME/.config/systemd/user/atoll.service"
value() { sed -n "s/^$1=\"\(.*\)\"\(.*\)$/\1\2/p" "$unit"; }
if [ "$1" = start ]; then
  env -i PATH="$PATH" HOME="$HOME" "$(value Environment)" \
    setsid sh -c "exec $(value ExecStart)" </dev/null >/dev/null 2>&1 &
fi
exit 0
"#;

struct Place {
    scene: Scene,
    path: String,
}

impl Place {
    fn new(program: &str) -> Place {
        let scene = Scene::new();
        let tool = scene.file("tools/systemctl", program);
        std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", scene.path().join("tools").display());
        Place { scene, path }
    }
    fn run(&self, words: &[&str]) -> Ran {
        let mut command = self.scene.with_node(words);
        Ran::of(command.env("PATH", &self.path).output().unwrap())
    }
    fn unit(&self) -> std::path::PathBuf {
        let home = self.scene.path();
        home.join(".config/systemd/user/atoll.service")
    }
    fn asked(&self) -> Vec<String> {
        let path = self.scene.path().join("asked");
        let asked = std::fs::read_to_string(&path).unwrap_or_default();
        let _ = std::fs::remove_file(path);
        asked.lines().map(str::to_owned).collect()
    }
}

#[test]
fn a_node_becomes_a_service_and_stops_being_one() {
    let place = Place::new(SYSTEMCTL);
    let ran = place.run(&["up", "--service"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(
        ran.out.contains("The node is a service now: pid"),
        "{}",
        ran.out
    );
    assert_eq!(
        place.asked(),
        [
            "show-environment",
            "daemon-reload",
            "enable atoll.service",
            "start atoll.service"
        ]
    );
    let printed = place.run(&["up", "--service", "--print"]);
    let unit = std::fs::read_to_string(place.unit()).unwrap();
    assert_eq!(printed.out, unit);
    let ran = place.run(&["down"]);
    assert!(
        ran.out.contains("starts again when you log in"),
        "{}",
        ran.out
    );
    assert!(place.asked().is_empty(), "the node is told, not systemd");
    // Whoever needs a node gets the service.
    let ran = place.run(&["--json", "status"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(place.asked(), ["start atoll.service"]);
    let ran = place.run(&["down", "--service"]);
    assert!(
        ran.out.contains("The service is gone."),
        "{}{}",
        ran.out,
        ran.err
    );
    assert!(!place.unit().exists());
    assert_eq!(
        place.asked(),
        ["disable --now atoll.service", "daemon-reload"]
    );
    let ran = place.run(&["down", "--service"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "No node runs.\nThere was no service.\n")
    );
}

#[test]
fn what_systemd_refuses_changes_nothing() {
    for verb in ["show-environment", "daemon-reload", "enable", "start"] {
        let place = Place::new(SYSTEMCTL);
        place.scene.file("fails", verb);
        let ran = place.run(&["up", "--service"]);
        assert_eq!(ran.code, 1, "{verb}: {}", ran.out);
        assert!(ran.err.contains("ATL-0708"), "{verb}: {}", ran.err);
        assert!(
            ran.err.contains(&format!("no {verb} today")),
            "{verb}: {}",
            ran.err
        );
        assert!(!place.unit().exists(), "{verb}");
        let folder = place.unit().parent().unwrap().to_owned();
        let left = std::fs::read_dir(folder).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{verb}: a part of the unit is left");
    }
}

#[test]
fn a_unit_for_another_home_is_not_this_nodes() {
    let place = Place::new(SYSTEMCTL);
    let unit = place.run(&["up", "--service", "--print"]).out;
    let other = unit.replace("/atoll\"\n", "/elsewhere\"\n");
    assert_ne!(unit, other);
    place
        .scene
        .file(".config/systemd/user/atoll.service", &other);
    let ran = place.run(&["--json", "status"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(place.asked().is_empty());
}

/// What systemd itself says of a unit; `None` where it isn't there.
fn verified(scene: &Scene, unit: &str) -> Option<String> {
    let file = scene.file("atoll.service", unit);
    let verify = std::process::Command::new("systemd-analyze")
        .args(["--user", "--man=no", "verify"])
        .arg(file)
        .env("XDG_RUNTIME_DIR", scene.path())
        .output();
    Some(String::from_utf8_lossy(&verify.ok()?.stderr).into_owned())
}

#[test]
fn the_unit_is_one_that_systemd_takes() {
    let place = Place::new(SYSTEMCTL);
    let unit = place.run(&["up", "--service", "--print"]).out;
    let spoiled = unit.replace("UMask=", "Umusk=");
    match verified(&place.scene, &spoiled) {
        Some(said) if said.contains("Umusk") => {}
        _ => return eprintln!("SKIPPED: no systemd here that reads units"),
    }
    let said = verified(&place.scene, &unit).unwrap();
    assert!(!said.contains("atoll.service"), "{said}");
}
