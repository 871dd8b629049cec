//! The proxy itself: listening, counting, ending.
#![allow(
    clippy::disallowed_types,
    reason = "the proxy: the only way out of a box, to judged addresses"
)]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use atoll_domain::HostPort;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::pass::{Track, pass};
use super::pump::Allowance;
use super::ranges::{self, Net};
use super::report::{Passage, Refusal, Totals};
use super::resolve::{Resolve, System};

/// Why the proxy could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The descriptor is not a listening TCP socket that can be used here.
    #[error("the proxy's listener can't be used: {0}")]
    Listener(#[from] std::io::Error),
    /// There is no runtime to run on.
    #[error("the proxy needs a tokio runtime")]
    NoRuntime,
}

/// How the proxy works; the defaults are for one job.
#[derive(Clone)]
pub struct Options {
    /// Connections at once; more wait to be accepted.
    pub connections_max: usize,
    /// The longest request head.
    pub head_limit_bytes: usize,
    /// How long a request's head, and then the TLS hello, may take.
    pub head_ttl_s: u64,
    /// How long resolving, and each try to connect, may take.
    pub connect_ttl_s: u64,
    /// How long a connection may be silent.
    pub idle_ttl_s: u64,
    /// How long a connection may last.
    pub connection_ttl_s: u64,
    /// Bytes that all connections together may move, both ways.
    pub total_limit_bytes: u64,
    /// How many connections are reported one by one; the rest only count in [`Totals`].
    pub reports_max: u64,
    /// Private addresses that the node's owner opened, for registry mirrors.
    pub also_allow: Vec<Net>,
    /// Who resolves names.
    pub resolver: Arc<dyn Resolve>,
    /// The node's own addresses, asked for at every connection.
    pub own: Arc<dyn Fn() -> Vec<IpAddr> + Send + Sync>,
    /// Called when a connection has ended. It must not block.
    pub report: Arc<dyn Fn(Passage) + Send + Sync>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            connections_max: 64,
            head_limit_bytes: 16 * 1024,
            head_ttl_s: 10,
            connect_ttl_s: 10,
            idle_ttl_s: 60,
            connection_ttl_s: 30 * 60,
            total_limit_bytes: 8 << 30,
            reports_max: 1_000,
            also_allow: Vec::new(),
            resolver: Arc::new(System),
            own: Arc::new(ranges::own),
            report: Arc::new(|_| {}),
        }
    }
}

/// What all connections share.
pub(super) struct Shared {
    pub(super) allow: BTreeSet<HostPort>,
    pub(super) options: Options,
    pub(super) allowance: Allowance,
    totals: Mutex<Totals>,
    reported: AtomicU64,
}

impl Shared {
    fn ended(&self, passage: Passage) {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals.connections += 1;
        totals.refused += u64::from(passage.refused.is_some());
        totals.sent_bytes += passage.sent_bytes;
        totals.received_bytes += passage.received_bytes;
        drop(totals);
        if self.reported.fetch_add(1, Ordering::Relaxed) < self.options.reports_max {
            (self.options.report)(passage);
        }
    }
}

/// Serves a box's way out.
pub struct Proxy;

impl Proxy {
    /// Serves connections on `listener`, a listening TCP socket of the job's network namespace, until
    /// the handle is dropped. Connections go out from the caller's own namespace, to `allow` alone.
    ///
    /// Must be called inside a tokio runtime, whose network namespace is the node's.
    pub fn serve(
        listener: OwnedFd,
        allow: Vec<HostPort>,
        options: Options,
    ) -> Result<Handle, Error> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| Error::NoRuntime)?;
        let listener = std::net::TcpListener::from(listener);
        listener.set_nonblocking(true)?;
        listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        let shared = Arc::new(Shared {
            allow: allow.into_iter().map(plain_name).collect(),
            allowance: Allowance::new(options.total_limit_bytes),
            options,
            totals: Mutex::default(),
            reported: AtomicU64::new(0),
        });
        let task = runtime
            .spawn(accept(listener, shared.clone()))
            .abort_handle();
        Ok(Handle { task, shared })
    }
}

/// Names are compared as a DNS client would: without case, without the root's dot.
fn plain_name(mut target: HostPort) -> HostPort {
    target.host = target.host.trim_end_matches('.').to_ascii_lowercase();
    target
}

/// A running proxy. Dropping it closes the listener and every connection.
pub struct Handle {
    task: AbortHandle,
    shared: Arc<Shared>,
}

impl Handle {
    /// What passed so far.
    pub fn totals(&self) -> Totals {
        *self
            .shared
            .totals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let room = Arc::new(Semaphore::new(shared.options.connections_max));
    // Dropped with this task: no connection outlives the proxy.
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((client, _)) => {
                let shared = shared.clone();
                connections.spawn(async move {
                    one(client, &shared).await;
                    drop(permit);
                });
            }
            // Out of descriptors, or a connection gone before it was taken: neither ends the proxy.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn one(client: TcpStream, shared: &Shared) {
    let ttl = Duration::from_secs(shared.options.connection_ttl_s);
    let mut track = Track::default();
    let passed = timeout(ttl, pass(client, shared, &mut track)).await;
    let refused = passed.unwrap_or(Err(Refusal::TooSlow)).err();
    shared.ended(track.passage(refused));
}
