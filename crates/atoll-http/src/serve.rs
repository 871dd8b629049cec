//! The accept loop.
#![allow(
    clippy::disallowed_types,
    reason = "serves the node's own socket, which `bind` made"
)]

use std::sync::Arc;
use std::time::Duration;

use atoll_api::Commands;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt;

use crate::owner::Peer;
use crate::routes::router;

/// Connections at once; more wait in the socket's own queue.
const CONNECTIONS_MAX: usize = 512;
/// How long a connection may take to send a request's head.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long connections may take to end after `stop`.
const GRACE: Duration = Duration::from_secs(3);

/// Serves `commands` until `stop` resolves; then connections get a short grace to end. Requests of any
/// other uid than `owner_uid` are answered 403 with ATL-0702.
pub async fn serve(
    listener: UnixListener,
    commands: Arc<dyn Commands>,
    owner_uid: u32,
    stop: impl Future<Output = ()>,
) {
    let router = router(commands, owner_uid);
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (ending, ended) = watch::channel(false);
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = async {
            // Closed never: nobody else holds it.
            let slot = slots.clone().acquire_owned().await.ok();
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = &mut stop => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let one = connection(stream, router.clone(), ended.clone());
                tokio::spawn(async move {
                    one.await;
                    drop(slot);
                });
            }
            Err(err) => {
                // Out of descriptors, most often: those that end make room.
                tracing::warn!("a connection was not accepted: {err}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(ended);
    let _ = ending.send(true); // no receiver: no connection is left
    let _ = tokio::time::timeout(GRACE, ending.closed()).await;
}

async fn connection(stream: UnixStream, router: axum::Router, mut ended: watch::Receiver<bool>) {
    let Ok(peer) = stream.peer_cred().map(|cred| Peer(cred.uid())) else {
        return; // gone already
    };
    let service = tower::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request.map(Body::new))
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection);
    let ending = async {
        // An error means that the loop is gone: the same.
        let _ = ended.wait_for(|e| *e).await.map(|_| ());
    };
    tokio::select! {
        result = &mut connection => return report(result),
        () = ending => connection.as_mut().graceful_shutdown(),
    }
    report(connection.await);
}

fn report(result: hyper::Result<()>) {
    if let Err(err) = result {
        tracing::debug!("a connection ended: {err}");
    }
}
