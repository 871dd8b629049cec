//! A disk that fills up: a small tmpfs that only the test's own thread sees.

use std::path::Path;
use std::time::{Duration, Instant};

use atoll_domain::Cost;
use atoll_guard::{Full, Journal as _};
use atoll_ports::Log as _;
use atoll_store::{Options, Store};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change, mount_remount};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::made::{NEVER, Place, SMALL, bare, closed, granted, note, permit};

/// Mounts a tmpfs of `size` at `at` in a mount namespace of this thread's own.
/// Threads that it starts are in it too; it goes with the last of them.
fn small_disk(at: &Path, size: &str) -> rustix::io::Result<()> {
    // SAFETY: this thread gives up the mount table that it shares with others,
    // and opens no file by another thread's paths afterwards.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )?;
    let options = std::ffi::CString::new(format!("size={size},mode=0700")).unwrap();
    mount(
        "tmpfs",
        at,
        "tmpfs",
        MountFlags::empty(),
        options.as_c_str(),
    )
}

/// Makes the disk larger, as a person would.
fn larger_disk(at: &Path, size: &str) {
    let options = std::ffi::CString::new(format!("size={size}")).unwrap();
    mount_remount(at, MountFlags::empty(), options.as_c_str()).unwrap();
}

/// Runs `test` on a thread whose `place` lies on a disk of 12 MiB.
pub fn on_a_small_disk(test: impl FnOnce(Place) + Send + 'static) {
    let thread = std::thread::spawn(move || {
        let place = Place::new();
        match small_disk(place.dir.path(), "12m") {
            Ok(()) => test(place),
            Err(e) => {
                let must = std::env::var_os("CI").is_some();
                assert!(
                    !must,
                    "this test needs the right to mount a tmpfs (run it as root): {e}"
                );
                eprintln!(
                    "SKIPPED: no right to mount a tmpfs ({e}); run the tests as root to try a full disk"
                );
            }
        }
    });
    thread.join().unwrap();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "waited in vain until {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Fills what is free to the last page.
fn fill(dir: &Path) {
    use std::io::Write as _;
    let mut filler = std::fs::File::create(dir.join("filler")).unwrap();
    let chunk = vec![1u8; 64 << 10];
    while filler.write_all(&chunk).is_ok() {}
    while filler.write_all(&[1]).is_ok() {}
}

#[test]
fn on_a_full_disk_new_actions_are_refused_and_open_ones_are_closed() {
    on_a_small_disk(|place| {
        let runtime = runtime();
        let store = Store::open(place.options()).unwrap();
        let room = |n| {
            granted(
                None,
                permit(n),
                Cost {
                    micros: 5,
                    ..Cost::ZERO
                },
                None,
            )
        };
        for n in 1..=20 {
            runtime.block_on(store.append(room(n), true)).unwrap();
        }
        // Fill it with content until the floor is reached.
        let mut taken = 0u32;
        let refused = loop {
            let text = [taken.to_be_bytes().as_slice(), &[7; 30_000]].concat();
            match runtime.block_on(store.append(note(&text).0, taken.is_multiple_of(2))) {
                Ok(_) => taken += 1,
                Err(full) => break full,
            }
            assert!(taken < 2000, "a disk of 12 MiB must fill up");
        };
        assert!(taken > 20, "{taken}");
        assert!(
            matches!(refused, Full::Disk { free_bytes, floor_bytes } if free_bytes < floor_bytes + (64 << 10))
        );
        assert!(store.room().1);

        // Somebody else takes the rest: not a byte is left.
        fill(place.dir.path());
        for n in 1..=20 {
            store.close(closed(
                None,
                permit(n),
                Cost {
                    micros: 3,
                    ..Cost::ZERO
                },
                &[n; 2000],
            ));
        }
        wait_until("all is closed", || store.open_permits().unwrap().is_empty());
        let full = runtime.block_on(store.append(bare(1), true));
        assert!(matches!(full, Err(Full::Disk { .. })), "{full:?}");
        assert_eq!(store.verify().unwrap().bad, None);

        // The disk grows: the log goes on where it was.
        drop(store);
        larger_disk(place.dir.path(), "64m");
        let store = Store::open(place.options()).unwrap();
        assert_eq!(store.open_permits().unwrap(), []);
        runtime.block_on(store.append(bare(2), true)).unwrap();
        assert_eq!(store.verify().unwrap().bad, None);
        assert_eq!(
            store
                .spent_on(1_763_600_000_000 / 86_400_000)
                .unwrap()
                .micros,
            60
        );
    });
}

#[test]
fn a_large_outcome_is_left_out_rather_than_its_closing() {
    on_a_small_disk(|place| {
        let runtime = runtime();
        let store = Store::open(place.options()).unwrap();
        runtime
            .block_on(store.append(granted(None, permit(1), Cost::ZERO, None), true))
            .unwrap();
        fill(place.dir.path());
        // Longer than the whole reserve.
        store.close(closed(None, permit(1), Cost::ZERO, &vec![1; 5 << 20]));
        wait_until("it is closed", || store.open_permits().unwrap().is_empty());
        let verified = store.verify().unwrap();
        assert_eq!(verified.bad, None);
        assert_eq!(verified.contents.0, 0);
    });
}

#[test]
fn room_that_comes_back_is_taken_up_without_a_restart() {
    on_a_small_disk(|place| {
        let runtime = runtime();
        let store = Store::open(Options {
            pace: NEVER,
            room: SMALL,
            ..place.options()
        })
        .unwrap();
        fill(place.dir.path());
        assert!(runtime.block_on(store.append(bare(1), true)).is_err());
        assert!(store.room().1);
        std::fs::remove_file(place.dir.path().join("filler")).unwrap();
        runtime.block_on(store.append(bare(2), true)).unwrap();
        assert!(!store.room().1);
    });
}

#[test]
fn no_more_permits_are_open_than_can_be_closed() {
    let place = Place::new();
    let store = place.open();
    let runtime = runtime();
    let most = SMALL.reserve_bytes / (32 << 10);
    for n in 0..most {
        runtime
            .block_on(store.append(granted(None, permit(n as u8), Cost::ZERO, None), false))
            .unwrap();
    }
    let refused =
        runtime.block_on(store.append(granted(None, permit(255), Cost::ZERO, None), false));
    assert!(matches!(refused, Err(Full::Failed(_))));
    store.close(closed(None, permit(0), Cost::ZERO, b""));
    runtime
        .block_on(store.append(granted(None, permit(255), Cost::ZERO, None), false))
        .unwrap();
}
