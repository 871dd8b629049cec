//! What each kind of event gets from its fields: a type, its name, and its way to JSON and back.

macro_rules! bodies {
    ($($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident : $ty:ty),* $(,)? })*) => {
        /// A typed body.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Body {
            $($(#[$doc])* $name($name),)*
            /// A kind of a later version, or of another node: kept, passed on, not understood.
            Unknown {
                /// Its kind.
                kind: String,
                /// Its body.
                body: Value,
            },
        }
        $($(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub struct $name { $($(#[$fdoc])* pub $field: $ty,)* }
        impl From<$name> for Body { fn from(b: $name) -> Body { Body::$name(b) } }
        )*
        impl Body {
            /// The names of all kinds that this version writes.
            pub const KINDS: &'static [&'static str] = &[$(stringify!($name)),*];
            /// Its kind's name.
            pub fn kind(&self) -> &str {
                match self { $(Body::$name(_) => stringify!($name),)* Body::Unknown { kind, .. } => kind }
            }
            /// Its JSON.
            pub fn to_value(&self) -> Result<Value, serde_json::Error> {
                match self {
                    $(Body::$name(b) => serde_json::to_value(b),)*
                    Body::Unknown { body, .. } => Ok(body.clone()),
                }
            }
            /// From an envelope's `type` and `body`. What can't be read as its kind is [`Body::Unknown`].
            pub fn from_parts(kind: &str, body: &Value) -> Body {
                let known = match kind {
                    $(stringify!($name) => $name::deserialize(body).ok().map(Body::$name),)*
                    _ => None,
                };
                known.unwrap_or_else(|| Body::Unknown { kind: kind.to_owned(), body: body.clone() })
            }
        }
    };
}
