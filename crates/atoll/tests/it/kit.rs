//! What the tests of bad days share: what must never be shown, what must never be left over.

use std::path::Path;

use crate::scene::Scene;

/// What a terminal would act on, or a reader not see: none of it may be in what Atoll says.
pub fn dangerous(text: &str) -> Option<char> {
    let controls = |c: char| c.is_control() && c != '\n' && c != '\t';
    let hides = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    text.chars().find(|c| controls(*c) || hides(*c))
}

/// That `text` is plain, or a failure that shows where it isn't.
#[track_caller]
pub fn plain(what: &str, text: &str) {
    if let Some(c) = dangerous(text) {
        let line = text.lines().find(|l| l.contains(c));
        panic!("{what} shows {c:?}: {:?}", line.unwrap_or(text));
    }
}

/// Processes that belong to a scene: the node, its spawner, and whatever runs in a box of it. By the
/// environment that only the first two have, and by the copy that is mounted in each box.
pub fn left(scene: &Scene) -> Vec<String> {
    let mark = scene.path().display().to_string();
    let has = |path: &Path, name: &str| {
        let bytes = std::fs::read(path.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).contains(&mark)
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .map(|p| p.path())
        .filter(|p| has(p, "environ") || has(p, "mountinfo"))
        .filter(|p| {
            // A zombie of ours is no process that runs.
            let stat = std::fs::read_to_string(p.join("stat")).unwrap_or_default();
            !stat.contains(") Z ")
        })
        .map(|p| {
            let words = std::fs::read(p.join("cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).replace('\0', " ");
            format!("{} {words}", p.display())
        })
        .collect()
}

/// Control groups that spawners with these pids made, wherever groups can be made here.
fn groups(pids: &[String]) -> Vec<String> {
    let (mut folders, mut found) = (
        vec![(0, Path::new("/sys/fs/cgroup").to_owned())],
        Vec::new(),
    );
    while let Some((depth, folder)) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|t| t.is_dir()) {
                continue;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            let made_by = name
                .strip_prefix("atoll-")
                .and_then(|n| n.split('-').next());
            if made_by.is_some_and(|pid| pids.iter().any(|p| p == pid)) {
                found.push(entry.path().display().to_string());
            }
            if depth < 5 {
                folders.push((depth + 1, entry.path()));
            }
        }
    }
    found
}

/// Ends the node, and proves that nothing of the scene is left behind.
#[track_caller]
pub fn nothing_left(scene: &Scene) {
    let pid = |process: &String| process.split(['/', ' ']).nth(2).unwrap().to_owned();
    let pids: Vec<String> = left(scene).iter().map(pid).collect();
    let down = scene.run(&["down"]);
    assert_eq!(down.code, 0, "{}{}", down.out, down.err);
    crate::hostile::until("nothing of it runs", || left(scene).is_empty());
    crate::hostile::until("its groups are gone", || groups(&pids).is_empty());
}
