//! Who does something.

use serde::{Deserialize, Serialize};

/// What kind of actor it is. Only a human answers a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActorKind {
    /// A person, known by the uid behind the socket or a token.
    Human,
    /// An agent.
    Ai,
    /// The node itself.
    System,
}

/// Who did or wants something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Actor {
    /// Its kind.
    pub kind: ActorKind,
    /// Its id: a user name, an agent's name, `node`.
    pub id: String,
}

impl Actor {
    /// The node itself.
    pub fn system() -> Actor {
        Actor {
            kind: ActorKind::System,
            id: "node".into(),
        }
    }
    /// A person.
    pub fn human(id: impl Into<String>) -> Actor {
        Actor {
            kind: ActorKind::Human,
            id: id.into(),
        }
    }
    /// An agent.
    pub fn ai(id: impl Into<String>) -> Actor {
        Actor {
            kind: ActorKind::Ai,
            id: id.into(),
        }
    }
}

/// What an actor may be on this node. Bound by the node, never by the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Whose machine it is.
    Owner,
    /// Runs and answers on the owner's behalf.
    Operator,
    /// A model with tools.
    Agent,
    /// May look.
    Viewer,
    /// Pulls work from a queue.
    Worker,
}

impl Role {
    /// Its name in policies.
    pub fn name(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Operator => "operator",
            Role::Agent => "agent",
            Role::Viewer => "viewer",
            Role::Worker => "worker",
        }
    }
}
