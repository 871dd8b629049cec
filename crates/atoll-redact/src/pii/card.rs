//! Payment cards: ranges and lengths of issuers, and Luhn's check digit (ISO/IEC 7812-1, annex B).

use super::{checked, in_word, runs};
use crate::find::Find;

const DIGITS_MIN: usize = 13;
const DIGITS_MAX: usize = 19;
/// A number this long beside one says that both are constants.
const TABLE_DIGITS_MIN: usize = 13;
/// Between the numbers of a table, with its line ends and indentation.
const TABLE_GAP_BYTES_MAX: usize = 64;
/// Groups that climb within this are a table's.
const CLIMB_MAX: u32 = 2000;

pub(super) fn find(bytes: &[u8], out: &mut Vec<Find>) {
    let fits = |b: u8| b.is_ascii_digit() || b == b' ' || b == b'-';
    runs(bytes, DIGITS_MIN, fits, |start, end| {
        let mut at = start;
        while at < end {
            let digits = bytes[at..end]
                .iter()
                .take_while(|b| b.is_ascii_digit())
                .count();
            if digits == 0 {
                at += 1;
                continue;
            }
            match card(bytes, at, end) {
                Some(behind) if in_table(bytes, at, behind) => at = behind,
                Some(behind) => {
                    out.push(checked(at, behind, "card"));
                    at = behind;
                }
                None => at += digits,
            }
        }
    });
}

/// Whether a long number that is no card stands before or behind, as in a table of constants.
fn in_table(bytes: &[u8], at: usize, end: usize) -> bool {
    let sign = |b: &&u8| b" \t\r\n,;|[]()\"'".contains(b);
    let gap = bytes[..at]
        .iter()
        .rev()
        .take(TABLE_GAP_BYTES_MAX)
        .take_while(sign)
        .count();
    let before = bytes[..at - gap]
        .iter()
        .rev()
        .take(32)
        .take_while(|b| b.is_ascii_digit())
        .count();
    let before = &bytes[at - gap - before..at - gap];
    let gap = bytes[end..]
        .iter()
        .take(TABLE_GAP_BYTES_MAX)
        .take_while(sign)
        .count();
    let behind = bytes[end + gap..]
        .iter()
        .take(32)
        .take_while(|b| b.is_ascii_digit())
        .count();
    let behind = &bytes[end + gap..end + gap + behind];
    [before, behind].into_iter().any(|number| {
        let digits: Vec<u8> = number.iter().map(|b| b - b'0').collect();
        digits.len() >= TABLE_DIGITS_MIN && !(issued(&digits) && luhn(&digits))
    })
}

/// Where the card that begins at `at` ends: its digits in one piece, or in groups as they are printed, with one and the
/// same sign between.
fn card(bytes: &[u8], at: usize, end: usize) -> Option<usize> {
    let before = at.checked_sub(1).and_then(|i| bytes.get(i));
    let fraction =
        before.is_some_and(|b| *b == b'.' || *b == b'-' && at > 1 && in_word(bytes.get(at - 2)));
    if in_word(before) || fraction || within(&bytes[..at]) {
        return None;
    }
    let (mut digits, mut groups, mut sign, mut best) = (Vec::new(), vec![0], None, None);
    let mut i = at;
    while digits.len() <= DIGITS_MAX {
        let byte = bytes[..end].get(i).copied();
        if let Some(digit) = byte.filter(u8::is_ascii_digit) {
            digits.push(digit - b'0');
            *groups.last_mut()? += 1;
        } else {
            // A group ends here, and perhaps the number; a date or a check value may follow it.
            if whole(&digits, &groups)
                && ends(bytes, i)
                && !goes_on(&bytes[i..])
                && luhn(&digits)
                && !known(&digits)
            {
                best = Some(i);
            }
            let next = bytes[..end].get(i + 1).is_some_and(u8::is_ascii_digit);
            if !next || sign.is_some_and(|s| Some(s) != byte) {
                break;
            }
            sign = byte;
            groups.push(0);
        }
        i += 1;
    }
    best
}

/// Whether a group of four stands before: then this is the middle of a longer number.
fn within(before: &[u8]) -> bool {
    let [rest @ .., b' ' | b'-'] = before else {
        return false;
    };
    rest.iter()
        .rev()
        .take(5)
        .take_while(|b| b.is_ascii_digit())
        .count()
        == 4
}

/// Whether a group of four follows.
fn goes_on(behind: &[u8]) -> bool {
    let [b' ' | b'-', rest @ ..] = behind else {
        return false;
    };
    rest.iter()
        .take(5)
        .take_while(|b| b.is_ascii_digit())
        .count()
        == 4
}

/// Whether no word and no fraction goes on here.
fn ends(bytes: &[u8], at: usize) -> bool {
    let decimal = bytes.get(at) == Some(&b'.') && bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
    !in_word(bytes.get(at)) && !decimal
}

fn whole(digits: &[u8], groups: &[usize]) -> bool {
    let printed = match groups {
        // A longer or shorter number without groups is more often an id or a time.
        [n] => matches!(n, 15 | 16),
        [4, 6, 5] | [4, 6, 4] => true,
        [4, 4, 4, 4] | [4, 4, 4, 4, 3] => !climbs(digits),
        _ => false,
    };
    printed && issued(digits)
}

/// Whether the groups are a piece of a list in order, as of codes.
fn climbs(digits: &[u8]) -> bool {
    let number = |group: &[u8]| group.iter().fold(0_u32, |all, d| all * 10 + u32::from(*d));
    let groups: Vec<u32> = digits.chunks_exact(4).map(number).collect();
    let order = groups.windows(2).all(|w| w[0] <= w[1]);
    order && groups[groups.len() - 1] - groups[0] < CLIMB_MAX
}

/// Ranges of the issuers, with the lengths that each gives out.
fn issued(digits: &[u8]) -> bool {
    let n = digits.len();
    if n < DIGITS_MIN {
        return false;
    }
    let first = |k: usize| {
        digits[..k]
            .iter()
            .fold(0_u32, |all, d| all * 10 + u32::from(*d))
    };
    match (first(1), first(2), first(3), first(4)) {
        (4, ..) => matches!(n, 13 | 16 | 19),
        (_, 51..=55, ..) | (_, _, _, 2221..=2720) => n == 16,
        (_, 34 | 37, ..) => n == 15,
        (_, _, _, 3528..=3589) => (16..=19).contains(&n),
        (_, 36 | 38 | 39, ..) | (_, _, 300..=305, _) => (14..=19).contains(&n),
        (_, _, _, 6011) | (_, 65 | 62 | 81, ..) | (_, _, 644..=649, _) => (16..=19).contains(&n),
        (_, 50 | 56..=58, ..) | (_, _, _, 6304 | 6759 | 6761..=6763) => (13..=19).contains(&n),
        (_, _, _, 2200..=2204) => (16..=19).contains(&n),
        _ => false,
    }
}

fn luhn(digits: &[u8]) -> bool {
    let twice = |d: u8| if d > 4 { 2 * d - 9 } else { 2 * d };
    let add = |(i, d): (usize, &u8)| u32::from(if i % 2 == 1 { twice(*d) } else { *d });
    let sum: u32 = digits.iter().rev().enumerate().map(add).sum();
    sum.is_multiple_of(10)
}

/// Numbers that payment providers publish for tests: nobody's, and code is full of them.
const TESTS: [&str; 22] = [
    "4242424242424242",
    "4111111111111111",
    "4000056655665556",
    "4012888888881881",
    "5555555555554444",
    "5105105105105100",
    "5200828282828210",
    "2223003122003222",
    "378282246310005",
    "371449635398431",
    "378734493671000",
    "6011111111111117",
    "6011000990139424",
    "6011000000000004",
    "3056930009020004",
    "36227206271667",
    "30569309025904",
    "38520000023237",
    "3566002020360505",
    "3530111333300000",
    "6200000000000005",
    "4000000000000002",
];

fn known(digits: &[u8]) -> bool {
    let said = |test: &&str| test.bytes().map(|b| b - b'0').eq(digits.iter().copied());
    let zeros = digits.iter().filter(|d| **d == 0).count();
    TESTS.iter().any(said) || zeros * 2 > digits.len()
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
    fn cards_are_found_as_they_are_written() {
        for card in [
            "4539148803436467",
            "4539 1488 0343 6467",
            "4539-1488-0343-6467",
            "3782 822463 11003",
        ] {
            let text = format!("paid 12 with {card}, thanks 1234");
            assert_eq!(found(&text), [card]);
        }
        assert_eq!(
            found("4539 1488 0343 6467 12/27 123"),
            ["4539 1488 0343 6467"]
        );
        assert_eq!(found("4539 1488 0343 6467 124"), ["4539 1488 0343 6467"]);
    }

    #[test]
    fn other_numbers_stay() {
        for text in [
            "4242 4242 4242 4242",
            "4539148803436468",
            "0.4539148803436467",
            "id-4539148803436467",
            "1700000000000000",
            "45391488034364670000",
            "4539 14880343 6467",
            "4539 1488 0343 6467 4539",
            "5414 5415 5416 5417",
            "5075 5073 5037 337",
            "1118391827364532, 4539148803436467,",
            "x4539148803436467",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}
