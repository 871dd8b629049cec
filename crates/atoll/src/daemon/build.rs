//! Which build a binary is, and which of two is the newer.

use std::cmp::Ordering;
use std::os::unix::fs::MetadataExt;

/// A build: `VERSION-BYTES-SECONDS.NANOSECONDS`, of its version, its file's length and time of change. It is
/// cheap to take, and tells two builds of one version apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    version: Vec<u64>,
    bytes: u64,
    changed: (u64, u64),
}

/// The running binary's.
pub fn build() -> String {
    let version = env!("CARGO_PKG_VERSION");
    match std::fs::metadata("/proc/self/exe") {
        Ok(m) => format!("{version}-{}-{}.{:09}", m.size(), m.mtime(), m.mtime_nsec()),
        Err(_) => version.into(),
    }
}

impl Build {
    /// From a node's word; `None` for another form.
    pub fn parse(text: &str) -> Option<Build> {
        let mut parts = text.rsplitn(3, '-');
        let (seconds, nanos) = parts.next()?.split_once('.')?;
        let bytes = parts.next()?.parse().ok()?;
        let numbers = parts.next()?.split('.');
        Some(Build {
            version: numbers.map(|n| n.parse().ok()).collect::<Option<_>>()?,
            bytes,
            changed: (seconds.parse().ok()?, nanos.parse().ok()?),
        })
    }

    /// By version; of one version, by the file's time of change.
    fn order(&self, other: &Build) -> Ordering {
        (&self.version, self.changed).cmp(&(&other.version, other.changed))
    }
}

/// Whether `ours` is newer than what the node says of itself. What can't be read is taken for older.
pub fn newer(ours: &str, node: &str) -> bool {
    match (Build::parse(ours), Build::parse(node)) {
        (Some(ours), Some(node)) => ours.order(&node) == Ordering::Greater,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_binary_is_a_build_and_not_newer_than_itself() {
        let build = build();
        assert!(Build::parse(&build).is_some(), "{build}");
        assert!(!newer(&build, &build));
    }

    #[test]
    fn versions_decide_and_then_the_time_of_change() {
        let older_first = [
            "0.1.0-90-100.000000000",
            "0.1.0-10-100.000000009",
            "0.1.0-10-101.000000000",
            "0.2.0-10-50.000000000",
            "0.10.0-10-1.000000000",
        ];
        for (at, old) in older_first.iter().enumerate() {
            for new in &older_first[at + 1..] {
                assert!(newer(new, old), "{new} {old}");
                assert!(!newer(old, new), "{old} {new}");
            }
        }
    }

    #[test]
    fn a_node_that_speaks_otherwise_is_older() {
        for node in ["", "0.1.0", "x-1-2.3", "0.1.0-1-2", "0.1.0--1.2"] {
            assert_eq!(Build::parse(node), None, "{node}");
            assert!(newer(&build(), node));
            assert!(!newer(node, &build()));
        }
    }
}
