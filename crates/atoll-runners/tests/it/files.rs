//! The private copy, mounts, artifacts.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use atoll_domain::action::Job;
use atoll_domain::{CopyRef, Exe, Hash, Mount, MountKind};
use atoll_guard::Stop;

use crate::kit::{self, Mode, bind, copy, finish, folder, job, modes, overlay, run, sh, start};

async fn refused(mode: Mode, job: Job) -> String {
    let runner = kit::runner(mode);
    match start(&runner, job).await {
        Err(Stop::Sandbox(why)) => {
            // Nothing is broken by it.
            assert!(run(&runner, sh("true")).await.ok);
            why
        }
        Err(other) => panic!("{mode:?} {other:?}"),
        Ok(running) => panic!("{mode:?} it ran: {:?}", finish(running).await),
    }
}

#[tokio::test]
async fn the_copy_stands_at_its_path_and_is_written() {
    for mode in modes() {
        let runner = kit::runner(mode);
        let dir = folder();
        std::fs::write(dir.path().join("a"), "in").unwrap();
        let mut script = sh("pwd; cat a; echo out > b; mkdir c; mv b c/d; ls /made");
        copy(&mut script, dir.path(), kit::owner(&runner, mode));
        script
            .spec
            .env
            .insert("HOME".into(), "/made/home/me".into());
        let outcome = run(&runner, script).await;
        assert_eq!(
            outcome.stdout, "/made/shop\ninhome\nshop\n",
            "{mode:?} {outcome:?}"
        );
        let written = dir.path().join("c/d");
        assert_eq!(std::fs::read_to_string(&written).unwrap(), "out\n");
        assert_eq!(
            std::fs::metadata(&written).unwrap().uid(),
            kit::owner(&runner, mode)
        );
    }
}

#[tokio::test]
async fn home_and_tmp_are_fresh_and_programs_run_from_them() {
    for mode in modes() {
        let runner = kit::runner(mode);
        let mut script = sh(
            "ls -A $HOME /tmp /dev/shm | tr '\\n' ' '; cp /usr/bin/echo $HOME/e; cp $HOME/e /tmp/e; \
             $HOME/e home; /tmp/e tmp; echo x > /dev/null; ls -ld $HOME | cut -c1-10",
        );
        script.spec.env.insert("HOME".into(), "/root".into());
        let outcome = run(&runner, script).await;
        assert_eq!(
            outcome.stdout, "/dev/shm:  /root:  /tmp: home\ntmp\ndrwx------\n",
            "{mode:?} {outcome:?}"
        );
    }
}

#[tokio::test]
async fn mounts_are_read_only_overlaid_or_empty() {
    for mode in modes() {
        let runner = kit::runner(mode);
        let host = folder();
        std::fs::write(host.path().join("f"), "host").unwrap();
        if kit::is_root() {
            let owner = kit::owner(&runner, Mode::User);
            for path in [host.path(), &host.path().join("f")] {
                std::os::unix::fs::chown(path, Some(owner), Some(owner)).unwrap();
            }
            // A private file: readable as its owner alone.
            std::fs::set_permissions(host.path().join("f"), PermissionsExt::from_mode(0o600))
                .unwrap();
        }
        let dir = folder();
        let mut script = sh(
            "cat /srv/ro/f; echo x 2>/dev/null > /srv/ro/f || echo kept; \
             cat over/f; echo new > over/f; cat over/f; echo z > over/z; ls over | tr '\\n' ' '; \
             echo t > /srv/empty/t; cat /srv/empty/t",
        );
        copy(&mut script, dir.path(), kit::owner(&runner, mode));
        let empty = Mount {
            kind: MountKind::Tmpfs,
            src: String::new(),
            dst: "/srv/empty".into(),
            ro: false,
        };
        script.spec.mounts = vec![
            bind(host.path(), "/srv/ro", true),
            overlay(host.path(), "/made/shop/over"),
            empty,
        ];
        let outcome = run(&runner, script).await;
        assert_eq!(
            outcome.stdout, "hostkept\nhostnew\nf z t\n",
            "{mode:?} {outcome:?}"
        );
        assert_eq!(
            std::fs::read_to_string(host.path().join("f")).unwrap(),
            "host"
        );
        assert!(!host.path().join("z").exists());
    }
}

#[tokio::test]
async fn an_overlays_folder_can_be_removed_and_renamed() {
    for mode in modes() {
        let runner = kit::runner(mode);
        let host = folder();
        std::fs::create_dir_all(host.path().join("d/e")).unwrap();
        std::fs::write(host.path().join("d/e/f"), "host").unwrap();
        if kit::is_root() {
            for path in ["", "d", "d/e", "d/e/f"] {
                let owner = Some(kit::owner(&runner, Mode::User));
                std::os::unix::fs::chown(host.path().join(path), owner, owner).unwrap();
            }
        }
        let mut script = sh("cd /srv/o && mv d g && cat g/e/f && rm -r g && ls | wc -l");
        script.spec.mounts = vec![overlay(host.path(), "/srv/o")];
        let outcome = run(&runner, script).await;
        assert_eq!(outcome.stdout, "host0\n", "{mode:?} {outcome:?}");
        assert!(host.path().join("d/e/f").exists());
    }
}

#[tokio::test]
async fn a_symlink_planted_at_a_mount_point_is_refused() {
    for mode in modes() {
        let host = folder();
        for plant in ["node_modules", "a"] {
            let dir = folder();
            let outside = folder();
            symlink(outside.path(), dir.path().join(plant)).unwrap();
            let mut script = sh("true");
            let runner = kit::runner(mode);
            copy(&mut script, dir.path(), kit::owner(&runner, mode));
            let dst = if plant == "a" {
                "/made/shop/a/b"
            } else {
                "/made/shop/node_modules"
            };
            script.spec.mounts = vec![bind(host.path(), dst, true)];
            let why = refused(mode, script).await;
            assert!(why.contains("symlink"), "{why}");
            assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
        }
    }
}

#[tokio::test]
async fn a_source_over_a_symlink_is_refused() {
    let dir = folder();
    symlink("/etc", dir.path().join("link")).unwrap();
    for mode in modes() {
        let mut script = sh("true");
        script.spec.mounts = vec![bind(&dir.path().join("link/ssl"), "/srv/x", true)];
        assert!(refused(mode, script).await.contains("symlink"));
    }
}

#[tokio::test]
async fn a_source_with_a_socket_or_a_pipe_is_refused() {
    let with_socket = folder();
    std::fs::create_dir(with_socket.path().join("deep")).unwrap();
    let _socket =
        std::os::unix::net::UnixListener::bind(with_socket.path().join("deep/s")).unwrap();
    let with_pipe = folder();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        with_pipe.path().join("p"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o666),
        0,
    )
    .unwrap();
    for mode in modes() {
        for (dir, name) in [(&with_socket, "deep/s"), (&with_pipe, "p")] {
            let mut script = sh("true");
            script.spec.mounts = vec![bind(dir.path(), "/srv/x", true)];
            let why = refused(mode, script).await;
            assert!(
                why.contains(name) && why.contains("socket or a pipe"),
                "{why}"
            );
        }
    }
}

#[tokio::test]
async fn places_of_the_system_are_refused() {
    let dir = folder();
    let mode = modes()[0];
    for inside in [
        "/",
        "/etc/x",
        "/usr/lib/x",
        "/proc/1",
        "/dev/x",
        "/tmp",
        "/a/../etc",
        "rel",
    ] {
        let mut script = sh("true");
        let host = dir.path().to_str().unwrap().to_owned();
        script.copy = Some(CopyRef {
            host,
            inside: inside.into(),
        });
        refused(mode, script).await;
    }
    for src in ["/", "/proc/1/root", "/dev/shm", "/run"] {
        let mut script = sh("true");
        script.spec.mounts = vec![bind(Path::new(src), "/srv/x", true)];
        refused(mode, script).await;
    }
}

#[tokio::test]
async fn artifacts_are_read_without_following_links() {
    for mode in modes() {
        let runner = kit::runner(mode);
        for with_copy in [true, false] {
            let dir = folder();
            let mut script = sh(
                "mkdir -p out/deep; echo one > out/a.txt; echo two > out/deep/b.txt; \
                 ln -s /etc/passwd out/c.txt; ln -s /etc out/etc; mkfifo out/d.txt; echo no > out/e.bin",
            );
            if with_copy {
                copy(&mut script, dir.path(), kit::owner(&runner, mode));
            }
            script.spec.artifacts = vec!["out/**/*.txt".into()];
            let running = start(&runner, script).await.unwrap();
            let (_, ended) = finish(running).await;
            let kept: Vec<(&str, &[u8])> = ended
                .kept
                .iter()
                .map(|kept| (kept.artifact.path.as_str(), kept.bytes.as_slice()))
                .collect();
            let want: [(&str, &[u8]); 2] = [("out/a.txt", b"one\n"), ("out/deep/b.txt", b"two\n")];
            assert_eq!(kept, want, "{mode:?} copy {with_copy} {:?}", ended.outcome);
            assert_eq!(ended.outcome.artifacts[0].sha256, Hash::of(b"one\n"));
        }
    }
}

#[tokio::test]
async fn a_command_that_is_not_there_is_said() {
    for mode in modes() {
        let runner = kit::runner(mode);
        let outcome = run(&runner, job(&["no-such-command"])).await;
        assert_eq!(
            (outcome.ok, outcome.exit_code),
            (false, Some(127)),
            "{mode:?}"
        );
        let hint = outcome.detail.unwrap().hint.unwrap();
        assert!(
            hint.contains("no-such-command: not found in the sandbox"),
            "{hint}"
        );
        let mut lost = sh("true");
        lost.spec.workdir = "/no/such/folder".into();
        let hint = run(&runner, lost).await.detail.unwrap().hint.unwrap();
        assert!(hint.contains("cannot enter /no/such/folder"), "{hint}");
    }
}

#[tokio::test]
async fn an_executable_that_changed_is_refused() {
    let mode = modes()[0];
    let runner = kit::runner(mode);
    let dir = folder();
    let tool = dir.path().join("tool");
    let write = |text: &str| {
        std::fs::write(&tool, text).unwrap();
        std::fs::set_permissions(&tool, PermissionsExt::from_mode(0o755)).unwrap();
    };
    write("#!/bin/sh\necho good\n");
    let inside = tool.to_str().unwrap().to_owned();
    let sha256 = Hash::of(&std::fs::read(&tool).unwrap());
    let make = |cmd: &str| {
        let mut job = job(&[cmd]);
        job.exe = Some(Exe {
            path: inside.clone(),
            sha256,
        });
        job.spec.mounts = vec![bind(dir.path(), dir.path().to_str().unwrap(), true)];
        job
    };
    for _ in 0..2 {
        assert_eq!(run(&runner, make(&inside)).await.stdout, "good\n");
    }
    // Another program than the one that was shown stands first inside.
    assert!(matches!(
        start(&runner, make("/bin/true")).await,
        Err(Stop::Changed(_))
    ));
    write("#!/bin/sh\necho evil\n");
    let stop = start(&runner, make(&inside)).await.err();
    assert!(matches!(stop, Some(Stop::Changed(_))), "{stop:?}");
}
