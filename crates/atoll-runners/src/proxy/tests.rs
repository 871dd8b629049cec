//! The proxy over real sockets. Loopback stands in for the world: it is opened as an owner would open
//! a mirror on a private address.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a test"
)]

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use atoll_domain::HostPort;
use atoll_ports::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::hello::tests::client_hello;
use super::ranges::Range;
use super::*;

/// A resolver that answers each question with the next of its answers, and counts them.
struct Answers(Mutex<Vec<Vec<IpAddr>>>, Mutex<u32>);

impl Resolve for Answers {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        *self.1.lock().unwrap() += 1;
        let mut left = self.0.lock().unwrap();
        let answer = if left.len() > 1 {
            left.remove(0)
        } else {
            left[0].clone()
        };
        Box::pin(async move { Ok(answer) })
    }
}

fn answers(all: &[&[&str]]) -> Arc<Answers> {
    let all = all
        .iter()
        .map(|one| one.iter().map(|a| a.parse().unwrap()).collect());
    Arc::new(Answers(Mutex::new(all.collect()), Mutex::new(0)))
}

struct World {
    proxy: SocketAddr,
    handle: Handle,
    passages: mpsc::UnboundedReceiver<Passage>,
}

impl World {
    async fn start(allow: &[HostPort], change: impl FnOnce(&mut Options)) -> World {
        let (sender, passages) = mpsc::unbounded_channel();
        let mut options = Options {
            also_allow: vec!["127.0.0.1".parse().unwrap()],
            resolver: answers(&[&["127.0.0.1"]]),
            report: Arc::new(move |passage| drop(sender.send(passage))),
            ..Options::default()
        };
        change(&mut options);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = listener.local_addr().unwrap();
        let handle = Proxy::serve(listener.into(), allow.to_vec(), options).unwrap();
        World {
            proxy,
            handle,
            passages,
        }
    }

    /// Sends `bytes`, reads until the proxy closes.
    async fn say(&self, bytes: &[u8]) -> String {
        let mut client = TcpStream::connect(self.proxy).await.unwrap();
        client.write_all(bytes).await.unwrap();
        rest(&mut client).await
    }

    async fn tunnel(&self, target: &HostPort) -> TcpStream {
        let mut client = TcpStream::connect(self.proxy).await.unwrap();
        let ask = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
        client.write_all(ask.as_bytes()).await.unwrap();
        let mut ready = [0; 39];
        client.read_exact(&mut ready).await.unwrap();
        assert_eq!(&ready, b"HTTP/1.1 200 Connection established\r\n\r\n");
        client
    }

    async fn passage(&mut self) -> Passage {
        self.passages.recv().await.unwrap()
    }
}

/// What comes until the end; a reset is an end too.
async fn rest(client: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = client.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A server that keeps what it reads until the client stops, then answers; one connection.
async fn server() -> (u16, tokio::task::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut got = Vec::new();
        let mut chunk = [0; 1024];
        loop {
            let read = peer.read(&mut chunk).await.unwrap_or(0);
            got.extend_from_slice(&chunk[..read]);
            if read == 0 || got.ends_with(b"\r\n\r\n") || got.ends_with(b"END") {
                break;
            }
        }
        peer.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello")
            .await
            .unwrap();
        got
    });
    (port, task)
}

fn at(host: &str, port: u16) -> HostPort {
    HostPort {
        host: host.into(),
        port,
    }
}

#[tokio::test]
async fn tls_passes_unchanged_when_it_names_the_host() {
    let (port, got) = server().await;
    let target = at("mirror.example", port);
    let mut world = World::start(std::slice::from_ref(&target), |_| {}).await;
    let mut client = world.tunnel(&target).await;
    let hello = [client_hello("mirror.example", 40), b"END".to_vec()].concat();
    for part in hello.chunks(11) {
        client.write_all(part).await.unwrap();
    }
    assert!(rest(&mut client).await.ends_with("hello"));
    drop(client);
    assert_eq!(got.await.unwrap(), hello);
    let passage = world.passage().await;
    assert_eq!(
        (passage.host.as_str(), passage.port, passage.refused.clone()),
        ("mirror.example", port, None)
    );
    assert_eq!(
        passage.address,
        Some(SocketAddr::from(([127, 0, 0, 1], port)))
    );
    assert_eq!(
        (passage.sent_bytes, passage.received_bytes),
        (hello.len() as u64, 24)
    );
    let totals = world.handle.totals();
    assert_eq!(
        (totals.connections, totals.refused, totals.received_bytes),
        (1, 0, 24)
    );
}

#[tokio::test]
async fn a_tunnel_for_anything_else_is_cut_before_a_byte_passes() {
    for (first, why) in [
        (client_hello("other.example", 1000), Refusal::OtherHost),
        (
            client_hello("mirror.example.evil.example", 9),
            Refusal::OtherHost,
        ),
        (
            b"GET / HTTP/1.1\r\nHost: mirror.example\r\n\r\n".to_vec(),
            Refusal::Tls("not a TLS handshake"),
        ),
        (
            b"SSH-2.0-x\r\n".to_vec(),
            Refusal::Tls("not a TLS handshake"),
        ),
        (
            vec![22, 3, 1, 0, 0],
            Refusal::Tls("a record of impossible length"),
        ),
    ] {
        let (port, got) = server().await;
        let target = at("mirror.example", port);
        let mut world = World::start(std::slice::from_ref(&target), |_| {}).await;
        let mut client = world.tunnel(&target).await;
        client.write_all(&first).await.unwrap();
        assert_eq!(rest(&mut client).await, "", "{why}");
        assert_eq!(world.passage().await.refused, Some(why));
        assert_eq!(got.await.unwrap(), b"");
    }
}

#[tokio::test]
async fn a_half_said_hello_is_refused_when_the_client_stops() {
    let (port, got) = server().await;
    let target = at("mirror.example", port);
    let mut world = World::start(std::slice::from_ref(&target), |_| {}).await;
    let mut client = world.tunnel(&target).await;
    let hello = client_hello("mirror.example", 1000);
    client.write_all(&hello[..hello.len() - 1]).await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await, "");
    assert_eq!(
        world.passage().await.refused,
        Some(Refusal::Tls("it ended early"))
    );
    assert_eq!(got.await.unwrap(), b"");
}

#[tokio::test]
async fn plain_http_passes_one_request_and_nothing_after_it() {
    let (port, got) = server().await;
    let target = at("mirror.example", port);
    let mut world = World::start(std::slice::from_ref(&target), |_| {}).await;
    let ask = format!(
        "POST http://mirror.example:{port}/x HTTP/1.1\r\nHost: mirror.example:{port}\r\nContent-Length: 7\r\n\r\n\
         bodyENDGET http://mirror.example:{port}/second HTTP/1.1\r\nHost: evil.example\r\n\r\n"
    );
    assert_eq!(
        world.say(ask.as_bytes()).await,
        "HTTP/1.1 200 OK\r\n\r\nhello"
    );
    let got = String::from_utf8(got.await.unwrap()).unwrap();
    assert!(
        got.starts_with("POST /x HTTP/1.1\r\nHost: mirror.example"),
        "{got}"
    );
    assert!(
        got.ends_with("\r\n\r\nbodyEND") && !got.contains("second"),
        "{got}"
    );
    assert_eq!(world.passage().await.refused, None);
}

#[tokio::test]
async fn only_the_listed_hosts_and_ports_are_reached() {
    let resolver = answers(&[&["127.0.0.1"]]);
    let mut world = World::start(&[at("a.example", 443)], |o| o.resolver = resolver.clone()).await;
    for ask in [
        "CONNECT b.example:443 HTTP/1.1\r\n\r\n",
        "CONNECT a.example:444 HTTP/1.1\r\n\r\n",
        "CONNECT 127.0.0.1:443 HTTP/1.1\r\n\r\n",
        "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
    ] {
        let answer = world.say(ask.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{ask} {answer}");
        assert_eq!(world.passage().await.refused, Some(Refusal::NotAllowed));
    }
    assert_eq!(
        *resolver.1.lock().unwrap(),
        0,
        "no name was looked up for a refused host"
    );
}

#[tokio::test]
async fn a_name_that_rebinds_is_judged_by_the_address_that_is_used() {
    let (port, got) = server().await;
    let target = at("mirror.example", port);
    let resolver = answers(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let mut world = World::start(std::slice::from_ref(&target), |o| {
        o.resolver = resolver.clone()
    })
    .await;
    let mut client = world.tunnel(&target).await;
    assert_eq!(
        *resolver.1.lock().unwrap(),
        1,
        "one question per connection"
    );
    client
        .write_all(&[client_hello("mirror.example", 99), b"END".to_vec()].concat())
        .await
        .unwrap();
    rest(&mut client).await;
    drop(client);
    got.await.unwrap();
    assert_eq!(
        world.passage().await.address.unwrap().ip(),
        IpAddr::from([127, 0, 0, 1])
    );
    // The same name, now at an address that jobs may not reach.
    let ask = format!("CONNECT {target} HTTP/1.1\r\n\r\n");
    assert!(world.say(ask.as_bytes()).await.starts_with("HTTP/1.1 403 "));
    let passage = world.passage().await;
    assert_eq!(
        (passage.refused, passage.address),
        (Some(Refusal::Address(Range::Loopback)), None)
    );
}

#[tokio::test]
async fn refused_addresses_among_good_ones_are_passed_over() {
    let (port, _got) = server().await;
    let target = at("mirror.example", port);
    let mixed = answers(&[&[
        "169.254.169.254",
        "::ffff:127.0.0.1",
        "10.0.0.1",
        "127.0.0.1",
    ]]);
    let world = World::start(std::slice::from_ref(&target), |o| o.resolver = mixed).await;
    world.tunnel(&target).await;
    for (addresses, range) in [
        (&["169.254.169.254"][..], Range::Metadata),
        (&["::1"], Range::Loopback),
        (&["::ffff:127.0.0.1"], Range::Embedded),
        (&["10.0.0.1", "fd00::1"], Range::Private),
    ] {
        let resolver = answers(&[addresses]);
        let mut world =
            World::start(std::slice::from_ref(&target), |o| o.resolver = resolver).await;
        world
            .say(format!("CONNECT {target} HTTP/1.1\r\n\r\n").as_bytes())
            .await;
        assert_eq!(world.passage().await.refused, Some(Refusal::Address(range)));
    }
}

#[tokio::test]
async fn the_nodes_own_addresses_are_refused_even_where_its_network_is_open() {
    let (port, got) = server().await;
    let target = at("mirror.example", port);
    // The list of interfaces says nothing: the kernel's own word on the connection does.
    let mut world = World::start(std::slice::from_ref(&target), |o| {
        o.also_allow = vec!["127.0.0.0/8".parse().unwrap()];
        o.own = Arc::new(Vec::new);
    })
    .await;
    assert!(
        world
            .say(format!("CONNECT {target} HTTP/1.1\r\n\r\n").as_bytes())
            .await
            .contains("403")
    );
    assert_eq!(
        world.passage().await.refused,
        Some(Refusal::Address(Range::Own))
    );
    assert_eq!(got.await.unwrap(), b"");
}

#[tokio::test]
async fn names_without_addresses_and_closed_ports_are_said() {
    // Bound, so that no other test gets the port, and not listening.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let target = at("mirror.example", closed.local_addr().unwrap().port());
    let mut world = World::start(std::slice::from_ref(&target), |_| {}).await;
    let ask = format!("CONNECT {target} HTTP/1.1\r\n\r\n");
    assert!(world.say(ask.as_bytes()).await.contains("502"));
    assert_eq!(world.passage().await.refused, Some(Refusal::Unreachable));
    let mut world = World::start(&[target], |o| o.resolver = answers(&[&[]])).await;
    assert!(world.say(ask.as_bytes()).await.contains("502"));
    assert_eq!(world.passage().await.refused, Some(Refusal::NoAddress));
}

#[tokio::test]
async fn garbage_and_oversized_heads_are_refused() {
    let mut world = World::start(&[at("a.example", 443)], |o| o.head_limit_bytes = 512).await;
    for bytes in [
        b"\x16\x03\x01\x00\x05hello\r\n\r\n".to_vec(),
        b"\0\xff\xfe\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n".to_vec(),
        [
            b"CONNECT a.example:443 HTTP/1.1\r\nA: ".to_vec(),
            vec![b'x'; 600],
        ]
        .concat(),
    ] {
        world.say(&bytes).await;
        assert!(matches!(
            world.passage().await.refused,
            Some(Refusal::Request(_))
        ));
    }
}

#[tokio::test]
async fn a_slow_client_is_cut() {
    let mut world = World::start(&[at("a.example", 443)], |o| o.head_ttl_s = 0).await;
    let mut client = TcpStream::connect(world.proxy).await.unwrap();
    client.write_all(b"CONN").await.unwrap();
    rest(&mut client).await;
    assert_eq!(world.passage().await.refused, Some(Refusal::TooSlow));
    // So is one whose hello never ends, one that lasts too long, and one that falls silent. Wherever
    // on its way the time runs out on a slow machine, the reason is the same.
    let hello = client_hello("mirror.example", 99);
    type Change = fn(&mut Options);
    let changes: [(Change, &[u8]); 3] = [
        (|o| o.head_ttl_s = 1, &hello[..2]),
        (|o| o.connection_ttl_s = 1, &hello[..2]),
        (|o| o.idle_ttl_s = 1, &hello),
    ];
    for (change, first) in changes {
        let (port, _got) = server().await;
        let target = at("mirror.example", port);
        let mut world = World::start(std::slice::from_ref(&target), change).await;
        let ask = format!("CONNECT {target} HTTP/1.1\r\n\r\n");
        let said = world.say(&[ask.as_bytes(), first].concat()).await;
        assert!(!said.contains("hello"), "{said}");
        assert_eq!(world.passage().await.refused, Some(Refusal::TooSlow));
    }
}

#[tokio::test]
async fn all_connections_share_one_allowance() {
    let (port, _got) = server().await;
    let target = at("mirror.example", port);
    let hello = [client_hello("mirror.example", 99), b"END".to_vec()].concat();
    let limit = hello.len() as u64 + 23;
    let mut world = World::start(std::slice::from_ref(&target), |o| {
        o.total_limit_bytes = limit
    })
    .await;
    let mut client = world.tunnel(&target).await;
    client.write_all(&hello).await.unwrap();
    assert_eq!(
        rest(&mut client).await,
        "",
        "the answer's 24 bytes are one too many"
    );
    assert_eq!(world.passage().await.refused, Some(Refusal::TooMuch));
}

#[tokio::test]
async fn connections_beyond_the_bound_wait() {
    let resolver = answers(&[&["127.0.0.1"]]);
    let world = World::start(&[at("a.example", 443)], |o| {
        o.connections_max = 1;
        o.resolver = resolver;
    })
    .await;
    let held = TcpStream::connect(world.proxy).await.unwrap();
    let proxy = world.proxy;
    let second = tokio::spawn(async move {
        let mut client = TcpStream::connect(proxy).await.unwrap();
        client
            .write_all(b"CONNECT b.example:443 HTTP/1.1\r\n\r\n")
            .await
            .unwrap();
        rest(&mut client).await
    });
    tokio::task::yield_now().await;
    assert_eq!(world.handle.totals().connections, 0);
    drop(held);
    assert!(second.await.unwrap().contains("403"));
    assert_eq!(world.handle.totals().connections, 2);
}

#[tokio::test]
async fn reports_are_bounded_and_totals_are_not() {
    let mut world = World::start(&[], |o| o.reports_max = 2).await;
    for _ in 0..5 {
        world.say(b"CONNECT b.example:443 HTTP/1.1\r\n\r\n").await;
    }
    while world.handle.totals().connections < 5 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.handle.totals().refused, 5);
    assert!(world.passages.recv().await.is_some() && world.passages.recv().await.is_some());
    assert!(world.passages.try_recv().is_err());
}

#[tokio::test]
async fn dropping_the_handle_ends_every_connection() {
    let (port, _got) = server().await;
    let target = at("mirror.example", port);
    let world = World::start(std::slice::from_ref(&target), |_| {}).await;
    let mut client = world.tunnel(&target).await;
    client.write_all(&[22]).await.unwrap();
    drop(world.handle);
    assert_eq!(rest(&mut client).await, "");
    // The listener goes with its task, soon.
    while TcpStream::connect(world.proxy).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_no_listener_is_refused() {
    let file = std::fs::File::open("/dev/null").unwrap();
    assert!(matches!(
        Proxy::serve(file.into(), vec![], Options::default()),
        Err(Error::Listener(_))
    ));
}
