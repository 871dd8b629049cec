//! The system calls that a job can't make.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, sock_filter,
};

use crate::inside::sys::{Failed, Tried};

/// Calls that are refused whatever their arguments.
const NEVER: &[i64] = &[
    // Rings do work outside the filter.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Keyrings are not namespaced.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // Large, and for the administrator alone.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_fanotify_init,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    SYS_OPEN_TREE_ATTR,
    libc::SYS_setns,
    // Files by handle pass by every path rule.
    libc::SYS_open_by_handle_at,
    // The machine.
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    // Memory that no limit counts.
    libc::SYS_memfd_secret,
];

#[cfg(target_arch = "x86_64")]
const NEVER_HERE: &[i64] = &[
    libc::SYS_kexec_file_load,
    libc::SYS_ioperm,
    libc::SYS_iopl,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
    libc::SYS__sysctl,
];
#[cfg(target_arch = "aarch64")]
const NEVER_HERE: &[i64] = &[libc::SYS_kexec_file_load];

const SYS_OPEN_TREE_ATTR: i64 = 467;

const NEW_NAMESPACES: [i32; 8] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
    0x80, // CLONE_NEWTIME
];

/// Compiles the filter. `memfd`: whether memory files are allowed, where their memory is counted.
pub fn compile(memfd: bool) -> Result<BpfProgram, Failed> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in NEVER.iter().chain(NEVER_HERE) {
        rules.insert(*call, Vec::new());
    }
    if !memfd {
        rules.insert(libc::SYS_memfd_create, Vec::new());
    }
    let namespaces = |call: i64| {
        let flags = NEW_NAMESPACES
            .into_iter()
            .filter(|f| call == libc::SYS_unshare || *f != 0x80);
        flags
            .map(|f| f as u64)
            .map(|f| rule(&[(0, SeccompCmpOp::MaskedEq(f), f)]))
            .collect()
    };
    // 0x80 in clone's flags is part of the exit signal's mask, and means nothing there.
    let clone: Result<Vec<_>, Failed> = namespaces(libc::SYS_clone);
    let unshare: Result<Vec<_>, Failed> = namespaces(libc::SYS_unshare);
    rules.insert(libc::SYS_clone, clone?);
    rules.insert(libc::SYS_unshare, unshare?);
    rules.insert(libc::SYS_ioctl, ioctls()?);
    rules.insert(libc::SYS_socket, sockets()?);
    let arch = std::env::consts::ARCH
        .try_into()
        .tried("seccomp on this machine")?;
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM as u32),
        arch,
    )
    .tried("seccomp rules")?;
    let mut program: BpfProgram = filter.try_into().tried("seccomp program")?;
    // Programs fall back to clone, whose flags can be read.
    let mut whole = unknown(libc::SYS_clone3 as u32);
    whole.append(&mut program);
    Ok(whole)
}

fn rule(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, Failed> {
    // Double words: the kernel looks at the low 32 bits of these arguments alone, and so must we.
    let conditions: Result<Vec<_>, _> = conditions
        .iter()
        .map(|(arg, op, value)| {
            SeccompCondition::new(*arg, SeccompCmpArgLen::Dword, op.clone(), *value)
        })
        .collect();
    SeccompRule::new(conditions.tried("a seccomp condition")?).tried("a seccomp rule")
}

fn ioctls() -> Result<Vec<SeccompRule>, Failed> {
    // Both put characters into a terminal's input.
    [libc::TIOCSTI, libc::TIOCLINUX]
        .into_iter()
        .map(|op| rule(&[(1, SeccompCmpOp::Eq, op)]))
        .collect()
}

fn sockets() -> Result<Vec<SeccompRule>, Failed> {
    let families = [
        libc::AF_UNIX,
        libc::AF_INET,
        libc::AF_INET6,
        libc::AF_NETLINK,
    ];
    let other: Vec<_> = families
        .into_iter()
        .map(|f| (0, SeccompCmpOp::Ne, f as u64))
        .collect();
    let netlink = [
        (0, SeccompCmpOp::Eq, libc::AF_NETLINK as u64),
        (2, SeccompCmpOp::Ne, libc::NETLINK_ROUTE as u64),
    ];
    let raw = [
        (0, SeccompCmpOp::Ne, libc::AF_UNIX as u64),
        (1, SeccompCmpOp::MaskedEq(0xf), libc::SOCK_RAW as u64),
        (0, SeccompCmpOp::Ne, libc::AF_NETLINK as u64),
    ];
    Ok(vec![rule(&other)?, rule(&netlink)?, rule(&raw)?])
}

/// Instructions that answer ENOSYS to `call`, and on x86-64 to every call of the x32 interface, whose
/// numbers the rules don't know. Another architecture's calls are judged (and killed) by what follows.
fn unknown(call: u32) -> BpfProgram {
    const LOAD_NUMBER: u16 = 0x20;
    const JUMP_EQ: u16 = 0x15;
    const JUMP_GE: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const ERRNO: u32 = 0x0005_0000;
    let op = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    // An architecture without x32 has no calls up there at all.
    vec![
        op(LOAD_NUMBER, 0, 0, 0),
        op(JUMP_EQ, 1, 0, call),
        op(JUMP_GE, 0, 1, 0x4000_0000),
        op(RETURN, 0, 0, ERRNO | libc::ENOSYS as u32),
    ]
}
