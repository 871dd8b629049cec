//! What a conversation is made to fit to, before a wire writes it down.

use std::borrow::Cow;

use atoll_domain::{Conversation, Message, Part};

use super::Manners;

/// What stands for an image where the model reads text alone.
const NO_IMAGE: &str = "[an image was left out: this model reads text alone]";

/// The conversation as the model can see it.
pub(super) fn seen(conversation: &Conversation, manners: Manners) -> Cow<'_, Conversation> {
    let is_image = |part: &Part| matches!(part, Part::Image { .. });
    let holds_one = |m: &Message| m.content.iter().any(is_image);
    if !manners.text_only || !conversation.messages.iter().any(holds_one) {
        return Cow::Borrowed(conversation);
    }
    let mut fitted = conversation.clone();
    for message in &mut fitted.messages {
        for part in message.content.iter_mut().filter(|p| is_image(p)) {
            *part = Part::text(NO_IMAGE);
        }
    }
    Cow::Owned(fitted)
}

/// The thoughts of a message that no provider signed or sealed: those of the wires without signatures.
pub(super) fn own_thoughts(message: &Message) -> String {
    let thoughts = message.content.iter().filter_map(|part| match part {
        Part::Reasoning {
            text,
            signature: None,
            sealed: None,
        } => Some(text.as_str()),
        _ => None,
    });
    thoughts.collect::<Vec<_>>().join("\n")
}
