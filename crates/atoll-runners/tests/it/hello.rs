//! The ordinary things that a job does.

use atoll_domain::Enforcement;

use crate::kit::{self, job, modes, run, sh};

#[tokio::test]
async fn a_job_says_hello() {
    for mode in modes() {
        let runner = kit::runner(mode);
        let outcome = run(&runner, job(&["echo", "hello"])).await;
        assert!(outcome.ok, "{mode:?} {outcome:?}");
        assert_eq!(
            (outcome.stdout.as_str(), outcome.stderr.as_str()),
            ("hello\n", "")
        );
        assert_eq!(outcome.enforced.0["network"], Enforcement::Enforced);
    }
}

#[tokio::test]
async fn exit_codes_and_signals_are_told() {
    for mode in modes() {
        let runner = kit::runner(mode);
        let outcome = run(&runner, sh("echo out; echo err >&2; exit 7")).await;
        assert_eq!(
            (outcome.exit_code, outcome.signal, outcome.ok),
            (Some(7), None, false)
        );
        assert_eq!(
            (outcome.stdout.as_str(), outcome.stderr.as_str()),
            ("out\n", "err\n")
        );
        let outcome = run(&runner, sh("kill -9 $$")).await;
        assert_eq!((outcome.exit_code, outcome.signal), (None, Some(9)));
    }
}
