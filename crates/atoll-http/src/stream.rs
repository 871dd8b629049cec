//! Streams: JSON lines, or server-sent events where the client accepts those.

use atoll_api::{Error, Lines};
use axum::body::Body;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use serde::Serialize;

/// JSON lines' media type.
pub(crate) const LINES: &str = "application/x-ndjson";
const EVENTS: &str = "text/event-stream";

fn wants_events(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok());
    accept.is_some_and(|a| a.split(',').any(|kind| kind.trim().starts_with(EVENTS)))
}

/// `items` as they come. `id` gives the cursor to come back with, if an item has one.
pub(crate) fn items<T: Serialize + Send + 'static>(
    headers: &HeaderMap,
    items: BoxStream<'static, T>,
    id: fn(&T) -> Option<u64>,
) -> Response {
    if !wants_events(headers) {
        return body(LINES, items.map(|item| line(&item)));
    }
    body(
        EVENTS,
        items.map(move |item| {
            let mut text = id(&item).map_or_else(String::new, |seq| format!("id: {seq}\n"));
            // JSON holds no raw new line, so that one `data` line carries it.
            text.push_str(&format!(
                "data: {}\n\n",
                serde_json::to_string(&item).unwrap_or_default()
            ));
            Bytes::from(text)
        }),
    )
}

/// Raw lines, each with its new line. An error cuts the connection, so that nobody takes a part for the whole.
pub(crate) fn lines(lines: Lines) -> Response {
    body_of(
        LINES,
        lines.map(|line| {
            let mut line = line?;
            if line.last() != Some(&b'\n') {
                line.push(b'\n');
            }
            Ok(Bytes::from(line))
        }),
    )
}

fn line<T: Serialize>(item: &T) -> Bytes {
    let mut line = serde_json::to_vec(item).unwrap_or_default();
    line.push(b'\n');
    Bytes::from(line)
}

fn body(kind: &'static str, chunks: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    body_of(kind, chunks.map(Ok))
}

fn body_of(
    kind: &'static str,
    chunks: impl Stream<Item = Result<Bytes, Error>> + Send + 'static,
) -> Response {
    let body = Body::from_stream(chunks);
    let mut response = Response::new(body);
    let kind = header::HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
