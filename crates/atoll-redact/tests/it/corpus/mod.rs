//! A labelled corpus, made anew from a seed at each run: no file in the tree holds what a scanner would take for a leak.
//!
//! Secrets have their issuers' documented shapes and stand in the contexts that people and programs write; around them
//! and alone stand the hard negatives. A quarter of the kinds, of the contexts, and a third of the files without a secret
//! are held out: rules are tuned without looking at what is missed there.
#![allow(
    dead_code,
    reason = "the tests use one half, the measurement the other"
)]

mod code;
mod contexts;
mod kinds;
mod negatives;
pub mod pii;
mod rng;
pub mod score;

use std::ops::Range;

pub use contexts::CONTEXTS;
pub use kinds::KINDS;
pub use rng::Rng;

pub const SEED: u64 = 0x5EED_0F5E_C2E7;
/// How many contexts each kind is put in.
const CONTEXTS_EACH: usize = 14;
const FILLER_LINES: usize = 8;
/// Copies of each file without a secret.
const NEGATIVES_EACH: usize = 6;

/// A file, and where in it something stands that must go.
pub struct Sample {
    pub path: String,
    pub text: String,
    pub planted: Vec<Planted>,
    pub context: &'static str,
    pub held_out: bool,
}

pub struct Planted {
    pub at: Range<usize>,
    pub kind: &'static str,
}

/// The whole corpus from a seed.
pub fn make(seed: u64) -> Vec<Sample> {
    let mut rng = Rng::new(seed);
    let mut all = Vec::new();
    for kind in KINDS {
        let fits: Vec<_> = CONTEXTS
            .iter()
            .filter(|c| c.fits.contains(&kind.known))
            .collect();
        let first = rng.below(fits.len());
        for i in 0..CONTEXTS_EACH.min(fits.len()) {
            // A stride that meets each context before one comes again.
            let context = fits[(first + i * 7) % fits.len()];
            let secret = kind.make(&mut rng);
            if stands(&secret, context.name) {
                let n = all.len();
                all.push(plant(&mut rng, kind, context, &secret, n));
            }
        }
    }
    for (n, (path, make)) in negatives::FILES.iter().enumerate() {
        for copy in 0..NEGATIVES_EACH {
            all.push(plain(
                format!("n{n}-{copy}/{path}"),
                make(&mut rng),
                negatives::held_out(path),
            ));
        }
    }
    for n in 0..40 {
        let text = filler(&mut rng, 30);
        all.push(plain(format!("c{n}/notes.txt"), text, n % 3 == 0));
    }
    all
}

fn plain(path: String, text: String, held_out: bool) -> Sample {
    Sample {
        path,
        text,
        planted: Vec::new(),
        context: "none",
        held_out,
    }
}

/// Whether such a secret can stand there as it is: in an address and a header only some bytes do.
fn stands(secret: &str, context: &str) -> bool {
    let more = match context {
        "query" | "url-user" => "-_.~$",
        "header-bearer" | "curl-bearer" => "-_.~+/=$",
        "curl-user" | "dockerfile-old" | "option" => "-_.~+/=:$",
        _ => return true,
    };
    secret
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

fn plant(
    rng: &mut Rng,
    kind: &kinds::Kind,
    context: &contexts::Context,
    secret: &str,
    n: usize,
) -> Sample {
    let before = filler(rng, FILLER_LINES);
    let after = filler(rng, FILLER_LINES);
    let mut text = before;
    let mut planted = Vec::new();
    let mut rest = context.text.to_owned();
    for (from, to) in forms(kind.variable) {
        rest = rest.replace(from, &to);
    }
    let mut pieces = rest.split("@secret@");
    text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let start = text.len();
        text.push_str(secret);
        let secret = hidden(kind.name, start, secret);
        planted.push(Planted {
            at: secret,
            kind: kind.name,
        });
        text.push_str(piece);
    }
    Sample {
        path: format!("s{n}/{}", context.path),
        text: text + &after,
        planted,
        context: context.name,
        held_out: kind.held_out() || context.held_out(),
    }
}

/// What of a kind must go: of an address its password, of a hook what stands behind its service's path.
fn hidden(kind: &str, start: usize, secret: &str) -> Range<usize> {
    let end = start + secret.len();
    if kind.ends_with("-url") {
        let at = secret.rfind('@').unwrap_or(secret.len());
        let colon = secret[..at].rfind(':').map_or(0, |i| i + 1);
        return start + colon..start + at;
    }
    let hooks = ["/services/", "/webhooks/", "/webhookb2/"];
    match hooks
        .iter()
        .find_map(|part| Some(secret.find(part)? + part.len()))
    {
        Some(from) if kind.ends_with("-webhook") => start + from..end,
        _ => start..end,
    }
}

fn forms(variable: &str) -> [(&'static str, String); 6] {
    let small = variable.to_lowercase();
    let humps = |first: bool| {
        let mut up = first;
        let hump = |c: char| match c {
            '_' => {
                up = true;
                None
            }
            c if std::mem::take(&mut up) => Some(c.to_ascii_uppercase()),
            c => Some(c),
        };
        small.chars().filter_map(hump).collect::<String>()
    };
    [
        ("@dots@", small.replace('_', ".")),
        ("@kebab@", small.replace('_', "-")),
        ("@camel@", humps(false)),
        ("@Pascal@", humps(true)),
        ("@UPPER@", variable.to_owned()),
        ("@snake@", small.clone()),
    ]
}

fn filler(rng: &mut Rng, lines: usize) -> String {
    (0..lines)
        .map(|_| rng.pick(code::LINES).to_owned() + "\n")
        .collect()
}
