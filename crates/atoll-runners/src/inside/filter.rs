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
    let mut never: Vec<u32> = NEVER
        .iter()
        .chain(NEVER_HERE)
        .chain((!memfd).then_some(&libc::SYS_memfd_create))
        .map(|call| *call as u32)
        .collect();
    never.sort_unstable();
    never.dedup();
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
    let judged: Vec<u32> = rules.keys().map(|call| *call as u32).collect();
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
    let mut by_arguments: BpfProgram = filter.try_into().tried("seccomp program")?;
    let mut whole = by_number(&never, &judged)?;
    whole.append(&mut by_arguments);
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

#[cfg(target_arch = "x86_64")]
const AUDIT_ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const AUDIT_ARCH: u32 = 0xc000_00b7;

const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const JUMP_EQ: u16 = 0x15;
const JUMP_GT: u16 = 0x25;
const JUMP_GE: u16 = 0x35;
const RETURN: u16 = 0x06;
const KILL: u32 = 0x8000_0000;
const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;

fn op(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// The part that looks at a call's number alone, as a search tree: the kernel runs the filter for every
/// number when it is installed, so its length is paid for by every job. Another architecture's call ends
/// the process; the x32 interface, whose numbers no rule knows, and clone3, whose flags can't be read, are
/// unknown calls, and programs fall back; a call in `judged` goes on to the instructions that follow.
fn by_number(never: &[u32], judged: &[u32]) -> Result<BpfProgram, Failed> {
    let tree = tree(never)?;
    let unknown = ERRNO | libc::ENOSYS as u32;
    let mut program = vec![
        op(LOAD, 0, 0, 4),
        op(JUMP_EQ, 1, 0, AUDIT_ARCH),
        op(RETURN, 0, 0, KILL),
        op(LOAD, 0, 0, 0),
        op(JUMP_GE, 1, 0, 0x4000_0000),
        op(JUMP_EQ, 0, 1, libc::SYS_clone3 as u32),
        op(RETURN, 0, 0, unknown),
    ];
    for (i, call) in judged.iter().enumerate() {
        let past_rest = (judged.len() - i - 1) * 2 + tree.len();
        program.push(op(JUMP_EQ, 0, 1, *call));
        program.push(op(JUMP, 0, 0, past_rest as u32));
    }
    program.extend(tree);
    Ok(program)
}

/// EPERM for a number in `never`, which is sorted; all others are allowed.
fn tree(never: &[u32]) -> Result<BpfProgram, Failed> {
    let Some(middle) = never.get(never.len() / 2) else {
        return Ok(vec![op(RETURN, 0, 0, ALLOW)]);
    };
    let left = tree(&never[..never.len() / 2])?;
    let right = tree(&never[never.len() / 2 + 1..])?;
    let skip = u8::try_from(left.len()).tried("too many seccomp rules")?;
    let mut program = vec![
        op(JUMP_EQ, 0, 1, *middle),
        op(RETURN, 0, 0, ERRNO | libc::EPERM as u32),
        op(JUMP_GT, skip, 0, *middle),
    ];
    program.extend(left);
    program.extend(right);
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the number part as the kernel does; `None`: it goes on to what follows.
    fn answer(program: &[sock_filter], arch: u32, number: u32) -> Option<u32> {
        let (mut at, mut value) = (0usize, 0u32);
        loop {
            let o = program.get(at)?;
            at += 1;
            let skip = |yes: bool| usize::from(if yes { o.jt } else { o.jf });
            match o.code {
                LOAD => value = if o.k == 4 { arch } else { number },
                JUMP => at += o.k as usize,
                JUMP_EQ => at += skip(value == o.k),
                JUMP_GT => at += skip(value > o.k),
                JUMP_GE => at += skip(value >= o.k),
                RETURN => return Some(o.k),
                other => panic!("{other:#x}"),
            }
        }
    }

    #[test]
    fn every_number_gets_its_answer() {
        let mut never: Vec<u32> = NEVER.iter().chain(NEVER_HERE).map(|n| *n as u32).collect();
        never.sort_unstable();
        never.dedup();
        let judged = [libc::SYS_ioctl as u32, libc::SYS_clone as u32];
        let program = by_number(&never, &judged).unwrap();
        for number in (0..1000).chain([0x3fff_ffff, 0x4000_0000, 0x4000_0027, u32::MAX]) {
            let want = if number >= 0x4000_0000 || number == libc::SYS_clone3 as u32 {
                Some(ERRNO | libc::ENOSYS as u32)
            } else if judged.contains(&number) {
                None
            } else if never.contains(&number) {
                Some(ERRNO | libc::EPERM as u32)
            } else {
                Some(ALLOW)
            };
            assert_eq!(answer(&program, AUDIT_ARCH, number), want, "{number}");
            assert_eq!(answer(&program, 0x4000_0003, number), Some(KILL));
        }
    }
}
