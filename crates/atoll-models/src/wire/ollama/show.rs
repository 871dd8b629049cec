//! What `POST /api/show` says of a model, and `GET /api/version` of the server.

use serde_json::Value;

use crate::fault::Fault;

/// A model's own figures, as far as they are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    /// What it was trained on, in tokens.
    pub(crate) context_tokens: Option<u64>,
    /// Whether it calls tools.
    pub(crate) tools: Option<bool>,
    /// Whether it sees images.
    pub(crate) images: Option<bool>,
    /// Whether it talks: one that only embeds doesn't.
    pub(crate) chats: Option<bool>,
    /// Whether this server passes it on to another machine.
    pub(crate) elsewhere: bool,
}

/// Reads the answer.
pub(in crate::wire) fn show(body: &[u8]) -> Result<Shown, Fault> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|err| Fault::garbage(format!("what is told of the model is no JSON ({err})")))?;
    let info = &value["model_info"];
    let family = info["general.architecture"].as_str().unwrap_or_default();
    let abilities = value["capabilities"].as_array();
    let can = |what: &str| abilities.map(|all| all.iter().any(|a| a == what));
    Ok(Shown {
        context_tokens: info[format!("{family}.context_length")]
            .as_u64()
            .filter(|n| *n > 0),
        tools: can("tools"),
        images: can("vision"),
        chats: can("completion"),
        elsewhere: ["remote_host", "remote_model"]
            .iter()
            .any(|name| value[name].as_str().is_some_and(|text| !text.is_empty())),
    })
}

/// `Ollama 0.12.6`.
pub(in crate::wire) fn version(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let version = value["version"].as_str()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".-+".contains(&b);
    let fine = !version.is_empty() && version.len() <= 64 && version.bytes().all(plain);
    fine.then(|| format!("Ollama {version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_as_far_as_they_are_there() {
        let body = br#"{"model_info":{"general.architecture":"qwen2","qwen2.context_length":32768},"capabilities":["completion","tools"]}"#;
        let wanted = Shown {
            context_tokens: Some(32_768),
            tools: Some(true),
            images: Some(false),
            chats: Some(true),
            elsewhere: false,
        };
        assert_eq!(show(body).unwrap(), wanted);
        let embeds =
            br#"{"capabilities":["embedding"],"remote_host":"https://elsewhere.example:443"}"#;
        let shown = show(embeds).unwrap();
        assert_eq!((shown.chats, shown.elsewhere), (Some(false), true));
        assert_eq!(show(b"{}").unwrap(), Shown::default());
        assert_eq!(show(b"[]").unwrap(), Shown::default());
        let lie = br#"{"model_info":{"general.architecture":"x","x.context_length":-3}}"#;
        assert_eq!(show(lie).unwrap(), Shown::default());
        assert!(show(b"<html>").is_err());
        let of = |body: &str| version(body.as_bytes());
        assert_eq!(
            of(r#"{"version":"0.12.6-rc1"}"#).as_deref(),
            Some("Ollama 0.12.6-rc1")
        );
        for odd in ["", "{}", r#"{"version":3}"#, r#"{"version":"\u001b[2J"}"#] {
            assert_eq!(of(odd), None, "{odd}");
        }
    }
}
