//! Tokens per second of CPU: the engine behind its lines and fence, beside llama.cpp's own calls in this process,
//! with the same code, file, threads and batch. `cargo run --release --features engine --example speed FILE.gguf`
#![allow(
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a measurement, never shipped"
)]

use std::io::{BufReader, Write};
use std::num::NonZeroU32;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use atoll_llama::wire::{
    ANSWER_LIMIT_BYTES, Answer, Ask, Chat, Done, Load, Sampling, Turn, receive, send,
};
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::sampling::LlamaSampler;

const READ_TOKENS: usize = 2_000;
const WRITE_TOKENS: u32 = 128;
const BATCH: u32 = 256;
const GRAMMAR: &str = "root ::= [^{] [^\\x00]*\n";

/// CPU that a process used, in seconds.
fn cpu(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let mut fields = stat.rsplit(") ").next().unwrap().split(' ').skip(11);
    let mut ticks = || fields.next().unwrap().parse::<f64>().unwrap();
    (ticks() + ticks()) / 100.0
}

fn words(count: usize) -> String {
    let all = [
        "the", "file", "holds", "a", "list", "of", "prices", "and", "dates",
    ];
    let words: Vec<&str> = (0..count)
        .map(|i| all[(i * i + i / 7) % all.len()])
        .collect();
    words.join(" ")
}

/// Reading and writing by llama.cpp's own calls: tokens per second of CPU.
fn own(path: &str, threads: i32) -> (f64, f64) {
    let me = std::process::id();
    let mut backend = LlamaBackend::init().unwrap();
    backend.void_logs();
    let model = LlamaModel::load_from_file(&backend, path, &LlamaModelParams::default()).unwrap();
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(8192))
        .with_n_batch(BATCH)
        .with_n_ubatch(BATCH)
        .with_n_threads(threads)
        .with_n_threads_batch(threads);
    let mut context = model.new_context(&backend, params).unwrap();
    let tokens = model
        .vocab()
        .tokenize(words(READ_TOKENS).as_bytes(), true, true);
    let mut batch = LlamaBatch::new(BATCH as usize, 1);
    let start = cpu(me);
    for (c, chunk) in tokens.chunks(BATCH as usize).enumerate() {
        batch.clear();
        for (i, token) in chunk.iter().enumerate() {
            let at = c * BATCH as usize + i;
            let last = at + 1 == tokens.len();
            batch.add(*token, at as i32, &[0], last).unwrap();
        }
        context.decode(&mut batch).unwrap();
    }
    let read = tokens.len() as f64 / (cpu(me) - start);
    let mut pick = LlamaSampler::chain_simple([LlamaSampler::greedy()]);
    let start = cpu(me);
    let mut at = batch.n_tokens() - 1;
    for i in 0..WRITE_TOKENS as i32 {
        let token = pick.sample(&context, at);
        batch.clear();
        batch
            .add(token, tokens.len() as i32 + i, &[0], true)
            .unwrap();
        context.decode(&mut batch).unwrap();
        at = 0;
    }
    (read, f64::from(WRITE_TOKENS) / (cpu(me) - start))
}

struct Engine {
    process: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
    next: u64,
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
            context_tokens: 8192,
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

    /// A call's figures and the CPU it took, in seconds.
    fn chat(&mut self, text: &str, tokens: u32, grammar: bool) -> (Done, f64) {
        let start = cpu(self.process.id());
        self.next += 1;
        let chat = Chat {
            id: self.next,
            turns: vec![Turn {
                role: "user".into(),
                text: text.into(),
            }],
            grammar: grammar.then(|| GRAMMAR.into()),
            output_tokens_max: tokens,
            sampling: Sampling {
                temperature: 0.0,
                top_k: 40,
                top_p: 0.95,
                seed: 1,
            },
        };
        send(&mut self.asks, &Ask::Chat(chat)).unwrap();
        loop {
            match receive(&mut self.answers, ANSWER_LIMIT_BYTES)
                .unwrap()
                .unwrap()
            {
                Answer::Done(done) => return (done, cpu(self.process.id()) - start),
                Answer::Piece { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|word| word == "--engine") {
        std::process::exit(atoll_llama::engine_main());
    }
    let path = args.first().expect("a GGUF file");
    let threads = args.get(1).map_or(1, |n| n.parse().unwrap());
    let (own_read, own_write) = own(path, threads);
    let mut engine = Engine::start(path, threads.cast_unsigned());
    let text = words(READ_TOKENS);
    let (read, read_s) = engine.chat(&text, 1, false);
    let read_rate = f64::from(read.input_tokens - read.cached_tokens) / read_s;
    // The same again: all but the last token is kept, so that what is measured is the writing.
    let (write, write_s) = engine.chat(&text, WRITE_TOKENS, false);
    let (held, held_s) = engine.chat(&text, WRITE_TOKENS, true);
    let rate = |done: &Done, s: f64| f64::from(done.output_tokens) / s;
    let mut out = std::io::stdout();
    let (plain, grammar) = (rate(&write, write_s), rate(&held, held_s));
    writeln!(
        out,
        "read   {read_rate:8.1}/CPU-s  own {own_read:8.1}  ratio {:.3}",
        read_rate / own_read
    )
    .unwrap();
    writeln!(
        out,
        "write  {plain:8.1}/CPU-s  own {own_write:8.1}  ratio {:.3}  ({} tokens)",
        plain / own_write,
        write.output_tokens
    )
    .unwrap();
    writeln!(
        out,
        "with a grammar {grammar:.1}/CPU-s, {:.3} of without ({} tokens)",
        grammar / plain,
        held.output_tokens
    )
    .unwrap();
    writeln!(
        out,
        "second turn: {} of {} tokens computed",
        write.input_tokens - write.cached_tokens,
        write.input_tokens
    )
    .unwrap();
    drop(engine.asks);
    engine.process.wait().unwrap();
}
