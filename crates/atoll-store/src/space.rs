//! Room on disk: new actions are refused before it runs out, and a reserve is
//! given back so that what is under way can still be closed.
#![allow(
    clippy::disallowed_methods,
    reason = "keeps a reserve file in the node's own data directory"
)]

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use atoll_ports::log::Error;
use rustix::fs::{FallocateFlags, fallocate, fstatvfs, ftruncate};

use crate::row::io;

/// How much room is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Below this, no new actions. In bytes.
    pub floor_bytes: u64,
    /// Held in a file and given back when the disk is full. In bytes.
    pub reserve_bytes: u64,
}

impl Default for Room {
    fn default() -> Self {
        Room {
            floor_bytes: 64 << 20,
            reserve_bytes: 16 << 20,
        }
    }
}

/// The reserve, and a view of what is free.
#[derive(Debug)]
pub struct Space {
    file: File,
    room: Room,
    held: bool,
}

/// Bytes that this user may still write on the disk of `path`. 0 where it can't be told.
pub fn free_bytes(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(0, |s| s.f_bavail.saturating_mul(s.f_frsize))
}

impl Space {
    /// Opens (and fills, where there is room) the reserve.
    pub fn open(dir: &Path, room: Room) -> Result<Space, Error> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(dir.join("reserve.bin"))
            .map_err(|e| io("reserve.bin", e))?;
        let mut space = Space {
            file,
            room,
            held: false,
        };
        space.hold();
        Ok(space)
    }

    /// Bytes that this user may still write on the log's disk. 0 where it can't be told.
    pub fn free_bytes(&self) -> u64 {
        fstatvfs(&self.file).map_or(0, |s| s.f_bavail.saturating_mul(s.f_frsize))
    }

    /// The floor, in bytes.
    pub fn floor_bytes(&self) -> u64 {
        self.room.floor_bytes
    }

    /// Whether new actions may be logged. Refills the reserve once there is room again.
    pub fn admits(&mut self) -> bool {
        let free = self.free_bytes();
        if !self.held
            && free
                >= self
                    .room
                    .floor_bytes
                    .saturating_add(self.room.reserve_bytes)
        {
            self.hold();
        }
        self.held && free >= self.room.floor_bytes
    }

    /// Gives the reserve back to the file system.
    pub fn release(&mut self) {
        // Where even that fails, closing events wait in memory and are tried again.
        let _ = ftruncate(&self.file, 0);
        self.held = false;
    }

    fn hold(&mut self) {
        let filled = match fallocate(
            &self.file,
            FallocateFlags::empty(),
            0,
            self.room.reserve_bytes.max(1),
        ) {
            // A file system without preallocation: the floor alone must do.
            Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
            other => other,
        };
        self.held = filled.is_ok();
        if !self.held {
            let _ = ftruncate(&self.file, 0);
        }
    }
}
