//! The host that a TLS client names in its first message (RFC 8446, 4.1.2; RFC 6066, 3).
//!
//! The message is only read, never changed: what was read is what is passed on. It may be spread over
//! several records. Anything else than one complete client hello that names exactly one host in the
//! clear is an error; an encrypted hello (ECH, RFC 9849) names its real host where nobody can compare it.

/// The most bytes of records that are looked at; post-quantum key shares need about 2 KiB.
pub(super) const HELLO_LIMIT_BYTES: usize = 32 * 1024;
const RECORDS_MAX: usize = 64;
const RECORD_LIMIT_BYTES: usize = 1 << 14;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const ENCRYPTED_HELLO: u16 = 0xfe0d;
/// What ESNI, ECH's forerunner, used.
const ENCRYPTED_SERVER_NAME: u16 = 0xffce;

/// What the bytes so far say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hello {
    /// Nothing yet: more bytes are needed.
    More,
    /// The named host, in lower case, without a trailing dot.
    Names(String),
    /// Not acceptable, and why.
    Bad(&'static str),
}

/// Reads the client's first bytes.
pub(super) fn read(bytes: &[u8]) -> Hello {
    match message(bytes) {
        Ok(Some(body)) => match named(&body) {
            Ok(name) => Hello::Names(name),
            Err(why) => Hello::Bad(why),
        },
        Ok(None) if bytes.len() >= HELLO_LIMIT_BYTES => {
            Hello::Bad("a client hello that is too long")
        }
        Ok(None) => Hello::More,
        Err(why) => Hello::Bad(why),
    }
}

/// The body of the client hello, put together from its records; `None` while some are missing.
fn message(bytes: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    let mut rest = bytes;
    let mut handshake: Vec<u8> = Vec::new();
    for _ in 0..RECORDS_MAX {
        // The first bytes tell garbage from TLS before a whole header is there.
        if rest.first().is_some_and(|&kind| kind != HANDSHAKE) {
            return Err("not a TLS handshake");
        }
        if rest.get(1).is_some_and(|&major| major != 3) {
            return Err("not a TLS version");
        }
        let Some((header, after)) = rest.split_at_checked(5) else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        if length == 0 || length > RECORD_LIMIT_BYTES {
            return Err("a record of impossible length");
        }
        let part = &after[..length.min(after.len())];
        handshake.extend_from_slice(part);
        if handshake.first().is_some_and(|&kind| kind != CLIENT_HELLO) {
            return Err("not a client hello");
        }
        if let Some([a, b, c]) = handshake.get(1..4) {
            let wanted = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
            if wanted > HELLO_LIMIT_BYTES {
                return Err("a client hello that is too long");
            }
            match handshake.len().cmp(&(4 + wanted)) {
                std::cmp::Ordering::Less => {}
                // Wait for the whole record, so that what follows in it is seen.
                _ if part.len() < length => return Ok(None),
                std::cmp::Ordering::Equal => return Ok(Some(handshake.split_off(4))),
                std::cmp::Ordering::Greater => {
                    return Err("more than a client hello in its record");
                }
            }
        }
        if part.len() < length {
            return Ok(None);
        }
        rest = &after[length..];
    }
    Err("a client hello in too many records")
}

/// A reader of length-prefixed fields that never runs past its end.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    const SHORT: &'static str = "a client hello that ends early";

    fn take(&mut self, count: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Self::SHORT)?;
        self.0 = rest;
        Ok(taken)
    }
    fn u8(&mut self) -> Result<u8, &'static str> {
        Ok(self.take(1)?[0])
    }
    fn u16(&mut self) -> Result<u16, &'static str> {
        let two = self.take(2)?;
        Ok(u16::from_be_bytes([two[0], two[1]]))
    }
    fn short_list(&mut self) -> Result<&'a [u8], &'static str> {
        let length = self.u8()?;
        self.take(usize::from(length))
    }
    fn list(&mut self) -> Result<&'a [u8], &'static str> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }
}

fn named(body: &[u8]) -> Result<String, &'static str> {
    let mut hello = Fields(body);
    hello.take(2 + 32)?; // version and random
    hello.short_list()?; // session id
    hello.list()?; // cipher suites
    hello.short_list()?; // compression
    if hello.0.is_empty() {
        return Err("no server name");
    }
    let mut extensions = Fields(hello.list()?);
    if !hello.0.is_empty() {
        return Err("bytes after the extensions");
    }
    let mut name = None;
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let content = extensions.list()?;
        match kind {
            SERVER_NAME if name.is_some() => return Err("two server names"),
            SERVER_NAME => name = Some(server_name(content)?),
            ENCRYPTED_HELLO | ENCRYPTED_SERVER_NAME => return Err("an encrypted client hello"),
            _ => {}
        }
    }
    name.ok_or("no server name")
}

fn server_name(content: &[u8]) -> Result<String, &'static str> {
    const BAD: &str = "a server name that is none";
    let mut outer = Fields(content);
    let mut names = Fields(outer.list()?);
    let kind = names.u8()?;
    let name = names.list()?;
    if kind != 0 || !names.0.is_empty() || !outer.0.is_empty() {
        return Err(BAD);
    }
    let name = std::str::from_utf8(name).map_err(|_| BAD)?;
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() || name.len() > 253 || !name.chars().all(fine) {
        return Err(BAD);
    }
    Ok(name.to_ascii_lowercase())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn listed(bytes: &[u8]) -> Vec<u8> {
        let mut out = u16::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
        out.extend_from_slice(bytes);
        out
    }

    fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
        [kind.to_be_bytes().to_vec(), listed(content)].concat()
    }

    fn sni(host: &str) -> Vec<u8> {
        let entry = [vec![0], listed(host.as_bytes())].concat();
        extension(SERVER_NAME, &listed(&entry))
    }

    fn handshake(extensions: &[Vec<u8>]) -> Vec<u8> {
        let body = [
            vec![3, 3],
            vec![7; 32],
            vec![4, 1, 2, 3, 4],
            listed(&[0x13, 0x01]),
            vec![1, 0],
            listed(&extensions.concat()),
        ]
        .concat();
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [vec![CLIENT_HELLO], length[1..].to_vec(), body].concat()
    }

    fn records(handshake: &[u8], part: usize) -> Vec<u8> {
        let parts = handshake.chunks(part);
        parts
            .flat_map(|p| [vec![HANDSHAKE, 3, 1], listed(p)].concat())
            .collect()
    }

    /// A client hello for `host` in records of at most `part` bytes.
    pub(in crate::proxy) fn client_hello(host: &str, part: usize) -> Vec<u8> {
        records(&handshake(&[extension(43, &[2, 3, 4]), sni(host)]), part)
    }

    fn hello(extensions: &[Vec<u8>]) -> Hello {
        read(&records(&handshake(extensions), 1 << 14))
    }

    #[test]
    fn a_name_is_read_whole_or_in_fragments() {
        for part in [1 << 14, 100, 7, 3] {
            let bytes = client_hello("Registry.Example.org", part);
            assert_eq!(
                read(&bytes),
                Hello::Names("registry.example.org".into()),
                "{part}"
            );
            for cut in 0..bytes.len() {
                assert_eq!(read(&bytes[..cut]), Hello::More, "{part} {cut}");
            }
        }
    }

    #[test]
    fn a_hello_without_one_plain_name_is_refused() {
        let bad = |extensions: &[Vec<u8>]| matches!(hello(extensions), Hello::Bad(_));
        assert!(bad(&[]));
        assert!(bad(&[extension(43, &[2, 3, 4])]));
        assert!(bad(&[sni("a.example"), sni("a.example")]));
        assert!(bad(&[
            sni("a.example"),
            extension(ENCRYPTED_HELLO, &[0; 9])
        ]));
        assert!(bad(&[
            extension(ENCRYPTED_SERVER_NAME, &[0; 9]),
            sni("a.example")
        ]));
        for name in ["", ".", "a b", "a\0b", "ä.example", &"a".repeat(254)] {
            assert!(bad(&[sni(name)]), "{name:?}");
        }
        let two = [vec![0], listed(b"a.example"), vec![0], listed(b"b.example")].concat();
        assert!(bad(&[extension(SERVER_NAME, &listed(&two))]));
        let other_kind = [vec![1], listed(b"a.example")].concat();
        assert!(bad(&[extension(SERVER_NAME, &listed(&other_kind))]));
        let long_outer = [listed(&[vec![0], listed(b"a.example")].concat()), vec![0]].concat();
        assert!(bad(&[extension(SERVER_NAME, &long_outer)]));
    }

    #[test]
    fn what_is_not_a_client_hello_is_refused_at_its_first_bytes() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"\x80\x2e\x01\x03\x01",
            b"SSH-2.0-x",
            &[HANDSHAKE, 2],
            &[HANDSHAKE, 3, 1, 0, 0],
            &[HANDSHAKE, 3, 1, 0xff, 0xff],
            &[HANDSHAKE, 3, 1, 0, 4, 2, 0, 0, 0],
            &[HANDSHAKE, 3, 1, 0, 4, CLIENT_HELLO, 0xff, 0, 0],
            &[23, 3, 3, 0, 1, 0],
        ] {
            assert!(matches!(read(bytes), Hello::Bad(_)), "{bytes:?}");
        }
        let followed = [handshake(&[sni("a.example")]), vec![CLIENT_HELLO, 0, 0, 0]].concat();
        assert!(matches!(read(&records(&followed, 1 << 14)), Hello::Bad(_)));
    }

    #[test]
    fn endless_hellos_are_given_up() {
        let tiny = records(&handshake(&[extension(21, &[0; 200]), sni("a.example")]), 1);
        assert!(matches!(
            read(&tiny),
            Hello::Bad("a client hello in too many records")
        ));
        let mut long = vec![HANDSHAKE, 3, 1, 0x40, 0, CLIENT_HELLO, 0, 0x80, 0];
        long.resize(5 + RECORD_LIMIT_BYTES, 0);
        let long: Vec<u8> = [
            long.clone(),
            long[..5].to_vec(),
            vec![0; RECORD_LIMIT_BYTES],
        ]
        .concat();
        assert!(matches!(read(&long[..HELLO_LIMIT_BYTES]), Hello::Bad(_)));
    }

    #[test]
    fn every_cut_of_the_extensions_is_refused_or_names_the_host() {
        let whole = handshake(&[extension(43, &[2, 3, 4]), sni("a.example")]);
        for cut in 4..whole.len() {
            let mut short = whole[..cut].to_vec();
            let length = u32::try_from(cut - 4).unwrap().to_be_bytes();
            short[1..4].copy_from_slice(&length[1..]);
            assert!(
                matches!(read(&records(&short, 1 << 14)), Hello::Bad(_)),
                "{cut}"
            );
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics_nor_names_a_host(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let named = matches!(read(&bytes), Hello::Names(_));
            prop_assert!(!named);
        }

        #[test]
        fn a_changed_byte_never_panics(at in 0usize..120, to: u8) {
            let mut bytes = client_hello("registry.example.org", 50);
            let at = at % bytes.len();
            bytes[at] = to;
            let _ = read(&bytes);
        }
    }
}
