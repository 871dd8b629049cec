//! What a session is opened with. Recorded once, as JSON, in `SessionOpened`; a fold reads nothing else.

use atoll_domain::{Hash, Language};
use serde::{Deserialize, Serialize};

/// The agent's revision: changes whenever the same inputs could give other effects.
pub const REVISION: &str = "5";

/// The smallest window that holds the prompt, the tools, a task and a reply, in tokens.
pub const CONTEXT_TOKENS_MIN: u64 = 4096;

/// What an ask becomes in this run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnAsk {
    /// It waits for a person.
    #[default]
    Wait,
    /// It is denied.
    Deny,
    /// It ends the run.
    Fail,
}

/// What the session is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Work on a workspace until there is a patch or an answer.
    #[default]
    Code,
    /// Talk about a workspace: a reply without a call is the answer; edits that were made on the way become a
    /// patch with it.
    Chat,
}

/// A session's configuration. Integers and text only, so that it has canonical JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionConfig {
    /// The agent's revision that made it: [`REVISION`].
    pub revision: String,
    /// What the session is for.
    pub mode: Mode,
    /// The workspace's name, for the prompt.
    pub workspace: String,
    /// The checkout's absolute path, where the copy stands inside the box: paths below it are made relative.
    #[serde(default)]
    pub root: String,
    /// The test command, if one is known.
    pub test: Option<Vec<String>>,
    /// The languages found.
    #[serde(default)]
    pub languages: Vec<Language>,
    /// AGENTS.md or CLAUDE.md: text for the model, never policy.
    pub guide: Option<String>,
    /// The model's window, in tokens.
    pub context_tokens: u64,
    /// The most the model writes in one reply, in tokens.
    pub output_tokens_max: u64,
    /// Model calls per turn at most.
    pub steps_max: u64,
    /// Look and answer with a plan; change nothing.
    pub plan: bool,
    /// What an ask becomes.
    pub on_ask: OnAsk,
    /// Whether the model is too small to lead itself: where tests fail it is led, line by line.
    #[serde(default)]
    pub small: bool,
}

/// Why a configuration can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The window is too small for any work.
    #[error(
        "the model's window is {context_tokens} tokens; an agent needs {CONTEXT_TOKENS_MIN} or more: choose another model, or give its server a larger context"
    )]
    Window {
        /// What was given.
        context_tokens: u64,
    },
    /// No step is allowed.
    #[error("at least one step must be allowed")]
    Steps,
    /// A test command without a program.
    #[error("the test command is empty")]
    Test,
    /// Recorded by another revision of the agent.
    #[error("the session was recorded by revision {0} of the agent; this is revision {REVISION}")]
    Revision(String),
}

impl Default for SessionConfig {
    fn default() -> SessionConfig {
        SessionConfig {
            revision: REVISION.into(),
            mode: Mode::Code,
            workspace: "workspace".into(),
            root: String::new(),
            test: None,
            languages: Vec::new(),
            guide: None,
            context_tokens: 32_768,
            output_tokens_max: 4096,
            steps_max: 30,
            plan: false,
            on_ask: OnAsk::Wait,
            small: false,
        }
    }
}

impl SessionConfig {
    /// Whether a session can be opened with it.
    pub fn check(&self) -> Result<(), Error> {
        if self.revision != REVISION {
            return Err(Error::Revision(self.revision.clone()));
        }
        if self.context_tokens < CONTEXT_TOKENS_MIN {
            return Err(Error::Window {
                context_tokens: self.context_tokens,
            });
        }
        if self.steps_max == 0 {
            return Err(Error::Steps);
        }
        let runs = |cmd: &Vec<String>| cmd.first().is_some_and(|program| !program.is_empty());
        if self.test.as_ref().is_some_and(|cmd| !runs(cmd)) {
            return Err(Error::Test);
        }
        Ok(())
    }

    /// Whether it is a conversation.
    pub fn chats(&self) -> bool {
        self.mode == Mode::Chat
    }
    /// Whether the model is led where tests fail: it is small, and there are tests to be led by.
    pub fn leads(&self) -> bool {
        self.small && self.mode == Mode::Code && !self.plan && self.test.is_some()
    }
    /// The window that is worked with, in tokens. A fold can't refuse, so a window that
    /// [`SessionConfig::check`] refuses counts as the smallest one, and a huge one is bounded.
    pub fn window_tokens(&self) -> u64 {
        self.context_tokens.clamp(CONTEXT_TOKENS_MIN, 4_000_000)
    }
    /// What is kept of the window for the reply, in tokens: a quarter at most.
    pub fn reserve_tokens(&self) -> u64 {
        self.output_tokens_max.clamp(256, self.window_tokens() / 4)
    }
    /// What the conversation may take, in tokens.
    pub fn input_tokens_max(&self) -> u64 {
        self.window_tokens() - self.reserve_tokens()
    }
    /// Model calls per turn at most, bounded.
    pub fn rounds_max(&self) -> u64 {
        self.steps_max.clamp(1, 10_000)
    }
    /// The test command as a person would type it.
    pub fn test_line(&self) -> Option<String> {
        self.test.as_deref().map(crate::tools::command_line)
    }
    /// Hash of the system prompt, for `SessionOpened`.
    pub fn prompt_hash(&self) -> Hash {
        let text = match self.leads() {
            true => crate::led::system(self),
            false => crate::prompt::system(self),
        };
        Hash::of(text.as_bytes())
    }
    /// Hash of the tools' schemas, for `SessionOpened`.
    pub fn tools_hash(&self) -> Hash {
        let specs = crate::tools::specs(self);
        // Schemas are constants of this crate, made of text and small integers.
        Hash::of(&atoll_domain::canonical_json(&specs).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_round_trips_and_is_canonical() {
        let config = SessionConfig {
            test: Some(vec!["pytest".into(), "-q".into()]),
            languages: vec![Language::Python],
            guide: Some("be kind".into()),
            ..SessionConfig::default()
        };
        let bytes = atoll_domain::canonical_json(&config).unwrap();
        assert_eq!(
            serde_json::from_slice::<SessionConfig>(&bytes).unwrap(),
            config
        );
        assert_eq!(config.check(), Ok(()));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let base = SessionConfig::default;
        let small = SessionConfig {
            context_tokens: 2048,
            ..base()
        };
        assert!(matches!(small.check(), Err(Error::Window { .. })));
        assert_eq!(small.window_tokens(), CONTEXT_TOKENS_MIN);
        let still = SessionConfig {
            steps_max: 0,
            ..base()
        };
        assert_eq!(still.check(), Err(Error::Steps));
        let empty = SessionConfig {
            test: Some(vec![]),
            ..base()
        };
        assert_eq!(empty.check(), Err(Error::Test));
        let old = SessionConfig {
            revision: "0".into(),
            ..base()
        };
        assert!(matches!(old.check(), Err(Error::Revision(_))));
    }

    #[test]
    fn the_hashes_follow_what_the_model_is_told() {
        let (code, plan) = (
            SessionConfig::default(),
            SessionConfig {
                plan: true,
                ..SessionConfig::default()
            },
        );
        assert_ne!(code.prompt_hash(), plan.prompt_hash());
        assert_ne!(code.tools_hash(), plan.tools_hash());
    }
}
