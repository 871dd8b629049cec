//! Chance from a seed, the same everywhere (SplitMix64).

pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }

    /// `n` bytes of an alphabet.
    pub fn of(&mut self, alphabet: &str, n: usize) -> String {
        let all = alphabet.as_bytes();
        (0..n)
            .map(|_| char::from(all[self.below(all.len())]))
            .collect()
    }

    pub fn hex(&mut self, n: usize) -> String {
        self.of("0123456789abcdef", n)
    }

    pub fn base64(&mut self, bytes: usize) -> String {
        use base64::Engine as _;
        let raw: Vec<u8> = (0..bytes).map(|_| self.next() as u8).collect();
        base64::engine::general_purpose::STANDARD.encode(raw)
    }

    pub fn uuid(&mut self) -> String {
        self.shape("{h8}-{h4}-4{h3}-a{h3}-{h12}")
    }

    /// A text by its shape: `{h32}` is 32 small hex digits, and so on (`alphabet`); the rest stands for itself.
    pub fn shape(&mut self, shape: &str) -> String {
        let (mut out, mut rest) = (String::new(), shape);
        while let Some(at) = rest.find('{') {
            out.push_str(&rest[..at]);
            let end = at + rest[at..].find('}').expect("a shape's brace is closed");
            let (sort, n) = rest[at + 1..end].split_at(1);
            let n = n.parse().expect("a shape says how many");
            match sort {
                "U" => (0..n).for_each(|_| out.push_str(&self.uuid())),
                "B" => out.push_str(&self.base64(n)),
                // GitHub's checksum: CRC-32 of what stands before it, in base 62, six digits.
                "C" => {
                    let body = out.rsplit('_').next().unwrap_or_default().to_owned();
                    out.push_str(&base62(crc32(body.as_bytes()), n));
                }
                _ => out.push_str(&self.of(alphabet(sort), n)),
            }
            rest = &rest[end + 1..];
        }
        out + rest
    }
}

fn alphabet(sort: &str) -> &'static str {
    match sort {
        "a" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
        "h" => "0123456789abcdef",
        "H" => "0123456789ABCDEF",
        "l" => "abcdefghijklmnopqrstuvwxyz0123456789",
        "u" => "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
        "d" => "0123456789",
        "w" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-",
        "b" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        "L" => "abcdefghijklmnopqrstuvwxyz",
        "A" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        "3" => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        "X" => "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
        // What password generators give, without what a shell or a string would have to escape.
        "p" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#%*+-=?_.~^",
        _ => panic!("no such alphabet: {sort}"),
    }
}

pub fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| {
        if crc & 1 == 1 {
            crc >> 1 ^ 0xEDB8_8320
        } else {
            crc >> 1
        }
    };
    !bytes
        .iter()
        .fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

fn base62(mut number: u32, digits: usize) -> String {
    let all = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut out = vec![b'0'; digits];
    for digit in out.iter_mut().rev() {
        *digit = all[number as usize % 62];
        number /= 62;
    }
    String::from_utf8_lossy(&out).into_owned()
}
