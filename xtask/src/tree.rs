//! The files of the project, read once and handed to every check.

use crate::rust_text::RustText;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Larger files are never read as text: a check of words has no use for them.
const TEXT_LIMIT_BYTES: u64 = 4 << 20;
/// How far a file is searched for a NUL byte before it is called text.
const SNIFF_BYTES: usize = 8 << 10;

/// One file: where it lies, how long it is, and its text if it is text.
pub struct File {
    /// Relative to the root, with forward slashes.
    pub path: String,
    pub bytes: u64,
    /// `None` for a binary or an overlong file.
    pub text: Option<String>,
    pub binary: bool,
    /// Present for `.rs` files.
    pub rust: Option<RustText>,
}

/// All files that git would track.
pub struct Tree {
    files: Vec<File>,
    /// Rust files that exist for tests alone.
    test_paths: BTreeSet<String>,
}

impl Tree {
    /// Reads what git tracks or would track below `root`.
    ///
    /// # Errors
    /// A folder that can't be walked; a file that vanished meanwhile is left out.
    pub fn read(root: &Path) -> Result<Self, ignore::Error> {
        let mut paths = BTreeSet::new();
        let walk = ignore::WalkBuilder::new(root)
            .hidden(false)
            .require_git(false)
            .parents(false)
            .git_global(false)
            .filter_entry(|entry| entry.file_name() != ".git")
            .build();
        for entry in walk {
            let entry = entry?;
            if entry.file_type().is_some_and(|kind| kind.is_file())
                && let Ok(path) = entry.path().strip_prefix(root)
            {
                paths.insert(path.to_string_lossy().replace('\\', "/"));
            }
        }
        paths.extend(tracked(root));
        let files = paths
            .into_iter()
            .filter_map(|path| {
                let full = root.join(&path);
                let bytes = full.symlink_metadata().ok()?.len();
                let content = (bytes <= TEXT_LIMIT_BYTES).then(|| std::fs::read(&full).ok());
                Some(File::new(path, bytes, content.flatten()))
            })
            .collect();
        Ok(Self::new(files))
    }

    fn new(files: Vec<File>) -> Self {
        let mut test_paths = BTreeSet::new();
        for file in &files {
            let Some(rust) = &file.rust else { continue };
            let own = path_is_test(&file.path) || rust.all_test;
            if own {
                test_paths.insert(file.path.clone());
            }
            let folder = module_folder(&file.path);
            for module in &rust.test_modules {
                test_paths.insert(format!("{folder}/{module}.rs"));
                let inside = format!("{folder}/{module}/");
                let below = files.iter().filter(|f| f.path.starts_with(&inside));
                test_paths.extend(below.map(|f| f.path.clone()));
            }
        }
        Self { files, test_paths }
    }

    /// A small tree for tests: path and content.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| {
            File::new(
                (*path).to_owned(),
                text.len() as u64,
                Some(text.as_bytes().to_vec()),
            )
        };
        Self::new(files.iter().map(file).collect())
    }

    pub fn files(&self) -> &[File] {
        &self.files
    }

    pub fn has(&self, path: &str) -> bool {
        self.files.iter().any(|file| file.path == path)
    }

    pub fn text(&self, path: &str) -> Option<&str> {
        let file = self.files.iter().find(|file| file.path == path)?;
        file.text.as_deref()
    }

    /// Every file that is text.
    pub fn texts(&self) -> impl Iterator<Item = (&File, &str)> {
        self.files
            .iter()
            .filter_map(|file| Some((file, file.text.as_deref()?)))
    }

    /// Every Rust file, tests included.
    pub fn rust(&self) -> impl Iterator<Item = (&File, &RustText)> {
        self.files
            .iter()
            .filter_map(|file| Some((file, file.rust.as_ref()?)))
    }

    /// Rust files that end up in the product: no tests, benches or examples.
    pub fn product(&self) -> impl Iterator<Item = (&File, &RustText)> {
        self.rust().filter(|(file, _)| !self.is_test(&file.path))
    }

    pub fn is_test(&self, path: &str) -> bool {
        self.test_paths.contains(path) || path_is_test(path)
    }
}

impl File {
    fn new(path: String, bytes: u64, content: Option<Vec<u8>>) -> Self {
        let binary = content
            .as_ref()
            .is_some_and(|bytes| bytes.iter().take(SNIFF_BYTES).any(|byte| *byte == 0));
        let text = content
            .filter(|_| !binary)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let is_rust = Path::new(&path).extension().is_some_and(|end| end == "rs");
        let rust = text.as_deref().filter(|_| is_rust).map(RustText::read);
        Self {
            path,
            bytes,
            text,
            binary,
            rust,
        }
    }

    /// The crate below `crates/` that the file belongs to.
    pub fn crate_name(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }
}

/// What git tracks although it is ignored; nothing where git is absent.
fn tracked(root: &Path) -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root)
        .output();
    let Ok(listed) = listed else {
        return Vec::new();
    };
    listed
        .stdout
        .split(|byte| *byte == 0)
        .filter(|path| !path.is_empty())
        .map(|path| String::from_utf8_lossy(path).into_owned())
        .filter(|path| root.join(path).is_file())
        .collect()
}

fn path_is_test(path: &str) -> bool {
    ["tests", "benches", "examples", "fixtures"]
        .iter()
        .any(|folder| path.split('/').rev().skip(1).any(|part| part == *folder))
        || path.ends_with("/tests.rs")
        || path.ends_with("_tests.rs")
}

/// Where the files of a Rust file's own modules lie.
fn module_folder(path: &str) -> &str {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    match stem.rsplit_once('/') {
        Some((folder, "lib" | "main" | "mod")) => folder,
        _ => stem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlined_test_module_is_a_test() {
        let tree = Tree::of(&[
            ("crates/a/src/lib.rs", "#[cfg(test)]\nmod probe;\nmod door;"),
            ("crates/a/src/probe.rs", ""),
            ("crates/a/src/probe/deep.rs", ""),
            ("crates/a/src/door.rs", "#[cfg(test)] mod knock;"),
            ("crates/a/src/door/knock.rs", ""),
            ("crates/a/tests/it/main.rs", ""),
        ]);
        let product: Vec<_> = tree.product().map(|(file, _)| file.path.as_str()).collect();
        assert_eq!(product, ["crates/a/src/lib.rs", "crates/a/src/door.rs"]);
    }

    #[test]
    fn a_folder_on_disk_is_read_without_what_git_ignores() {
        let folder = std::env::temp_dir().join(format!("atoll-tree-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("out")).unwrap();
        std::fs::write(folder.join(".gitignore"), "out/\n").unwrap();
        std::fs::write(folder.join("out/left"), "x").unwrap();
        std::fs::write(folder.join("kept.bin"), [1, 0, 2]).unwrap();
        std::fs::write(folder.join("kept.rs"), "fn a() {}").unwrap();
        let tree = Tree::read(&folder);
        std::fs::remove_dir_all(&folder).unwrap();
        let tree = tree.unwrap();
        let paths: Vec<_> = tree.files().iter().map(|f| f.path.as_str()).collect();
        assert_eq!(paths, [".gitignore", "kept.bin", "kept.rs"]);
        assert!(tree.files()[1].binary && tree.files()[1].text.is_none());
        assert!(tree.files()[2].rust.is_some());
    }
}
