//! Jobs that want too much.

use atoll_domain::{Enforcement, Reason};

use crate::kit::{self, Mode, copy, folder, job, modes, run, sh, with_tool};

#[tokio::test]
async fn a_fork_bomb_is_held() {
    for mode in modes() {
        let runner = kit::runner(mode);
        let mut bomb =
            sh("i=0; while [ $i -lt 300 ]; do sleep 30 & i=$((i+1)); done; echo through");
        bomb.spec.limits.pids_max = 20;
        bomb.spec.ttl_s = 5;
        let outcome = run(&runner, bomb).await;
        assert!(
            !outcome.ok && !outcome.stdout.contains("through"),
            "{mode:?} {outcome:?}"
        );
        assert_eq!(outcome.enforced.0["pids"], Enforcement::Enforced);
        if mode == Mode::Root {
            assert_eq!(outcome.reason, Some(Reason::Pids), "{outcome:?}");
        }
        // Beside it, others may still start as many as they like.
        let outcome = run(
            &runner,
            sh("for i in 1 2 3 4 5; do sleep 0.01 & done; wait; echo fine"),
        )
        .await;
        assert_eq!(outcome.stdout, "fine\n");
    }
}

#[tokio::test]
async fn a_memory_bomb_is_ended_whatever_it_is_made_of() {
    for mode in modes() {
        let runner = kit::runner(mode);
        for kind in ["anonymous", "shared", "memfd"] {
            let mut bomb = with_tool(job(&["/opt/tool", "--hold", kind, "400"]));
            bomb.spec.limits.memory_bytes = 100 << 20;
            bomb.spec.limits.disk_bytes = 1 << 30;
            let outcome = run(&runner, bomb).await;
            let said = (outcome.ok, outcome.reason);
            if outcome.enforced.0["memory"] == Enforcement::Enforced {
                assert_eq!(
                    said,
                    (false, Some(Reason::Memory)),
                    "{mode:?} {kind} {outcome:?}"
                );
            } else {
                // What is polled may be passed for a moment; a refusal by a resource limit is the job's
                // own failure.
                assert!(!outcome.ok, "{mode:?} {kind} {outcome:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_kill_for_memory_is_said_though_the_job_returned_0() {
    if !kit::is_root() {
        return;
    }
    let runner = kit::runner(Mode::Root);
    let mut bomb = with_tool(sh("/opt/tool --hold anonymous 400; echo went on; exit 0"));
    bomb.spec.limits.memory_bytes = 100 << 20;
    let outcome = run(&runner, bomb).await;
    assert_eq!(outcome.exit_code, Some(0));
    assert_eq!(
        (outcome.ok, outcome.reason),
        (false, Some(Reason::Memory)),
        "{outcome:?}"
    );
    assert!(outcome.usage.peak_memory_bytes > 50 << 20);
}

#[tokio::test]
async fn a_tmpfs_bomb_meets_its_bound() {
    for mode in modes() {
        let runner = kit::runner(mode);
        let mut bomb = sh("head -c 30000000 /dev/zero > /tmp/x; echo tmp $?; \
             head -c 30000000 /dev/zero > $HOME/x; echo home $?; \
             head -c 90000000 /dev/zero > /dev/shm/x; echo shm $?");
        bomb.spec.env.insert("HOME".into(), "/home/user".into());
        bomb.spec.limits.disk_bytes = 20_000_000;
        bomb.spec.limits.memory_bytes = 160 << 20;
        let outcome = run(&runner, bomb).await;
        assert_eq!(outcome.enforced.0["disk"], Enforcement::Enforced);
        assert!(!outcome.stdout.contains(" 0"), "{mode:?} {outcome:?}");
    }
}

#[tokio::test]
async fn an_inode_bomb_meets_its_bound() {
    for mode in modes() {
        let runner = kit::runner(mode);
        let mut bomb = sh(
            "i=0; while [ $i -lt 3000 ]; do : > /tmp/$i || { echo stopped; exit 1; }; i=$((i+1)); done; \
             echo through",
        );
        bomb.spec.limits.disk_bytes = 4 << 20;
        let outcome = run(&runner, bomb).await;
        assert!(
            !outcome.ok && !outcome.stdout.contains("through"),
            "{mode:?} {outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_disk_bomb_in_the_copy_is_ended() {
    for mode in modes() {
        let runner = kit::runner(mode);
        let dir = folder();
        let mut bomb = sh(
            "i=0; while [ $i -lt 200 ]; do head -c 1000000 /dev/zero > $i; i=$((i+1)); sleep 0.02; done",
        );
        bomb.spec.limits.disk_bytes = 10_000_000;
        copy(&mut bomb, dir.path(), kit::owner(&runner, mode));
        let outcome = run(&runner, bomb).await;
        assert_eq!(outcome.reason, Some(Reason::Disk), "{mode:?} {outcome:?}");
        assert_eq!(outcome.enforced.0["disk"], Enforcement::Polled);
    }
}

#[tokio::test]
async fn a_cpu_hog_is_ended() {
    for mode in modes() {
        let runner = kit::runner(mode);
        let mut hog = sh("while :; do :; done & while :; do :; done");
        hog.spec.limits.cpu_ms = 700;
        let outcome = run(&runner, hog).await;
        assert_eq!(
            outcome.reason,
            Some(Reason::Timeout),
            "{mode:?} {outcome:?}"
        );
        assert!(outcome.detail.unwrap().hint.unwrap().contains("CPU"));
        assert!(outcome.usage.cpu_ms >= 600, "{mode:?} {:?}", outcome.usage);
    }
}
