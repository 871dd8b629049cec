//! Rights: users, capabilities, other processes, limits.

use std::fs;

use super::{Line, call};

pub fn lines() -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut add = |what: &str, how: String| lines.push((what.to_owned(), how));
    // SAFETY: takes nothing.
    add(
        "uid is 0",
        if unsafe { libc::getuid() } == 0 {
            "yes"
        } else {
            "no"
        }
        .into(),
    );
    for field in [
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
    ] {
        add(field, status(field));
    }
    lines.extend(calls());
    let mut add = |what: &str, how: String| lines.push((what.to_owned(), how));
    add("read PID 1's memory", reads_init());
    add("processes in sight", processes());
    add(
        "lower oom_score_adj",
        if fs::write("/proc/self/oom_score_adj", "-1").is_ok() {
            "yes"
        } else {
            "no"
        }
        .into(),
    );
    add(
        "PID 1's namespaces",
        if fs::metadata("/proc/1/ns/mnt").is_ok() {
            "yes"
        } else {
            "no"
        }
        .into(),
    );
    lines
}

/// System calls that want more than a job has.
fn calls() -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut add = |what: &str, how: String| lines.push((what.to_owned(), how));
    // SAFETY: all of these take numbers, or a null pointer with a length of 0.
    unsafe {
        add("setuid 0", call(libc::setuid(0).into()));
        add("setgid 0", call(libc::setgid(0).into()));
        add(
            "setgroups",
            call(libc::setgroups(0, std::ptr::null()).into()),
        );
        add(
            "take PID 1 over by a signal",
            call(libc::kill(1, libc::SIGKILL).into()),
        );
        let none = std::ptr::null_mut::<libc::c_void>();
        add(
            "ptrace PID 1",
            call(libc::ptrace(libc::PTRACE_ATTACH, 1, none, none)),
        );
        add(
            "nice -20",
            call(libc::setpriority(libc::PRIO_PROCESS, 0, -20).into()),
        );
        let realtime = libc::sched_param { sched_priority: 1 };
        add(
            "real-time scheduling",
            call(libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const realtime).into()),
        );
        let core = libc::rlimit {
            rlim_cur: 4096,
            rlim_max: 4096,
        };
        add(
            "core dumps",
            call(libc::setrlimit(libc::RLIMIT_CORE, &raw const core).into()),
        );
    }
    lines
}

fn status(field: &str) -> String {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or("missing").trim().to_owned()
}

fn reads_init() -> String {
    let mut byte = 0u8;
    let local = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    let remote = libc::iovec {
        iov_base: 0x40_0000 as *mut libc::c_void,
        iov_len: 1,
    };
    // SAFETY: the local buffer lives over the call; the remote one is another process's.
    let ret = unsafe { libc::process_vm_readv(1, &raw const local, 1, &raw const remote, 1, 0) };
    call(ret as libc::c_long)
}

fn processes() -> String {
    let count = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter(|e| {
            e.file_name()
                .to_string_lossy()
                .bytes()
                .all(|b| b.is_ascii_digit())
        })
        .count();
    count.to_string()
}
