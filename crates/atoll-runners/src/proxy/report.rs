//! What the proxy tells about each connection.

use std::net::SocketAddr;

use super::ranges::Range;

/// Why a connection was refused or cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request is not one that this proxy reads.
    #[error("the request can't be read: {0}")]
    Request(&'static str),
    /// Host and port are not on the list.
    #[error("not among the allowed hosts")]
    NotAllowed,
    /// The name has no address, or none could be asked for.
    #[error("the name has no address")]
    NoAddress,
    /// Every address of the name is one that jobs may not reach; the first one's kind.
    #[error("it resolves to an address that jobs may not reach ({})", .0.name())]
    Address(Range),
    /// No address answered.
    #[error("no connection")]
    Unreachable,
    /// What came through `CONNECT` is not a TLS client hello that names its host.
    #[error("no TLS that names its host: {0}")]
    Tls(&'static str),
    /// The TLS client named another host.
    #[error("TLS names another host")]
    OtherHost,
    /// It took too long.
    #[error("too slow")]
    TooSlow,
    /// More bytes than the job may move.
    #[error("more bytes than allowed")]
    TooMuch,
}

/// One connection, when it has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The host that was asked for, as far as it could be read: hostile text, at most 253 bytes.
    pub host: String,
    /// The port that was asked for; 0 if it couldn't be read.
    pub port: u16,
    /// The address that was connected to.
    pub address: Option<SocketAddr>,
    /// Bytes that went out.
    pub sent_bytes: u64,
    /// Bytes that came back.
    pub received_bytes: u64,
    /// Why it was refused or cut; `None` if it ran its course.
    pub refused: Option<Refusal>,
}

/// All connections so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many connections ended.
    pub connections: u64,
    /// How many of them were refused or cut.
    pub refused: u64,
    /// Bytes that went out.
    pub sent_bytes: u64,
    /// Bytes that came back.
    pub received_bytes: u64,
}
