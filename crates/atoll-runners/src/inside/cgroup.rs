//! Control groups, where they may be made: version 1 (root), version 2 (root, or a delegated group).

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const PREFIX: &str = "atoll-";

/// Which version keeps a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Version 1: a hierarchy of its own.
    One,
    /// Version 2.
    Two,
}

impl Version {
    fn name(self) -> &'static str {
        match self {
            Version::One => "cgroup1",
            Version::Two => "cgroup2",
        }
    }
}

/// Folders in which groups can be made, by controller.
#[derive(Clone, Debug, Default)]
pub struct Bases {
    memory: Option<(Version, PathBuf)>,
    pids: Option<(Version, PathBuf)>,
    cpu: Option<(Version, PathBuf)>,
}

impl Bases {
    /// Tries what is there by making a group.
    pub fn find() -> Bases {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mut bases = Bases {
            memory: v1(&mounts, &own, "memory"),
            pids: v1(&mounts, &own, "pids"),
            // Version 1 would count CPU time in a hierarchy of its own, which costs every box more than
            // it tells: the init counts what it reaps.
            cpu: None,
        };
        let wants = bases.memory.is_none() || bases.pids.is_none();
        if let Some((two, memory, pids)) = wants.then(|| v2(&mounts, &own)).flatten() {
            let there = || Some((Version::Two, two.clone()));
            if bases.memory.is_none() && memory {
                bases.memory = there();
            }
            if bases.pids.is_none() && pids {
                bases.pids = there();
            }
            bases.cpu = there();
        }
        bases.sweep();
        bases
    }

    /// Removes what spawners that were killed left behind.
    pub fn sweep(&self) {
        for (_, dir) in [&self.memory, &self.pids, &self.cpu].into_iter().flatten() {
            sweep(dir);
        }
    }

    /// The names of the versions that keep memory, pids and CPU time; empty where none does.
    pub fn names(&self) -> [String; 3] {
        [&self.memory, &self.pids, &self.cpu]
            .map(|base| base.as_ref().map_or("", |(v, _)| v.name()).to_owned())
    }

    /// Makes a group for one box.
    pub fn group(&self, number: u64) -> io::Result<Group> {
        let name = format!("{PREFIX}{}-{number}", std::process::id());
        let place = |base: &Option<(Version, PathBuf)>| {
            base.as_ref()
                .map(|(version, dir)| (*version, dir.join(&name)))
        };
        let group = Group {
            memory: place(&self.memory),
            pids: place(&self.pids),
            cpu: place(&self.cpu),
        };
        for dir in group.dirs() {
            match fs::create_dir(dir) {
                Err(err) if err.kind() != io::ErrorKind::AlreadyExists => return Err(err),
                _ => {}
            }
        }
        Ok(group)
    }
}

/// One box's groups.
#[derive(Clone, Debug)]
pub struct Group {
    memory: Option<(Version, PathBuf)>,
    pids: Option<(Version, PathBuf)>,
    cpu: Option<(Version, PathBuf)>,
}

impl Group {
    fn dirs(&self) -> Vec<&PathBuf> {
        let mut dirs: Vec<&PathBuf> = [&self.memory, &self.pids, &self.cpu]
            .into_iter()
            .flatten()
            .map(|(_, d)| d)
            .collect();
        dirs.dedup();
        dirs
    }

    /// Moves the calling process in; gives what it keeps open to limit itself and to read its use.
    pub fn enter(&self) -> io::Result<Files> {
        for dir in self.dirs() {
            fs::write(dir.join("cgroup.procs"), "0")?;
        }
        let open = |base: &Option<(Version, PathBuf)>, one: &str, two: &str| {
            let (version, dir) = base.as_ref()?;
            let name = if *version == Version::One { one } else { two };
            let path = dir.join(name);
            let file = fs::File::options().read(true).write(true).open(&path);
            Some((*version, file.or_else(|_| fs::File::open(&path)).ok()?))
        };
        Ok(Files {
            memory_max: open(&self.memory, "memory.limit_in_bytes", "memory.max"),
            swap_max: open(
                &self.memory,
                "memory.memsw.limit_in_bytes",
                "memory.swap.max",
            ),
            memory_peak: open(&self.memory, "memory.max_usage_in_bytes", "memory.peak"),
            memory_events: open(&self.memory, "memory.oom_control", "memory.events"),
            pids_max: open(&self.pids, "pids.max", "pids.max"),
            pids_events: open(&self.pids, "pids.events", "pids.events"),
            cpu: open(&self.cpu, "cpuacct.usage", "cpu.stat"),
        })
    }

    /// Removes the groups; `false`: a process is still in one.
    pub fn remove(&self) -> bool {
        let mut gone = true;
        for dir in self.dirs() {
            if let Err(err) = fs::remove_dir(dir) {
                gone &= err.kind() == io::ErrorKind::NotFound;
            }
        }
        gone
    }
}

type Open = Option<(Version, fs::File)>;

/// The files of a group, open.
pub struct Files {
    memory_max: Open,
    swap_max: Open,
    memory_peak: Open,
    memory_events: Open,
    pids_max: Open,
    pids_events: Open,
    cpu: Open,
}

impl Files {
    /// None: no group.
    pub fn none() -> Files {
        Files {
            memory_max: None,
            swap_max: None,
            memory_peak: None,
            memory_events: None,
            pids_max: None,
            pids_events: None,
            cpu: None,
        }
    }

    /// Their descriptors, to be kept over a general closing.
    pub fn fds(&self) -> Vec<std::os::fd::RawFd> {
        use std::os::fd::AsRawFd;
        [
            &self.memory_max,
            &self.swap_max,
            &self.memory_peak,
            &self.memory_events,
            &self.pids_max,
            &self.pids_events,
            &self.cpu,
        ]
        .into_iter()
        .flatten()
        .map(|(_, file)| file.as_raw_fd())
        .collect()
    }

    /// Sets the limits that groups can keep. The init itself takes one pid.
    pub fn limit(&self, memory_bytes: u64, pids_max: u32) -> io::Result<()> {
        if let Some((_, file)) = &self.memory_max {
            write(file, &memory_bytes.to_string())?;
        }
        if let Some((version, file)) = &self.swap_max {
            // Version 1 counts memory and swap together, version 2 swap alone.
            let bytes = if *version == Version::One {
                memory_bytes
            } else {
                0
            };
            write(file, &bytes.to_string())?;
        }
        if let Some((_, file)) = &self.pids_max {
            write(file, &(u64::from(pids_max) + 1).to_string())?;
        }
        Ok(())
    }

    /// Whether the kernel keeps memory.
    pub fn keeps_memory(&self) -> bool {
        self.memory_max.is_some()
    }

    /// Whether the kernel keeps pids.
    pub fn keeps_pids(&self) -> bool {
        self.pids_max.is_some()
    }

    /// The most memory at once, in bytes.
    pub fn peak_bytes(&self) -> Option<u64> {
        read(&self.memory_peak)?.trim().parse().ok()
    }

    /// Kills for memory.
    pub fn oom_kills(&self) -> u64 {
        field(&self.memory_events, "oom_kill ").unwrap_or(0)
    }

    /// Processes refused.
    pub fn pids_hits(&self) -> u64 {
        field(&self.pids_events, "max ").unwrap_or(0)
    }

    /// CPU time, in microseconds.
    pub fn cpu_us(&self) -> Option<u64> {
        match self.cpu.as_ref()?.0 {
            Version::One => Some(read(&self.cpu)?.trim().parse::<u64>().ok()? / 1000),
            Version::Two => field(&self.cpu, "usage_usec "),
        }
    }
}

fn write(mut file: &fs::File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())
}

fn read(open: &Open) -> Option<String> {
    let (_, file) = open.as_ref()?;
    let mut buf = [0u8; 4096];
    let n = file.read_at(&mut buf, 0).ok()?;
    Some(String::from_utf8_lossy(&buf[..n]).into_owned())
}

fn field(open: &Open, name: &str) -> Option<u64> {
    read(open)?
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// The folder of our own group in the hierarchy of `controller`, if groups can be made there.
fn v1(mounts: &str, own: &str, controller: &str) -> Option<(Version, PathBuf)> {
    let ours = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let names = parts.next()?;
        let path = parts.next()?;
        names
            .split(',')
            .any(|n| n == controller)
            .then(|| path.to_owned())
    })?;
    let at = mount_of(mounts, |kind, options| {
        kind == "cgroup" && options.split(',').any(|o| o == controller)
    })?;
    let dir = inside(&at, &ours)?;
    usable(&dir).then_some((Version::One, dir))
}

/// A folder of the unified hierarchy in which groups get controllers; whether they get memory, and pids.
fn v2(mounts: &str, own: &str) -> Option<(PathBuf, bool, bool)> {
    let at = mount_of(mounts, |kind, _| kind == "cgroup2")?;
    let ours = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    // As root a group of its own beside all others; else what was delegated to us, with our own processes
    // moved into a leaf, since a group with processes can't hand controllers down.
    let base = if rustix::process::geteuid().is_root() {
        let _ = fs::write(at.1.join("cgroup.subtree_control"), "+memory +pids +cpu");
        at.1.join("atoll")
    } else {
        let dir = inside(&at, ours)?;
        let leaf = dir.join("atoll-node");
        let _ = fs::create_dir(&leaf);
        for pid in fs::read_to_string(dir.join("cgroup.procs")).ok()?.lines() {
            fs::write(leaf.join("cgroup.procs"), pid).ok()?;
        }
        dir
    };
    let _ = fs::create_dir(&base);
    for controller in ["+memory", "+pids", "+cpu"] {
        let _ = fs::write(base.join("cgroup.subtree_control"), controller);
    }
    // What a child group would have tells what was handed down.
    let probe = base.join(format!("{PREFIX}{}-v2", std::process::id()));
    fs::create_dir(&probe).ok()?;
    let has = |file: &str| probe.join(file).exists();
    let (memory, pids) = (has("memory.max"), has("pids.max"));
    let _ = fs::remove_dir(&probe);
    (memory || pids).then_some((base, memory, pids))
}

/// Mount point with the root that it shows, of the first mount that fits.
fn mount_of(mounts: &str, fits: impl Fn(&str, &str) -> bool) -> Option<(PathBuf, PathBuf)> {
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (root, point) = (left.next()?, left.next()?);
        let mut right = right.split(' ');
        let (kind, options) = (right.next()?, right.nth(1).unwrap_or(""));
        fits(kind, options).then(|| (PathBuf::from(root), PathBuf::from(point)))
    })
}

fn inside((root, point): &(PathBuf, PathBuf), path: &str) -> Option<PathBuf> {
    let rest = Path::new(path).strip_prefix(root).ok()?;
    Some(point.join(rest))
}

fn usable(dir: &Path) -> bool {
    let probe = dir.join(format!("{PREFIX}{}-try", std::process::id()));
    fs::create_dir(&probe).is_ok() && fs::remove_dir(&probe).is_ok()
}

/// See [`Bases::sweep`].
fn sweep(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|n| n.strip_prefix(PREFIX)?.split('-').next());
        let alive = |pid: &str| Path::new("/proc").join(pid).exists();
        if owner.is_some_and(|pid| pid.parse::<u32>().is_ok() && !alive(pid)) {
            let _ = fs::remove_dir(entry.path());
        }
    }
}
