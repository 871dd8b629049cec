//! The client.

use std::path::{Path, PathBuf};

use atoll_api::Token;

/// Speaks to the node behind a socket. Cheap to clone; each command is a connection of its own.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) socket: PathBuf,
    pub(crate) uid: u32,
    pub(crate) token: Option<Token>,
}

impl Client {
    /// To the node of the calling user at `socket`. Nothing is opened yet.
    pub fn new(socket: impl Into<PathBuf>) -> Client {
        let uid = rustix::process::getuid().as_raw();
        Client {
            socket: socket.into(),
            uid,
            token: None,
        }
    }

    /// With a token: each request has its rights, and no others.
    pub fn with_token(self, token: Option<Token>) -> Client {
        Client { token, ..self }
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// A key for a command that must happen once only: 128 random bits in hex.
    pub fn fresh_key() -> Result<String, atoll_api::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|err| {
            atoll_api::Error::new(
                atoll_api::codes::BUG,
                format!("the system gives no randomness: {err}"),
            )
        })?;
        Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
    }
}
