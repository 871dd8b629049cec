//! The job's last steps: a child of the init gives up every right, is fenced in, and becomes the command.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};

use serde::{Deserialize, Serialize};

use crate::inside::mounts::Owner;
use crate::inside::ready::Shared;
use crate::inside::sys::{self, Failed, Tried};
use crate::inside::{fence, filter};
use crate::wire::Plan;

/// What is executed, and what keeps its limits.
#[derive(Serialize, Deserialize)]
pub struct Job {
    /// The plan.
    pub plan: Plan,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// Trees that may be written.
    pub writable: Vec<String>,
    /// Whether a group keeps the number of processes.
    pub counted: bool,
    /// Whether a group keeps memory.
    pub memory_counted: bool,
}

/// A child that gave up all its rights ahead, and waits for the job that it will become.
pub struct Child {
    /// Its pid, inside.
    pub pid: libc::pid_t,
    errors: OwnedFd,
    go: OwnedFd,
}

/// Why there is no command running.
pub enum Failure {
    /// A part of the sandbox could not be made: it must not run.
    Sandbox(String),
    /// The executable is not the one that was permitted.
    Changed(String),
    /// The command can't be executed, as a shell would say.
    Command(String),
}

impl Child {
    /// Makes one, and waits until it is ready. `go` and `wait` are a pair that was made outside: a socket
    /// of this network namespace would be in the job's sight.
    pub fn make(shared: &Shared, (go, wait): (OwnedFd, OwnedFd)) -> Result<Child, Failed> {
        let (errors, theirs) =
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).tried("pipe")?;
        let pid = sys::clone(0).tried("fork")?;
        if pid == 0 {
            let (kind, words) = live(shared, &wait, theirs.as_fd());
            let mut text = vec![kind];
            text.extend_from_slice(words.as_bytes());
            let _ = rustix::io::write(&theirs, &text);
            sys::exit_now(if kind == b'c' { 127 } else { 125 });
        }
        drop((theirs, wait));
        let child = Child { pid, errors, go };
        match crate::wire::recv::<()>(child.go.as_fd()).tried("the job's process")? {
            Some(_) => Ok(child),
            None => match child.executed() {
                Err(Failure::Sandbox(why)) => Err(Failed(why)),
                _ => Err(Failed("the job's process ended early".into())),
            },
        }
    }

    /// Lets it become the job. `streams`: three descriptors, or a terminal's one; then its secrets, if it has any.
    pub fn go(&self, job: &Job, streams: &[OwnedFd]) -> Result<(), Failed> {
        let fds: Vec<BorrowedFd<'_>> = streams.iter().map(AsFd::as_fd).collect();
        let none = rustix::net::SendFlags::empty();
        crate::wire::send(self.go.as_fd(), job, &fds, none).tried("start the job")
    }

    /// Waits until the command was executed, or not.
    pub fn executed(&self) -> Result<(), Failure> {
        let mut text = Vec::new();
        let mut buf = [0u8; 1024];
        while let Ok(n) = rustix::io::read(&self.errors, &mut buf[..]) {
            if n == 0 {
                break;
            }
            text.extend_from_slice(&buf[..n]);
        }
        let Some((kind, words)) = text.split_first() else {
            return Ok(());
        };
        let words = String::from_utf8_lossy(words).into_owned();
        Err(match kind {
            b'c' => Failure::Command(words),
            b'x' => Failure::Changed(words),
            _ => Failure::Sandbox(words),
        })
    }
}

/// A terminal of this box's own devpts: master and slave.
pub fn terminal(size: (u16, u16), owner: Owner) -> Result<(OwnedFd, OwnedFd), Failed> {
    let flags = libc::O_RDWR | libc::O_NOCTTY;
    let master = sys::openat2(None, "/dev/pts/ptmx", flags, 0, 0).tried("open a terminal")?;
    let unlock: libc::c_int = 0;
    let mut number: libc::c_uint = 0;
    let window = libc::winsize {
        ws_col: size.0,
        ws_row: size.1,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: each request gets the live struct that it takes.
    unsafe {
        let fd = master.as_raw_fd();
        sys::cvt(libc::ioctl(fd, libc::TIOCSPTLCK, &raw const unlock).into()).tried("unlock")?;
        sys::cvt(libc::ioctl(fd, libc::TIOCGPTN, &raw mut number).into()).tried("number")?;
        sys::cvt(libc::ioctl(fd, libc::TIOCSWINSZ, &raw const window).into()).tried("size")?;
    }
    let path = format!("/dev/pts/{number}");
    let slave = sys::openat2(None, &path, flags, 0, 0).tried("open the terminal's end")?;
    if owner.root {
        std::os::unix::fs::fchown(&slave, Some(owner.uid), Some(owner.gid)).tried("chown")?;
    }
    Ok((master, slave))
}

/// Gives everything up, waits, becomes the job. Returns only when it failed, with the kind of failure and
/// its words.
fn live(shared: &Shared, wait: &OwnedFd, errors: BorrowedFd<'_>) -> (u8, String) {
    if let Err(failed) = give_up(shared, wait, errors) {
        return (b's', failed.0);
    }
    let none = rustix::net::SendFlags::empty();
    if let Err(err) = crate::wire::send(wait.as_fd(), &(), &[], none) {
        return (b's', err.to_string());
    }
    match crate::wire::recv::<Job>(wait.as_fd()) {
        Ok(Some((job, streams))) => become_command(&job, shared, streams, errors),
        // The init has gone, and its box with it.
        Ok(None) => sys::exit_now(0),
        Err(err) => (b's', err.to_string()),
    }
}

fn become_command(
    job: &Job,
    shared: &Shared,
    mut streams: Vec<OwnedFd>,
    errors: BorrowedFd<'_>,
) -> (u8, String) {
    let secrets = match job.plan.secrets {
        true => match streams.pop().as_ref().and_then(given) {
            Some(secrets) => secrets,
            None => return (b's', "the job's secrets can't be read".into()),
        },
        false => Vec::new(),
    };
    if let Err(failed) = take_up(job, streams, errors) {
        return (b's', failed.0);
    }
    if let Err(err) = std::env::set_current_dir(&job.plan.workdir) {
        return (b'c', format!("cannot enter {}: {err}", job.plan.workdir));
    }
    if let Err(err) = fence::restrict(shared.landlock_abi, &job.writable) {
        return (b's', format!("Landlock: {err}"));
    }
    let path = match find(job) {
        Ok(path) => path,
        Err(words) => return (b'c', words),
    };
    if let Some(wanted) = &job.plan.exe
        && let Err(words) = same(&path, wanted)
    {
        return (b'x', words);
    }
    let env: Vec<String> = job
        .env
        .iter()
        .chain(&secrets)
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let (Some(argv), Some(envp), Ok(file)) = (
        cstrings(&job.plan.argv),
        cstrings(&env),
        CString::new(path.as_str()),
    ) else {
        return (b'c', "a zero byte in the command or its environment".into());
    };
    let argv_raw: Vec<_> = argv
        .iter()
        .map(|s| s.as_ptr())
        .chain([std::ptr::null()])
        .collect();
    let env_raw: Vec<_> = envp
        .iter()
        .map(|s| s.as_ptr())
        .chain([std::ptr::null()])
        .collect();
    // SAFETY: arrays of live, zero-terminated strings that end with a null pointer.
    unsafe { libc::execve(file.as_ptr(), argv_raw.as_ptr(), env_raw.as_ptr()) };
    (b'c', format!("{path}: {}", io::Error::last_os_error()))
}

/// Variables and values, out of the memory file that came with the job. They go when the command takes this process's
/// place.
fn given(memory: &OwnedFd) -> Option<Vec<(String, String)>> {
    let bytes = zeroize::Zeroizing::new(crate::wire::read_memory(memory).ok()?);
    serde_json::from_slice(&bytes).ok()
}

fn cstrings(list: &[String]) -> Option<Vec<CString>> {
    list.iter().map(|s| CString::new(s.as_str()).ok()).collect()
}

/// All that does not depend on the job.
fn give_up(shared: &Shared, wait: &OwnedFd, errors: BorrowedFd<'_>) -> Result<(), Failed> {
    rustix::process::setsid().tried("setsid")?;
    sys::close_all_but(&[errors.as_raw_fd(), wait.as_raw_fd()]).tried("close_range")?;
    const JOIN_SESSION_KEYRING: i32 = 1;
    // SAFETY: no name is passed: an anonymous keyring.
    sys::cvt(unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            JOIN_SESSION_KEYRING,
            std::ptr::null::<u8>(),
        )
    })
    .tried("a session keyring")?;
    sys::prctl(libc::PR_SET_DUMPABLE, 1, 0).tried("dumpable")?;
    fs::write("/proc/self/oom_score_adj", "300").tried("oom_score_adj")?;
    open_files(shared.root).tried("limit of open files")?;
    if shared.root {
        drop_root(shared)?;
    } else {
        nested_user(shared)?;
    }
    drop_capabilities()?;
    sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0).tried("no_new_privs")?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    sys::unblock_signals().tried("signals")?;
    seccompiler::apply_filter(&shared.filter).tried("seccomp")
}

/// What the job brings.
fn take_up(job: &Job, given: Vec<OwnedFd>, errors: BorrowedFd<'_>) -> Result<(), Failed> {
    let terminal = job.plan.tty.is_some();
    streams(&given, terminal)?;
    // They are streams now, and nothing else may stay open.
    for fd in given {
        let _ = fd.into_raw_fd();
    }
    sys::close_all_but(&[errors.as_raw_fd()]).tried("close_range")?;
    limits(job)
}

fn streams(given: &[OwnedFd], terminal: bool) -> Result<(), Failed> {
    if given.len() != if terminal { 1 } else { 3 } {
        return Err(Failed("the job came without its streams".into()));
    }
    if terminal {
        // SAFETY: takes a descriptor and a number.
        let ret = unsafe { libc::ioctl(given[0].as_raw_fd(), libc::TIOCSCTTY, 0) };
        sys::cvt(ret.into()).tried("controlling terminal")?;
    }
    for target in 0..3 {
        let from = given[if terminal { 0 } else { target }].as_raw_fd();
        // SAFETY: all descriptors of ours are above 2, so nothing of ours is replaced.
        sys::cvt(unsafe { libc::dup2(from, target as i32) }.into()).tried("streams")?;
    }
    Ok(())
}

/// Raised where this may be: root in a container may not.
fn open_files(root: bool) -> io::Result<()> {
    let (soft, hard) = (8192, 65_536);
    if root && sys::rlimit(libc::RLIMIT_NOFILE, soft, hard, true).is_ok() {
        return Ok(());
    }
    sys::rlimit(libc::RLIMIT_NOFILE, soft, hard, false)
}

fn limits(job: &Job) -> Result<(), Failed> {
    let plan = &job.plan;
    let cpu_s = plan.cpu_ms.div_ceil(1000).max(1);
    let mut list = vec![
        (libc::RLIMIT_CORE, 0, 0),
        (libc::RLIMIT_CPU, cpu_s, cpu_s + 1),
        (libc::RLIMIT_FSIZE, plan.disk_bytes, plan.disk_bytes),
        (libc::RLIMIT_MEMLOCK, 8 << 20, 8 << 20),
    ];
    if !job.memory_counted {
        // Not of addresses: some interpreters reserve far more than they use.
        list.push((libc::RLIMIT_DATA, plan.memory_bytes, plan.memory_bytes));
    }
    if !job.counted {
        // Counted per user namespace: in the job's own one, it counts this job alone.
        let max = u64::from(plan.pids_max);
        list.push((libc::RLIMIT_NPROC, max, max));
    }
    for (which, soft, hard) in list {
        sys::rlimit(which, soft, hard, false).tried("resource limits")?;
    }
    Ok(())
}

/// The secure bits that leave root without rights, and can't be taken back.
const SECUREBITS: u64 = 0x1 | 0x2 | 0x8 | 0x20 | 0x40 | 0x80;

fn drop_root(shared: &Shared) -> Result<(), Failed> {
    let (uid, gid) = (shared.setup.job_uid, shared.setup.job_gid);
    // SAFETY: raw calls, which change this single thread; no pointer is followed for a length of 0.
    unsafe {
        sys::cvt(libc::syscall(
            libc::SYS_setgroups,
            0,
            std::ptr::null::<u32>(),
        ))
        .tried("setgroups")?;
        sys::cvt(libc::syscall(libc::SYS_setresgid, gid, gid, gid)).tried("setresgid")?;
        sys::cvt(libc::syscall(libc::SYS_setresuid, uid, uid, uid)).tried("setresuid")?;
    }
    Ok(())
}

/// A user namespace of the job's own, below the one that owns the box's mounts; the same uid in it.
fn nested_user(shared: &Shared) -> Result<(), Failed> {
    let (uid, gid) = (shared.setup.job_uid, shared.setup.job_gid);
    sys::unshare(libc::CLONE_NEWUSER).tried("a user namespace for the job")?;
    fs::write("/proc/self/setgroups", "deny").tried("setgroups")?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1\n")).tried("uid_map")?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1\n")).tried("gid_map")?;
    drop_bounding()
}

/// What no execution below this process will have again. It keeps its own rights until it drops them.
pub fn renounce() -> Result<(), Failed> {
    drop_bounding()?;
    sys::prctl(libc::PR_SET_SECUREBITS, SECUREBITS, 0)
        .tried("secure bits")
        .map(drop)
}

fn drop_bounding() -> Result<(), Failed> {
    for capability in 0..=63 {
        match sys::prctl(libc::PR_CAPBSET_DROP, capability, 0) {
            Ok(_) => {}
            Err(err) if err.raw_os_error() == Some(libc::EINVAL) => break,
            Err(err) => return Err(err).tried("drop the bounding set"),
        }
    }
    Ok(())
}

fn drop_capabilities() -> Result<(), Failed> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    let header = Header {
        version: 0x2008_0522,
        pid: 0,
    };
    let none = [0u32; 6];
    // SAFETY: the header names version 3, whose data are two triples of words; both live over the call.
    sys::cvt(unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) })
        .tried("drop capabilities")?;
    // SAFETY: takes numbers alone.
    let _ = unsafe {
        libc::prctl(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_CLEAR_ALL,
            0,
            0,
            0,
        )
    };
    Ok(())
}

/// Finds the command as a shell does: by PATH, unless it names a path.
fn find(job: &Job) -> Result<String, String> {
    let Some(name) = job.plan.argv.first().filter(|name| !name.is_empty()) else {
        return Err("no command was given".into());
    };
    if name.contains('/') {
        return Ok(name.clone());
    }
    let path = job
        .env
        .iter()
        .find(|(key, _)| key == "PATH")
        .map_or("", |(_, value)| value);
    let mut forbidden = None;
    for dir in path.split(':').filter(|dir| !dir.is_empty()) {
        let file = format!("{dir}/{name}");
        match rustix::fs::access(&file, rustix::fs::Access::EXEC_OK) {
            Ok(()) if fs::metadata(&file).is_ok_and(|meta| meta.is_file()) => return Ok(file),
            Err(rustix::io::Errno::ACCESS) => forbidden = Some(file),
            _ => {}
        }
    }
    Err(match forbidden {
        Some(file) => format!("{file}: not allowed to be executed in the sandbox"),
        None => format!("{name}: not found in the sandbox (PATH={path})"),
    })
}

/// Whether `path` is, links resolved, the file whose digest the permit names.
fn same(path: &str, wanted: &str) -> Result<(), String> {
    let real = fs::canonicalize(path).map_err(|err| format!("{path}: {err}"))?;
    if real.to_str() == Some(wanted) {
        Ok(())
    } else {
        Err(format!(
            "{path} is {} inside, and the permit is for {wanted}",
            real.display()
        ))
    }
}

/// The filter for a job: with memory files where their memory is counted.
pub fn filter(memory_counted: bool) -> Result<seccompiler::BpfProgram, Failed> {
    filter::compile(memory_counted)
}

/// A descriptor on the null device, in place of one that must not leak.
pub fn null_at(target: i32) -> io::Result<()> {
    let null = fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    // SAFETY: `target` is a stream that this process took over already.
    sys::cvt(unsafe { libc::dup2(null.as_raw_fd(), target) }.into()).map(drop)
}

/// Takes over the socket at descriptor 0, leaving the null device there.
pub fn take_socket() -> io::Result<OwnedFd> {
    // SAFETY: the descriptor is copied to a new one at 10 or above, which is ours.
    let fd = unsafe {
        let fd = libc::fcntl(0, libc::F_DUPFD_CLOEXEC, 10);
        sys::cvt(fd.into())?;
        OwnedFd::from_raw_fd(fd)
    };
    null_at(0)?;
    Ok(fd)
}
