//! The list of what a job reaches, per mode.

use atoll_ports::Runner;

use crate::kit::{self, Mode, job, modes, run, with_tool};

#[tokio::test]
#[cfg(target_arch = "x86_64")]
async fn what_a_job_reaches_is_what_it_should() {
    for mode in modes() {
        let runner = kit::runner(mode);
        let mut probe = with_tool(job(&["/opt/tool", "--probe"]));
        probe.spec.env.insert("HOME".into(), "/home/user".into());
        let outcome = run(&runner, probe).await;
        assert!(outcome.ok, "{mode:?} {outcome:?}");
        let path = format!(
            "{}/tests/golden/probe-{}.txt",
            env!("CARGO_MANIFEST_DIR"),
            if mode == Mode::Root { "root" } else { "user" }
        );
        if std::env::var_os("ATOLL_BLESS").is_some() {
            std::fs::write(&path, &outcome.stdout).unwrap();
        }
        let want = std::fs::read_to_string(&path).unwrap();
        let memfd = "memfd_create: ";
        for (got, want) in outcome.stdout.lines().zip(want.lines()) {
            // Allowed where a group counts its memory.
            let counted =
                runner.abilities().checks.iter().any(|check| {
                    check.name == "limit of memory" && check.found.starts_with("cgroup")
                });
            if want.starts_with(memfd) {
                assert_eq!(
                    got,
                    format!("{memfd}{}", if counted { "yes" } else { "EPERM" })
                );
            } else {
                assert_eq!(got, want, "{mode:?}");
            }
        }
        assert_eq!(outcome.stdout.lines().count(), want.lines().count());
    }
}
