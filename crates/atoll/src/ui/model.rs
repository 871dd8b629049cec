//! Models.

use atoll_api::{ModelTest, ModelView};
use atoll_domain::Shown;

use crate::ui::words::{count, dollars, span};
use crate::ui::{Page, Style, table};

/// A list of models.
pub fn models(style: &Style, models: &[ModelView]) -> String {
    if models.is_empty() {
        return "No model is configured, and no Ollama answers on this machine.\n".into();
    }
    let rows: Vec<Vec<String>> = models
        .iter()
        .map(|m| {
            vec![
                if m.default { "*" } else { " " }.into(),
                Shown::line(&m.name).to_string(),
                if m.remote { "remote" } else { "here" }.into(),
                m.price.clone(),
                format!("{} tokens", count(m.context_tokens)),
                format!("key {}", m.key),
                match (m.found, m.tools) {
                    (_, Some(false)) => "calls no tools",
                    (true, _) => "answers now",
                    _ => "",
                }
                .into(),
            ]
        })
        .collect();
    table(style, &rows)
}

/// A try of a model.
pub fn tested(style: &Style, t: &ModelTest) -> String {
    let mut page = Page::new(style, 2, 9);
    let head = format!("{} answers.", Shown::line(&t.name));
    page.line(style.bold(&head));
    if let Some(server) = &t.server {
        page.row("server", Shown::line(server).to_string());
    }
    page.row("said", t.words.trim());
    page.row(
        "tools",
        if t.tool_call {
            "it called the tool it was asked to call"
        } else {
            "it did NOT call the tool: `atoll code` needs that"
        },
    );
    page.row(
        "time",
        format!(
            "first words after {}, done after {}",
            span(t.first_ms),
            span(t.total_ms)
        ),
    );
    page.row(
        "tokens",
        format!(
            "{} in, {} out, {}",
            count(t.tokens.0),
            count(t.tokens.1),
            dollars(t.micros)
        ),
    );
    page.end()
}
