//! Trying a model.

use std::collections::BTreeMap;
use std::sync::Arc;

use atoll_api::{Caller, Error, ModelTest, codes};
use atoll_domain::{Conversation, Message, Speaker, ToolSpec};
use atoll_ports::models::{Delta, ModelChoice};

use crate::facts::Context;
use crate::session::call::{Answered, Call, model_error};
use crate::shared::Shared;

impl Shared {
    /// The named model, or the configured one.
    pub(crate) fn choose_model(&self, name: Option<&str>) -> Result<ModelChoice, Error> {
        let models = self.current().models.clone();
        match name {
            Some(name) => models.resolve(name).map_err(|err| {
                Error::new(codes::MODEL_UNKNOWN, err.words)
                    .next("atoll model list")
                    .next("atoll config show")
            }),
            None => models.default_model().ok_or_else(|| {
                Error::new(codes::NO_MODEL, "no model is chosen")
                    .found("`model.default` is not set; atoll config show --origin names the file")
                    .next("atoll model list")
                    .next("atoll model use PROVIDER/MODEL")
            }),
        }
    }

    /// The same, if its key can be had: a vault that must be unlocked first is said before anything is begun.
    pub(crate) fn ready_model(&self, name: Option<&str>) -> Result<ModelChoice, Error> {
        let choice = self.choose_model(name)?;
        if choice.key_secret.is_some() && self.vault.state().locked {
            return Err(crate::secrets::vault_error(
                &atoll_ports::vault::Error::Locked,
            ));
        }
        Ok(choice)
    }

    pub(crate) async fn model_test(
        self: &Arc<Self>,
        caller: &Caller,
        name: Option<&str>,
        keys: &BTreeMap<String, String>,
    ) -> Result<ModelTest, Error> {
        let choice = self.ready_model(name)?;
        let context = Context {
            known: vec![choice.model.clone()],
            ..Context::owner(self, caller)
        };
        let spec = ToolSpec {
            name: "answer".into(),
            description: "Gives the answer.".into(),
            parameters: serde_json::json!({
                "type": "object",
                "properties": { "number": { "type": "integer" } },
                "required": ["number"],
            }),
        };
        let question = "What is 19 + 23? Say it by calling the tool `answer`.";
        let conversation = Conversation {
            messages: vec![Message::text(Speaker::User, question)],
            tools: vec![spec],
            form: None,
        };
        let start = self.clock.now();
        let call = Call {
            choice: &choice,
            keys,
            conversation: self.redact(&context, conversation),
            output_tokens_max: 512,
            step: None,
            granted_spend: caller.grant.is_none(),
        };
        let cancel = self.until_down();
        let mut first = None;
        let answered = self
            .call_model(&context, call, None, &cancel, |delta| {
                if !matches!(delta, Delta::Retrying { .. }) {
                    first.get_or_insert_with(|| self.clock.now());
                }
            })
            .await;
        let total_ms = self.clock.now().ms_since(start);
        let Answered { reply, micros, .. } = match answered {
            Ok(done) => done,
            Err(crate::session::call::CallFailed::Refused(refused)) => return Err(refused.error()),
            Err(crate::session::call::CallFailed::Failed(err)) => {
                return Err(model_error(&err, &choice));
            }
        };
        let called = reply
            .message
            .tool_calls
            .iter()
            .any(|c| c.name == "answer" && c.arguments.contains("42"));
        let models = self.current().models.clone();
        Ok(ModelTest {
            name: choice.model.to_string(),
            server: models.server(&choice.model.provider).await,
            answered: true,
            tool_call: called,
            words: reply.message.joined_text().chars().take(500).collect(),
            first_ms: first.map_or(total_ms, |f| f.ms_since(start)),
            total_ms,
            tokens: (reply.usage.input_tokens, reply.usage.output_tokens),
            micros,
        })
    }
}
