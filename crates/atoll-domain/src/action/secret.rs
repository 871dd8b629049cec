//! Using a secret of the vault.

use serde::{Deserialize, Serialize};

use crate::{Act, Again, Canonical, Cost, Kind, SecretFor, SecretName, SessionId};

/// Take a secret's value out of the vault, once, for one use. Its name is all that is logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseSecret {
    /// In which session, if in one.
    pub session: Option<SessionId>,
    /// Which secret.
    pub name: SecretName,
    /// What for.
    #[serde(rename = "for")]
    pub used: SecretFor,
}

impl Act for UseSecret {
    const KIND: Kind = Kind::Secret;
    /// What it is used for is judged and repeated by itself: the value is taken anew each time.
    fn again(&self) -> Again {
        Again::Free
    }
    fn sync(&self) -> bool {
        true
    }
    fn canonical(&self) -> Canonical {
        Canonical::of(Self::KIND, self)
    }
    fn ceiling(&self) -> Cost {
        Cost::ZERO
    }
}
