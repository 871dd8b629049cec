//! The server: its thread, its address, and what it has seen.
#![allow(
    clippy::disallowed_types,
    reason = "a scripted provider listens on loopback"
)]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use axum::http::HeaderMap;
use axum::serve::ListenerExt as _;
use serde_json::Value;
use tokio::sync::{oneshot, watch};

use super::routes::router;
use super::script::Script;

/// How the server is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// The key that requests must carry, if any must.
    pub key: Option<String>,
    /// The models that `GET /v1/models` lists.
    pub models: Vec<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            port: 0,
            key: None,
            models: vec!["scripted".into()],
        }
    }
}

/// A request, as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `GET`, `POST`, or `OTHER` for what has no route.
    pub method: String,
    /// The path.
    pub path: String,
    /// Headers, names in lowercase.
    pub headers: BTreeMap<String, String>,
    /// The body's text.
    pub text: String,
}

impl Seen {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

pub(crate) struct Desk {
    pub(crate) options: Options,
    pub(crate) script: Script,
    seen: Mutex<Vec<Seen>>,
    count: watch::Sender<u64>,
    hang_ups: watch::Sender<u64>,
}

impl Desk {
    fn seen(&self) -> std::sync::MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the request; its number, from 1.
    pub(crate) fn record(&self, method: &str, path: &str, headers: &HeaderMap, body: &[u8]) -> u64 {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect();
        let mut seen = self.seen();
        seen.push(Seen {
            method: method.into(),
            path: path.into(),
            headers,
            text: String::from_utf8_lossy(body).into_owned(),
        });
        let number = seen.len() as u64;
        drop(seen);
        self.count.send_replace(number);
        number
    }

    pub(crate) fn hung_up(&self) {
        self.hang_ups.send_modify(|n| *n += 1);
    }
}

/// A scripted provider. It ends when it is dropped.
pub struct Server {
    address: SocketAddr,
    desk: Arc<Desk>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server on a free port, without a key.
    ///
    /// # Panics
    /// If loopback can't be listened on: no test that needs it can go on.
    pub fn start(script: Script) -> Server {
        match Server::with(script, Options::default()) {
            Ok(server) => server,
            Err(err) => panic!("the scripted provider can't listen on loopback: {err}"),
        }
    }

    /// Starts a server.
    pub fn with(script: Script, options: Options) -> std::io::Result<Server> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let desk = Arc::new(Desk {
            options,
            script,
            seen: Mutex::default(),
            count: watch::Sender::new(0),
            hang_ups: watch::Sender::new(0),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let app = router(desk.clone());
        let thread = std::thread::Builder::new()
            .name("scripted-provider".into())
            .spawn(move || {
                runtime.block_on(async move {
                    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
                        return;
                    };
                    // Events are small: without this each waits for the acknowledgement of the one before.
                    let listener = listener.tap_io(|stream| {
                        let _ = stream.set_nodelay(true); // only slower without it
                    });
                    // Not graceful: a script that hangs must not hold the test.
                    tokio::select! {
                        _ = axum::serve(listener, app) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Server {
            address,
            desk,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// `http://127.0.0.1:PORT/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
    /// `http://127.0.0.1:PORT`: where Ollama's own API begins.
    pub fn root_url(&self) -> String {
        format!("http://{}", self.address)
    }
    /// Host and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
    /// All requests so far.
    pub fn requests(&self) -> Vec<Seen> {
        self.desk.seen().clone()
    }
    /// How many callers hung up before their reply's end.
    pub fn hang_ups(&self) -> u64 {
        *self.desk.hang_ups.borrow()
    }
    /// Waits until `n` requests have come.
    pub async fn requested(&self, n: u64) {
        let mut count = self.desk.count.subscribe();
        // The sender lives in `self`: this can't fail.
        let _ = count.wait_for(|now| *now >= n).await;
    }
    /// Waits until `n` callers have hung up.
    pub async fn hung_up(&self, n: u64) {
        let mut count = self.desk.hang_ups.subscribe();
        // The sender lives in `self`: this can't fail.
        let _ = count.wait_for(|now| *now >= n).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
