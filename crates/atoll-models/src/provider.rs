//! A configured provider, checked: what the registry looks names up in.

use atoll_domain::{ModelRef, Price, SecretName};
use atoll_ports::models::ModelChoice;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::config::{BadConfig, ModelConfig, ProviderConfig, Thinking, WireKind};
use crate::endpoint::Endpoint;
use crate::wire::Manners;
use crate::{preset, prices, size};

const NAME_LIMIT_BYTES: usize = 64;
const MODEL_NAME_LIMIT_BYTES: usize = 256;
const MODELS_MAX: usize = 1_000;
const HEADERS_MAX: usize = 32;
/// Of a model that nothing is known of.
const CONTEXT_TOKENS: u64 = 32_768;
const OUTPUT_TOKENS_MAX: u64 = 8_192;
/// Above this, a figure has the wrong unit.
const TOKENS_MAX: u64 = 1_000_000_000;
/// The connection's own, or the key's.
const HEADERS_KEPT: [&str; 10] = [
    "authorization",
    "x-api-key",
    "anthropic-version",
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "accept",
    "accept-encoding",
];

/// A model's figures.
#[derive(Clone, Debug)]
struct Model {
    name: String,
    context_tokens: u64,
    output_tokens_max: u64,
    price: Option<Price>,
    images: Option<bool>,
    thinking: Option<Thinking>,
    small: Option<bool>,
}

/// A provider.
#[derive(Clone, Debug)]
pub(crate) struct Provider {
    pub(crate) name: String,
    pub(crate) wire: WireKind,
    pub(crate) endpoint: Endpoint,
    /// Whether what answers is, or leads to, another machine.
    pub(crate) remote: bool,
    pub(crate) key_env: Option<String>,
    pub(crate) key_secret: Option<SecretName>,
    pub(crate) headers: HeaderMap,
    pub(crate) proxy: Option<String>,
    manners: Manners,
    models: Vec<Model>,
    default_model: Option<String>,
}

/// The vault's secret that is a provider's key. What stands in its place is nowhere repeated: it may be a key.
fn key_secret(config: &ProviderConfig) -> Result<Option<SecretName>, BadConfig> {
    let bad = |why| {
        let provider = config.name.clone();
        Err(BadConfig::Key { provider, why })
    };
    let Some(key) = &config.key else {
        return Ok(None);
    };
    let Some(name) = key.strip_prefix("secret:") else {
        return bad(
            "`key` names a secret of the vault, as in key = \"secret:acme.key\"; put the key itself there with: atoll secret set acme.key",
        );
    };
    if config.key_env.is_some() {
        return bad("it has both `key` and `key_env`: one of them is to be taken out");
    }
    match name.parse() {
        Ok(name) => Ok(Some(name)),
        Err(_) => bad(
            "`key` is secret:NAME, and a name has 1 to 64 of a-z, 0-9, dot, underscore and hyphen",
        ),
    }
}

impl Provider {
    /// Checks a provider's configuration and fills it in from its preset.
    pub(crate) fn of(config: &ProviderConfig) -> Result<Provider, BadConfig> {
        let name = config.name.clone();
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if name.is_empty() || name.len() > NAME_LIMIT_BYTES || !name.bytes().all(fits) {
            return Err(BadConfig::Name(name));
        }
        let wanted = config.preset.as_deref().unwrap_or(&name);
        let preset = preset::find(wanted);
        let base_url = config.base_url.as_deref().or(preset.map(|p| p.base_url));
        let Some(base_url) = base_url.filter(|_| preset.is_some() || config.preset.is_none())
        else {
            return Err(BadConfig::NoAddress {
                preset: wanted.into(),
                provider: name,
                known: preset::preset_names().collect::<Vec<_>>().join(", "),
            });
        };
        let wire = config.wire.or(preset.map(|p| p.wire)).unwrap_or_default();
        // Ollama's own API stands beside its `/v1`, which is what people have written down.
        let base_url = match wire {
            WireKind::Ollama => base_url.trim_end_matches('/').trim_end_matches("/v1"),
            _ => base_url,
        };
        let endpoint = Endpoint::parse(&name, base_url, config.insecure)?;
        // Another address under a preset's name gets its manners, not its key.
        let same = preset.filter(|p| p.base_url == base_url);
        let preset_key = same.and_then(|p| p.key_env).map(str::to_owned);
        let key_secret = key_secret(config)?;
        let mut provider = Provider {
            wire,
            remote: endpoint.remote || config.remote,
            key_env: config
                .key_env
                .clone()
                .or(preset_key.filter(|_| key_secret.is_none())),
            key_secret,
            headers: headers(&name, config)?,
            proxy: config.proxy.clone(),
            manners: Manners {
                output_limit: config
                    .output_limit
                    .or(preset.map(|p| p.output_limit))
                    .unwrap_or_default(),
                usage_in_stream: config
                    .usage_in_stream
                    .or(preset.map(|p| p.usage_in_stream))
                    .unwrap_or(true),
                reasoning_back: config
                    .reasoning_back
                    .or(preset.map(|p| p.reasoning_back))
                    .unwrap_or(false),
                ..Manners::default()
            },
            models: Vec::new(),
            default_model: config.default_model.clone(),
            endpoint,
            name,
        };
        provider.check_proxy()?;
        if config.models.len() > MODELS_MAX {
            return Err(BadConfig::TooMany {
                what: "models",
                count: config.models.len(),
                max: MODELS_MAX,
            });
        }
        for model in &config.models {
            let model = provider.model(model)?;
            provider.models.push(model);
        }
        Ok(provider)
    }

    fn check_proxy(&self) -> Result<(), BadConfig> {
        let Some(proxy) = &self.proxy else {
            return Ok(());
        };
        let bad = |why: &str| {
            Err(BadConfig::Address {
                provider: self.name.clone(),
                url: "the proxy".into(),
                why: why.into(),
            })
        };
        match Url::parse(proxy) {
            Ok(url) if url.scheme() == "http" && url.host_str().is_some() => {}
            _ => return bad("it must be `http://host:port`"),
        }
        if !self.endpoint.tls {
            return bad("plain http would show keys and code to the proxy; use https");
        }
        Ok(())
    }

    fn model(&self, config: &ModelConfig) -> Result<Model, BadConfig> {
        let bad = |why| {
            Err(BadConfig::Model {
                provider: self.name.clone(),
                model: config.name.clone(),
                why,
            })
        };
        if !is_model_name(&config.name) {
            return bad("its name must be printable and up to 256 bytes");
        }
        let row = self.known(&config.name);
        let price = match &config.price {
            Some(own) => match prices::price(own) {
                Some(price) => Some(price),
                None => {
                    return bad("its price must be in US dollars per million tokens, 0 or more");
                }
            },
            None => row.and_then(|r| r.price()),
        };
        let context_tokens = config
            .context_tokens
            .or(row.map(|r| r.context_tokens))
            .unwrap_or(CONTEXT_TOKENS);
        let output_tokens_max = config
            .output_tokens_max
            .or(row.map(|r| r.output_tokens_max))
            .unwrap_or(OUTPUT_TOKENS_MAX.min(context_tokens / 2));
        if output_tokens_max == 0 || context_tokens > TOKENS_MAX {
            return bad("its window and output must be from 1 to 1,000,000,000 tokens");
        }
        if output_tokens_max >= context_tokens {
            return bad("it can't write more than its window holds");
        }
        Ok(Model {
            name: config.name.clone(),
            context_tokens,
            output_tokens_max,
            price,
            images: config.images,
            thinking: config.thinking,
            small: config.small,
        })
    }

    fn known(&self, model: &str) -> Option<&'static prices::Row> {
        self.endpoint
            .tls
            .then(|| prices::find(&self.endpoint.host, model))
            .flatten()
    }

    /// The names of its configured models.
    pub(crate) fn model_names(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(|m| m.name.as_str())
    }

    /// The model that its name alone stands for.
    pub(crate) fn default_model(&self) -> Option<&str> {
        self.default_model
            .as_deref()
            .or_else(|| self.models.first().map(|m| m.name.as_str()))
    }

    /// A model's figures, configured or not; `None` if that can't be a name.
    fn figures(&self, model: &str) -> Option<Model> {
        if let Some(model) = self.models.iter().find(|m| m.name == model) {
            return Some(model.clone());
        }
        let config = ModelConfig {
            name: model.into(),
            ..ModelConfig::default()
        };
        self.model(&config).ok()
    }

    /// How a model's requests are made.
    pub(crate) fn manners(&self, model: &str) -> Manners {
        let model = self.figures(model);
        Manners {
            text_only: model.as_ref().is_some_and(|m| m.images == Some(false)),
            thinking: model.as_ref().and_then(|m| m.thinking),
            context_tokens: model.map_or(0, |m| m.context_tokens),
            ..self.manners
        }
    }

    /// A choice of one of its models, configured or not; `None` if that can't be a name.
    pub(crate) fn choice(&self, model: &str, key_stored: bool) -> Option<ModelChoice> {
        let model = self.figures(model)?;
        // Ollama passes some models on to other machines; their names say so.
        let passed_on = self.wire == WireKind::Ollama && size::is_passed_on(&model.name);
        let remote = self.remote || passed_on;
        Some(ModelChoice {
            priced: model.price.is_some() || !remote,
            small: model
                .small
                .unwrap_or_else(|| !remote && size::is_small(&model.name)),
            model: ModelRef {
                provider: self.name.clone(),
                model: model.name,
            },
            wire: self.wire.name().into(),
            endpoint: self.endpoint.authority.clone(),
            remote,
            price: model.price,
            images: model.images != Some(false),
            tools: None,
            chats: None,
            context_tokens: model.context_tokens,
            output_tokens_max: model.output_tokens_max,
            key_env: self.key_env.clone(),
            key_stored,
            key_secret: self.key_secret.clone(),
        })
    }
}

fn is_model_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MODEL_NAME_LIMIT_BYTES
        && !name.contains(|c: char| c.is_control() || c.is_whitespace())
}

fn headers(provider: &str, config: &ProviderConfig) -> Result<HeaderMap, BadConfig> {
    if config.headers.len() > HEADERS_MAX {
        return Err(BadConfig::TooMany {
            what: "headers",
            count: config.headers.len(),
            max: HEADERS_MAX,
        });
    }
    let mut out = HeaderMap::new();
    for (name, value) in &config.headers {
        let bad = |why| BadConfig::Header {
            provider: provider.into(),
            header: name.clone(),
            why,
        };
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("it is no name"))?;
        if HEADERS_KEPT.contains(&header.as_str()) {
            return Err(bad(
                "it is set by the client; keys come from key_env or the key file",
            ));
        }
        let value = HeaderValue::from_str(value).map_err(|_| bad("its value can't be sent"))?;
        out.insert(header, value);
    }
    Ok(out)
}
