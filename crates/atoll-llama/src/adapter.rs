//! The models on disk as a provider, `embedded`: what the binary plugs beside the providers on the network.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use atoll_domain::action::ModelCall;
use atoll_domain::{Cost, ModelRef, Tick};
use atoll_guard::{End, Live, Permit, Stop};
use atoll_ports::models::{Calling, Failure, ModelChoice};

use crate::call::{self, Plan};
use crate::engine::{Engines, Options};
use crate::gguf::{self, Header};
use crate::grammar;
use crate::memory::{self, Fit};
use crate::prompt;
use crate::wire::{Chat, Sampling};

/// The provider's name.
pub const PROVIDER: &str = "embedded";

/// Models on disk that are looked at.
const MODELS_MAX: usize = 64;
const OUTPUT_TOKENS_MAX: u64 = 4_096;
/// A shorter file holds less than a billion parameters, or hardly more, at the eight bits of most that are small.
const SMALL_BYTES: u64 = 1 << 30;
/// A little chance keeps a small model from repeating itself; the seed is the call's own, so that the same call
/// is written the same way again.
const TEMPERATURE: f32 = 0.2;
/// Where another reply is wanted each time.
const TEMPERATURE_VARIED: f32 = 0.8;
const TOP_K: u32 = 40;
const TOP_P: f32 = 0.95;

/// A model on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name: the file's, without `.gguf`.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// What its header says.
    pub header: Header,
}

/// The embedded models of a node.
pub struct Embedded {
    folder: PathBuf,
    engines: Arc<Engines>,
}

impl Embedded {
    /// The models in `folder`: each `NAME.gguf` is one. Nothing is started before a call.
    pub fn new(folder: PathBuf, options: Options) -> Embedded {
        Embedded {
            folder,
            engines: Arc::new(Engines::new(options)),
        }
    }

    /// What lies in the folder and can be read, by name.
    pub fn found(&self) -> Vec<Found> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else {
            return Vec::new();
        };
        let names = entries.flatten().filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_suffix(".gguf").map(str::to_owned)
        });
        let mut names: Vec<String> = names
            .filter(|name| is_name(name))
            .take(MODELS_MAX)
            .collect();
        names.sort_unstable();
        names.iter().filter_map(|name| self.find(name)).collect()
    }

    /// One model, by its name.
    pub fn find(&self, name: &str) -> Option<Found> {
        let path = file(&self.folder, name)?;
        let header = gguf::read_file(&path).ok()?;
        Some(Found {
            name: name.into(),
            path,
            header,
        })
    }

    /// All of them, as choices.
    pub fn choices(&self) -> Vec<ModelChoice> {
        self.found()
            .iter()
            .map(|found| self.choice(found))
            .collect()
    }

    /// A model by `embedded/NAME`, by `NAME`, or by `embedded` if there is one alone.
    pub fn resolve(&self, name: &str) -> Option<ModelChoice> {
        let name = name.trim();
        if name == PROVIDER {
            return match self.found().as_slice() {
                [only] => Some(self.choice(only)),
                _ => None,
            };
        }
        let bare = name.strip_prefix("embedded/").unwrap_or(name);
        self.find(bare).map(|found| self.choice(&found))
    }

    /// The window that a model gets here now, or would with all memory free.
    fn choice(&self, found: &Found) -> ModelChoice {
        let options = &self.engines.options;
        let trained = u32::try_from(found.header.context_tokens).unwrap_or(u32::MAX);
        let wanted = Fit {
            context_tokens: options.context_tokens.min(trained),
            sequences: options.sequences,
        };
        let free = memory::available_here().map(|b| b.saturating_sub(options.spare_bytes));
        let fit = free.and_then(|free| memory::fit(&found.header, wanted, free));
        let context_tokens = u64::from(fit.unwrap_or(wanted).context_tokens);
        ModelChoice {
            model: ModelRef {
                provider: PROVIDER.into(),
                model: found.name.clone(),
            },
            wire: PROVIDER.into(),
            endpoint: PROVIDER.into(),
            remote: false,
            price: None,
            priced: true,
            images: false,
            // The grammar makes whole calls of whatever it writes.
            tools: Some(true),
            chats: Some(true),
            small: found.header.file_bytes < SMALL_BYTES,
            context_tokens,
            output_tokens_max: OUTPUT_TOKENS_MAX.min(context_tokens / 2),
            key_env: None,
            key_stored: false,
            key_secret: None,
        }
    }

    /// The processes of the engines that run.
    pub fn pids(&self) -> Vec<u32> {
        self.engines.pids()
    }

    /// Calls a model, by a permit.
    pub fn call(&self, permit: Permit<ModelCall>, now: Tick) -> Result<Calling, Stop> {
        self.take(permit.begin(now)?, now)
    }

    /// Calls a model, by a permit that was opened by who chose between this and other sources of models. Nothing
    /// waits here: the engine starts when the deltas are polled.
    pub fn take(&self, mut live: Live<ModelCall>, now: Tick) -> Result<Calling, Stop> {
        let found = match self.permitted(live.act()) {
            Ok(found) => found,
            Err(stop) => return Err(undone(live, stop)),
        };
        let one = Cost {
            runs: 1,
            ..Cost::ZERO
        };
        if let Err(stop) = live.charge(one, now) {
            return Err(undone(live, stop));
        }
        let deltas = match self.plan(&live, found, now) {
            Ok(plan) => call::deltas(plan),
            Err(err) => Box::pin(futures::stream::iter([Err(err)])),
        };
        Ok(Calling { live, deltas })
    }

    fn permitted(&self, call: &ModelCall) -> Result<Found, Stop> {
        let changed = |what: &str| Err(Stop::Changed(format!("the model {} {what}", call.model)));
        if call.model.provider != PROVIDER || call.endpoint != PROVIDER {
            return changed("isn't embedded");
        }
        match self.find(&call.model.model) {
            Some(found) => Ok(found),
            None => changed("isn't on disk any more"),
        }
    }

    fn plan(
        &self,
        live: &Live<ModelCall>,
        found: Found,
        now: Tick,
    ) -> Result<Plan, atoll_ports::models::Error> {
        let act = live.act();
        let turns = prompt::turns(&act.conversation)
            .map_err(|err| call::error(Failure::Refused, err.to_string()))?;
        let [a, b, c, d, ..] = *act.key.as_bytes();
        let chat = Chat {
            id: self.engines.id(),
            turns,
            grammar: grammar::reply(
                &act.conversation.tools,
                act.conversation.form.as_ref().map(|form| &form.schema),
            ),
            output_tokens_max: u32::try_from(act.output_tokens_max).unwrap_or(u32::MAX),
            sampling: Sampling {
                temperature: match &act.conversation.form {
                    Some(form) if form.varied => TEMPERATURE_VARIED,
                    _ => TEMPERATURE,
                },
                top_k: TOP_K,
                top_p: TOP_P,
                seed: u32::from_be_bytes([a, b, c, d]),
            },
        };
        Ok(Plan {
            engines: self.engines.clone(),
            path: found.path,
            model: found.name,
            key: act.key,
            tools: !act.conversation.tools.is_empty(),
            chat,
            ttl_ms: act
                .ttl_s
                .saturating_mul(1000)
                .min(live.expires().ms_since(now)),
        })
    }
}

/// Closes a call that was begun and that computed nothing.
fn undone(live: Live<ModelCall>, stop: Stop) -> Stop {
    live.finish(End::failed(None).cost(Cost::ZERO));
    stop
}

/// Whether a text can be a model's name, and so a file's.
pub fn is_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    !name.is_empty() && name.len() <= 64 && !name.starts_with('.') && name.bytes().all(fits)
}

/// A model's file.
pub fn file(folder: &Path, name: &str) -> Option<PathBuf> {
    is_name(name).then(|| folder.join(format!("{name}.gguf")))
}
