//! The envelope (Gibberlink 0.2): one hash-chained record.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Actor, Body, EventId, Hash, JobId, Ms, SessionId, Side};

/// The protocol's version in `v`.
pub const VERSION: &str = "0.2";

/// What an event is about: `node`, `session/ses_…`, `job/job_…`. Watchers filter by it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Topic(pub String);

impl Topic {
    /// The node itself.
    pub fn node() -> Topic {
        Topic("node".into())
    }
    /// A session.
    pub fn session(id: &SessionId) -> Topic {
        Topic(format!("session/{id}"))
    }
    /// A job outside sessions.
    pub fn job(id: &JobId) -> Topic {
        Topic(format!("job/{id}"))
    }
}

/// Marks of protocol 0.1, kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Free tags.
    #[serde(default)]
    pub reptag: Vec<String>,
    /// Script tags.
    #[serde(default)]
    pub scripttag: Vec<String>,
    /// A congruence mark.
    #[serde(default)]
    pub congruence: Option<Value>,
}

/// An event as it stands in a log. Unknown kinds and fields of other versions are kept in the stored
/// bytes, not here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Protocol version.
    pub v: String,
    /// The node's identity key, `did:key:z6Mk…`.
    pub node: String,
    /// Counts from 1 without gaps.
    pub seq: u64,
    /// Its id.
    pub id: EventId,
    /// When, by the node's wall clock.
    pub ts: Ms,
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is about.
    pub topic: Topic,
    /// Who did it.
    pub actor: Actor,
    /// In which session.
    pub session: Option<SessionId>,
    /// The event that led to it.
    pub cause: Option<EventId>,
    /// Its body, by kind.
    pub body: Value,
    /// Marks.
    pub meta: Meta,
    /// The hash of the event before.
    pub prev: Hash,
    /// SHA-256 of the canonical JSON of all the above.
    pub hash: Hash,
}

impl Event {
    /// Its body, typed. [`Body::Unknown`] for kinds of later versions.
    pub fn typed(&self) -> Body {
        Body::from_parts(&self.kind, &self.body)
    }
}

/// An event before the journal gave it a place: number, time, id, hashes.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What it is about.
    pub topic: Topic,
    /// Who did it.
    pub actor: Actor,
    /// In which session.
    pub session: Option<SessionId>,
    /// The event that led to it.
    pub cause: Option<EventId>,
    /// Its body.
    pub body: Body,
    /// Content that lies beside it.
    pub sides: Vec<Side>,
}

impl Draft {
    /// Of the node, about the node.
    pub fn node(body: Body) -> Draft {
        Draft {
            topic: Topic::node(),
            actor: Actor::system(),
            session: None,
            cause: None,
            body,
            sides: Vec::new(),
        }
    }
    /// Of `actor`, about `session`.
    pub fn session(session: SessionId, actor: Actor, body: Body) -> Draft {
        Draft {
            topic: Topic::session(&session),
            actor,
            session: Some(session),
            cause: None,
            body,
            sides: Vec::new(),
        }
    }
    /// With its content.
    pub fn with(mut self, sides: Vec<Side>) -> Draft {
        self.sides.extend(sides);
        self
    }
    /// With the event that led to it.
    pub fn because(mut self, cause: Option<EventId>) -> Draft {
        self.cause = cause;
        self
    }
}
