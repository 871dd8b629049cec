//! The spawner as a program, for tests and benchmarks of the runner, and a tool for tests of its limits.

fn main() {
    #[cfg(target_os = "linux")]
    std::process::exit(linux());
}

#[cfg(target_os = "linux")]
fn linux() -> i32 {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["--spawner"] => atoll_runners::spawner_main(),
        ["--probe"] => atoll_runners::probe_main(),
        ["--hold", kind, mib] => hold(kind, mib.parse().unwrap_or(1)),
        _ => {
            eprintln!("atoll-box is started by a node, not by hand");
            2
        }
    }
}

/// Takes `mib` MiB of memory of a kind, touches all of it and says so.
#[cfg(target_os = "linux")]
fn hold(kind: &str, mib: usize) -> i32 {
    const MIB: usize = 1 << 20;
    let (flags, fd) = match kind {
        "shared" => (libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1),
        "memfd" => {
            // SAFETY: a static name; the descriptor lives until the end.
            let fd = unsafe { libc::memfd_create(c"hold".as_ptr(), 0) };
            // SAFETY: takes numbers alone.
            if fd < 0 || unsafe { libc::ftruncate(fd, (mib * MIB) as i64) } < 0 {
                eprintln!("memfd: {}", std::io::Error::last_os_error());
                return 3;
            }
            (libc::MAP_SHARED, fd)
        }
        _ => (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1),
    };
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping, of a length that is kept below.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), mib * MIB, access, flags, fd, 0) };
    if at == libc::MAP_FAILED {
        eprintln!("mmap: {}", std::io::Error::last_os_error());
        return 3;
    }
    for page in 0..mib * MIB / 4096 {
        // SAFETY: within the mapping.
        unsafe { at.cast::<u8>().add(page * 4096).write_volatile(1) };
    }
    std::thread::sleep(std::time::Duration::from_secs(3));
    println!("held");
    0
}
