//! Tokens per second of CPU: the engine behind its lines and fence, beside llama.cpp's own calls in this process (the
//! loop of its `llama-bench`), with the same code, file, threads and batch; what a grammar costs; what a second turn
//! computes. `cargo run --release -p atoll-llama --features engine --example speed FILE.gguf [THREADS]`
#![allow(
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a measurement, never shipped"
)]

use std::io::BufReader;
use std::num::NonZeroU32;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use atoll_domain::ToolSpec;
use atoll_llama::grammar;
use atoll_llama::wire::{
    ANSWER_LIMIT_BYTES, Answer, Ask, Chat, Done, Finish, Load, Sampling, Turn, receive, send,
};
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::model::{LlamaChatMessage, LlamaModel};
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use serde_json::json;

/// Words that make a transcript of about 2,000 tokens.
const READ_WORDS: usize = 1_950;
const WRITE_TOKENS: u32 = 48;
const BATCH: u32 = 256;
const WINDOW: u32 = 8192;
/// Both are measured in turn, so often; the best of each counts, since neighbours only ever take away.
const READS: usize = 2;
const WRITES: usize = 8;

/// CPU that a process used, in seconds, to the nanosecond also while it runs.
fn cpu(pid: u32) -> f64 {
    let (mut clock, mut time) = (
        0,
        libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
    );
    // SAFETY: both write to what they are given, and nowhere else.
    let got = unsafe {
        libc::clock_getcpuclockid(pid.cast_signed(), &raw mut clock) == 0
            && libc::clock_gettime(clock, &raw mut time) == 0
    };
    assert!(got, "no clock of process {pid}");
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn words(count: usize) -> String {
    let all = [
        "the", "file", "holds", "a", "list", "of", "prices", "and", "dates",
    ];
    let words: Vec<&str> = (0..count)
        .map(|i| all[(i * i + i / 7) % all.len()])
        .collect();
    words.join(" ") + ". Tell a long story of them."
}

/// Reading and writing by llama.cpp's own calls.
struct Own<'a> {
    context: LlamaContext<'a>,
    batch: LlamaBatch<'static>,
    tokens: Vec<LlamaToken>,
}

impl<'a> Own<'a> {
    /// It reads the very tokens that the engine reads: what they are changes how long it takes.
    fn new(model: &'a LlamaModel, backend: &LlamaBackend, threads: i32) -> Own<'a> {
        let said = LlamaChatMessage::new("user".into(), words(READ_WORDS)).unwrap();
        let template = model.chat_template(None).unwrap();
        let prompt = model.apply_chat_template(&template, &[said], true).unwrap();
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(WINDOW))
            .with_n_batch(BATCH)
            .with_n_ubatch(BATCH)
            .with_n_threads(threads)
            .with_n_threads_batch(threads);
        Own {
            context: model.new_context(backend, params).unwrap(),
            batch: LlamaBatch::new(BATCH as usize, 1),
            tokens: model.vocab().tokenize(prompt.as_bytes(), true, true),
        }
    }

    /// Reads all of it; tokens per second of CPU.
    fn read(&mut self) -> f64 {
        let start = cpu(std::process::id());
        self.context.kv_cache_seq_rm(0, None, None).unwrap();
        for (c, chunk) in self.tokens.chunks(BATCH as usize).enumerate() {
            self.batch.clear();
            for (i, token) in chunk.iter().enumerate() {
                let at = c * BATCH as usize + i;
                let last = at + 1 == self.tokens.len();
                self.batch.add(*token, at as i32, &[0], last).unwrap();
            }
            self.context.decode(&mut self.batch).unwrap();
        }
        self.tokens.len() as f64 / (cpu(std::process::id()) - start)
    }

    /// Writes after what was read, whose last token is computed again as the engine does; tokens per second of CPU.
    fn write(&mut self) -> f64 {
        let last = self.tokens.len() - 1;
        let start = cpu(std::process::id());
        self.context
            .kv_cache_seq_rm(0, Some(last as u32), None)
            .unwrap();
        let mut pick = LlamaSampler::chain_simple([LlamaSampler::greedy()]);
        let mut token = self.tokens[last];
        for i in 0..WRITE_TOKENS as usize {
            self.batch.clear();
            self.batch
                .add(token, (last + i) as i32, &[0], true)
                .unwrap();
            self.context.decode(&mut self.batch).unwrap();
            token = pick.sample(&self.context, 0);
        }
        f64::from(WRITE_TOKENS) / (cpu(std::process::id()) - start)
    }
}

struct Engine {
    process: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
    next: u64,
}

/// A reply: its figures, its text, and the CPU it took in seconds.
struct Said {
    done: Done,
    text: String,
    cpu_s: f64,
}

impl Said {
    /// Tokens that were read and not kept from before, per second of CPU.
    fn read_rate(&self) -> f64 {
        f64::from(self.done.input_tokens - self.done.cached_tokens) / self.cpu_s
    }
    /// Tokens that were chosen, the mark of the end among them, per second of CPU.
    fn write_rate(&self) -> f64 {
        let end = u32::from(self.done.finish == Finish::Stop);
        f64::from(self.done.output_tokens + end) / self.cpu_s
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it may have ended
        let _ = self.process.wait();
    }
}

impl Engine {
    fn start(path: &str, threads: u32) -> Engine {
        let exe = std::env::current_exe().unwrap();
        let mut process = Command::new(exe)
            .arg("--engine")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (mut asks, answers) = (
            process.stdin.take().unwrap(),
            process.stdout.take().unwrap(),
        );
        let load = Load {
            path: path.into(),
            context_tokens: WINDOW,
            sequences: 1,
            threads,
            spare_bytes: 0,
        };
        send(&mut asks, &Ask::Load(load)).unwrap();
        let mut answers = BufReader::new(answers);
        let loaded: Option<Answer> = receive(&mut answers, ANSWER_LIMIT_BYTES).unwrap();
        assert!(matches!(loaded, Some(Answer::Loaded(_))), "{loaded:?}");
        Engine {
            process,
            asks,
            answers,
            next: 0,
        }
    }

    fn chat(&mut self, texts: &[&str], tokens: u32, grammar: Option<String>) -> Said {
        let roles = ["user", "assistant"].iter().cycle();
        let turns = texts.iter().zip(roles).map(|(text, role)| Turn {
            role: (*role).into(),
            text: (*text).into(),
        });
        let start = cpu(self.process.id());
        self.next += 1;
        let chat = Chat {
            id: self.next,
            turns: turns.collect(),
            grammar,
            output_tokens_max: tokens,
            sampling: Sampling {
                temperature: 0.0,
                top_k: 40,
                top_p: 0.95,
                seed: 1,
            },
        };
        send(&mut self.asks, &Ask::Chat(chat)).unwrap();
        let mut said = String::new();
        loop {
            match receive(&mut self.answers, ANSWER_LIMIT_BYTES)
                .unwrap()
                .unwrap()
            {
                Answer::Done(done) => {
                    return Said {
                        done,
                        text: said,
                        cpu_s: cpu(self.process.id()) - start,
                    };
                }
                Answer::Piece { text, .. } => said.push_str(&text),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// What an agent has on offer.
fn tools() -> Vec<ToolSpec> {
    let tool = |name: &str, parameters| ToolSpec {
        name: name.into(),
        description: String::new(),
        parameters,
    };
    let object = |properties, required| json!({"type": "object", "properties": properties, "required": required});
    vec![
        tool(
            "read_file",
            object(
                json!({"path": {"type": "string"}, "from": {"type": "integer"}}),
                json!(["path"]),
            ),
        ),
        tool(
            "edit_file",
            object(
                json!({"path": {"type": "string"}, "old": {"type": "string"}, "new": {"type": "string"}}),
                json!(["path", "old", "new"]),
            ),
        ),
        tool(
            "run_tests",
            object(
                json!({"only": {"type": "array", "items": {"type": "string"}}}),
                json!([]),
            ),
        ),
    ]
}

fn best(so_far: &mut f64, rate: f64) {
    *so_far = so_far.max(rate);
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|word| word == "--engine") {
        std::process::exit(atoll_llama::engine_main());
    }
    let path = args.first().expect("a GGUF file");
    let threads: i32 = args.get(1).map_or(1, |n| n.parse().unwrap());
    let mut backend = LlamaBackend::init().unwrap();
    backend.void_logs();
    let model = LlamaModel::load_from_file(&backend, path, &LlamaModelParams::default()).unwrap();
    let text = words(READ_WORDS);
    let with_tools = grammar::reply(&tools(), None).unwrap();
    // Words stay words, so that what is measured is the grammar and not another text.
    let plain_words = with_tools.replacen("root ::= text | ", "root ::= text #", 1);
    let only_calls = with_tools.replacen("root ::= text | ", "root ::= ", 1);
    let (mut own_read, mut own_write, mut read, mut write) = (0.0, 0.0, 0.0, 0.0);
    let (mut in_words, mut in_calls) = (0.0, 0.0);
    let mut engine = Engine::start(path, threads.cast_unsigned());
    let first = engine.chat(&[&text], 1, None);
    best(&mut read, first.read_rate());
    let mut own = Own::new(&model, &backend, threads);
    assert_eq!(own.tokens.len(), first.done.input_tokens as usize);
    for _ in 0..READS {
        best(&mut own_read, own.read());
        engine = Engine::start(path, threads.cast_unsigned());
        best(&mut read, engine.chat(&[&text], 1, None).read_rate());
    }
    let mut plain = engine.chat(&[&text], WRITE_TOKENS, None);
    for _ in 0..WRITES {
        best(&mut own_write, own.write());
        // The same again: all but the last token is kept, so that what is measured is the writing.
        plain = engine.chat(&[&text], WRITE_TOKENS, None);
        best(&mut write, plain.write_rate());
        let held = engine.chat(&[&text], WRITE_TOKENS, Some(plain_words.clone()));
        best(&mut in_words, held.write_rate());
        let calls = engine.chat(&[&text], WRITE_TOKENS, Some(only_calls.clone()));
        best(&mut in_calls, calls.write_rate());
    }
    // The next turn of the conversation whose reply was written above, after other replies.
    engine.chat(&[&text], WRITE_TOKENS, None);
    let turns = [
        text.as_str(),
        &plain.text,
        "Which of them holds the prices?",
    ];
    let next = engine.chat(&turns, 1, None).done;
    let before = plain.done.input_tokens + plain.done.output_tokens;
    let second = (
        next.input_tokens - next.cached_tokens,
        next.input_tokens.saturating_sub(before),
    );
    let figures = json!({
        "own_read": own_read, "own_write": own_write, "read": read, "write": write,
        "write_in_words": in_words, "write_in_calls": in_calls,
        "second_computed": second.0, "second_new": second.1,
    });
    println!("{figures}");
}
