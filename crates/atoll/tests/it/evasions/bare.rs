//! An entry without a box: the proof that it could take effect.

use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::corpus::Entry;
use super::world::{ENVIRONMENT, Seen, VARIABLE, World, child, marked};

/// A run that takes longer is ended.
const LIMIT: Duration = Duration::from_secs(20);

/// Runs a script as the person's own process in the checkout. Its output, at most a MiB of each stream.
pub fn script(world: &World, shell: &str, text: &str, env: &[(String, String)]) -> String {
    // The listeners must be heard meanwhile.
    tokio::task::block_in_place(|| waited(world, shell, text, env))
}

fn waited(world: &World, shell: &str, text: &str, env: &[(String, String)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| File::create(folder.path().join(name)).unwrap();
    let mut command = child(world.owner(), shell);
    command
        .args(["-c", text])
        .current_dir(world.shop())
        .env("HOME", world.home())
        .env("LANG", "C.UTF-8")
        .env("TMPDIR", world.home())
        .env(VARIABLE, ENVIRONMENT)
        .env("ATOLL_TEST_MARK", &world.mark)
        .envs(env.iter().cloned())
        .stdin(Stdio::null())
        .stdout(file("out"))
        .stderr(file("err"));
    let mut running = command
        .spawn()
        .unwrap_or_else(|err| panic!("{shell}: {err}"));
    let begun = Instant::now();
    while running.try_wait().unwrap().is_none() {
        if begun.elapsed() > LIMIT {
            running.kill().unwrap();
            running.wait().unwrap();
            break;
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    let read = |name: &str| {
        let mut bytes = Vec::new();
        let file = File::open(folder.path().join(name)).unwrap();
        file.take(1 << 20).read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    read("out") + &read("err")
}

/// Ends what a run left behind, and names it.
fn sweep(world: &World) -> Vec<String> {
    let mut left = Vec::new();
    for (pid, words) in marked(world.owner(), &[&world.mark]) {
        left.push(words);
        if let Some(pid) = rustix::process::Pid::from_raw(pid) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL); // it may be gone
        }
    }
    left
}

/// The entry in a world of its own.
pub fn run(world: &mut World, entry: &Entry, env: &[(String, String)]) -> (Seen, String) {
    let said = script(world, &entry.shell, &world.fill(&entry.run), env);
    // What was sent last may still be on its way to the listener.
    std::thread::sleep(Duration::from_millis(20));
    let mut seen = world.seen();
    seen.look("the output", said.as_bytes());
    seen.left = sweep(world);
    (seen, said)
}

/// A tool that joins the path to the checkout's and asks no more.
pub fn tool(world: &mut World, entry: &Entry) -> (Seen, String) {
    let text = match entry.op.as_str() {
        "read" => "cat -- \"$P\"",
        "list" => "ls -a -- \"$P\"",
        "search" => "grep -rs canary -- \"$P\"",
        _ => "mkdir -p -- \"$(dirname -- \"$P\")\"; echo x > \"$P\"",
    };
    let path = ("P".to_owned(), world.fill(&entry.text));
    let said = script(world, "sh", text, &[path]);
    let mut seen = world.seen();
    seen.look("the tool's answer", said.as_bytes());
    (seen, said)
}
