//! The desk: conversations under way, computed together. Each round takes the next token of those that write and a
//! chunk of those that are read, and looks whether somebody was told to stop.

use std::collections::VecDeque;
use std::sync::mpsc::Receiver;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use super::Cancelled;
use super::pick::Pick;
use super::words::Words;
use crate::characters::Characters;
use crate::child::say;
use crate::memory::CHUNK_TOKENS;
use crate::prefix::{Given, Slots};
use crate::wire::{Answer, Chat, Code, Done, Finish};

/// A conversation under way.
struct Run {
    id: u64,
    given: Given,
    prompt: Vec<LlamaToken>,
    /// So many of the prompt's tokens are in the cache.
    read: usize,
    /// The token that was chosen last; it isn't in the cache yet.
    next: Option<LlamaToken>,
    written: u32,
    output_tokens_max: u32,
    pick: Pick,
    characters: Characters,
    /// Where its scores are, after a round.
    scores: Option<i32>,
}

type Failure = (Code, String);

/// All of it.
pub(super) struct Desk<'a> {
    model: &'a LlamaModel,
    context: LlamaContext<'a>,
    batch: LlamaBatch<'static>,
    words: Words,
    cancelled: Cancelled,
    slots: Slots<LlamaToken>,
    /// The window of each conversation, in tokens.
    window: usize,
    runs: Vec<Run>,
    waiting: VecDeque<Chat>,
}

impl<'a> Desk<'a> {
    pub(super) fn new(
        model: &'a LlamaModel,
        context: LlamaContext<'a>,
        words: Words,
        cancelled: Cancelled,
        sequences: usize,
        window: usize,
    ) -> Desk<'a> {
        Desk {
            model,
            context,
            batch: LlamaBatch::new(CHUNK_TOKENS as usize, 1),
            words,
            cancelled,
            slots: Slots::new(sequences),
            window,
            runs: Vec::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Works until the asks end.
    pub(super) fn work(mut self, asks: &Receiver<Chat>) {
        loop {
            if self.runs.is_empty() && self.waiting.is_empty() {
                let Ok(chat) = asks.recv() else { return };
                self.waiting.push_back(chat);
            }
            self.waiting.extend(asks.try_iter());
            self.stop();
            self.take_up();
            self.round();
        }
    }

    /// Ends those that were told to stop.
    fn stop(&mut self) {
        let cancelled = self.cancelled.clone();
        self.waiting.retain(|chat| {
            let stopped = cancelled.take(chat.id);
            if stopped {
                say(&Answer::Done(Done {
                    id: chat.id,
                    input_tokens: 0,
                    cached_tokens: 0,
                    output_tokens: 0,
                    finish: Finish::Cancelled,
                }));
            }
            !stopped
        });
        for i in (0..self.runs.len()).rev() {
            if cancelled.take(self.runs[i].id) {
                self.done(i, Finish::Cancelled);
            }
        }
    }

    fn take_up(&mut self) {
        while self.runs.len() < self.slots.count()
            && let Some(chat) = self.waiting.pop_front()
        {
            let id = chat.id;
            match self.begin(chat) {
                Ok(run) => self.runs.push(run),
                Err((code, words)) => say(&Answer::Failed {
                    id: Some(id),
                    code,
                    words,
                }),
            }
        }
    }

    fn begin(&mut self, chat: Chat) -> Result<Run, Failure> {
        let prompt = self
            .words
            .tokens(self.model, &chat.turns)
            .map_err(|words| (Code::Engine, words))?;
        if prompt.is_empty() || prompt.len() >= self.window {
            let words = format!(
                "the conversation has {} tokens, and the window holds {}",
                prompt.len(),
                self.window
            );
            return Err((Code::Context, words));
        }
        let pick = Pick::new(self.model, chat.sampling, chat.grammar.as_deref())
            .map_err(|words| (Code::Grammar, words))?;
        let Some(mut given) = self.slots.take(&prompt) else {
            return Err((Code::Engine, "no conversation is free".into()));
        };
        let sequence = number(given.slot);
        if self
            .context
            .kv_cache_seq_rm(sequence, Some(count(given.kept)), None)
            .is_err()
        {
            // Some kinds of models can't take back a part.
            let _ = self.context.kv_cache_seq_rm(sequence, None, None);
            self.slots.clear(given.slot);
            given.kept = 0;
        }
        Ok(Run {
            id: chat.id,
            read: given.kept,
            given,
            prompt,
            next: None,
            written: 0,
            output_tokens_max: chat.output_tokens_max.max(1),
            pick,
            characters: Characters::default(),
            scores: None,
        })
    }

    /// Computes what is next of all, and hands on what was written.
    fn round(&mut self) {
        self.batch.clear();
        let mut added: Vec<(usize, Vec<LlamaToken>)> = Vec::new();
        // Who writes first: one token each; who is read shares the rest.
        for (i, run) in self.runs.iter_mut().enumerate() {
            run.scores = None;
            if let Some(token) = run.next.take() {
                let at = self.slots.held(run.given.slot);
                if add(&mut self.batch, token, at, run.given.slot, true) {
                    run.scores = Some(self.batch.n_tokens() - 1);
                    added.push((i, vec![token]));
                }
            }
        }
        for (i, run) in self.runs.iter_mut().enumerate() {
            let room = CHUNK_TOKENS as usize - usize::try_from(self.batch.n_tokens()).unwrap_or(0);
            let end = (run.read + room).min(run.prompt.len());
            let chunk = &run.prompt[run.read..end];
            if chunk.is_empty() {
                continue;
            }
            for (k, token) in chunk.iter().enumerate() {
                let last = run.read + k + 1 == run.prompt.len();
                add(&mut self.batch, *token, run.read + k, run.given.slot, last);
            }
            if end == run.prompt.len() {
                run.scores = Some(self.batch.n_tokens() - 1);
            }
            added.push((i, chunk.to_vec()));
            run.read = end;
        }
        if self.batch.n_tokens() == 0 {
            return;
        }
        if let Err(err) = self.context.decode(&mut self.batch) {
            return self.fail_all(&format!("the computation failed: {err}"));
        }
        for (i, tokens) in added {
            self.slots.add(self.runs[i].given.slot, &tokens);
        }
        for i in (0..self.runs.len()).rev() {
            if let Some(at) = self.runs[i].scores {
                self.write(i, at);
            }
        }
    }

    /// Chooses the next token of a run.
    fn write(&mut self, i: usize, at: i32) {
        let run = &mut self.runs[i];
        let Some(token) = run.pick.next(self.model, &self.context, at) else {
            return self.fail(i, "the grammar leaves nothing to write");
        };
        let vocab = self.model.vocab();
        if vocab.is_eog(token) {
            return self.done(i, Finish::Stop);
        }
        run.written += 1;
        let text = run
            .characters
            .push(&vocab.token_to_piece(token, false, None));
        if !text.is_empty() {
            say(&Answer::Piece { id: run.id, text });
        }
        let held = self.slots.held(run.given.slot);
        if run.written >= run.output_tokens_max || held + 1 >= self.window {
            return self.done(i, Finish::Length);
        }
        run.next = Some(token);
    }

    fn done(&mut self, i: usize, finish: Finish) {
        let run = self.runs.swap_remove(i);
        self.slots.give_back(run.given.slot);
        let rest = run.characters.finish();
        if !rest.is_empty() {
            say(&Answer::Piece {
                id: run.id,
                text: rest,
            });
        }
        say(&Answer::Done(Done {
            id: run.id,
            input_tokens: count(run.prompt.len()),
            cached_tokens: count(run.given.kept),
            output_tokens: run.written,
            finish,
        }));
    }

    fn fail(&mut self, i: usize, words: &str) {
        let run = self.runs.swap_remove(i);
        self.slots.give_back(run.given.slot);
        say(&Answer::Failed {
            id: Some(run.id),
            code: Code::Engine,
            words: words.into(),
        });
    }

    /// What the cache holds after a failure isn't known: all of it goes.
    fn fail_all(&mut self, words: &str) {
        while let Some(run) = self.runs.last() {
            let slot = run.given.slot;
            self.slots.clear(slot);
            let _ = self.context.kv_cache_seq_rm(number(slot), None, None);
            self.fail(self.runs.len() - 1, words);
        }
    }
}

/// Room was counted before; a token that finds none isn't added.
fn add(
    batch: &mut LlamaBatch<'_>,
    token: LlamaToken,
    at: usize,
    slot: usize,
    scores: bool,
) -> bool {
    batch
        .add(token, number(at), &[number(slot)], scores)
        .is_ok()
}

fn number(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
