//! Server-sent events, as bytes come in: bounded, by the WHATWG's rules for lines and fields.
//!
//! Two liberties, both because real servers need them: what is pending at the end of the stream counts as an
//! event, and bytes that are no UTF-8 are replaced.

use crate::fault::Fault;

pub(super) const LINE_LIMIT_BYTES: usize = 1024 * 1024;
const EVENT_LIMIT_BYTES: usize = 8 * 1024 * 1024;
pub(super) const STREAM_LIMIT_BYTES: usize = 128 * 1024 * 1024;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// The event's name; empty for the usual one.
    pub(crate) name: String,
    /// Its data lines, joined by line feeds.
    pub(crate) data: String,
}

/// The parser.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    name: String,
    data: String,
    has_data: bool,
    /// The byte before was a carriage return: a line feed now belongs to it.
    after_cr: bool,
    begun: bool,
    total_bytes: usize,
}

impl Parser {
    /// Takes bytes; whole events are added to `out`.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<Event>) -> Result<(), Fault> {
        self.total_bytes = self.total_bytes.saturating_add(bytes.len());
        if self.total_bytes > STREAM_LIMIT_BYTES {
            return Err(too_long("stream", STREAM_LIMIT_BYTES));
        }
        if std::mem::take(&mut self.after_cr)
            && let Some((b'\n', rest)) = bytes.split_first()
        {
            bytes = rest;
        } else if bytes.is_empty() {
            return Ok(());
        }
        while let Some(at) = bytes.iter().position(|b| matches!(b, b'\n' | b'\r')) {
            self.extend(&bytes[..at])?;
            self.end_line(out)?;
            let cr = bytes[at] == b'\r';
            bytes = &bytes[at + 1..];
            match bytes.split_first() {
                Some((b'\n', rest)) if cr => bytes = rest,
                None if cr => self.after_cr = true,
                _ => {}
            }
        }
        self.extend(bytes)
    }

    /// The end of the stream: an event that lacks its empty line counts.
    pub(crate) fn end(&mut self, out: &mut Vec<Event>) -> Result<(), Fault> {
        if !self.line.is_empty() {
            self.end_line(out)?;
        }
        self.dispatch(out);
        Ok(())
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

    fn end_line(&mut self, out: &mut Vec<Event>) -> Result<(), Fault> {
        let line = std::mem::take(&mut self.line);
        let mut text = &*String::from_utf8_lossy(&line);
        if !std::mem::replace(&mut self.begun, true) {
            text = text.strip_prefix('\u{feff}').unwrap_or(text);
        }
        if text.is_empty() {
            self.dispatch(out);
        } else {
            let (field, value) = text.split_once(':').unwrap_or((text, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "data" => self.add_data(value)?,
                "event" => self.name = value.into(),
                // A comment has no name; `id` and `retry` are for streams that are resumed.
                _ => {}
            }
        }
        // The buffer is kept for the next line.
        self.line = line;
        self.line.clear();
        Ok(())
    }

    fn add_data(&mut self, value: &str) -> Result<(), Fault> {
        if self.data.len() + value.len() > EVENT_LIMIT_BYTES {
            return Err(too_long("event", EVENT_LIMIT_BYTES));
        }
        if std::mem::replace(&mut self.has_data, true) {
            self.data.push('\n');
        }
        self.data.push_str(value);
        Ok(())
    }

    fn dispatch(&mut self, out: &mut Vec<Event>) {
        let (name, data) = (
            std::mem::take(&mut self.name),
            std::mem::take(&mut self.data),
        );
        if std::mem::take(&mut self.has_data) {
            out.push(Event { name, data });
        }
    }
}

pub(super) fn too_long(what: &str, limit_bytes: usize) -> Fault {
    Fault::garbage(format!("a {what} of the reply passes {limit_bytes} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<(String, String)> {
        let (mut parser, mut out) = (Parser::default(), Vec::new());
        for piece in pieces {
            parser.feed(piece, &mut out).unwrap();
        }
        parser.end(&mut out).unwrap();
        out.into_iter().map(|e| (e.name, e.data)).collect()
    }

    fn data(text: &str) -> Vec<String> {
        parse([text.as_bytes()])
            .into_iter()
            .map(|(_, d)| d)
            .collect()
    }

    #[test]
    fn events_by_the_rules() {
        assert_eq!(data("data: a\n\ndata: b\n\n"), ["a", "b"]);
        assert_eq!(
            data("data: a\r\n\r\ndata: b\r\rdata:c\n\n"),
            ["a", "b", "c"]
        );
        assert_eq!(data("data: a\ndata: b\n\n"), ["a\nb"]);
        assert_eq!(data("data:  a\n\n"), [" a"]);
        assert_eq!(data("data\n\n"), [""]);
        assert_eq!(data(": comment\n\n\n\nid: 3\nretry: 9\n\n"), [""; 0]);
        assert_eq!(data("\u{feff}data: a\n\n"), ["a"]);
        assert_eq!(data("dato: a\n\ndatax\n\n data: b\n\n"), [""; 0]);
        assert_eq!(data("data: a"), ["a"]);
        assert_eq!(
            parse([&b"event: error\ndata: x\n\ndata: y\n\n"[..]]),
            [("error".into(), "x".into()), (String::new(), "y".into())]
        );
    }

    #[test]
    fn characters_split_over_pieces_are_whole_and_bad_bytes_are_replaced() {
        let text = "data: grüße 🦀\n\n".as_bytes();
        assert_eq!(parse(text.chunks(1)), [(String::new(), "grüße 🦀".into())]);
        assert_eq!(
            data(&String::from_utf8_lossy(b"data: a\xff\n\n")),
            ["a\u{fffd}"]
        );
        assert_eq!(
            parse([&b"data: a\xf0\x9f\n\n"[..]]),
            [(String::new(), "a\u{fffd}".into())]
        );
    }

    #[test]
    fn everything_is_bounded() {
        let fails = |piece: &[u8], times: usize| {
            let (mut parser, mut out) = (Parser::default(), Vec::new());
            (0..times).any(|_| {
                out.clear();
                parser.feed(piece, &mut out).is_err()
            })
        };
        assert!(fails(&[b'x'; 65_536], 17), "a line");
        let line = [b"data: ".as_slice(), &[b'x'; 65_536], b"\n"].concat();
        assert!(fails(&line, 129), "an event");
        assert!(
            !fails(&[line.clone(), b"\n".to_vec()].concat(), 129),
            "many events"
        );
        assert!(fails(&[line, b"\n".to_vec()].concat(), 2_100), "a stream");
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            lines in prop::collection::vec("(data: ?|event: |: |x)?[a-zé]{0,6}(\n|\r\n|\r|\n\n)", 0..12),
            size in 1_usize..9,
        ) {
            let text = lines.concat();
            prop_assert_eq!(parse(text.as_bytes().chunks(size)), parse([text.as_bytes()]));
        }
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), size in 1_usize..9) {
            parse(bytes.chunks(size));
        }
    }
}
