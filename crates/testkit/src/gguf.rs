//! GGUF files made here: a whole model of a few thousand random numbers, and ways to spoil it.

#![allow(clippy::disallowed_methods, reason = "scratch folders of tests")]

use std::path::{Path, PathBuf};

/// The numbers that stand for a token.
pub const WIDTH: u64 = 32;
/// The window, in tokens.
pub const CONTEXT: u32 = 512;

/// A file in the making.
#[derive(Clone, Default)]
pub struct Made {
    /// Its keys, each with its value's bytes.
    pub keys: Vec<(String, Vec<u8>)>,
    /// Its tensors.
    pub tensors: Vec<Tensor>,
}

/// A tensor in the making.
#[derive(Clone)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Its dimensions, the row first.
    pub dimensions: Vec<u64>,
    /// The number of its type.
    pub kind: u32,
    /// Its bytes.
    pub data: Vec<u8>,
    /// Where it says that it lies, if not where it does.
    pub offset: Option<u64>,
}

fn text(text: &str) -> Vec<u8> {
    let mut out = (text.len() as u64).to_le_bytes().to_vec();
    out.extend(text.as_bytes());
    out
}

impl Made {
    /// Sets a key to a text.
    pub fn text(&mut self, key: &str, value: &str) {
        let mut bytes = 8u32.to_le_bytes().to_vec();
        bytes.extend(text(value));
        self.set(key, bytes);
    }
    /// Sets a key to a whole number.
    pub fn whole(&mut self, key: &str, value: u32) {
        let mut bytes = 4u32.to_le_bytes().to_vec();
        bytes.extend(value.to_le_bytes());
        self.set(key, bytes);
    }
    /// Sets a key to a number.
    pub fn real(&mut self, key: &str, value: f32) {
        let mut bytes = 6u32.to_le_bytes().to_vec();
        bytes.extend(value.to_le_bytes());
        self.set(key, bytes);
    }
    /// Sets a key to a list of texts.
    pub fn texts(&mut self, key: &str, values: &[String]) {
        let mut bytes = 9u32.to_le_bytes().to_vec();
        bytes.extend(8u32.to_le_bytes());
        bytes.extend((values.len() as u64).to_le_bytes());
        values.iter().for_each(|v| bytes.extend(text(v)));
        self.set(key, bytes);
    }
    /// Sets a key to a list of whole numbers.
    pub fn wholes(&mut self, key: &str, values: &[i32]) {
        let mut bytes = 9u32.to_le_bytes().to_vec();
        bytes.extend(5u32.to_le_bytes());
        bytes.extend((values.len() as u64).to_le_bytes());
        values.iter().for_each(|v| bytes.extend(v.to_le_bytes()));
        self.set(key, bytes);
    }
    /// Sets a key to these bytes, its type first.
    pub fn set(&mut self, key: &str, bytes: Vec<u8>) {
        self.keys.retain(|(name, _)| name != key);
        self.keys.push((key.into(), bytes));
    }

    /// A tensor of small numbers that are the same each time.
    pub fn tensor(&mut self, name: &str, dimensions: &[u64]) {
        let mut seed = name.bytes().fold(0x9e37_79b9u32, |h, b| {
            h.rotate_left(5).wrapping_mul(31) ^ u32::from(b)
        }) | 1;
        let data = (0..dimensions.iter().product::<u64>()).flat_map(|_| {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            let number = (f64::from(seed) / f64::from(u32::MAX) - 0.5) as f32;
            number.to_le_bytes()
        });
        let data = data.collect();
        self.tensors.push(Tensor {
            name: name.into(),
            dimensions: dimensions.into(),
            kind: 0,
            data,
            offset: None,
        });
    }

    /// The file's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.keys.len() as u64).to_le_bytes());
        for (key, value) in &self.keys {
            out.extend(text(key));
            out.extend(value);
        }
        let mut at = 0u64;
        for tensor in &self.tensors {
            out.extend(text(&tensor.name));
            out.extend((tensor.dimensions.len() as u32).to_le_bytes());
            tensor
                .dimensions
                .iter()
                .for_each(|d| out.extend(d.to_le_bytes()));
            out.extend(tensor.kind.to_le_bytes());
            out.extend(tensor.offset.unwrap_or(at).to_le_bytes());
            at += (tensor.data.len() as u64).next_multiple_of(32);
        }
        for tensor in &self.tensors {
            out.resize(out.len().next_multiple_of(32), 0);
            out.extend(&tensor.data);
        }
        out.resize(out.len().next_multiple_of(32), 0);
        out
    }

    /// Writes `NAME.gguf` into a folder.
    pub fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(format!("{name}.gguf"));
        std::fs::write(&path, self.bytes()).expect("the scratch folder can be written");
        path
    }
}

/// The letters that byte-pair vocabularies write bytes with.
fn letters() -> Vec<char> {
    let plain =
        |b: u32| (33..=126).contains(&b) || (161..=172).contains(&b) || (174..=255).contains(&b);
    let mut next = 256;
    let letter = |b: u32| {
        if plain(b) {
            return char::from_u32(b).unwrap_or('?');
        }
        next += 1;
        char::from_u32(next - 1).unwrap_or('?')
    };
    (0..256).map(letter).collect()
}

/// A whole model: one layer, bytes as tokens, ChatML.
pub fn model() -> Made {
    let mut made = Made::default();
    let mut tokens: Vec<String> = letters().iter().map(char::to_string).collect();
    tokens.extend(["<|im_start|>", "<|im_end|>", "ab"].map(str::to_owned));
    let mut kinds = vec![1; 256];
    kinds.extend([3, 3, 1]);
    let vocabulary = tokens.len() as u64;
    made.text("general.architecture", "llama");
    made.text("general.name", "tiny");
    for (key, value) in [
        ("context_length", CONTEXT),
        ("embedding_length", WIDTH as u32),
        ("block_count", 1),
        ("feed_forward_length", 64),
        ("attention.head_count", 2),
        ("attention.head_count_kv", 2),
        ("rope.dimension_count", 16),
    ] {
        made.whole(&format!("llama.{key}"), value);
    }
    made.real("llama.attention.layer_norm_rms_epsilon", 1e-5);
    made.text("tokenizer.ggml.model", "gpt2");
    made.text("tokenizer.ggml.pre", "default");
    made.texts("tokenizer.ggml.tokens", &tokens);
    made.wholes("tokenizer.ggml.token_type", &kinds);
    made.texts("tokenizer.ggml.merges", &["a b".into()]);
    made.whole("tokenizer.ggml.bos_token_id", 256);
    made.whole("tokenizer.ggml.eos_token_id", 257);
    made.text(
        "tokenizer.chat_template",
        "{% for m in messages %}{{'<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n'}}{% endfor %}",
    );
    made.tensor("token_embd.weight", &[WIDTH, vocabulary]);
    made.tensor("output_norm.weight", &[WIDTH]);
    made.tensor("output.weight", &[WIDTH, vocabulary]);
    for (name, dimensions) in [
        ("attn_norm", &[WIDTH][..]),
        ("attn_q", &[WIDTH, WIDTH]),
        ("attn_k", &[WIDTH, WIDTH]),
        ("attn_v", &[WIDTH, WIDTH]),
        ("attn_output", &[WIDTH, WIDTH]),
        ("ffn_norm", &[WIDTH]),
        ("ffn_gate", &[WIDTH, 64]),
        ("ffn_up", &[WIDTH, 64]),
        ("ffn_down", &[64, WIDTH]),
    ] {
        made.tensor(&format!("blk.0.{name}.weight"), dimensions);
    }
    made
}
