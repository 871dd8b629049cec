//! Who is behind a connection: by the kernel's word, never by the request's.

use atoll_api::{Caller, Error, Token, codes};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::answer::Failure;
use crate::route::Door;

/// The uid at a connection's other end, as `SO_PEERCRED` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) u32);

/// Lets the owner's requests through and names the caller, by its token where it brings one; everyone else gets
/// ATL-0702, and a token that is refused is no caller at all.
pub(crate) async fn only(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    if peer != Some(Peer(door.owner.uid)) {
        let found = peer.map_or("nobody".into(), |p| format!("uid {}", p.0));
        let err = Error::new(codes::NODE_STRANGER, "this node belongs to another user")
            .found(format!("{found} called the node of uid {}", door.owner.uid))
            .next("atoll up, for a node of your own");
        return Failure(err).into_response();
    }
    let caller = match bearer(&request) {
        Ok(None) => door.owner.as_ref().clone(),
        Ok(Some(token)) => match door.commands.enter(&door.owner, token).await {
            Ok(caller) => caller,
            Err(err) => return Failure(err).into_response(),
        },
        Err(failure) => return failure.into_response(),
    };
    // It went no further than this.
    request.headers_mut().remove(header::AUTHORIZATION);
    let limited = match caller.body_limit_bytes {
        Some(limit_bytes) => small(request, limit_bytes).await,
        None => Ok(request),
    };
    match limited {
        Ok(mut request) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(failure) => failure.into_response(),
    }
}

/// The token of a request. One that can't be read is refused: it is never taken for none.
fn bearer(request: &Request) -> Result<Option<Token>, Failure> {
    let mut headers = request.headers().get_all(header::AUTHORIZATION).iter();
    let Some(header) = headers.next() else {
        return Ok(None);
    };
    let text = header
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix("Bearer "));
    match (text, headers.next()) {
        (Some(text), None) => Ok(Some(Token::new(text))),
        _ => {
            let err = Error::new(codes::TOKEN_BAD, "the Authorization header holds no token");
            Err(Failure(err.next("Authorization: Bearer TOKEN, once")))
        }
    }
}

/// A request whose body is no longer than its token allows. It is read here, whole: nothing behind sees more.
async fn small(request: Request, limit_bytes: u64) -> Result<Request, Failure> {
    let (parts, body) = request.into_parts();
    let limit = usize::try_from(limit_bytes).unwrap_or(usize::MAX);
    let body = axum::body::to_bytes(body, limit).await.map_err(|_| {
        let why = format!("the token takes bodies of up to {limit_bytes} bytes");
        Failure(Error::new(codes::TOKEN_LIMIT, why).next("send less at once"))
    })?;
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// A user's name out of `/etc/passwd`, else `uid 1000`.
pub(crate) fn caller(uid: u32) -> Caller {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let wanted = uid.to_string();
    let line = passwd
        .lines()
        .find(|l| l.split(':').nth(2) == Some(wanted.as_str()));
    let name = line.and_then(|l| l.split(':').next()).map(str::to_owned);
    Caller::owner(uid, name.unwrap_or_else(|| format!("uid {uid}")))
}
