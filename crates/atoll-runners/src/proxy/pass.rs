//! One connection, from its first byte to its record.
#![allow(
    clippy::disallowed_types,
    reason = "the proxy: the only way out of a box, to judged addresses"
)]

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use atoll_domain::HostPort;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::head::{self, Wish};
use super::hello::{self, HELLO_LIMIT_BYTES, Hello};
use super::pump::Tunnel;
use super::ranges;
use super::report::{Passage, Refusal};
use super::serve::Shared;

/// How many of a name's addresses are tried.
const ADDRESSES_MAX: usize = 4;

/// What is known of a connection so far; it outlives a cut, so that the record is whole.
#[derive(Default)]
pub(super) struct Track {
    target: Option<HostPort>,
    address: Option<SocketAddr>,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Track {
    pub(super) fn passage(self, refused: Option<Refusal>) -> Passage {
        let (host, port) = self
            .target
            .map_or_else(Default::default, |t| (t.host, t.port));
        Passage {
            host,
            port,
            address: self.address,
            sent_bytes: self.sent.into_inner(),
            received_bytes: self.received.into_inner(),
            refused,
        }
    }
}

/// Serves one connection.
pub(super) async fn pass(
    mut client: TcpStream,
    shared: &Shared,
    track: &mut Track,
) -> Result<(), Refusal> {
    let head_ttl = Duration::from_secs(shared.options.head_ttl_s);
    let limit = shared.options.head_limit_bytes;
    let asked = match timeout(head_ttl, ask(&mut client, limit)).await {
        Ok(asked) => asked,
        Err(_) => Err(Refusal::TooSlow),
    };
    let served = match asked {
        Ok((bytes, end)) => serve(&mut client, shared, track, bytes, end).await,
        Err(refusal) => Err((refusal, Told::NotYet)),
    };
    served.map_err(|(refusal, told)| {
        if told == Told::NotYet {
            tell(&client, &refusal);
        }
        refusal
    })
}

/// Whether the client has had an answer, so that another can't be given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    NotYet,
    Already,
}

/// The bytes up to and beyond the head, and where it ends.
async fn ask(client: &mut TcpStream, limit_bytes: usize) -> Result<(Vec<u8>, usize), Refusal> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = head::end(&bytes) {
            return Ok((bytes, end));
        }
        more(client, &mut bytes, limit_bytes)
            .await
            .map_err(Refusal::Request)?;
    }
}

async fn more(
    from: &mut (impl AsyncRead + Unpin),
    bytes: &mut Vec<u8>,
    limit: usize,
) -> Result<(), &'static str> {
    let mut chunk = [0; 4096];
    let room = limit.saturating_sub(bytes.len()).min(chunk.len());
    if room == 0 {
        return Err("too long");
    }
    match from.read(&mut chunk[..room]).await {
        Ok(0) | Err(_) => Err("it ended early"),
        Ok(read) => {
            bytes.extend_from_slice(&chunk[..read]);
            Ok(())
        }
    }
}

async fn serve(
    client: &mut TcpStream,
    shared: &Shared,
    track: &mut Track,
    mut bytes: Vec<u8>,
    end: usize,
) -> Result<(), (Refusal, Told)> {
    let early = |refusal| (refusal, Told::NotYet);
    let after = bytes.split_off(end);
    let wish = head::read(&bytes).map_err(|(target, why)| {
        track.target = target;
        early(Refusal::Request(why))
    })?;
    let target = match &wish {
        Wish::Connect(target) | Wish::Plain { target, .. } => target.clone(),
    };
    track.target = Some(target.clone());
    if !shared.allow.contains(&target) {
        return Err(early(Refusal::NotAllowed));
    }
    let mut server = reach(shared, &target).await.map_err(early)?;
    track.address = server.peer_addr().ok();
    match wish {
        Wish::Connect(_) => {
            let ready = b"HTTP/1.1 200 Connection established\r\n\r\n";
            let late = |refusal| (refusal, Told::Already);
            write(client, ready, shared).await.map_err(late)?;
            let first = greet(client, shared, after, &target).await.map_err(late)?;
            forward(client, &mut server, shared, track, first, None)
                .await
                .map_err(late)
        }
        Wish::Plain {
            head, body_bytes, ..
        } => {
            // What the client sent beyond its one request is never passed on.
            let here = usize::try_from(body_bytes)
                .unwrap_or(usize::MAX)
                .min(after.len());
            let first = [&head[..], &after[..here]].concat();
            let rest = body_bytes - here as u64;
            let late = |refusal| (refusal, Told::Already);
            forward(client, &mut server, shared, track, first, Some(rest))
                .await
                .map_err(late)
        }
    }
}

/// Connects to one of the target's addresses, each judged before.
async fn reach(shared: &Shared, target: &HostPort) -> Result<TcpStream, Refusal> {
    let ttl = Duration::from_secs(shared.options.connect_ttl_s);
    let asked = timeout(ttl, shared.options.resolver.resolve(&target.host)).await;
    let addresses = asked.ok().and_then(Result::ok).unwrap_or_default();
    let own = (shared.options.own)();
    let mut why = Refusal::NoAddress;
    let mut tried = 0;
    for address in addresses {
        if let Err(range) = ranges::judge(address, &own, &shared.options.also_allow) {
            if tried == 0 {
                why = Refusal::Address(range);
            }
            continue;
        }
        if tried == ADDRESSES_MAX {
            break;
        }
        tried += 1;
        why = Refusal::Unreachable;
        let socket = SocketAddr::new(address, target.port);
        if let Ok(Ok(server)) = timeout(ttl, TcpStream::connect(socket)).await {
            return judge_again(server, socket, &own, shared);
        }
    }
    Err(why)
}

/// The kernel's word on whom we are connected to: the judged address, and not ourselves.
fn judge_again(
    server: TcpStream,
    judged: SocketAddr,
    own: &[IpAddr],
    shared: &Shared,
) -> Result<TcpStream, Refusal> {
    let (Ok(peer), Ok(local)) = (server.peer_addr(), server.local_addr()) else {
        return Err(Refusal::Unreachable);
    };
    if peer != judged {
        return Err(Refusal::Unreachable);
    }
    let own = [own, &[local.ip()]].concat();
    ranges::judge(peer.ip(), &own, &shared.options.also_allow).map_err(Refusal::Address)?;
    Ok(server)
}

/// Waits for the client hello and compares its name. Gives the bytes read, to be passed on unchanged.
async fn greet(
    client: &mut TcpStream,
    shared: &Shared,
    mut bytes: Vec<u8>,
    target: &HostPort,
) -> Result<Vec<u8>, Refusal> {
    let reading = async {
        loop {
            match hello::read(&bytes) {
                Hello::Names(name) if name == target.host => return Ok(()),
                Hello::Names(_) => return Err(Refusal::OtherHost),
                Hello::Bad(why) => return Err(Refusal::Tls(why)),
                Hello::More => more(client, &mut bytes, HELLO_LIMIT_BYTES)
                    .await
                    .map_err(Refusal::Tls)?,
            }
        }
    };
    let ttl = Duration::from_secs(shared.options.head_ttl_s);
    timeout(ttl, reading)
        .await
        .unwrap_or(Err(Refusal::TooSlow))?;
    Ok(bytes)
}

/// Sends `first`, then both ways to the end; at most `limit` more bytes go out.
async fn forward(
    client: &mut TcpStream,
    server: &mut TcpStream,
    shared: &Shared,
    track: &Track,
    first: Vec<u8>,
    limit: Option<u64>,
) -> Result<(), Refusal> {
    shared.allowance.take(first.len() as u64)?;
    write(server, &first, shared).await?;
    track.sent.fetch_add(first.len() as u64, Ordering::Relaxed);
    let tunnel = Tunnel::new(
        &shared.allowance,
        Duration::from_secs(shared.options.idle_ttl_s),
    );
    let (client_reads, client_writes) = client.split();
    let (server_reads, server_writes) = server.split();
    let out = async {
        // A plain request's server may wait for its answer's reader: closing early is left to it.
        match limit {
            Some(0) => Ok(()),
            limit => {
                tunnel
                    .way(client_reads, server_writes, limit, &track.sent)
                    .await
            }
        }
    };
    let back = tunnel.way(server_reads, client_writes, None, &track.received);
    tokio::try_join!(out, back).map(drop)
}

async fn write(to: &mut TcpStream, bytes: &[u8], shared: &Shared) -> Result<(), Refusal> {
    let ttl = Duration::from_secs(shared.options.idle_ttl_s);
    match timeout(ttl, to.write_all(bytes)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Refusal::Unreachable),
        Err(_) => Err(Refusal::TooSlow),
    }
}

/// Answers a refusal, as far as the socket takes it at once: a client that reads nothing waits for nothing.
fn tell(client: &TcpStream, refusal: &Refusal) {
    let status = match refusal {
        Refusal::Request(_) => "400 Bad Request",
        Refusal::NotAllowed | Refusal::Address(_) | Refusal::OtherHost => "403 Forbidden",
        Refusal::TooSlow => "408 Request Timeout",
        Refusal::NoAddress | Refusal::Unreachable | Refusal::Tls(_) => "502 Bad Gateway",
        Refusal::TooMuch => "429 Too Many Requests",
    };
    let body = format!("atoll: {refusal}\n");
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = client.try_write(answer.as_bytes());
}
