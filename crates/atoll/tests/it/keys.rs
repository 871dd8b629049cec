//! Keys at a gate, on a terminal: what was typed before the question counts for nothing, nor does Enter.

use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::time::Duration;

use crate::hostile::until;
use crate::kit::{left, nothing_left, plain};
use crate::scene::Scene;

/// A command on a terminal of its own, and a person's hands.
pub struct Typist {
    pub child: Child,
    hands: ChildStdin,
}

impl Typist {
    /// `None` where there is no `script`, which makes the terminal.
    pub fn at(scene: &Scene, line: &str) -> Option<Typist> {
        Typist::on(
            scene,
            "xterm",
            &format!("{} {line}", env!("CARGO_BIN_EXE_atoll")),
        )
    }
    /// A shell's line on a terminal of this kind.
    pub fn on(scene: &Scene, term: &str, line: &str) -> Option<Typist> {
        let script = ["/usr/bin/script", "/bin/script"]
            .into_iter()
            .find(|p| Path::new(p).exists());
        let Some(script) = script else {
            eprintln!("SKIPPED: there is no `script` here; util-linux has it");
            return None;
        };
        let mut command = scene.ready(script, &["-qefc", line, "seen"]);
        let mut child = command
            .env_remove("ATOLL_NO_AUTOSTART")
            .env("NO_COLOR", "1")
            .env("TERM", term)
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let hands = child.stdin.take().unwrap();
        Some(Typist { child, hands })
    }
    pub fn types(&mut self, keys: &str) {
        self.hands.write_all(keys.as_bytes()).unwrap();
        self.hands.flush().unwrap();
    }
}

pub fn seen(scene: &Scene) -> String {
    let bytes = std::fs::read(scene.path().join("seen")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a person sees of it, on a terminal of so many columns that is high enough for all.
pub fn pane(scene: &Scene, columns: u16) -> String {
    let size = |n| std::num::NonZero::new(n).unwrap();
    let mut terminal = vt100::Parser::new(size(500), size(columns), 0);
    let bytes = std::fs::read(scene.path().join("seen")).unwrap_or_default();
    let begins = bytes
        .iter()
        .position(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    terminal.process(&bytes[begins..]);
    terminal.screen().contents()
}

fn open(scene: &Scene) -> bool {
    let ran = scene.run(&["--json", "gate", "list"]);
    ran.code == 0 && ran.data().as_array().is_some_and(|g| g.len() == 1)
}

#[test]
fn only_a_key_that_is_meant_answers() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    scene.file("w/a.txt", "a\n");
    let line = "exec --repo w --net example.org:443 -- echo ran";
    let Some(mut typist) = Typist::at(&scene, line) else {
        return;
    };
    // Blindly, before there is any question.
    typist.types("y\ny\nyyyy\n");
    until("the gate is shown", || seen(&scene).contains("[y] once"));
    assert!(open(&scene), "{}", seen(&scene));
    // Enter, Escape, arrows, capitals, and other words.
    typist.types("\n\r\u{1b}\u{1b}[A Y\tq");
    // Nothing is to happen: there is no fact to wait for.
    std::thread::sleep(Duration::from_millis(500));
    assert!(open(&scene), "{}", seen(&scene));
    assert!(!seen(&scene).contains("\nran"), "{}", seen(&scene));
    typist.types("n");
    until("a reason is asked for", || seen(&scene).contains("because"));
    typist.types("not \u{202e}today\n");
    let code = typist.child.wait().unwrap().code();
    assert_eq!(code, Some(126), "{}", seen(&scene));
    let gate = scene.run(&["gate", "show", "g1"]);
    assert!(gate.out.contains("was answered: no"), "{}", gate.out);
    plain("the gate", &gate.out);
    nothing_left(&scene);
}

#[test]
fn a_key_answers_once_and_a_closed_terminal_ends_the_job() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    scene.file("w/a.txt", "a\n");
    let line = "exec --repo w --net example.org:443 -- sh -c 'echo ran; sleep 311.47'";
    let Some(mut typist) = Typist::at(&scene, line) else {
        return;
    };
    until("the gate is shown", || seen(&scene).contains("[y] once"));
    typist.types("y");
    until("it runs", || seen(&scene).contains("ran\r\n"));
    // The terminal goes: whoever holds its other side is killed.
    typist.child.kill().unwrap();
    typist.child.wait().unwrap();
    until("the job ends with its terminal", || {
        !left(&scene).iter().any(|p| p.contains("311.47"))
    });
    nothing_left(&scene);
}

impl Drop for Typist {
    fn drop(&mut self) {
        // A test that failed leaves nobody at the terminal.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
