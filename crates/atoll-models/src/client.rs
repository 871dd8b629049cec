//! HTTP clients, made when they are first needed and then kept: a node that calls no model has none, and one
//! that calls models on loopback never loads the machine's certificates.
//!
//! - TLS is rustls with ring, handed over explicitly: nothing is installed for the whole process.
//! - Certificates are judged by the platform's verifier, so that an owner's own authority counts.
//! - Redirects are never followed: a key must not go to a host that nobody permitted.
//! - Proxies come from the configuration alone. A variable in the node's environment, which its callers don't
//!   see, would send prompts another way than the permit's endpoint says.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use atoll_ports::models::Failure;
use reqwest::redirect::Policy;
use reqwest::{Client, Proxy};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

use crate::fault::Fault;
use crate::provider::Provider;

/// Connections that are kept for the next call. Not for long: one that the provider closes at the moment of use
/// is a call that may or may not have been made.
const IDLE_PER_HOST_MAX: usize = 4;
const IDLE_S: u64 = 30;

type Way = (bool, Option<String>);

/// The clients. One for each way to connect: plain or TLS, direct or by a proxy.
#[derive(Debug)]
pub(crate) struct Clients {
    connect_ms: u64,
    made: Mutex<HashMap<Way, Client>>,
}

impl Clients {
    pub(crate) fn new(connect_ms: u64) -> Clients {
        Clients {
            connect_ms,
            made: Mutex::default(),
        }
    }

    /// The client that reaches a provider. At most one is made for each provider.
    pub(crate) fn reaching(&self, provider: &Provider) -> Result<Client, Fault> {
        let way = (provider.endpoint.tls, provider.proxy.clone());
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = made.get(&way) {
            return Ok(client.clone());
        }
        let client = self.make(&way)?;
        made.insert(way, client.clone());
        Ok(client)
    }

    fn make(&self, (tls, proxy): &Way) -> Result<Client, Fault> {
        let unable = |what: &str, why: String| {
            Fault::lasting(Failure::Unreachable, format!("{what}: {why}")).unspent()
        };
        let tls = tls_config(*tls).map_err(|err| {
            unable(
                "this machine's certificates can't be used (is ca-certificates installed?)",
                err.to_string(),
            )
        })?;
        let loopback = [
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
        ];
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(Duration::from_millis(self.connect_ms))
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .pool_idle_timeout(Duration::from_secs(IDLE_S))
            .resolve_to_addrs("localhost", &loopback)
            .user_agent(concat!("atoll/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = proxy {
            let proxy = Proxy::all(proxy.as_str())
                .map_err(|err| unable("the proxy can't be used", err.to_string()))?;
            builder = builder.proxy(proxy);
        }
        builder
            .build()
            .map_err(|err| unable("no client can be made", err.to_string()))
    }
}

/// TLS by ring. Where it isn't spoken no certificate is loaded, and none would be trusted.
fn tls_config(spoken: bool) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = if spoken {
        builder.with_platform_verifier()?.with_no_client_auth()
    } else {
        builder
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth()
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// What a failure to send means. Before a connection stood nothing was asked for; after that, nobody knows.
pub(crate) fn unsent(err: reqwest::Error, authority: &str) -> Fault {
    let why = causes(&err);
    if err.is_connect() {
        if err.is_timeout() {
            // It was waited for long enough.
            let words = format!("no connection to {authority} in time");
            return Fault::lasting(Failure::Unreachable, words).unspent();
        }
        let words = format!("{authority} can't be reached: {}", plainly(&why));
        return Fault::passing(Failure::Unreachable, words).unspent();
    }
    if err.is_builder() {
        return Fault::lasting(
            Failure::Refused,
            format!("the request can't be made: {why}"),
        );
    }
    Fault::cut(format!(
        "the connection to {authority} ended before an answer: {why}"
    ))
}

/// What a connection's failure means to who reads it.
fn plainly(why: &str) -> String {
    let has = |words: &str| why.to_ascii_lowercase().contains(words);
    if has("connection refused") {
        "nothing listens there (connection refused)".into()
    } else if has("failed to lookup address")
        || has("dns error")
        || has("name or service not known")
    {
        format!("its name is not known ({why})")
    } else {
        why.into()
    }
}

/// An error's chain, without its address. The last cause says most.
fn causes(err: &reqwest::Error) -> String {
    let mut source = std::error::Error::source(err);
    let mut last = None;
    while let Some(cause) = source {
        last = Some(cause.to_string());
        source = cause.source();
    }
    last.unwrap_or_else(|| "it failed".into())
}
