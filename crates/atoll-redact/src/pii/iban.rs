//! Bank accounts: lengths by country (SWIFT's IBAN registry), and the check modulo 97 (ISO 13616-1, ISO 7064).

use super::{checked, in_word, runs};
use crate::find::Find;

const LENGTH_MIN: usize = 15;
const LENGTH_MAX: usize = 33;

const COUNTRIES: &str = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 \
    DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 \
    KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 \
    PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30";

pub(super) fn find(bytes: &[u8], out: &mut Vec<Find>) {
    let fits = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ';
    runs(bytes, LENGTH_MIN, fits, |start, end| {
        let mut at = start;
        while at + LENGTH_MIN <= end {
            match iban(bytes, at, end) {
                Some(behind) => {
                    out.push(checked(at, behind, "iban"));
                    at = behind;
                }
                None => at += 1,
            }
        }
    });
}

/// Where the account that begins at `at` ends: in one piece, or in groups of four.
fn iban(bytes: &[u8], at: usize, end: usize) -> Option<usize> {
    let head = &bytes[at..end];
    let begins = head[0].is_ascii_uppercase()
        && head[1].is_ascii_uppercase()
        && head[2].is_ascii_digit()
        && head[3].is_ascii_digit();
    if !begins || at > 0 && in_word(bytes.get(at - 1)) {
        return None;
    }
    let length = length(&head[..2])?;
    let (mut digits, mut i) = ([0; LENGTH_MAX + 1], 0);
    let spaced = head[4] == b' ';
    for (n, digit) in digits.iter_mut().enumerate().take(length) {
        if spaced && n > 0 && n % 4 == 0 {
            if head.get(i) != Some(&b' ') {
                return None;
            }
            i += 1;
        }
        *digit = *head.get(i).filter(|b| **b != b' ')?;
        i += 1;
    }
    (!in_word(bytes.get(at + i)) && checks(&digits[..length])).then_some(at + i)
}

fn length(country: &[u8]) -> Option<usize> {
    let mut all = COUNTRIES.split_ascii_whitespace();
    let entry = all.find(|entry| entry.as_bytes().starts_with(country))?;
    entry[2..].parse().ok()
}

fn checks(digits: &[u8]) -> bool {
    let turned = digits[4..].iter().chain(&digits[..4]);
    let rest = turned.fold(0_u32, |rest, b| match b {
        b'0'..=b'9' => (rest * 10 + u32::from(b - b'0')) % 97,
        _ => (rest * 100 + u32::from(b - b'A') + 10) % 97,
    });
    rest == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let mut out = Vec::new();
        find(text.as_bytes(), &mut out);
        out.into_iter().map(|f| &text[f.at]).collect()
    }

    #[test]
    fn accounts_are_found_as_they_are_written() {
        for iban in [
            "DE89370400440532013000",
            "DE89 3704 0044 0532 0130 00",
            "GB82 WEST 1234 5698 7654 32",
            "NO9386011117947",
        ] {
            assert_eq!(found(&format!("TO {iban}, BY FRIDAY")), [iban]);
            assert_eq!(found(iban), [iban]);
        }
    }

    #[test]
    fn other_words_stay() {
        for text in [
            "DE88370400440532013000",
            "XX89370400440532013000",
            "DE8937040044053201300",
            "XDE89370400440532013000",
            "ALL CAPITALS IN A SENTENCE 12",
            "DE89 370400440532013000",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}
