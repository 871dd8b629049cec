//! Names and a host that is open, for entries with a network; and a proxy as naive as they hope for.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use atoll_domain::HostPort;
use atoll_ports::BoxFuture;
use atoll_runners::proxy;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The host that is open, and where it stands: not where the listeners are.
pub const ALLOWED: &str = "allowed.test";
const ALLOWED_ADDRESS: &str = "127.0.0.2";

/// Names as a hostile zone would have them; the rest as the system has it.
pub struct Zone;

fn known(host: &str) -> Option<Vec<IpAddr>> {
    let addresses: &[&str] = match host.trim_end_matches('.').to_lowercase().as_str() {
        ALLOWED => &[ALLOWED_ADDRESS],
        "loop.test"
        | "rebind.test"
        | "x.allowed.test"
        | "allowed.test.evil.test"
        | "notallowed.test" => &["127.0.0.1"],
        "six.test" => &["::1"],
        "mapped.test" => &["::ffff:127.0.0.1"],
        "zero.test" => &["0.0.0.0"],
        "both.test" => &["127.0.0.1", ALLOWED_ADDRESS],
        _ => return None,
    };
    Some(addresses.iter().map(|a| a.parse().unwrap()).collect())
}

fn resolved(host: &str) -> io::Result<Vec<IpAddr>> {
    if let Some(known) = known(host) {
        return Ok(known);
    }
    let host = host.trim_matches(['[', ']']);
    if host.ends_with(".test") {
        return Err(io::Error::other("no such name"));
    }
    Ok((host, 0).to_socket_addrs()?.map(|a| a.ip()).collect())
}

impl proxy::Resolve for Zone {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move { resolved(host) })
    }
}

/// The product's proxy, in this zone.
pub fn options() -> proxy::Options {
    proxy::Options {
        resolver: Arc::new(Zone),
        also_allow: vec![ALLOWED_ADDRESS.parse().unwrap()],
        own: Arc::new(Vec::new),
        ..proxy::Options::default()
    }
}

/// `name:port` of an entry.
pub fn host(text: &str) -> HostPort {
    let (host, port) = text.rsplit_once(':').unwrap();
    HostPort {
        host: host.into(),
        port: port.parse().unwrap(),
    }
}

/// A server at the allowed address; its port.
pub async fn allowed() -> u16 {
    let listener = TcpListener::bind((ALLOWED_ADDRESS, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let words =
                    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nfrom shop";
                let _ = stream.write_all(words).await;
            });
        }
    });
    port
}

/// A proxy that lets pass whatever has an allowed name in it, and asks no address; its port.
pub async fn naive(names: Vec<String>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let names = Arc::new(names);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let names = names.clone();
            tokio::spawn(async move {
                let _ = naively(stream, &names).await; // a client that goes is none of ours
            });
        }
    });
    port
}

async fn naively(mut stream: TcpStream, names: &[String]) -> io::Result<()> {
    let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|part| part == b"\r\n\r\n") && head.len() < 16 << 10 {
        match stream.read(&mut buffer).await? {
            0 => break,
            length => head.extend_from_slice(&buffer[..length]),
        }
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    if !names
        .iter()
        .any(|name| text.to_lowercase().contains(name.as_str()))
    {
        return stream
            .write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            .await;
    }
    let mut words = text.split_whitespace();
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let place = target.split_once("://").map_or(target, |(_, rest)| rest);
    let place = place.split(['/', '?', '#']).next().unwrap_or("");
    let place = place.rsplit('@').next().unwrap_or("");
    let (name, port) = match place.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => {
            (name, port.parse().unwrap_or(80))
        }
        _ => (place, 80),
    };
    // As C does: a name ends at its first NUL.
    let name = name.split('\0').next().unwrap_or("");
    let address = resolved(name)?
        .into_iter()
        .next()
        .ok_or(io::ErrorKind::NotFound)?;
    let mut other = TcpStream::connect(SocketAddr::new(address, port)).await?;
    if method == "CONNECT" {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    } else {
        other.write_all(&head).await?;
    }
    tokio::io::copy_bidirectional(&mut stream, &mut other).await?;
    Ok(())
}
