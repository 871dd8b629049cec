//! What a call is charged, and what stops it.

use atoll_domain::{Budget, Cost, SessionId, Tick, Unit};
use atoll_guard::{Account, End, Stop};
use atoll_models::WireKind;
use atoll_ports::Meter;
use atoll_ports::Models;
use atoll_ports::meter::cost;
use atoll_ports::models::{Calling, Delta};
use futures::StreamExt;
use serde_json::json;
use testkit::permits::{admission, guard};
use testkit::provider::{Fault, Reply, Script};

use crate::stand::{Stand, priced};

const WIRE: WireKind = WireKind::ChatCompletions;

/// A call of the usual act, on a session's account with this budget.
async fn on_account(
    stand: &Stand,
    budget: Budget,
    output_tokens_max: u64,
) -> (Calling, Box<dyn Fn() -> Cost>) {
    let (guard, _) = guard();
    let account = Account::Session(SessionId::derive(&[b"s"]));
    guard.ledger().open(account, budget, Cost::ZERO);
    let mut act = stand.act();
    act.output_tokens_max = output_tokens_max;
    let mut admission = admission(act);
    admission.accounts = vec![account];
    let permit = guard
        .admit(admission)
        .await
        .unwrap_or_else(|_| panic!("it is admitted"));
    let calling = stand.models.call(permit, None, Tick(0)).await.unwrap();
    (
        calling,
        Box::new(move || guard.ledger().balance(account).spent),
    )
}

#[tokio::test]
async fn the_reply_settles_what_the_meter_charged() {
    let told = json!({"prompt_tokens": 60, "completion_tokens": 30});
    let stand = Stand::with(
        WIRE,
        Script::list([Reply::text("a few words").usage(told)]),
        priced,
    );
    let (calling, spent) = on_account(&stand, Budget::default(), 1_000).await;
    let Calling {
        mut live,
        mut deltas,
    } = calling;
    let mut meter = Meter::default();
    let mut reply = None;
    while let Some(delta) = deltas.next().await {
        let delta = delta.unwrap();
        meter.charge(&mut live, &delta, Tick(1)).unwrap();
        if let Delta::Done(done) = delta {
            reply = Some(done);
        }
    }
    // On the way 100 tokens of input were taken for granted, which is what the node had estimated.
    assert_eq!(live.charged().tokens, 103);
    let real = cost(live.act(), &reply.unwrap().usage);
    assert_eq!(
        real,
        Cost {
            micros: 60 + 2 * 30,
            tokens: 90,
            ms: 0,
            runs: 1
        }
    );
    live.finish(End::done().cost(real));
    assert_eq!(spent(), real);
}

#[tokio::test]
async fn a_reply_that_outgrows_the_budget_is_stopped_on_the_way() {
    let long = Reply::text("word ".repeat(400)).with(Fault::HangAfter(80));
    let stand = Stand::new(WIRE, Script::list([long]));
    let budget = Budget {
        tokens_max: Some(150),
        ..Budget::default()
    };
    let (calling, spent) = on_account(&stand, budget, 20).await;
    let Calling {
        mut live,
        mut deltas,
    } = calling;
    let mut meter = Meter::default();
    let stop = loop {
        let delta = deltas.next().await.unwrap().unwrap();
        if let Err(stop) = meter.charge(&mut live, &delta, Tick(1)) {
            break stop;
        }
    };
    assert!(
        matches!(&stop, Stop::Budget(e) if e.unit == Unit::Tokens),
        "{stop:?}"
    );
    drop(deltas);
    stand.server.hung_up(1).await;
    live.finish(End::failed(None));
    assert!((151..=160).contains(&spent().tokens), "{:?}", spent());
}

#[tokio::test]
async fn an_expired_permit_or_a_changed_provider_sends_nothing() {
    let stand = Stand::with(WIRE, Script::list([]), priced);
    let begin = |act, now| {
        let models = &stand.models;
        async move {
            let (guard, journal) = guard();
            let permit = testkit::permits::permit(&guard, act).await;
            let stopped = models.call(permit, None, now).await.err();
            (stopped, format!("{:?}", journal.bodies().last()))
        }
    };
    let (stop, _) = begin(stand.act(), Tick(u64::MAX)).await;
    assert_eq!(stop, Some(Stop::Expired));
    let mut moved = stand.act();
    moved.endpoint = "127.0.0.1:1".into();
    let mut dearer = stand.act();
    dearer.price.as_mut().unwrap().input_micros += 1;
    let mut gone = stand.act();
    gone.model.provider = "q".into();
    for act in [moved, dearer, gone] {
        let (stop, closed) = begin(act, Tick(0)).await;
        assert!(matches!(stop, Some(Stop::Changed(_))), "{stop:?}");
        assert!(
            closed.contains("Failed") && closed.contains("micros: 0"),
            "{closed}"
        );
    }
    assert!(stand.server.requests().is_empty());
}
