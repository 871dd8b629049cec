//! Personal data that passes its checks, and numbers and words beside it that don't.

use super::rng::Rng;
use super::{Planted, Sample};

const PLACES: &[(&str, &str)] = &[
    ("orders.csv", "1042,2026-01-02,@@,EUR,19.90\n"),
    ("support.txt", "Hello, please use @@ for it. Thanks!\n"),
    ("user.json", "  \"contact\": \"@@\",\n"),
    ("customer.yaml", "  value: '@@'\n"),
    (
        "app.log",
        "2026-03-04 05:06:07 WARN declined: @@ (code 51)\n",
    ),
    ("dump.sql", "INSERT INTO t VALUES (7, '@@', NULL);\n"),
    ("form.xml", "<field name=\"f1\">@@</field>\n"),
    ("test.py", "payload = {\"v\": \"@@\", \"n\": 3}\n"),
];

const AROUND: &[&str] = &[
    "invoice 2026-000123, total 1234.56, ref 998877665544",
    "4242 4242 4242 4242 is a test card, 1234 5678 9012 3456 is none",
    "tracking 1Z999AA10123456784, order 7000123456789012",
    "ts=1767225600000000 dur=0.4539148803436467 id=4539148803436468",
    "PART NO AB12 CDEF 3456 GHIJ 7890 KL, SERIAL DE00 1234 5678 9012 3456 00",
    "git@git.acme.io:team/app.git, ada@example.org, icon@2x.png, @media print",
    "a + 1234567 = b, UTC+02:00, v1.2.3+20260102030405, +1 vote",
    "uuid 123e4567-e89b-42d3-a456-426614174000, isbn 978-3-16-148410-0",
    "npm i react@18.2.0 lodash@4.17.21 @types/node@20.1.0",
];

type Make = fn(&mut Rng) -> String;

pub const KINDS: &[(&str, Make)] = &[
    ("card", card),
    ("card", card_spaced),
    ("iban", iban),
    ("iban", iban_spaced),
    ("email", email),
    ("phone", phone),
    ("phone", national),
];

/// Each kind in each place, several times.
pub fn make(seed: u64) -> Vec<Sample> {
    let mut rng = Rng::new(seed);
    let mut all = Vec::new();
    for round in 0..6 {
        for (kind, make) in KINDS {
            for (path, line) in PLACES {
                let mut text: String = (0..3).map(|_| rng.pick(AROUND).to_owned() + "\n").collect();
                let value = make(&mut rng);
                let (before, after) = line.split_once("@@").expect("a place for it");
                text.push_str(before);
                let prefix = value.find(|c: char| c.is_ascii_digit() || c == '(' || c == '+');
                let skip = if *kind == "phone" {
                    prefix.unwrap_or(0)
                } else {
                    0
                };
                let start = text.len() + skip;
                text.push_str(&value);
                let at = start..text.len();
                text.push_str(after);
                text.push_str(rng.pick(AROUND));
                all.push(Sample {
                    path: format!("p{}/{path}", all.len()),
                    text,
                    planted: vec![Planted { at, kind }],
                    context: "personal",
                    held_out: round % 2 == 1,
                });
            }
        }
    }
    all
}

fn luhn(body: &str) -> String {
    let twice = |d: u32| if d > 4 { 2 * d - 9 } else { 2 * d };
    let digits = body.bytes().rev().map(|b| u32::from(b - b'0')).enumerate();
    let sum: u32 = digits
        .map(|(i, d)| if i % 2 == 0 { twice(d) } else { d })
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

fn card(rng: &mut Rng) -> String {
    let shape = rng.pick(&[
        "4{d14}",
        "53{d13}",
        "2345{d11}",
        "37{d12}",
        "6011{d11}",
        "3530{d11}",
        "62{d13}",
    ]);
    let body = rng.shape(shape);
    luhn(&body)
}

fn card_spaced(rng: &mut Rng) -> String {
    let card = card(rng);
    let sign = rng.pick(&[" ", "-"]);
    let groups: &[usize] = if card.len() == 15 {
        &[4, 6, 5]
    } else {
        &[4, 4, 4, 4]
    };
    let mut rest = card.as_str();
    let parts = groups.iter().map(|n| {
        let (part, more) = rest.split_at(*n);
        rest = more;
        part
    });
    parts.collect::<Vec<_>>().join(sign)
}

fn iban(rng: &mut Rng) -> String {
    let shape = rng.pick(&[
        "DE{d18}",
        "GBNWBK{d14}",
        "FR{d10}{u11}{d2}",
        "NLABNA{d10}",
        "ES{d20}",
        "ITX{d10}{u12}",
        "CH{d5}{u12}",
        "AT{d16}",
        "PL{d24}",
        "NO{d11}",
    ]);
    let body = rng.shape(shape);
    let (country, account) = body.split_at(2);
    let number = |text: &str| -> String {
        let digit = |c: char| {
            if c.is_ascii_digit() {
                c.to_string()
            } else {
                (c as u32 - 'A' as u32 + 10).to_string()
            }
        };
        text.chars().map(digit).collect()
    };
    let all = number(&format!("{account}{country}00"));
    let rest = all
        .bytes()
        .fold(0_u32, |rest, b| (rest * 10 + u32::from(b - b'0')) % 97);
    format!("{country}{:02}{account}", 98 - rest)
}

fn iban_spaced(rng: &mut Rng) -> String {
    let iban = iban(rng);
    let groups: Vec<_> = iban
        .as_bytes()
        .chunks(4)
        .map(String::from_utf8_lossy)
        .collect();
    groups.join(" ")
}

fn email(rng: &mut Rng) -> String {
    let name = rng.shape("{L5}");
    let more = rng.pick(&["", ".meyer", "+news", "_1979", "-smith"]);
    let domain = rng.pick(&[
        "gmail.com",
        "acme.io",
        "mail.uni-bonn.de",
        "post.co.uk",
        "yahoo.co.jp",
    ]);
    format!("{name}{more}@{domain}")
}

fn phone(rng: &mut Rng) -> String {
    let shape = rng.pick(&[
        "+49 30 {d7}",
        "+1 (415) 555-{d4}",
        "+44 20 7946 0{d3}",
        "+33{d9}",
        "+81-3-{d4}-{d4}",
        "+49.171.{d7}",
    ]);
    rng.shape(shape)
}

fn national(rng: &mut Rng) -> String {
    let shape = rng.pick(&[
        "tel: 030 {d7}",
        "phone: (415) 555-{d4}",
        "mobile 0171/{d7}",
        "Fax: 020 7946 0{d3}",
    ]);
    rng.shape(shape)
}
