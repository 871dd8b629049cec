//! JSON lines out of a body.

use atoll_api::{Error, Lines, codes};
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
    /// The next line without its end; `None`: the stream ended.
    async fn line(&mut self) -> Option<Result<Vec<u8>, Error>> {
        loop {
            if let Some(at) = self.buffer[self.looked..].iter().position(|b| *b == b'\n') {
                let line = self.buffer.split_to(self.looked + at).to_vec();
                self.buffer.advance(1);
                self.looked = 0;
                return Some(Ok(line));
            }
            self.looked = self.buffer.len();
            if self.looked > LINE_BYTES_MAX {
                return Some(Err(cut()));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                None if self.buffer.is_empty() => return None,
                // A last line without its end was cut in the middle: it is dropped.
                None | Some(Err(_)) => {
                    self.buffer.clear();
                    self.looked = 0;
                    return Some(Err(cut()));
                }
            }
        }
    }
}

fn cut() -> Error {
    Error::new(
        codes::NODE_UNREACHABLE,
        "the node's answer broke off in the middle",
    )
    .next("atoll status")
    .next("atoll log verify    where the log itself may be damaged")
}

/// The lines of a body. An error, where it was cut, is the last.
pub(crate) fn raw(body: Incoming) -> Lines {
    let reader = Reader {
        body,
        buffer: BytesMut::new(),
        looked: 0,
    };
    let next = |reader: Option<Reader>| async {
        let mut reader = reader?;
        let line = reader.line().await?;
        let more = line.is_ok().then_some(reader);
        Some((line, more))
    };
    futures::stream::unfold(Some(reader), next).boxed()
}

/// The values of a body's lines, as far as they came. Lines of a kind that this version doesn't know are left out.
pub(crate) fn values<T: DeserializeOwned + Send + 'static>(
    body: Incoming,
) -> BoxStream<'static, T> {
    let known =
        |line: Result<Vec<u8>, Error>| async move { serde_json::from_slice(&line.ok()?).ok() };
    raw(body).filter_map(known).boxed()
}
