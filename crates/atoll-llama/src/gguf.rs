//! A GGUF file's header, read and checked before the engine sees it: every length is held against the file's own,
//! so that a file that was cut, or lies about what it holds, is refused with words.
//!
//! The format: magic, version, counts of tensors and of keys; the keys with their values; each tensor's name,
//! dimensions, type and offset; then the tensors' data, from the next aligned byte to the end.

use std::io::{BufReader, Read, Seek, SeekFrom};

const STRING_LIMIT_BYTES: u64 = 16 << 20;
const KEYS_MAX: u64 = 1 << 16;
const TENSORS_MAX: u64 = 1 << 16;
const ITEMS_MAX: u64 = 1 << 24;
const HEADER_LIMIT_BYTES: u64 = 256 << 20;
const KEY_LIMIT_BYTES: u64 = 64 << 10;
const ALIGNMENT: u64 = 32;

/// What a header says of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// `llama`, `qwen2`, …
    pub architecture: String,
    /// Its own name, if it has one.
    pub name: Option<String>,
    /// The window it was trained on, in tokens.
    pub context_tokens: u64,
    /// Layers.
    pub layers: u64,
    /// Numbers that the cache keeps for a token and a layer, keys and values together.
    pub cache_width: u64,
    /// Tokens that it knows.
    pub vocabulary: u64,
    /// Whether it brings a chat template.
    pub template: bool,
    /// The file's length, in bytes.
    pub file_bytes: u64,
}

impl Header {
    /// What the cache takes for a token, in bytes, with numbers of 16 bits.
    pub fn cache_bytes_per_token(&self) -> u64 {
        self.layers
            .saturating_mul(self.cache_width)
            .saturating_mul(2)
    }
}

/// Why a file is no usable model.
#[derive(Debug, thiserror::Error)]
pub enum BadModel {
    /// It can't be read.
    #[error("it can't be read: {0}")]
    Io(std::io::Error),
    /// It is something else.
    #[error("it is no GGUF file")]
    Magic,
    /// A version that isn't known.
    #[error("it is GGUF of version {0}; versions 2 and 3 can be read")]
    Version(u32),
    /// It ends too early.
    #[error("it is cut: {0}")]
    Cut(String),
    /// It contradicts itself.
    #[error("it lies: {0}")]
    Lies(String),
    /// It lacks what every language model has.
    #[error("it is no language model: {0}")]
    Lacks(String),
}

impl From<std::io::Error> for BadModel {
    fn from(err: std::io::Error) -> BadModel {
        match err.kind() {
            std::io::ErrorKind::UnexpectedEof => BadModel::Cut("its header has no end".into()),
            _ => BadModel::Io(err),
        }
    }
}

/// Reads the header of a file.
pub fn read_file(path: &std::path::Path) -> Result<Header, BadModel> {
    let file = std::fs::File::open(path).map_err(BadModel::Io)?;
    let meta = file.metadata().map_err(BadModel::Io)?;
    if !meta.is_file() {
        return Err(BadModel::Io(std::io::Error::other("it is no file")));
    }
    read(BufReader::with_capacity(1 << 16, file))
}

/// Reads a header.
pub fn read(mut from: impl Read + Seek) -> Result<Header, BadModel> {
    let file_bytes = from.seek(SeekFrom::End(0)).map_err(BadModel::Io)?;
    from.seek(SeekFrom::Start(0)).map_err(BadModel::Io)?;
    let mut reader = Reader {
        from: from.take(HEADER_LIMIT_BYTES.min(file_bytes)),
        at: 0,
        end: file_bytes,
    };
    if reader.bytes::<4>().map_err(|_| BadModel::Magic)? != *b"GGUF" {
        return Err(BadModel::Magic);
    }
    let version = reader.u32()?;
    if !(2..=3).contains(&version) {
        return Err(BadModel::Version(version));
    }
    let (tensors, keys) = (reader.u64()?, reader.u64()?);
    if tensors == 0 || tensors > TENSORS_MAX || keys > KEYS_MAX {
        return Err(BadModel::Lies(format!("{tensors} tensors, {keys} keys")));
    }
    let mut facts = Facts::default();
    for _ in 0..keys {
        facts.key(&mut reader)?;
    }
    let alignment = facts.alignment.unwrap_or(ALIGNMENT);
    if !alignment.is_power_of_two() || alignment > 1 << 20 {
        return Err(BadModel::Lies(format!("data aligned to {alignment}")));
    }
    let mut data_end: u64 = 0;
    for _ in 0..tensors {
        data_end = data_end.max(reader.tensor(alignment)?);
    }
    let start = reader.at.next_multiple_of(alignment);
    let wanted = start.saturating_add(data_end);
    if wanted > file_bytes {
        return Err(BadModel::Cut(format!(
            "its tensors end at byte {wanted}, the file at byte {file_bytes}"
        )));
    }
    facts.header(file_bytes)
}

struct Reader<R> {
    from: R,
    at: u64,
    end: u64,
}

impl<R: Read> Reader<R> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], BadModel> {
        let mut out = [0; N];
        self.from.read_exact(&mut out)?;
        self.at += N as u64;
        Ok(out)
    }
    fn u32(&mut self) -> Result<u32, BadModel> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }
    fn u64(&mut self) -> Result<u64, BadModel> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    /// A length that must still fit into the file.
    fn length(&mut self, what: &str, width: u64, max: u64) -> Result<u64, BadModel> {
        let count = self.u64()?;
        let bytes = count.saturating_mul(width);
        if count > max {
            return Err(BadModel::Lies(format!("{what} of {count}")));
        }
        if bytes > self.end.saturating_sub(self.at) {
            return Err(BadModel::Cut(format!(
                "{what} of {bytes} bytes, and {} are left",
                self.end.saturating_sub(self.at)
            )));
        }
        Ok(count)
    }

    fn string(&mut self, limit_bytes: u64) -> Result<String, BadModel> {
        let length = self.length("a text", 1, limit_bytes)?;
        let mut out = Vec::new();
        (&mut self.from).take(length).read_to_end(&mut out)?;
        if out.len() as u64 != length {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        self.at += length;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    fn skip(&mut self, bytes: u64) -> Result<(), BadModel> {
        let skipped = std::io::copy(&mut (&mut self.from).take(bytes), &mut std::io::sink())?;
        self.at += skipped;
        if skipped == bytes {
            Ok(())
        } else {
            Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into())
        }
    }

    /// A value; only what may matter is kept.
    fn value(&mut self, kind: u32) -> Result<Value, BadModel> {
        Ok(match kind {
            8 => Value::Text(self.string(STRING_LIMIT_BYTES)?),
            9 => {
                let kind = self.u32()?;
                let width = if kind == 8 { 8 } else { width(kind)? };
                let count = self.length("a list", width, ITEMS_MAX)?;
                let mut largest = 0;
                for _ in 0..count {
                    if let Value::Whole(n) = self.value(kind)? {
                        largest = largest.max(n);
                    }
                }
                Value::List { count, largest }
            }
            4 => Value::Whole(self.u32()?.into()),
            5 => Value::Whole(u64::try_from(self.u32()?.cast_signed()).unwrap_or(0)),
            10 => Value::Whole(self.u64()?),
            11 => Value::Whole(u64::try_from(self.u64()?.cast_signed()).unwrap_or(0)),
            0 => Value::Whole(self.bytes::<1>()?[0].into()),
            2 => Value::Whole(u16::from_le_bytes(self.bytes()?).into()),
            _ => {
                self.skip(width(kind)?)?;
                Value::Other
            }
        })
    }

    /// A tensor's row; where its data ends, from the data's start.
    fn tensor(&mut self, alignment: u64) -> Result<u64, BadModel> {
        let name = self.string(KEY_LIMIT_BYTES)?;
        let lies = |what: String| {
            let name: String = name
                .chars()
                .filter(|c| c.is_ascii_graphic())
                .take(64)
                .collect();
            BadModel::Lies(format!("tensor {name} {what}"))
        };
        let dimensions = self.u32()?;
        if dimensions == 0 || dimensions > 4 {
            return Err(lies(format!("has {dimensions} dimensions")));
        }
        let (mut numbers, mut row) = (1u64, 0);
        for i in 0..dimensions {
            let dimension = self.u64()?;
            if i == 0 {
                row = dimension;
            }
            numbers = numbers
                .checked_mul(dimension)
                .filter(|n| *n > 0 && *n < 1 << 50)
                .ok_or_else(|| lies("has an impossible size".into()))?;
        }
        let (kind, offset) = (self.u32()?, self.u64()?);
        let Some((block, bytes)) = block(kind) else {
            return Err(lies(format!("has the unknown type {kind}")));
        };
        if row % block != 0 || offset % alignment != 0 {
            return Err(lies("isn't made of whole blocks".into()));
        }
        offset
            .checked_add(numbers / block * bytes)
            .ok_or_else(|| lies("lies beyond all files".into()))
    }
}

enum Value {
    Text(String),
    Whole(u64),
    List { count: u64, largest: u64 },
    Other,
}

/// Bytes of a plain value.
fn width(kind: u32) -> Result<u64, BadModel> {
    match kind {
        0 | 1 | 7 => Ok(1),
        2 | 3 => Ok(2),
        4..=6 => Ok(4),
        10..=12 => Ok(8),
        _ => Err(BadModel::Lies(format!(
            "a value of the unknown type {kind}"
        ))),
    }
}

/// Numbers and bytes of a block of a tensor's type.
fn block(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        0 | 26 => (1, 4),
        1 | 25 | 30 => (1, 2),
        24 => (1, 1),
        27 | 28 => (1, 8),
        2 | 20 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        9 => (32, 36),
        10 => (256, 84),
        11 | 21 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        15 => (256, 292),
        16 => (256, 66),
        17 => (256, 74),
        18 => (256, 98),
        19 => (256, 50),
        22 => (256, 82),
        23 => (256, 136),
        29 => (256, 56),
        34 => (256, 54),
        35 => (256, 66),
        39 => (32, 17),
        _ => return None,
    })
}

/// The keys that matter. Those of an architecture are kept by what follows its name, since the name may come
/// after them.
#[derive(Default)]
struct Facts {
    architecture: Option<String>,
    name: Option<String>,
    alignment: Option<u64>,
    template: bool,
    vocabulary: u64,
    whole: std::collections::BTreeMap<String, u64>,
}

impl Facts {
    fn key(&mut self, reader: &mut Reader<impl Read>) -> Result<(), BadModel> {
        let key = reader.string(KEY_LIMIT_BYTES)?;
        let kind = reader.u32()?;
        match (key.as_str(), reader.value(kind)?) {
            ("general.architecture", Value::Text(text)) => self.architecture = Some(text),
            ("general.name", Value::Text(text)) => self.name = Some(text),
            ("general.alignment", Value::Whole(n)) => self.alignment = Some(n),
            ("tokenizer.chat_template", Value::Text(_)) => self.template = true,
            ("tokenizer.ggml.tokens", Value::List { count, .. }) => self.vocabulary = count,
            (_, Value::Whole(n) | Value::List { largest: n, .. }) => {
                self.whole.insert(key, n);
            }
            _ => {}
        }
        Ok(())
    }

    fn header(self, file_bytes: u64) -> Result<Header, BadModel> {
        let lacks = |what: &str| BadModel::Lacks(format!("it doesn't say its {what}"));
        let architecture = self
            .architecture
            .clone()
            .ok_or_else(|| lacks("architecture"))?;
        let find = |name: &str| self.whole.get(&format!("{architecture}.{name}")).copied();
        let need = |name: &str, max: u64| match find(name) {
            None | Some(0) => Err(lacks(name)),
            Some(n) if n > max => Err(BadModel::Lies(format!("{name} is {n}"))),
            Some(n) => Ok(n),
        };
        let layers = need("block_count", 1 << 12)?;
        let width = need("embedding_length", 1 << 20)?;
        let heads = need("attention.head_count", 1 << 16)?;
        let context_tokens = need("context_length", 1 << 30)?;
        let kept = find("attention.head_count_kv")
            .unwrap_or(heads)
            .min(1 << 16);
        let each = width / heads;
        let keys = find("attention.key_length").unwrap_or(each).min(1 << 20);
        let values = find("attention.value_length").unwrap_or(each).min(1 << 20);
        if self.vocabulary == 0 {
            return Err(lacks("tokens"));
        }
        Ok(Header {
            architecture,
            name: self.name,
            context_tokens,
            layers,
            cache_width: kept * (keys + values),
            vocabulary: self.vocabulary,
            template: self.template,
            file_bytes,
        })
    }
}
