//! Providers whose address is well known: what fills in an owner's sparse configuration, and what
//! `--model ollama/…` finds without any.

use crate::config::{OutputLimit, WireKind};

/// A well-known provider.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Preset {
    pub(crate) name: &'static str,
    pub(crate) wire: WireKind,
    pub(crate) base_url: &'static str,
    pub(crate) key_env: Option<&'static str>,
    pub(crate) output_limit: OutputLimit,
    /// Whether usage is asked for in streams. Some refuse the question and tell it anyway.
    pub(crate) usage_in_stream: bool,
    /// Whether the model's earlier thoughts go back to it.
    pub(crate) reasoning_back: bool,
}

const fn local(name: &'static str, base_url: &'static str) -> Preset {
    Preset {
        name,
        wire: WireKind::ChatCompletions,
        base_url,
        key_env: None,
        output_limit: OutputLimit::MaxTokens,
        usage_in_stream: true,
        reasoning_back: false,
    }
}

const fn remote(name: &'static str, base_url: &'static str, key_env: &'static str) -> Preset {
    Preset {
        name,
        wire: WireKind::ChatCompletions,
        base_url,
        key_env: Some(key_env),
        output_limit: OutputLimit::MaxTokens,
        usage_in_stream: true,
        reasoning_back: false,
    }
}

/// The one that is looked for when models are listed.
pub(crate) const NOTICED: &str = "ollama";

/// Addresses and variables as each provider's own documentation names them.
const PRESETS: [Preset; 18] = [
    Preset {
        wire: WireKind::Ollama,
        ..local(NOTICED, "http://127.0.0.1:11434")
    },
    local("llama-server", "http://127.0.0.1:8080/v1"),
    local("vllm", "http://127.0.0.1:8000/v1"),
    local("lm-studio", "http://127.0.0.1:1234/v1"),
    Preset {
        wire: WireKind::AnthropicMessages,
        ..remote(
            "anthropic",
            "https://api.anthropic.com/v1",
            "ANTHROPIC_API_KEY",
        )
    },
    Preset {
        output_limit: OutputLimit::MaxCompletionTokens,
        ..remote("openai", "https://api.openai.com/v1", "OPENAI_API_KEY")
    },
    remote(
        "openrouter",
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
    ),
    remote("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    Preset {
        usage_in_stream: false,
        ..remote("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY")
    },
    // It refuses a tool's result without the thought that led to the call.
    Preset {
        reasoning_back: true,
        ..remote(
            "deepseek",
            "https://api.deepseek.com/v1",
            "DEEPSEEK_API_KEY",
        )
    },
    remote(
        "together",
        "https://api.together.xyz/v1",
        "TOGETHER_API_KEY",
    ),
    remote(
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "GEMINI_API_KEY",
    ),
    remote("xai", "https://api.x.ai/v1", "XAI_API_KEY"),
    remote(
        "fireworks",
        "https://api.fireworks.ai/inference/v1",
        "FIREWORKS_API_KEY",
    ),
    remote("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    remote("moonshot", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
    remote("zai", "https://api.z.ai/api/paas/v4", "ZAI_API_KEY"),
    Preset {
        wire: WireKind::Ollama,
        ..remote("ollama-cloud", "https://ollama.com", "OLLAMA_API_KEY")
    },
];

pub(crate) fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|p| p.name == name)
}

/// Providers on other machines, each with the environment variable that holds its key.
pub fn preset_keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    PRESETS.iter().filter_map(|p| Some((p.name, p.key_env?)))
}

/// The names of the providers that need no `base_url`.
pub fn preset_names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|p| p.name)
}
