//! The system's keychain, which can keep the vault's key.

use std::sync::Arc;

use zeroize::Zeroizing;

/// Why the keychain gave or took nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeychainError {
    /// There is none here, or this binary speaks to none.
    Absent(String),
    /// It did not answer in time: it may be asking somebody.
    Slow,
    /// It said no.
    Refused(String),
}

impl std::fmt::Display for KeychainError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            KeychainError::Absent(why) => write!(f, "there is no keychain to speak to: {why}"),
            KeychainError::Slow => f.write_str(
                "the keychain did not answer within 5 s: it is locked and asks, or it hangs; unlock it, then try again",
            ),
            KeychainError::Refused(why) => write!(f, "the keychain refuses: {why}"),
        }
    }
}

/// A keychain: texts by account. Calls are bounded in time and never wait for a person.
pub trait Keychain: Send + Sync {
    /// Whether there is one to speak to. Quick: nothing is contacted.
    fn there(&self) -> bool;
    /// What it has; `None`: nothing.
    fn get(&self, account: &str) -> Result<Option<Zeroizing<String>>, KeychainError>;
    /// Puts something there.
    fn set(&self, account: &str, text: Zeroizing<String>) -> Result<(), KeychainError>;
}

/// The system's, as far as this binary speaks to one.
pub fn system_keychain() -> Arc<dyn Keychain> {
    #[cfg(feature = "keychain")]
    return Arc::new(system::System);
    #[cfg(not(feature = "keychain"))]
    Arc::new(Without)
}

/// A binary that speaks to none.
#[cfg(not(feature = "keychain"))]
struct Without;

#[cfg(not(feature = "keychain"))]
impl Without {
    fn absent<T>() -> Result<T, KeychainError> {
        Err(KeychainError::Absent(
            "this atoll was built without it (feature `keychain`)".into(),
        ))
    }
}

#[cfg(not(feature = "keychain"))]
impl Keychain for Without {
    fn there(&self) -> bool {
        false
    }
    fn get(&self, _: &str) -> Result<Option<Zeroizing<String>>, KeychainError> {
        Without::absent()
    }
    fn set(&self, _: &str, _: Zeroizing<String>) -> Result<(), KeychainError> {
        Without::absent()
    }
}

#[cfg(feature = "keychain")]
mod system {
    use std::path::PathBuf;
    use std::sync::mpsc;
    use std::time::Duration;

    use keyring::v1::{Entry, Error};
    use zeroize::Zeroizing;

    use super::{Keychain, KeychainError};

    const SERVICE: &str = "atoll";
    const WAIT: Duration = Duration::from_secs(5);

    pub(super) struct System;

    /// On a thread of its own, that is left behind if it hangs: a locked keychain asks on the desktop, and a
    /// node must not wait for that.
    fn timed<T: Send + 'static>(
        account: &str,
        work: impl FnOnce(&Entry) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, KeychainError> {
        if !System.there() {
            return Err(KeychainError::Absent("no D-Bus session".into()));
        }
        let account = account.to_owned();
        let (told, hear) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            let done = Entry::new(SERVICE, &account).map(|entry| work(&entry));
            let _ = told.send(done); // who waited may have gone
        });
        match hear.recv_timeout(WAIT) {
            Ok(Ok(Ok(got))) => Ok(got),
            // Nothing of the kind answers on the bus: a session without a desktop.
            Ok(Err(_)) => Err(KeychainError::Absent("none answers in this session".into())),
            Ok(Ok(Err(err))) => Err(KeychainError::Refused(err.to_string())),
            Err(_) => Err(KeychainError::Slow),
        }
    }

    impl Keychain for System {
        fn there(&self) -> bool {
            if cfg!(not(target_os = "linux")) {
                return true;
            }
            let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
            let bus = || set("XDG_RUNTIME_DIR").map(|dir| PathBuf::from(dir).join("bus"));
            set("DBUS_SESSION_BUS_ADDRESS").is_some() || bus().is_some_and(|bus| bus.exists())
        }
        fn get(&self, account: &str) -> Result<Option<Zeroizing<String>>, KeychainError> {
            timed(account, |entry| match entry.get_password() {
                Ok(text) => Ok(Some(Zeroizing::new(text))),
                Err(Error::NoEntry) => Ok(None),
                Err(err) => Err(err),
            })
        }
        fn set(&self, account: &str, text: Zeroizing<String>) -> Result<(), KeychainError> {
            timed(account, move |entry| entry.set_password(&text))
        }
    }
}
