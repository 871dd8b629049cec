//! Output: read with backpressure, streamed in chunks, kept head and tail.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use atoll_ports::runner::{Chunk, Stream};
use atoll_redact::{MaskedStream, Masks};
use futures::stream::BoxStream;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// The largest chunk.
const CHUNK_BYTES: usize = 64 << 10;
/// The longest that output waits for more of it; a terminal's waits less.
const CHUNK_MS: u64 = 250;
const TTY_MS: u64 = 15;
/// What may lie unread between the job and whoever reads its stream.
const UNREAD_BYTES: usize = 1 << 20;
/// Times the output limit after which the job is ended.
const EXCESS: u64 = 16;
/// And not before this much.
const EXCESS_FLOOR_BYTES: u64 = 64 << 20;

/// What all pumps of a job share.
pub struct Flow {
    limit_bytes: u64,
    total: AtomicU64,
    streamed: AtomicU64,
    room: Arc<Semaphore>,
    /// The tree is dead: what is left is little, and is taken without waiting for a reader.
    dead: AtomicBool,
    dead_told: Notify,
    excess: Notify,
}

/// A chunk with its room, which is free again when the reader takes it.
type Sent = (Chunk, Option<OwnedSemaphorePermit>);

impl Flow {
    /// For a job that may keep `limit_bytes`.
    pub fn new(limit_bytes: u64) -> Arc<Flow> {
        Arc::new(Flow {
            limit_bytes,
            total: AtomicU64::new(0),
            streamed: AtomicU64::new(0),
            room: Arc::new(Semaphore::new(UNREAD_BYTES)),
            dead: AtomicBool::new(false),
            dead_told: Notify::new(),
            excess: Notify::new(),
        })
    }
    /// Resolves when far more was written than is kept.
    pub async fn exceeded(&self) {
        self.excess.notified().await;
    }
    /// The whole tree is dead.
    pub fn ended(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.dead_told.notify_waiters();
    }
    fn count(&self, bytes: u64) {
        let total = self.total.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let hard = self
            .limit_bytes
            .saturating_mul(EXCESS)
            .max(EXCESS_FLOOR_BYTES);
        if total > hard && total - bytes <= hard {
            self.excess.notify_one();
        }
    }
    /// Whether a chunk still goes to the stream.
    fn streams(&self, bytes: u64) -> bool {
        self.streamed.fetch_add(bytes, Ordering::Relaxed) < self.limit_bytes
    }
    async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let wait = self.room.clone().acquire_many_owned(bytes as u32);
        let told = self.dead_told.notified();
        if self.dead.load(Ordering::SeqCst) {
            return None;
        }
        tokio::select! {
            permit = wait => permit.ok(),
            () = told => None,
        }
    }
}

/// The reader's side.
pub fn stream(rx: mpsc::UnboundedReceiver<Sent>) -> BoxStream<'static, Chunk> {
    Box::pin(futures::stream::unfold(rx, |mut rx| async move {
        let (chunk, _room) = rx.recv().await?;
        Some((chunk, rx))
    }))
}

/// A channel for [`pump`] and [`stream`]. Unbounded in number; bounded in bytes by the flow's room.
pub fn channel() -> (mpsc::UnboundedSender<Sent>, mpsc::UnboundedReceiver<Sent>) {
    mpsc::unbounded_channel()
}

/// Output on its way, with the values of secrets taken out.
pub struct Masked {
    masks: Option<Arc<Masks>>,
    stream: MaskedStream,
}

impl Masked {
    /// Masked with these; as it is without.
    pub fn new(masks: Option<Arc<Masks>>) -> Masked {
        let stream = MaskedStream::default();
        Masked { masks, stream }
    }
    fn push<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        match &self.masks {
            Some(masks) => Cow::Owned(self.stream.push(masks, bytes)),
            None => Cow::Borrowed(bytes),
        }
    }
    fn end(&mut self) -> Vec<u8> {
        match &self.masks {
            Some(masks) => self.stream.end(masks),
            None => Vec::new(),
        }
    }
}

/// Reads `from` to its end; gives what is kept of it.
pub async fn pump(
    from: Arc<AsyncFd<OwnedFd>>,
    which: Stream,
    tty: bool,
    mut masked: Masked,
    flow: Arc<Flow>,
    to: mpsc::UnboundedSender<Sent>,
) -> Keep {
    let mut keep = Keep::new(flow.limit_bytes);
    let mut chunk: Vec<u8> = Vec::new();
    let mut buf = Zeroizing::new(vec![0; CHUNK_BYTES]);
    let pace = Duration::from_millis(if tty { TTY_MS } else { CHUNK_MS });
    let mut next = Instant::now();
    loop {
        let read = read(&from, &mut buf);
        let got = if chunk.is_empty() {
            Some(read.await)
        } else {
            tokio::time::timeout_at(next, read).await.ok()
        };
        let ended = match got {
            Some(Ok(0) | Err(_)) => {
                let last = masked.end();
                keep.push(&last);
                chunk.extend_from_slice(&last);
                true
            }
            Some(Ok(n)) => {
                flow.count(n as u64);
                let bytes = masked.push(&buf[..n]);
                keep.push(&bytes);
                chunk.extend_from_slice(&bytes);
                false
            }
            None => false,
        };
        let due = Instant::now() >= next || chunk.len() >= CHUNK_BYTES;
        if !chunk.is_empty() && (ended || due) {
            flush(&mut chunk, which, &flow, &to).await;
            next = Instant::now() + pace;
        }
        if ended {
            return keep;
        }
    }
}

async fn flush(chunk: &mut Vec<u8>, which: Stream, flow: &Flow, to: &mpsc::UnboundedSender<Sent>) {
    let bytes = std::mem::take(chunk);
    for part in bytes.chunks(CHUNK_BYTES) {
        if to.is_closed() || !flow.streams(part.len() as u64) {
            continue;
        }
        let room = flow.room(part.len()).await;
        let _ = to.send((
            Chunk {
                stream: which,
                bytes: part.to_vec(),
            },
            room,
        ));
    }
}

/// Reads once; a terminal whose other end is closed has ended.
async fn read(from: &AsyncFd<OwnedFd>, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        let mut ready = from.readable().await?;
        let got = ready.try_io(|fd| rustix::io::read(fd.get_ref(), &mut *buf).map_err(Into::into));
        match got {
            Ok(Err(err)) if err.raw_os_error() == Some(libc::EIO) => return Ok(0),
            Ok(Err(err)) if err.kind() == io::ErrorKind::Interrupted => {}
            Ok(result) => return result,
            Err(_would_block) => {}
        }
    }
}

/// What is kept of a stream: its head, its tail, and how much lies between.
#[derive(Debug)]
pub struct Keep {
    half: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: u64,
}

impl Keep {
    /// At most `limit_bytes`.
    pub fn new(limit_bytes: u64) -> Keep {
        let half = usize::try_from(limit_bytes / 2).unwrap_or(usize::MAX / 4);
        Keep {
            half,
            head: Vec::new(),
            tail: VecDeque::new(),
            dropped: 0,
        }
    }
    fn push(&mut self, mut bytes: &[u8]) {
        let room = self.half.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        bytes = &bytes[room..];
        if bytes.len() > self.half {
            let over = bytes.len() - self.half;
            self.dropped += over as u64;
            bytes = &bytes[over..];
        }
        let over = (self.tail.len() + bytes.len()).saturating_sub(self.half);
        self.tail.drain(..over);
        self.dropped += over as u64;
        self.tail.extend(bytes);
    }
    /// Whether anything was dropped.
    pub fn truncated(&self) -> bool {
        self.dropped > 0
    }
    /// Length of what is kept.
    pub fn len(&self) -> u64 {
        (self.head.len() + self.tail.len()) as u64
    }
    /// Keeps at most `limit_bytes` from now on.
    pub fn shrink(&mut self, limit_bytes: u64) {
        let half = usize::try_from(limit_bytes / 2).unwrap_or(usize::MAX / 4);
        if self.len() <= limit_bytes {
            return;
        }
        let all: Vec<u8> = self.head.drain(..).chain(self.tail.drain(..)).collect();
        let tail = all.len() - half.min(all.len());
        let head = half.min(tail);
        self.dropped += (tail - head) as u64;
        self.head = all[..head].to_vec();
        self.tail = all[tail..].iter().copied().collect();
    }
    /// As text, with a line that says how much is missing.
    pub fn text(&mut self) -> String {
        let tail = self.tail.make_contiguous();
        if self.dropped == 0 {
            self.head.extend_from_slice(tail);
            return String::from_utf8_lossy(&self.head).into_owned();
        }
        format!(
            "{}\n[{} bytes were dropped here]\n{}",
            String::from_utf8_lossy(&self.head),
            self.dropped,
            String::from_utf8_lossy(tail)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_and_tail_are_kept_and_the_rest_is_counted() {
        for step in [1, 3, 7, 40, 1000] {
            let all: Vec<u8> = (0..1000u32).map(|n| b'a' + (n % 26) as u8).collect();
            let mut keep = Keep::new(100);
            all.chunks(step).for_each(|part| keep.push(part));
            assert!(keep.truncated() && keep.len() == 100);
            let text = keep.text();
            let all = String::from_utf8(all).unwrap();
            let want = format!(
                "{}\n[900 bytes were dropped here]\n{}",
                &all[..50],
                &all[950..]
            );
            assert_eq!(text, want);
        }
        let mut keep = Keep::new(100);
        keep.push(b"short");
        assert_eq!((keep.truncated(), keep.text().as_str()), (false, "short"));
    }

    #[test]
    fn what_is_kept_can_be_made_less() {
        let mut keep = Keep::new(100);
        keep.push(&[b'x'; 80]);
        keep.shrink(20);
        assert_eq!((keep.len(), keep.dropped), (20, 60));
        keep.shrink(20);
        assert_eq!((keep.len(), keep.dropped), (20, 60));
    }
}
