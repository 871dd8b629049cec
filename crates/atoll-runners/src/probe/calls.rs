//! System calls that the filter refuses.

use std::ffi::{c_int, c_long};

use super::{Line, call, name};

/// A call with harmless arguments: what gets past the filter fails by itself.
fn raw(number: c_long, args: [c_long; 5]) -> String {
    let [a, b, c, d, e] = args;
    // SAFETY: arguments are zeros, small numbers or invalid descriptors: nothing is followed.
    call(unsafe { libc::syscall(number, a, b, c, d, e) })
}

/// In a child, since it may end it: exit 0 means it was reached.
fn in_child(body: impl FnOnce() -> i32) -> String {
    // SAFETY: the probe has one thread.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let code = body();
        // SAFETY: ends the child.
        unsafe { libc::_exit(code) }
    }
    let mut status: c_int = 0;
    // SAFETY: the status lives over the call.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    if libc::WIFSIGNALED(status) {
        return format!("signal {}", libc::WTERMSIG(status));
    }
    match libc::WEXITSTATUS(status) {
        0 => "yes".into(),
        code => name(code).into(),
    }
}

fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(1)
}

/// Calls that are refused whatever they are given.
const PLAIN: [(&str, c_long); 39] = [
    ("io_uring_setup", libc::SYS_io_uring_setup),
    ("io_uring_enter", libc::SYS_io_uring_enter),
    ("io_uring_register", libc::SYS_io_uring_register),
    ("keyctl", libc::SYS_keyctl),
    ("add_key", libc::SYS_add_key),
    ("request_key", libc::SYS_request_key),
    ("bpf", libc::SYS_bpf),
    ("perf_event_open", libc::SYS_perf_event_open),
    ("userfaultfd", libc::SYS_userfaultfd),
    ("fanotify_init", libc::SYS_fanotify_init),
    ("mount", libc::SYS_mount),
    ("umount2", libc::SYS_umount2),
    ("pivot_root", libc::SYS_pivot_root),
    ("chroot", libc::SYS_chroot),
    ("open_tree", libc::SYS_open_tree),
    ("open_tree_attr", 467),
    ("move_mount", libc::SYS_move_mount),
    ("fsopen", libc::SYS_fsopen),
    ("fsconfig", libc::SYS_fsconfig),
    ("fsmount", libc::SYS_fsmount),
    ("fspick", libc::SYS_fspick),
    ("mount_setattr", libc::SYS_mount_setattr),
    ("setns", libc::SYS_setns),
    ("open_by_handle_at", libc::SYS_open_by_handle_at),
    ("kexec_load", libc::SYS_kexec_load),
    ("init_module", libc::SYS_init_module),
    ("finit_module", libc::SYS_finit_module),
    ("delete_module", libc::SYS_delete_module),
    ("reboot", libc::SYS_reboot),
    ("swapon", libc::SYS_swapon),
    ("swapoff", libc::SYS_swapoff),
    ("acct", libc::SYS_acct),
    ("quotactl", libc::SYS_quotactl),
    ("syslog", libc::SYS_syslog),
    ("clock_settime", libc::SYS_clock_settime),
    ("settimeofday", libc::SYS_settimeofday),
    ("vhangup", libc::SYS_vhangup),
    ("memfd_secret", libc::SYS_memfd_secret),
    ("clone3", libc::SYS_clone3),
];

pub fn lines() -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    lines.extend(PLAIN.map(|(name, number)| (name.to_owned(), raw(number, [0; 5]))));
    let namespaces = [
        ("user", libc::CLONE_NEWUSER),
        ("mount", libc::CLONE_NEWNS),
        ("pid", libc::CLONE_NEWPID),
        ("net", libc::CLONE_NEWNET),
        ("ipc", libc::CLONE_NEWIPC),
        ("uts", libc::CLONE_NEWUTS),
        ("cgroup", libc::CLONE_NEWCGROUP),
        ("time", 0x80),
    ];
    for (name, flag) in namespaces {
        let flag = c_long::from(flag);
        lines.push((
            format!("unshare {name}"),
            raw(libc::SYS_unshare, [flag, 0, 0, 0, 0]),
        ));
        if name != "time" {
            let made = in_child(|| {
                // SAFETY: fork with a namespace; the child ends at once.
                match unsafe { libc::syscall(libc::SYS_clone, flag | 17, 0, 0, 0, 0) } {
                    -1 => errno(),
                    _ => 0,
                }
            });
            lines.push((format!("clone {name}"), made));
        }
    }
    lines.push(("memfd_create".into(), memfd()));
    terminal(&mut lines);
    machine(&mut lines);
    lines
}

fn memfd() -> String {
    // SAFETY: a static name.
    call(unsafe { libc::memfd_create(c"probe".as_ptr(), 0) }.into())
}

/// Characters pushed into a terminal's input.
fn terminal(lines: &mut Vec<Line>) {
    let high = 0xdead_0000_0000_0000_u64 as c_long;
    let requests = [
        ("TIOCSTI", libc::TIOCSTI as c_long),
        ("TIOCSTI with high bits", libc::TIOCSTI as c_long | high),
        ("TIOCLINUX", libc::TIOCLINUX as c_long),
        ("TIOCLINUX with high bits", libc::TIOCLINUX as c_long | high),
    ];
    let letter = b'x';
    let at = (&raw const letter) as c_long;
    for (name, request) in requests {
        // SAFETY: the letter lives over the call.
        let ret = unsafe { libc::syscall(libc::SYS_ioctl, 0, request, at) };
        lines.push((name.into(), call(ret)));
    }
}

#[cfg(target_arch = "x86_64")]
fn machine(lines: &mut Vec<Line>) {
    let plain = [
        ("kexec_file_load", libc::SYS_kexec_file_load),
        ("iopl", libc::SYS_iopl),
        ("ioperm", libc::SYS_ioperm),
        ("modify_ldt", libc::SYS_modify_ldt),
    ];
    lines.extend(plain.map(|(name, number)| (name.to_owned(), raw(number, [0; 5]))));
    let x32 = 0x4000_0000;
    lines.push(("getpid by x32".into(), raw(x32 | libc::SYS_getpid, [0; 5])));
    lines.push(("mount by x32".into(), raw(x32 | libc::SYS_mount, [0; 5])));
    let old = in_child(|| {
        let ret: i32;
        // SAFETY: getpid (20) of the 32-bit interface; takes nothing and changes eax alone.
        unsafe {
            std::arch::asm!("int 0x80", inlateout("eax") 20 => ret, out("r8") _, out("r9") _,
                out("r10") _, out("r11") _);
        }
        i32::from(ret < 0)
    });
    lines.push(("getpid by the 32-bit interface".into(), old));
}

#[cfg(not(target_arch = "x86_64"))]
fn machine(_: &mut Vec<Line>) {}
