//! A conversation as tokens: the model's template around what was said. What was said is never read as the
//! template's own marks, so that no text ends its own turn or begins another's.

use llama_cpp_2::model::{LlamaChatMessage, LlamaChatTemplate, LlamaModel};
use llama_cpp_2::token::LlamaToken;

use crate::wire::Turn;

/// Stands in the template for what was said.
const MARK: char = '\u{1}';

/// A model's template.
pub(super) struct Words {
    template: Option<LlamaChatTemplate>,
}

impl Words {
    pub(super) fn of(model: &LlamaModel) -> Words {
        // A template that the engine doesn't know is no use.
        let template = model.chat_template(None).ok().filter(|template| {
            let probe = LlamaChatMessage::new("user".into(), "x".into());
            probe.is_ok_and(|probe| model.apply_chat_template(template, &[probe], true).is_ok())
        });
        Words { template }
    }

    /// Whether the file's own template is used.
    pub(super) fn own_template(&self) -> bool {
        self.template.is_some()
    }

    /// The tokens of a conversation, up to where the assistant is to speak.
    pub(super) fn tokens(
        &self,
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
                out.extend(vocab.tokenize(turn.text.as_bytes(), false, false));
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
