//! Moving bytes both ways, counted and bounded.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::report::Refusal;

const CHUNK_BYTES: usize = 16 * 1024;

/// How many bytes all connections together may still move.
pub(super) struct Allowance(AtomicU64);

impl Allowance {
    pub(super) fn new(bytes: u64) -> Allowance {
        Allowance(AtomicU64::new(bytes))
    }

    /// Takes `bytes`, all or none.
    pub(super) fn take(&self, bytes: u64) -> Result<(), Refusal> {
        let take = |left: u64| left.checked_sub(bytes);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        self.0
            .fetch_update(set, fetch, take)
            .map(drop)
            .map_err(|_| Refusal::TooMuch)
    }
}

/// What a tunnel's two directions share.
pub(super) struct Tunnel<'a> {
    allowance: &'a Allowance,
    idle: Duration,
    started: Instant,
    /// When a byte last moved, either way, in milliseconds since `started`.
    moved_ms: AtomicU64,
}

impl<'a> Tunnel<'a> {
    pub(super) fn new(allowance: &'a Allowance, idle: Duration) -> Tunnel<'a> {
        Tunnel {
            allowance,
            idle,
            started: Instant::now(),
            moved_ms: AtomicU64::new(0),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn silent(&self) -> bool {
        let silent_ms = self
            .now_ms()
            .saturating_sub(self.moved_ms.load(Ordering::Relaxed));
        u128::from(silent_ms) >= self.idle.as_millis()
    }

    /// Moves bytes one way until the end, then closes the other side for writing; or at most `limit`
    /// of them. Counts into `moved`. A peer that goes away is an end, not an error.
    pub(super) async fn way(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        limit: Option<u64>,
        moved: &AtomicU64,
    ) -> Result<(), Refusal> {
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut left = limit.unwrap_or(u64::MAX);
        while left > 0 {
            let room = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
            let read = match timeout(self.idle, from.read(&mut chunk[..room])).await {
                Ok(Ok(0) | Err(_)) => break,
                Ok(Ok(read)) => read,
                Err(_) if self.silent() => return Err(Refusal::TooSlow),
                Err(_) => continue,
            };
            let count = read as u64;
            self.allowance.take(count)?;
            match timeout(self.idle, to.write_all(&chunk[..read])).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => break,
                Err(_) => return Err(Refusal::TooSlow),
            }
            left -= count;
            moved.fetch_add(count, Ordering::Relaxed);
            self.moved_ms.fetch_max(self.now_ms(), Ordering::Relaxed);
        }
        // After a body of known length the server's answer is still to come; some take a half-closed
        // connection for an abandoned one. If shutting down fails, the peer is gone already.
        if left > 0 {
            let _ = to.shutdown().await;
        }
        Ok(())
    }
}
