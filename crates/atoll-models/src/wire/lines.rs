//! Lines of JSON, as bytes come in: bounded; bytes that are no UTF-8 are replaced, as in `sse`.

use super::sse::{LINE_LIMIT_BYTES, STREAM_LIMIT_BYTES, too_long};
use crate::fault::Fault;

/// The splitter.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    line: Vec<u8>,
    total_bytes: usize,
}

impl Lines {
    /// Takes bytes; whole lines that aren't blank are added to `out`.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<String>) -> Result<(), Fault> {
        self.total_bytes = self.total_bytes.saturating_add(bytes.len());
        if self.total_bytes > STREAM_LIMIT_BYTES {
            return Err(too_long("stream", STREAM_LIMIT_BYTES));
        }
        while let Some(at) = bytes.iter().position(|b| *b == b'\n') {
            self.extend(&bytes[..at])?;
            self.end(out);
            bytes = &bytes[at + 1..];
        }
        self.extend(bytes)
    }

    /// The end of the stream: a line that lacks its line feed counts.
    pub(crate) fn end(&mut self, out: &mut Vec<String>) {
        let text = String::from_utf8_lossy(&self.line);
        let text = text.trim().trim_start_matches('\u{feff}');
        if !text.is_empty() {
            out.push(text.into());
        }
        self.line.clear();
    }

    /// How many bytes came.
    pub(crate) fn total_bytes(&self) -> usize {
        self.total_bytes
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.line.len() + bytes.len() > LINE_LIMIT_BYTES {
            return Err(too_long("line", LINE_LIMIT_BYTES));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.feed(piece, &mut out).unwrap();
        }
        lines.end(&mut out);
        out
    }

    #[test]
    fn lines_end_in_any_way_and_blank_ones_are_none() {
        assert_eq!(split([&b"{}\r\n\n  \n[1]"[..]]), ["{}", "[1]"]);
        assert_eq!(
            split("\u{feff}gr\u{fc}\u{df}e\n".as_bytes().chunks(1)),
            ["gr\u{fc}\u{df}e"]
        );
        assert_eq!(
            split([&b"a\xf0\x9f\nb\xc3"[..]]),
            ["a\u{fffd}", "b\u{fffd}"]
        );
    }

    #[test]
    fn lines_and_streams_are_bounded() {
        let fails = |piece: &[u8], times: usize| {
            let (mut lines, mut out) = (Lines::default(), Vec::new());
            (0..times).any(|_| {
                out.clear();
                lines.feed(piece, &mut out).is_err()
            })
        };
        assert!(fails(&[b'x'; 65_536], 17), "a line");
        let line = [&[b'x'; 65_535][..], b"\n"].concat();
        assert!(!fails(&line, 100) && fails(&line, 2_100), "a stream");
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(text in "[a\u{e9}\n\r ]{0,40}", size in 1_usize..9) {
            prop_assert_eq!(split(text.as_bytes().chunks(size)), split([text.as_bytes()]));
        }
    }
}
