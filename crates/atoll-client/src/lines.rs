//! JSON lines out of a body.

use bytes::{Buf, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

/// The longest line, in bytes: a stream with a longer one ends there.
pub const LINE_BYTES_MAX: usize = 64 << 20;

struct Reader {
    body: Incoming,
    buffer: BytesMut,
    /// How much of the buffer holds no new line.
    looked: usize,
}

impl Reader {
    /// The next line without its end; `None`: the stream ended, or was cut.
    async fn line(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer[self.looked..].iter().position(|b| *b == b'\n') {
                let line = self.buffer.split_to(self.looked + at).to_vec();
                self.buffer.advance(1);
                self.looked = 0;
                return Some(line);
            }
            self.looked = self.buffer.len();
            if self.looked > LINE_BYTES_MAX {
                return None;
            }
            // A last line without its end was cut in the middle: it is dropped.
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }
}

/// The lines of a body.
pub(crate) fn raw(body: Incoming) -> BoxStream<'static, Vec<u8>> {
    let reader = Reader {
        body,
        buffer: BytesMut::new(),
        looked: 0,
    };
    let next = |mut reader: Reader| async { reader.line().await.map(|line| (line, reader)) };
    futures::stream::unfold(reader, next).boxed()
}

/// The values of a body's lines. Lines of a kind that this version doesn't know are left out.
pub(crate) fn values<T: DeserializeOwned + Send + 'static>(
    body: Incoming,
) -> BoxStream<'static, T> {
    let known = |line: Vec<u8>| async move { serde_json::from_slice(&line).ok() };
    raw(body).filter_map(known).boxed()
}
