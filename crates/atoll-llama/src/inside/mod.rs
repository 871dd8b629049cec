//! The engine's inside, over llama.cpp: one model, several conversations computed together.

mod desk;
mod pick;
mod processor;
mod words;

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;

pub(crate) use processor::can_compute;

use crate::child::{Failed, Ready, say};
use crate::memory::CHUNK_TOKENS;
use crate::wire::{ASK_LIMIT_BYTES, Answer, Ask, Chat, Code, Loaded, receive};

/// Chats that wait to be taken up.
const WAITING_MAX: usize = 64;

/// Chats that were told to stop.
#[derive(Clone, Default)]
struct Cancelled(Arc<Mutex<HashSet<u64>>>);

impl Cancelled {
    fn add(&self, id: u64) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id);
    }
    /// Whether this one was, once.
    fn take(&self, id: u64) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id)
    }
}

/// Reads the model and works until there is nobody to work for.
pub(crate) fn run(ready: Ready) -> Result<(), Failed> {
    let engine = |what: String| (Code::Engine, what);
    let mut backend = LlamaBackend::init().map_err(|err| engine(err.to_string()))?;
    let params = LlamaModelParams::default();
    let model = LlamaModel::load_from_file(&backend, &ready.load.path, &params).map_err(|_| {
        let words = format!(
            "the engine can't use this file ({})",
            ready.header.architecture
        );
        (Code::File, words)
    })?;
    // From here on it speaks for itself.
    backend.void_logs();
    let (fit, threads) = (ready.fit, ready.load.threads.clamp(1, 512).cast_signed());
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(
            fit.context_tokens.saturating_mul(fit.sequences),
        ))
        .with_n_seq_max(fit.sequences)
        .with_kv_unified(false)
        .with_n_batch(CHUNK_TOKENS)
        .with_n_ubatch(CHUNK_TOKENS)
        .with_n_threads(threads)
        .with_n_threads_batch(threads);
    let context = model
        .new_context(&backend, params)
        .map_err(|_| (Code::Memory, "there is no memory for its window".into()))?;
    let words = words::Words::of(&model);
    say(&Answer::Loaded(Loaded {
        context_tokens: fit.context_tokens,
        sequences: fit.sequences,
        template: words.own_template(),
        fences: ready.fences,
    }));
    let (asks, cancelled) = listen();
    let sequences = usize::try_from(fit.sequences).unwrap_or(1);
    let window = usize::try_from(fit.context_tokens).unwrap_or(0);
    desk::Desk::new(&model, context, words, cancelled, sequences, window).work(&asks);
    Ok(())
}

/// Reads what is asked on a thread of its own, so that a stop is heard while something is computed. The end of
/// the asks is the end of the engine, at once.
fn listen() -> (Receiver<Chat>, Cancelled) {
    let (to, asks) = sync_channel(WAITING_MAX);
    let cancelled = Cancelled::default();
    let heard = cancelled.clone();
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        loop {
            match receive::<Ask>(&mut stdin, ASK_LIMIT_BYTES) {
                Ok(Some(Ask::Chat(chat))) => {
                    let id = chat.id;
                    if to.try_send(chat).is_err() {
                        say(&Answer::Failed {
                            id: Some(id),
                            code: Code::Engine,
                            words: format!("{WAITING_MAX} calls wait already"),
                        });
                    }
                }
                Ok(Some(Ask::Cancel { id })) => heard.add(id),
                Ok(Some(Ask::Load(_) | Ask::Exit) | None) | Err(_) => std::process::exit(0),
            }
        }
    });
    (asks, cancelled)
}
