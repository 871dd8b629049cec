//! One request, one connection: cheap on a Unix socket, and nothing is shared that could be left half read.

use std::time::Duration;

use atoll_api::{Error, codes};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::connect::{connect, unreachable};

/// The longest answer that isn't a stream, in bytes.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// A request to be.
pub(crate) struct Ask {
    method: Method,
    path: String,
    key: Option<String>,
    body: Bytes,
    json: bool,
    time: Duration,
}

/// How long a command may take: accepting a large patch or verifying a long log takes minutes.
const TIME: Duration = Duration::from_secs(1800);

impl Ask {
    fn new(method: Method, path: String) -> Ask {
        let (key, body, json, time) = (None, Bytes::new(), false, TIME);
        Ask {
            method,
            path,
            key,
            body,
            json,
            time,
        }
    }
    pub(crate) fn get(path: impl Into<String>) -> Ask {
        Ask::new(Method::GET, path.into())
    }
    pub(crate) fn post(path: impl Into<String>) -> Ask {
        Ask::new(Method::POST, path.into())
    }
    pub(crate) fn delete(path: impl Into<String>) -> Ask {
        Ask::new(Method::DELETE, path.into())
    }
    pub(crate) fn json(mut self, body: &impl Serialize) -> Ask {
        // Wire types hold nothing that JSON can't; an empty body would be refused by the node.
        self.body = serde_json::to_vec(body).unwrap_or_default().into();
        self.json = true;
        self
    }
    pub(crate) fn bytes(mut self, body: Vec<u8>) -> Ask {
        self.body = body.into();
        self
    }
    pub(crate) fn key(mut self, key: String) -> Ask {
        self.key = Some(key);
        self
    }
    pub(crate) fn within(mut self, time: Duration) -> Ask {
        self.time = time;
        self
    }
    pub(crate) fn query(mut self, query: &impl Serialize) -> Ask {
        let query = serde_urlencoded::to_string(query).unwrap_or_default();
        if !query.is_empty() {
            self.path = format!("{}?{query}", self.path);
        }
        self
    }
}

/// A name as one part of a path.
pub(crate) fn part(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'@' => {
                out.push(byte as char)
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    // An empty part, `.` or `..` would name another route.
    if out.is_empty() || out == "." || out == ".." {
        "%20".into()
    } else {
        out
    }
}

fn cut(err: impl std::fmt::Display) -> Error {
    Error::new(
        codes::NODE_UNREACHABLE,
        "the node ended the connection before it had answered",
    )
    .found(err.to_string())
    .next("atoll status")
}

impl Client {
    /// Sends it and waits for the answer's head.
    async fn send(&self, ask: Ask) -> Result<Response<Incoming>, Error> {
        let stream = connect(&self.socket, self.uid).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| unreachable(&self.socket, e))?;
        tokio::spawn(async move {
            // Its error reaches the request, or the body's reader, too.
            let _ = connection.await;
        });
        let mut request = hyper::Request::builder()
            .method(ask.method)
            .uri(ask.path)
            .header("host", "atoll");
        if ask.json {
            request = request.header("content-type", "application/json");
        }
        if let Some(key) = ask.key {
            request = request.header("idempotency-key", key);
        }
        if let Some(token) = &self.token {
            let mut value =
                hyper::header::HeaderValue::try_from(format!("Bearer {}", token.reveal()))
                    .map_err(|_| {
                        Error::new(codes::TOKEN_BAD, "the token is none that can be sent")
                    })?;
            value.set_sensitive(true);
            request = request.header(hyper::header::AUTHORIZATION, value);
        }
        let request = request.body(Full::new(ask.body)).map_err(|e| {
            Error::new(codes::USAGE, "this name can't be sent").found(e.to_string())
        })?;
        let answered = tokio::time::timeout(ask.time, sender.send_request(request)).await;
        let answered = answered.map_err(|_| {
            Error::new(codes::NODE_UNREACHABLE, "the node did not answer in time")
                .next("atoll status")
        })?;
        let response = answered.map_err(cut)?;
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        let status = response.status();
        let body = whole(response, 1 << 20).await?;
        Err(serde_json::from_slice(&body).unwrap_or_else(|_| {
            Error::new(
                codes::NODE_VERSION,
                format!("the node answered {status} in words of another version"),
            )
            .next("atoll restart")
        }))
    }

    /// A JSON answer.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, ask: Ask) -> Result<T, Error> {
        let body = self.ask_bytes(ask).await?;
        serde_json::from_slice(&body).map_err(|err| {
            Error::new(codes::NODE_VERSION, "the node's answer can't be understood")
                .found(err.to_string())
                .next("atoll restart")
        })
    }

    /// An answer as bytes.
    pub(crate) async fn ask_bytes(&self, ask: Ask) -> Result<Bytes, Error> {
        let response = self.send(ask).await?;
        whole(response, ANSWER_BYTES_MAX).await
    }

    /// An answer that comes in pieces.
    pub(crate) async fn ask_stream(&self, ask: Ask) -> Result<Incoming, Error> {
        Ok(self.send(ask).await?.into_body())
    }
}

async fn whole(response: Response<Incoming>, limit_bytes: usize) -> Result<Bytes, Error> {
    let body = Limited::new(response.into_body(), limit_bytes)
        .collect()
        .await;
    body.map(|collected| collected.to_bytes()).map_err(cut)
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn a_name_can_not_leave_its_part_of_the_path() {
        assert_eq!(part("s4"), "s4");
        assert_eq!(part("@"), "@");
        assert_eq!(part("../down"), "..%2Fdown");
        assert_eq!(part("a?b#c d"), "a%3Fb%23c%20d");
        assert_eq!(part(".."), "%20");
        assert_eq!(part(""), "%20");
    }
}
