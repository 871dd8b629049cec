//! What a box's processes use, where no group counts it.

use std::fs;

use crate::inside::cgroup::Files;

/// What is used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// CPU time of all processes, in microseconds.
    pub cpu_us: u64,
    /// Memory of all processes, in bytes; 0 where a group counts it.
    pub memory_bytes: u64,
}

/// Looks now and then.
#[derive(Default)]
pub struct Meter {
    last_us: u64,
    peak_bytes: u64,
}

impl Meter {
    /// Whether it is time to look.
    pub fn due(&mut self, now_us: u64, every_ms: u64) -> bool {
        let due = now_us.saturating_sub(self.last_us) >= every_ms * 1000;
        if due {
            self.last_us = now_us;
        }
        due
    }

    /// Looks at the group's counters, else at `/proc`, which shows this box's processes alone.
    pub fn look(&mut self, files: &Files) -> Used {
        let counted = files.cpu_us();
        if let Some(cpu_us) = counted
            && files.keeps_memory()
        {
            return Used {
                cpu_us,
                memory_bytes: 0,
            };
        }
        let mut used = walk();
        used.cpu_us = counted.unwrap_or(used.cpu_us + reaped().cpu_us);
        self.peak_bytes = self.peak_bytes.max(used.memory_bytes);
        used
    }

    /// The most that was seen at once.
    pub fn peak_bytes(&self, reaped: Reaped) -> u64 {
        self.peak_bytes.max(reaped.rss_bytes)
    }
}

fn walk() -> Used {
    let mut used = Used::default();
    let Ok(entries) = fs::read_dir("/proc") else {
        return used;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(pid) = name
            .to_str()
            .filter(|n| n.bytes().all(|b| b.is_ascii_digit()))
        else {
            continue;
        };
        if pid == "1" {
            continue;
        }
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name in parentheses may hold anything.
        let Some((_, rest)) = text.rsplit_once(") ") else {
            continue;
        };
        let field = |n: usize| {
            rest.split(' ')
                .nth(n - 3)
                .and_then(|f| f.parse::<u64>().ok())
        };
        let ticks = field(14).unwrap_or(0) + field(15).unwrap_or(0);
        used.cpu_us += ticks * 10_000;
        used.memory_bytes += field(24).unwrap_or(0) * page_bytes();
    }
    used
}

fn page_bytes() -> u64 {
    // SAFETY: takes a number alone.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// What the processes that are gone used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reaped {
    /// CPU time, in microseconds.
    pub cpu_us: u64,
    /// The largest one's memory, in bytes.
    pub rss_bytes: u64,
}

/// Of all children that this process has reaped, and theirs.
pub fn reaped() -> Reaped {
    // SAFETY: an all-zero rusage is valid, and it lives over the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
        usage
    };
    let us = |t: libc::timeval| t.tv_sec as u64 * 1_000_000 + t.tv_usec as u64;
    Reaped {
        cpu_us: us(usage.ru_utime) + us(usage.ru_stime),
        rss_bytes: usage.ru_maxrss as u64 * 1024,
    }
}
