//! `atoll secret`.

use atoll_domain::{Ms, SecretName};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A text that is sent and never shown: a secret's value, a passphrase. Zeroized when it goes.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(pub Zeroizing<String>);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden(…)")
    }
}

/// The vault as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultView {
    /// What keeps its key: `keychain`, `passphrase`, `credentials`, `key-file`; `None`: there is no vault yet.
    pub keeper: Option<String>,
    /// The same with what it protects against, for people.
    pub strength: String,
    /// Whether a person must unlock it first.
    pub locked: bool,
    /// Where it lies.
    pub place: String,
    /// What is wrong with it.
    #[serde(default)]
    pub problem: Option<String>,
    /// What could keep a new vault's key here, beside a passphrase and a key file; the best first.
    #[serde(default)]
    pub offers: Vec<String>,
}

/// A new vault.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct VaultMake {
    /// What is to keep its key: as in [`VaultView::keeper`].
    pub keeper: String,
    /// The passphrase, where it is one.
    #[serde(default)]
    pub passphrase: Option<Hidden>,
}

/// A vault's passphrase.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct VaultUnlock {
    /// As it was typed.
    pub passphrase: Hidden,
}

/// A secret, without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretView {
    /// Its name.
    pub name: SecretName,
    /// When it was put in.
    pub set: Ms,
    /// When its value was last replaced.
    pub rotated: Option<Ms>,
    /// When it was last used.
    pub used: Option<Ms>,
    /// For what: `job in s4`, `provider acme in s5`.
    pub used_by: Option<String>,
    /// How often, as the log has it.
    pub uses: u64,
}

/// Everything in the vault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretsView {
    /// The vault.
    pub vault: VaultView,
    /// By name.
    pub secrets: Vec<SecretView>,
}

/// A value for the vault.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SecretPut {
    /// Whose.
    pub name: SecretName,
    /// The value.
    pub value: Hidden,
    /// Whether there must be one of that name, which goes; there must be none otherwise.
    #[serde(default)]
    pub rotate: bool,
}
