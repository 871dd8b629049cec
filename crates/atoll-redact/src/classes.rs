//! What is looked for.

/// Which kinds of personal data are taken out. Secrets always are.
///
/// The default serves agents that write code: cards and IBANs go, since a number that passes their checks is seldom
/// anything else; e-mail addresses and phone numbers stay, since code is full of authors, licences and remotes, and a
/// commit or a `CODEOWNERS` that lost them can't be worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Classes {
    /// Payment cards: the issuer's range and length, and the check digit (ISO/IEC 7812).
    pub cards: bool,
    /// Bank accounts: the country's length, and the check modulo 97 (ISO 13616).
    pub ibans: bool,
    /// E-mail addresses, but for those of the domains that are kept for examples (RFC 2606).
    pub emails: bool,
    /// Phone numbers: E.164 with its plus, or national ones behind a word that says phone.
    pub phones: bool,
}

impl Classes {
    /// Secrets, and no personal data.
    pub const SECRETS: Classes = Classes {
        cards: false,
        ibans: false,
        emails: false,
        phones: false,
    };
    /// Everything.
    pub const ALL: Classes = Classes {
        cards: true,
        ibans: true,
        emails: true,
        phones: true,
    };
}

impl Default for Classes {
    fn default() -> Classes {
        Classes {
            cards: true,
            ibans: true,
            ..Classes::SECRETS
        }
    }
}
