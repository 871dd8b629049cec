//! The network, and sockets of all families.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::{Line, call, told};

/// Name, family, kind and protocol of sockets to make.
const SOCKETS: [(&str, i32, i32, i32); 15] = [
    ("unix", libc::AF_UNIX, libc::SOCK_STREAM, 0),
    ("inet", libc::AF_INET, libc::SOCK_STREAM, 0),
    ("inet6", libc::AF_INET6, libc::SOCK_STREAM, 0),
    (
        "inet raw",
        libc::AF_INET,
        libc::SOCK_RAW,
        libc::IPPROTO_ICMP,
    ),
    ("packet", libc::AF_PACKET, libc::SOCK_RAW, 0x300),
    ("vsock", libc::AF_VSOCK, libc::SOCK_STREAM, 0),
    ("alg", libc::AF_ALG, libc::SOCK_SEQPACKET, 0),
    ("bluetooth", libc::AF_BLUETOOTH, libc::SOCK_RAW, 0),
    ("can", libc::AF_CAN, libc::SOCK_RAW, 1),
    ("xdp", libc::AF_XDP, libc::SOCK_RAW, 0),
    (
        "netlink route",
        libc::AF_NETLINK,
        libc::SOCK_RAW,
        libc::NETLINK_ROUTE,
    ),
    (
        "netlink audit",
        libc::AF_NETLINK,
        libc::SOCK_RAW,
        libc::NETLINK_AUDIT,
    ),
    (
        "netlink generic",
        libc::AF_NETLINK,
        libc::SOCK_RAW,
        libc::NETLINK_GENERIC,
    ),
    (
        "netlink netfilter",
        libc::AF_NETLINK,
        libc::SOCK_RAW,
        libc::NETLINK_NETFILTER,
    ),
    (
        "netlink uevent",
        libc::AF_NETLINK,
        libc::SOCK_RAW,
        libc::NETLINK_KOBJECT_UEVENT,
    ),
];

pub fn lines() -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (name, family, kind, protocol) in SOCKETS {
        // SAFETY: takes numbers alone.
        let fd = unsafe { libc::socket(family, kind, protocol) };
        lines.push((format!("socket {name}"), call(fd.into())));
        // SAFETY: ours alone, or no descriptor at all.
        unsafe { libc::close(fd) };
    }
    let text = std::fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let interfaces: Vec<&str> = text
        .lines()
        .skip(2)
        .filter_map(|line| Some(line.split_once(':')?.0.trim()))
        .collect();
    lines.push(("interfaces".into(), interfaces.join(" ")));
    let unix = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    lines.push((
        "unix sockets in sight".into(),
        unix.lines().skip(1).count().to_string(),
    ));
    let places = [
        (
            "a public address",
            SocketAddr::from((Ipv4Addr::new(1, 1, 1, 1), 443)),
        ),
        (
            "the metadata address",
            SocketAddr::from((Ipv4Addr::new(169, 254, 169, 254), 80)),
        ),
        (
            "a private address",
            SocketAddr::from((Ipv4Addr::new(10, 0, 0, 1), 22)),
        ),
        (
            "the host's loopback",
            SocketAddr::from((Ipv4Addr::LOCALHOST, 22)),
        ),
    ];
    for (name, at) in places {
        let connected = TcpStream::connect_timeout(&at, Duration::from_secs(2));
        lines.push((format!("connect to {name}"), told(connected)));
    }
    lines.push(("its own loopback".into(), told(loopback())));
    lines
}

fn loopback() -> std::io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let (mut server, _) = listener.accept()?;
    client.write_all(b"x")?;
    server.read_exact(&mut [0])
}
