//! Calling a model.

use crate::{
    Act, ActionKey, Again, Canonical, Conversation, Cost, Hash, Kind, ModelRef, Price, SessionId,
    Usage,
};

/// Send a conversation to a model and receive its reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelCall {
    /// In which session, if in one.
    pub session: Option<SessionId>,
    /// The idempotency key.
    pub key: ActionKey,
    /// Which model.
    pub model: ModelRef,
    /// The endpoint's host and port, as configured.
    pub endpoint: String,
    /// Whether the endpoint is on another machine.
    pub remote: bool,
    /// What is sent, already redacted.
    pub conversation: Conversation,
    /// The most tokens to write.
    pub output_tokens_max: u64,
    /// An upper estimate of the tokens read.
    pub input_tokens_estimate: u64,
    /// The price, if it has one.
    pub price: Option<Price>,
    /// How long the call may take, in seconds.
    pub ttl_s: u64,
}

impl ModelCall {
    /// SHA-256 over the conversation's JSON: what is logged of it.
    pub fn digest(&self) -> Hash {
        Hash::of(&serde_json::to_vec(&self.conversation).unwrap_or_default())
    }
}

impl Act for ModelCall {
    const KIND: Kind = Kind::Call;
    /// A call that costs nothing may be repeated; money is never spent twice unasked.
    fn again(&self) -> Again {
        if self.price.is_none() {
            Again::Free
        } else {
            Again::Never
        }
    }
    fn sync(&self) -> bool {
        true
    }
    fn canonical(&self) -> Canonical {
        let value = serde_json::json!({
            "session": self.session, "key": self.key, "provider": self.model.provider, "model": self.model.model,
            "endpoint": self.endpoint, "remote": self.remote, "conversation": self.digest(),
            "messages": self.conversation.messages.len(), "output_tokens_max": self.output_tokens_max,
            "input_tokens_estimate": self.input_tokens_estimate, "price": self.price, "ttl_s": self.ttl_s,
        });
        Canonical::of(Self::KIND, &value)
    }
    fn ceiling(&self) -> Cost {
        let usage = Usage {
            input_tokens: self.input_tokens_estimate,
            cached_tokens: 0,
            // All of it may go into the provider's cache, which may cost more than reading alone.
            cache_written_tokens: match &self.price {
                Some(price) if price.cache_write_micros > Some(price.input_micros) => {
                    self.input_tokens_estimate
                }
                _ => 0,
            },
            output_tokens: self.output_tokens_max,
            reported: false,
        };
        Cost {
            micros: self.price.as_ref().map_or(0, |p| p.micros(&usage)),
            tokens: usage.input_tokens.saturating_add(usage.output_tokens),
            ms: 0,
            runs: 1,
        }
    }
    /// The endpoint of a model on another machine; one that runs here reaches none.
    fn hosts(&self) -> Vec<String> {
        match self.remote {
            true => vec![self.endpoint.clone()],
            false => Vec::new(),
        }
    }
    /// The same model at the same endpoint.
    fn widening(&self) -> Option<String> {
        Some(format!("call {} at {}", self.model, self.endpoint))
    }
}
