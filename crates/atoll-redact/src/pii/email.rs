//! E-mail addresses (the dot-atoms of RFC 5322), but for those that are nobody's.

use super::checked;
use crate::find::Find;

const LOCAL_LIMIT_BYTES: usize = 64;
const DOMAIN_LIMIT_BYTES: usize = 253;

pub(super) fn find(bytes: &[u8], out: &mut Vec<Find>) {
    let mut from = 0;
    for at in memchr::memchr_iter(b'@', bytes) {
        let local = |b: &u8| b.is_ascii_alphanumeric() || b"._%+-".contains(b);
        let rest = bytes[from..at].iter().rev().take(LOCAL_LIMIT_BYTES + 1);
        let mut start = at - rest.take_while(|b| local(b)).count();
        if at - start > LOCAL_LIMIT_BYTES {
            continue;
        }
        // Behind a backslash stand the letters of an escape.
        if start > 0 && bytes[start - 1] == b'\\' {
            start += if bytes[start] == b'u' { 5 } else { 1 };
        }
        while start < at && b".%+-".contains(&bytes[start]) {
            start += 1;
        }
        let domain = domain_bytes(&bytes[at + 1..]);
        let end = at + 1 + domain;
        if start < at && domain > 0 && !is_nobodys(bytes, start, at, end) {
            out.push(checked(start, end, "email"));
            from = end;
        }
    }
}

/// The length of the domain that begins here: two labels at least, the last one of letters.
fn domain_bytes(bytes: &[u8]) -> usize {
    let fits = |b: &u8| b.is_ascii_alphanumeric() || b".-".contains(b);
    let mut length = bytes
        .iter()
        .take(DOMAIN_LIMIT_BYTES)
        .take_while(|b| fits(b))
        .count();
    while length > 0 && b".-".contains(&bytes[length - 1]) {
        length -= 1;
    }
    let mut labels = bytes[..length].split(|b| *b == b'.');
    let last = labels.next_back().unwrap_or_default();
    let good = |label: &[u8]| !label.is_empty() && label[0] != b'-' && label.last() != Some(&b'-');
    let top = last.len() >= 2 && last.iter().all(u8::is_ascii_alphabetic);
    let labels: Vec<_> = labels.collect();
    if top && !labels.is_empty() && labels.into_iter().all(good) {
        length
    } else {
        0
    }
}

/// Addresses kept for examples (RFC 2606, 6761), remotes of repositories, files at two sizes.
fn is_nobodys(bytes: &[u8], start: usize, at: usize, end: usize) -> bool {
    const TOPS: [&[u8]; 9] = [
        b"example",
        b"test",
        b"invalid",
        b"localhost",
        b"local",
        b"png",
        b"jpg",
        b"svg",
        b"webp",
    ];
    const DOMAINS: [&[u8]; 3] = [b"example.com", b"example.org", b"example.net"];
    let domain = bytes[at + 1..end].to_ascii_lowercase();
    let top = domain.rsplit(|b| *b == b'.').next().unwrap_or_default();
    let under = |name: &[u8]| {
        domain == name || domain.ends_with(name) && domain[domain.len() - name.len() - 1] == b'.'
    };
    let remote = &bytes[start..at] == b"git"
        || bytes.get(end) == Some(&b':')
            && bytes.get(end + 1).is_some_and(|b| !b.is_ascii_whitespace());
    remote || TOPS.contains(&top) || DOMAINS.iter().any(|name| under(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_and_examples_stay() {
        let text = "Ann <ann.b+c@mail.acme.io>, x@y, git@github.com:a/b.git a@example.com b@sub.example.org logo@2x.png \
            (eve@acme.co.uk). @decorator a@b.c1 ..x@acme.io";
        let mut out = Vec::new();
        find(text.as_bytes(), &mut out);
        let found: Vec<_> = out.into_iter().map(|f| &text[f.at]).collect();
        assert_eq!(
            found,
            ["ann.b+c@mail.acme.io", "eve@acme.co.uk", "x@acme.io"]
        );
    }
}
