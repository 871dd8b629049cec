//! No binaries and nothing heavy in the tree: a clone stays small, and whatever
//! is in it can be read.

use super::Finding;
use crate::tree::Tree;

const FILE_BYTES_MAX: u64 = 1 << 20;

const WHY: &str = "a clone stays small and can be read: fetch or make large and binary files when they are needed";

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.files() {
        let lock = file.path.ends_with(".lock") || file.path.ends_with("package-lock.json");
        if file.bytes > FILE_BYTES_MAX && !lock {
            let what = format!(
                "has {} KiB, {} at most",
                file.bytes >> 10,
                FILE_BYTES_MAX >> 10
            );
            found.push(Finding::fail(&file.path, what, WHY));
        }
        if file.binary {
            found.push(Finding::fail(&file.path, "is binary", WHY));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::failures;

    #[test]
    fn small_text_and_a_large_lock_pass() {
        let large = "x".repeat((1 << 20) + 1);
        let files = [("a.md", "text"), ("Cargo.lock", large.as_str())];
        assert_eq!(failures(check, &files), [""; 0]);
    }

    #[test]
    fn a_binary_and_a_large_file_are_refused() {
        let large = "x".repeat((1 << 20) + 1);
        assert_eq!(
            failures(check, &[("a.txt", &large)]),
            ["a.txt: has 1024 KiB, 1024 at most"]
        );
        assert_eq!(failures(check, &[("a.bin", "E\0LF")]), ["a.bin: is binary"]);
    }
}
