//! The engine's fence, put up before it opens a file: what a hostile model makes of the engine can read that one
//! file, compute, and write its answers; it has no network, no other program, no other file.

use std::collections::BTreeMap;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};
use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// The newest version of Landlock that is asked for; an older kernel gives what it has.
const ABI_WANTED: ABI = ABI::V6;
/// What the engine may read beside its model: how many cores there are.
const READABLE: [&str; 3] = ["/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system"];
const OPEN_FILES_MAX: u64 = 64;

/// Calls of a program that computes, reads what it may open, and writes to what it was given.
const CALLS: &[i64] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_lseek,
    libc::SYS_getdents64,
    libc::SYS_readlinkat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fcntl,
    libc::SYS_fadvise64,
    libc::SYS_getcwd,
    libc::SYS_ppoll,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_membarrier,
    libc::SYS_get_mempolicy,
    libc::SYS_futex,
    libc::SYS_clone3, // answered with ENOSYS by the other filter
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_getcpu,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_tgkill,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_exit,
    libc::SYS_exit_group,
];
#[cfg(target_arch = "x86_64")]
const CALLS_HERE: &[i64] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_poll,
    libc::SYS_arch_prctl,
];
#[cfg(not(target_arch = "x86_64"))]
const CALLS_HERE: &[i64] = &[];

/// What can be done before the model's name is known: the engine ends with its parent, gains no rights, leaves
/// no core.
pub fn first() -> Result<(), String> {
    let tried =
        |what: &str, done: rustix::io::Result<()>| done.map_err(|err| format!("{what}: {err}"));
    tried(
        "to end with the node",
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL)),
    )?;
    tried("no new rights", rustix::thread::set_no_new_privs(true))?;
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Nofile, OPEN_FILES_MAX)
}

fn limit(resource: Resource, most: u64) -> Result<(), String> {
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    setrlimit(resource, limit).map_err(|err| format!("a limit: {err}"))
}

/// Fences the calling thread, and all that it starts, in for good. What keeps it in, by name; the filter of calls
/// is never missing, Landlock where the kernel has it.
pub fn confine(model: &Path, address_limit_bytes: u64) -> Result<Vec<String>, String> {
    limit(Resource::As, address_limit_bytes)?;
    let mut fences = Vec::new();
    if files(model).map_err(|err| format!("Landlock: {err}"))? {
        fences.push("landlock".into());
    }
    for filter in [no_clone3(), calls()] {
        let filter = filter.map_err(|err| format!("seccomp: {err}"))?;
        seccompiler::apply_filter(&filter).map_err(|err| format!("seccomp: {err}"))?;
    }
    fences.push("seccomp".into());
    Ok(fences)
}

/// Whether Landlock holds.
fn files(model: &Path) -> Result<bool, Box<dyn std::error::Error>> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI_WANTED))?
        .handle_access(AccessNet::from_all(ABI_WANTED))?
        .scope(Scope::from_all(ABI_WANTED))?
        .create()?
        .add_rule(PathBeneath::new(PathFd::new(model)?, AccessFs::ReadFile))?;
    for path in READABLE {
        let Ok(fd) = PathFd::new(path) else { continue };
        let dir = Path::new(path).is_dir();
        let access = if dir {
            AccessFs::ReadFile | AccessFs::ReadDir
        } else {
            AccessFs::ReadFile.into()
        };
        rules = rules.add_rule(PathBeneath::new(fd, access))?;
    }
    let status = rules.restrict_self()?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

type Filter = Result<BpfProgram, Box<dyn std::error::Error>>;

fn filter(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> Filter {
    let arch = std::env::consts::ARCH.try_into()?;
    Ok(SeccompFilter::new(rules, otherwise, matched, arch)?.try_into()?)
}

/// A thread's flags can't be read in `clone3`: without it, libraries use `clone`.
fn no_clone3() -> Filter {
    let rules = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let unknown = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    filter(rules, SeccompAction::Allow, unknown)
}

fn calls() -> Filter {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = CALLS
        .iter()
        .chain(CALLS_HERE)
        .map(|call| (*call, Vec::new()))
        .collect();
    let is = |arg, value: u64| {
        let op = SeccompCmpOp::MaskedEq(value);
        SeccompCondition::new(arg, SeccompCmpArgLen::Dword, op, value)
    };
    // Threads alone, no processes.
    let thread = is(0, libc::CLONE_THREAD as u64)?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![thread])?]);
    // A thread's name.
    let name = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Eq,
        libc::PR_SET_NAME as u64,
    )?;
    rules.insert(libc::SYS_prctl, vec![SeccompRule::new(vec![name])?]);
    // What its limits are, not other ones.
    let unset = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![unset])?]);
    let refused = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    filter(rules, refused, SeccompAction::Allow)
}
