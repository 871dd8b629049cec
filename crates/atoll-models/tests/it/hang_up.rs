//! A caller who goes takes the request along.

use atoll_guard::End;
use atoll_models::WireKind;
use atoll_ports::models::{Calling, Delta};
use futures::StreamExt;
use testkit::provider::{Fault, Reply, Script};

use crate::stand::{PATIENCE, Stand};

const WIRE: WireKind = WireKind::ChatCompletions;

#[tokio::test]
async fn dropping_the_deltas_in_the_middle_ends_the_request() {
    let stand = Stand::new(
        WIRE,
        Script::list([Reply::text("and so on").with(Fault::HangAfter(2))]),
    );
    let Calling { live, mut deltas } = stand.begin(stand.act()).await.unwrap();
    let first = tokio::time::timeout(PATIENCE, deltas.next()).await.unwrap();
    assert_eq!(first, Some(Ok(Delta::Text("and so on".into()))));
    assert_eq!(stand.server.hang_ups(), 0);
    drop(deltas);
    tokio::time::timeout(PATIENCE, stand.server.hung_up(1))
        .await
        .unwrap();
    live.finish(End::failed(None));
}

#[tokio::test]
async fn dropping_them_before_the_first_byte_does_too() {
    let stand = Stand::new(WIRE, Script::list([Reply::text("never").with(Fault::Hang)]));
    let Calling { live, mut deltas } = stand.begin(stand.act()).await.unwrap();
    tokio::select! {
        _ = deltas.next() => panic!("the provider hangs"),
        () = stand.server.requested(1) => {}
    }
    drop(deltas);
    tokio::time::timeout(PATIENCE, stand.server.hung_up(1))
        .await
        .unwrap();
    live.finish(End::failed(None));
}

#[tokio::test]
async fn a_call_that_nobody_polls_sends_nothing() {
    let stand = Stand::new(WIRE, Script::list([Reply::text("never")]));
    let Calling { live, deltas } = stand.begin(stand.act()).await.unwrap();
    drop(deltas);
    live.finish(End::failed(None));
    assert!(stand.server.requests().is_empty());
}

#[tokio::test]
async fn fifty_calls_at_once_share_one_client() {
    let stand = Stand::new(WIRE, Script::by_function(|_| Reply::text("yes")));
    let calls = (0..50).map(|_| stand.call());
    let heard = futures::future::join_all(calls).await;
    assert!(heard.iter().all(|h| h.text() == "yes"));
    assert_eq!(stand.server.requests().len(), 50);
    assert_eq!(stand.server.hang_ups(), 0);
}
