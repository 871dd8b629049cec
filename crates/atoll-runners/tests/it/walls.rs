//! What a job can't reach.

use crate::kit::{self, Mode, is_root, job, modes, run, sh};

#[tokio::test]
async fn the_environment_is_what_was_given_and_no_more() {
    for mode in modes() {
        let runner = kit::runner(mode);
        let mut env = job(&["env"]);
        env.spec.env.insert("GIVEN".into(), "yes é\nno".into());
        let outcome = run(&runner, env).await;
        assert_eq!(
            outcome.stdout, "GIVEN=yes é\nno\nPATH=/usr/bin:/bin:/usr/sbin:/sbin\n",
            "{mode:?}"
        );
    }
}

#[tokio::test]
async fn the_user_is_unprivileged_and_not_root() {
    for mode in modes() {
        let runner = kit::runner(mode);
        let owner = kit::owner(&runner, mode);
        let script = "id -u; id -g; grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; \
                      umask; ulimit -c";
        let outcome = run(&runner, sh(script)).await;
        let none = "0000000000000000";
        let want = format!(
            "{owner}\n{owner}\nCapInh:\t{none}\nCapPrm:\t{none}\nCapEff:\t{none}\nCapBnd:\t{none}\n\
             CapAmb:\t{none}\nNoNewPrivs:\t1\nSeccomp:\t2\n0022\n0\n"
        );
        assert_eq!(outcome.stdout, want, "{mode:?}");
        if mode == Mode::Root {
            let groups = run(&runner, sh("grep Groups: /proc/self/status")).await;
            assert_eq!(groups.stdout.trim(), "Groups:", "no supplementary groups");
        }
    }
}

#[tokio::test]
async fn the_network_is_its_own_loopback() {
    for mode in modes() {
        let outcome = run(
            &kit::runner(mode),
            sh("cat /proc/net/dev | tail -n +3 | wc -l; cat /proc/net/route | wc -l"),
        )
        .await;
        // One interface, and no route but the table's heading.
        assert_eq!(outcome.stdout, "1\n1\n", "{mode:?}");
    }
}

#[tokio::test]
async fn host_files_are_out_of_reach() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "secret").unwrap();
    for mode in modes() {
        let runner = kit::runner(mode);
        let secret = secret.display();
        let script = format!(
            "for f in /etc/shadow /etc/gshadow /root/.ssh /root/.profile /var/log /sys/kernel /run/lock \
             /proc/1/environ /proc/1/root/etc /proc/1/fd/0 /proc/1/maps /dev/vda /dev/mem /dev/kmsg \
             /dev/fuse {secret}; do cat $f >/dev/null 2>&1 && echo read $f; ls $f/ >/dev/null 2>&1 \
             && echo listed $f; done; \
             for d in / /usr /etc /dev /proc/sys/kernel /proc /home /var; do touch $d/x 2>/dev/null \
             && echo wrote $d; done; \
             echo x 2>/dev/null > /proc/sys/kernel/core_pattern && echo core; \
             echo b 2>/dev/null > /proc/sysrq-trigger && echo sysrq; ls / | tr '\\n' ' '"
        );
        let outcome = run(&runner, sh(&script)).await;
        let words: Vec<&str> = outcome.stdout.split_whitespace().collect();
        let known = [
            "bin", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin",
            "tmp", "usr", "var",
        ];
        assert!(
            words.iter().all(|word| known.contains(word)),
            "{mode:?} {}",
            outcome.stdout
        );
        assert!(words.contains(&"usr"));
    }
}

#[tokio::test]
async fn processes_of_others_are_not_seen() {
    for mode in modes() {
        let outcome = run(
            &kit::runner(mode),
            sh("set -- /proc/[0-9]*; echo $#; kill -9 1; kill -9 -1; echo alive"),
        )
        .await;
        // The init and the shell, which counts by itself.
        assert!(
            outcome.stdout.starts_with("2\n"),
            "{mode:?} {}",
            outcome.stdout
        );
    }
}

#[tokio::test]
async fn set_uid_programs_give_nothing() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tool = dir.path().join("id");
    std::fs::copy("/usr/bin/id", &tool).unwrap();
    std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o4755)).unwrap();
    for mode in modes() {
        let runner = kit::runner(mode);
        let mut id = job(&["/srv/tools/id", "-u"]);
        std::fs::set_permissions(
            dir.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        id.spec
            .mounts
            .push(kit::bind(dir.path(), "/srv/tools", true));
        let outcome = run(&runner, id).await;
        assert_eq!(
            outcome.stdout.trim(),
            kit::owner(&runner, mode).to_string(),
            "{outcome:?}"
        );
    }
}
