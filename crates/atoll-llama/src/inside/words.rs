//! A conversation as tokens: the model's template around what was said. What was said is never read as the
//! template's own marks, so that no text ends its own turn or begins another's.

use std::collections::HashMap;

use llama_cpp_2::model::{LlamaChatMessage, LlamaChatTemplate, LlamaModel};
use llama_cpp_2::token::LlamaToken;

use crate::wire::Turn;

/// Stands in the template for what was said.
const MARK: char = '\u{1}';

/// So much text is remembered with its tokens, in bytes.
const KNOWN_LIMIT_BYTES: usize = 8 << 20;

/// A model's template.
pub(super) struct Words {
    template: Option<LlamaChatTemplate>,
    known: Known,
}

/// Texts whose tokens are known: of a conversation's next turn only what is new is split, which for a long one would
/// take as long as writing a few words.
#[derive(Default)]
struct Known {
    tokens: HashMap<String, Vec<LlamaToken>>,
    bytes: usize,
}

impl Known {
    /// A text's tokens, none of its letters taken for a mark.
    fn of(&mut self, model: &LlamaModel, text: &str) -> &[LlamaToken] {
        if !self.tokens.contains_key(text) {
            if self.bytes.saturating_add(text.len()) > KNOWN_LIMIT_BYTES {
                self.tokens.clear();
                self.bytes = 0;
            }
            self.bytes += text.len();
            let tokens = model.vocab().tokenize(text.as_bytes(), false, false);
            self.tokens.insert(text.to_owned(), tokens);
        }
        self.tokens.get(text).map_or(&[], Vec::as_slice)
    }
}

impl Words {
    pub(super) fn of(model: &LlamaModel) -> Words {
        // A template that the engine doesn't know is no use.
        let template = model.chat_template(None).ok().filter(|template| {
            let probe = LlamaChatMessage::new("user".into(), "x".into());
            probe.is_ok_and(|probe| model.apply_chat_template(template, &[probe], true).is_ok())
        });
        Words {
            template,
            known: Known::default(),
        }
    }

    /// Whether the file's own template is used.
    pub(super) fn own_template(&self) -> bool {
        self.template.is_some()
    }

    /// The tokens of a conversation, up to where the assistant is to speak.
    pub(super) fn tokens(
        &mut self,
        model: &LlamaModel,
        turns: &[Turn],
    ) -> Result<Vec<LlamaToken>, String> {
        let rendered = match &self.template {
            Some(template) => render(model, template, turns)?,
            None => chatml(turns),
        };
        let vocab = model.vocab();
        let mut out = Vec::new();
        for (i, part) in rendered.split(MARK).enumerate() {
            // Every second part is a turn's number.
            if i % 2 == 1 {
                let turn = part.parse().ok().and_then(|n: usize| turns.get(n));
                let turn = turn.ok_or("the template breaks the conversation")?;
                out.extend(self.known.of(model, &turn.text));
            } else if !part.is_empty() || i == 0 {
                out.extend(vocab.tokenize(part.as_bytes(), i == 0, true));
            }
        }
        Ok(out)
    }
}

fn render(
    model: &LlamaModel,
    template: &LlamaChatTemplate,
    turns: &[Turn],
) -> Result<String, String> {
    let messages: Result<Vec<_>, _> = turns
        .iter()
        .enumerate()
        .map(|(i, turn)| LlamaChatMessage::new(turn.role.clone(), format!("{MARK}{i}{MARK}")))
        .collect();
    let messages = messages.map_err(|err| err.to_string())?;
    model
        .apply_chat_template(template, &messages, true)
        .map_err(|err| format!("the chat template fails: {err}"))
}

fn chatml(turns: &[Turn]) -> String {
    let mut out = String::new();
    for (i, turn) in turns.iter().enumerate() {
        out.push_str(&format!(
            "<|im_start|>{}\n{MARK}{i}{MARK}<|im_end|>\n",
            turn.role
        ));
    }
    out.push_str("<|im_start|>assistant\n");
    out
}
