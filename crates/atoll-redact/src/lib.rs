//! Secrets and personal data, taken out of what is sent: keys of the well-known kinds, values that a name calls secret,
//! private keys, and numbers that can be checked (cards, IBANs; e-mail and phone on request). What was taken out stays
//! with the [`Keep`] of its session, which can show it to a person again.
//!
//! Not a promise that a text holds no secret: a net under the rule that credential files are never read at all.
//!
//! Values that are known beforehand are masked in streams ([`Masks`]).
//!
//! Linear in the text: one pass finds where a hint stands, and what is tried there looks at a bounded number of bytes.
//! A secret that is handed over in two calls, half and half, is found in neither: whoever streams hands over whole
//! texts.

mod assigned;
mod blocks;
mod chance;
mod classes;
mod find;
mod keep;
mod manifest;
mod mask;
mod pii;
mod placeholder;
mod redact;
mod rules;
mod scan;

pub use classes::Classes;
pub use keep::{Keep, KeepLimits, Restored};
pub use mask::{Masks, Stream as MaskedStream};
pub use redact::{Redacted, TEXT_LIMIT_BYTES, redact, redact_classes};
pub use scan::{Place, Work, places, work};
