//! What a context has touched. Labels only grow.

use serde::{Deserialize, Serialize};

/// One label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// Content from the network, MCP, peers, channels, or a repository its owner hasn't vouched for.
    Untrusted,
    /// Content of the workspace or the home folder.
    Private,
    /// A vault's secret was used, or redaction hit.
    Secret,
}

impl Label {
    /// All of them, the mildest reason to ask first.
    pub const ALL: [Label; 3] = [Label::Untrusted, Label::Private, Label::Secret];

    /// Its name: what people and policies call it.
    pub fn name(self) -> &'static str {
        match self {
            Label::Untrusted => "untrusted",
            Label::Private => "private",
            Label::Secret => "secret",
        }
    }
}

/// A content that came out of a labelled context, and where it was put.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MarkedFile {
    /// Its path, relative to the workspace, or an artifact's.
    pub path: String,
    /// Its content's blob, 40 hex digits.
    pub blob: String,
    /// Whether its name came from the context, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub named: bool,
}

/// A set of labels. There is no way to take one out: only the owner's `Declassified` makes a smaller one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Labels {
    /// See [`Label::Untrusted`].
    #[serde(default)]
    pub untrusted: bool,
    /// See [`Label::Private`].
    #[serde(default)]
    pub private: bool,
    /// See [`Label::Secret`].
    #[serde(default)]
    pub secret: bool,
}

impl Labels {
    /// Just `label`.
    pub fn of(label: Label) -> Labels {
        Labels::default().with(label)
    }
    /// With `label` added.
    pub fn with(mut self, label: Label) -> Labels {
        match label {
            Label::Untrusted => self.untrusted = true,
            Label::Private => self.private = true,
            Label::Secret => self.secret = true,
        }
        self
    }
    /// The union.
    pub fn join(self, other: Labels) -> Labels {
        Labels {
            untrusted: self.untrusted | other.untrusted,
            private: self.private | other.private,
            secret: self.secret | other.secret,
        }
    }
    /// Whether `label` is in.
    pub fn has(self, label: Label) -> bool {
        match label {
            Label::Untrusted => self.untrusted,
            Label::Private => self.private,
            Label::Secret => self.secret,
        }
    }
    /// Those that are set.
    pub fn each(self) -> impl Iterator<Item = Label> {
        Label::ALL.into_iter().filter(move |l| self.has(*l))
    }
}
