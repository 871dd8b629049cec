//! When a call is tried again, and when not.

use atoll_models::WireKind;
use atoll_ports::models::{Delta, Failure};
use testkit::provider::{Fault, Reply, Script};

use crate::stand::{Stand, priced};

const WIRE: WireKind = WireKind::ChatCompletions;

/// The failures that led to another attempt, the requests that were made, and whether there was a reply.
async fn course(
    replies: impl IntoIterator<Item = Reply>,
    costs: bool,
) -> (Vec<Failure>, usize, bool) {
    let stand = Stand::with(WIRE, Script::list(replies), |config| {
        if costs {
            priced(config);
        }
    });
    let heard = stand.call().await;
    (
        heard.retries(),
        stand.server.requests().len(),
        heard.end.is_ok(),
    )
}

#[tokio::test]
async fn what_passes_is_tried_again_even_if_it_costs() {
    for costs in [false, true] {
        for (status, failure) in [
            (429, Failure::RateLimited),
            (500, Failure::Server),
            (503, Failure::Server),
        ] {
            let replies = [Reply::refusal(status, "busy"), Reply::text("at last")];
            assert_eq!(
                course(replies, costs).await,
                (vec![failure], 2, true),
                "{status} {costs}"
            );
        }
    }
}

#[tokio::test]
async fn attempts_are_bounded() {
    let replies = (0..9).map(|_| Reply::refusal(503, "busy"));
    assert_eq!(
        course(replies, false).await,
        (vec![Failure::Server; 2], 3, false)
    );
}

#[tokio::test]
async fn what_cannot_pass_is_not_tried_again() {
    let quota = Reply {
        error_code: Some("insufficient_quota".into()),
        ..Reply::refusal(429, "no money")
    };
    for reply in [
        Reply::refusal(400, "no"),
        Reply::refusal(401, "no"),
        Reply::refusal(404, "no"),
        quota,
        Reply::text("").with(Fault::GarbageBody),
    ] {
        let (retries, requests, ok) = course([reply, Reply::text("never")], false).await;
        assert_eq!((retries.len(), requests, ok), (0, 1, false));
    }
}

#[tokio::test]
async fn what_may_have_been_billed_is_tried_again_only_if_it_is_free() {
    let in_stream = || {
        Reply {
            error: Some("oops".into()),
            ..Reply::default()
        }
        .with(Fault::ErrorInStream)
    };
    for (reply, failure) in [
        (Reply::refusal(504, "the gateway gave up"), Failure::Server),
        (Reply::text("x").with(Fault::Cut(0)), Failure::Cut),
        (Reply::text("x").with(Fault::Empty), Failure::Cut),
        (in_stream(), Failure::Server),
    ] {
        let script = || [reply.clone(), Reply::text("at last")];
        assert_eq!(
            course(script(), false).await,
            (vec![failure], 2, true),
            "{reply:?}"
        );
        assert_eq!(
            course(script(), true).await,
            (vec![], 1, false),
            "{reply:?}"
        );
    }
}

#[tokio::test]
async fn nothing_is_tried_again_behind_the_callers_back() {
    for reply in [
        Reply::text("a few words that were seen already").with(Fault::Cut(2)),
        Reply {
            error: Some("oops".into()),
            ..Reply::text("seen")
        }
        .with(Fault::ErrorInStream),
        Reply {
            reasoning: Some("a thought that was seen".into()),
            ..Reply::text("x")
        }
        .with(Fault::Cut(2)),
    ] {
        let (retries, requests, ok) = course([reply, Reply::text("again")], false).await;
        assert_eq!((retries.len(), requests, ok), (0, 1, false));
    }
}

#[tokio::test]
async fn retry_after_is_honoured_up_to_what_anyone_would_wait() {
    let waited = |after: &str| {
        let replies = [
            Reply::refusal(429, "slow").retry_after(after),
            Reply::text("at last"),
        ];
        let stand = Stand::with(WIRE, Script::list(replies), |c| {
            c.retries.wait_ms_max = 2_500
        });
        async move {
            let heard = stand.call().await;
            let waits = heard.deltas.iter().filter_map(|d| match d {
                Delta::Retrying { wait_ms, .. } => Some(*wait_ms),
                _ => None,
            });
            (waits.collect::<Vec<_>>(), heard.end)
        }
    };
    let (waits, end) = waited("1").await;
    assert!(
        waits.len() == 1 && (1_000..1_100).contains(&waits[0]),
        "{waits:?}"
    );
    assert!(end.is_ok());
    let (waits, end) = waited("3600").await;
    let error = end.unwrap_err();
    assert_eq!((waits.len(), error.failure), (0, Failure::RateLimited));
    assert!(error.words.contains("wait 3600 s"), "{}", error.words);
    // A date that is past asks for nothing.
    let (waits, end) = waited("Wed, 21 Oct 2015 07:28:00 GMT").await;
    assert!(waits.len() == 1 && waits[0] < 100, "{waits:?}");
    assert!(end.is_ok());
}

#[tokio::test]
async fn no_attempt_begins_that_the_time_limit_would_end() {
    let replies = [
        Reply::refusal(429, "slow").retry_after("4"),
        Reply::text("never"),
    ];
    let stand = Stand::new(WIRE, Script::list(replies));
    let mut act = stand.act();
    act.ttl_s = 2;
    let heard = stand.call_of(act).await;
    assert_eq!(
        (heard.failure(), heard.retries().len()),
        (Failure::RateLimited, 0)
    );
}

#[tokio::test]
async fn every_attempt_sends_the_same_bytes() {
    let stand = Stand::new(
        WIRE,
        Script::list([
            Reply::refusal(500, "x"),
            Reply::refusal(500, "x"),
            Reply::text("ok"),
        ]),
    );
    assert!(stand.call().await.end.is_ok());
    let seen = stand.server.requests();
    assert_eq!(seen.len(), 3);
    assert!(
        seen.iter()
            .all(|s| s.text == seen[0].text && !s.text.is_empty())
    );
}

#[tokio::test]
async fn what_cannot_be_reached_is_given_up_soon() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}/v1", closed.local_addr().unwrap());
    drop(closed);
    // However patient the configuration is with a provider that answers: two more tries, and none that would
    // come after a few seconds.
    for (wait_ms, tries) in [(1, 2), (30_000, 0)] {
        let stand = Stand::with(WIRE, Script::list([]), |config| {
            config.providers[0].base_url = Some(base_url.clone());
            config.retries.attempts_max = 9;
            (config.retries.wait_ms_min, config.retries.wait_ms_max) = (wait_ms, 60_000);
        });
        let heard = stand.call().await;
        assert_eq!(heard.retries(), vec![Failure::Unreachable; tries]);
        let error = heard.end.unwrap_err();
        assert_eq!(error.failure, Failure::Unreachable);
        assert!(
            error.words.contains("nothing listens there"),
            "{}",
            error.words
        );
    }
}

#[tokio::test]
async fn who_watches_is_told_of_each_wait() {
    let replies = [
        Reply::refusal(429, "slow").retry_after("1"),
        Reply::refusal(503, "busy"),
        Reply::text("at last"),
    ];
    let stand = Stand::new(WIRE, Script::list(replies));
    let heard = stand.call().await;
    let told: Vec<_> = heard
        .deltas
        .iter()
        .filter_map(|d| match d {
            Delta::Retrying {
                status,
                asked,
                attempt,
                attempts_max,
                ..
            } => Some((*status, *asked, *attempt, *attempts_max)),
            _ => None,
        })
        .collect();
    assert_eq!(told, [(Some(429), true, 2, 3), (Some(503), false, 3, 3)]);
}
