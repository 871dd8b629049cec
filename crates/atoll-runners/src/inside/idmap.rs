//! User namespaces that a mount's owners are mapped by: the owner of a source becomes the jobs' user.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::inside::sys;

/// Made once per owner, kept for good.
#[derive(Default)]
pub struct Idmaps(HashMap<(u32, u32), OwnedFd>);

impl Idmaps {
    /// The namespace in which `owner` and `job` change places and all others stay.
    pub fn swap(&mut self, owner: (u32, u32), job: (u32, u32)) -> io::Result<&OwnedFd> {
        use std::collections::hash_map::Entry;
        match self.0.entry(owner) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(make(owner, job)?)),
        }
    }
}

fn make(owner: (u32, u32), job: (u32, u32)) -> io::Result<OwnedFd> {
    let (ours, theirs) = crate::wire::pair()?;
    let pid = sys::clone(libc::CLONE_NEWUSER)?;
    if pid == 0 {
        drop(ours);
        let _ = crate::wire::recv_bytes(theirs.as_fd());
        sys::exit_now(0);
    }
    drop(theirs);
    let ns = || -> io::Result<OwnedFd> {
        fs::write(format!("/proc/{pid}/uid_map"), lines(owner.0, job.0))?;
        fs::write(format!("/proc/{pid}/gid_map"), lines(owner.1, job.1))?;
        Ok(fs::File::open(format!("/proc/{pid}/ns/user"))?.into())
    };
    ns()
}

/// On-disk id, seen id, count: all ids but the last, which is "none".
fn lines(a: u32, b: u32) -> String {
    let (low, high) = (a.min(b), a.max(b));
    if low == high {
        return format!("0 0 {}\n", u32::MAX);
    }
    let mut out = String::new();
    let mut line = |from: u32, to: u32, count: u32| {
        if count > 0 {
            out.push_str(&format!("{from} {to} {count}\n"));
        }
    };
    line(0, 0, low);
    line(low, high, 1);
    line(low + 1, low + 1, high - low - 1);
    line(high, low, 1);
    line(high + 1, high + 1, u32::MAX - high - 1);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_mapped_once() {
        for (a, b) in [
            (0, 61_000),
            (1000, 61_000),
            (61_000, 61_000),
            (61_001, 61_000),
        ] {
            let text = lines(a, b);
            let rows: Vec<Vec<u64>> = text
                .lines()
                .map(|l| l.split(' ').map(|n| n.parse().unwrap()).collect())
                .collect();
            let total: u64 = rows.iter().map(|r| r[2]).sum();
            assert_eq!(total, u64::from(u32::MAX), "{text}");
            let seen = |id: u64| {
                let row = rows
                    .iter()
                    .find(|r| r[0] <= id && id < r[0] + r[2])
                    .unwrap();
                row[1] + id - row[0]
            };
            assert_eq!(
                (seen(a.into()), seen(b.into()), seen(7)),
                (b.into(), a.into(), 7)
            );
        }
    }
}
