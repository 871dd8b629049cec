//! Who is behind a connection: by the kernel's word, never by the request's.

use atoll_api::{Caller, Error, codes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::answer::Failure;
use crate::route::Door;

/// The uid at a connection's other end, as `SO_PEERCRED` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) u32);

/// Lets the owner's requests through and names the caller; everyone else gets ATL-0702.
pub(crate) async fn only(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    if peer != Some(Peer(door.owner.uid)) {
        let found = peer.map_or("nobody".into(), |p| format!("uid {}", p.0));
        let err = Error::new(codes::NODE_STRANGER, "this node belongs to another user")
            .found(format!("{found} called the node of uid {}", door.owner.uid))
            .next("atoll up, for a node of your own");
        return Failure(err).into_response();
    }
    request.extensions_mut().insert(door.owner.as_ref().clone());
    next.run(request).await
}

/// A user's name out of `/etc/passwd`, else `uid 1000`.
pub(crate) fn caller(uid: u32) -> Caller {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let wanted = uid.to_string();
    let line = passwd
        .lines()
        .find(|l| l.split(':').nth(2) == Some(wanted.as_str()));
    let name = line.and_then(|l| l.split(':').next()).map(str::to_owned);
    Caller {
        uid,
        name: name.unwrap_or_else(|| format!("uid {uid}")),
    }
}
