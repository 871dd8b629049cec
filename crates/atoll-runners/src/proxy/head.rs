//! The request's head (RFC 9112), read strictly: what two readers could understand differently is refused.

use atoll_domain::HostPort;

/// What the client wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// A tunnel for TLS.
    Connect(HostPort),
    /// One plain request: the head to pass on, and how many body bytes follow.
    Plain {
        target: HostPort,
        head: Vec<u8>,
        body_bytes: u64,
    },
}

/// Where the head ends (after its empty line), if it is all there.
pub(super) fn end(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .map(|at| at + 4)
}

/// Reads a whole head, its empty line included. The error says what is wrong; the host, as far as it
/// was understood, comes with it for the record.
pub(super) fn read(bytes: &[u8]) -> Result<Wish, (Option<HostPort>, &'static str)> {
    let text = std::str::from_utf8(bytes).map_err(|_| (None, "bytes that are no text"))?;
    let text = text.strip_suffix("\r\n\r\n").ok_or((None, "no end"))?;
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let words: Vec<&str> = first.split(' ').collect();
    let [method, target, version] = words[..] else {
        return Err((None, "a request line that isn't three words"));
    };
    if method.is_empty() || !method.bytes().all(token) {
        return Err((None, "a method that is none"));
    }
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
        return Err((None, "another version than HTTP/1.1"));
    }
    if method == "CONNECT" {
        let wanted: HostPort = target.parse().map_err(|e| (None, e))?;
        // Its other headers are of no use here, but must be headers.
        return match headers(lines) {
            Ok(_) => Ok(Wish::Connect(wanted)),
            Err(why) => Err((Some(wanted), why)),
        };
    }
    let (wanted, authority, path) = absolute(target).map_err(|why| (None, why))?;
    match plain(method, authority, path, lines) {
        Ok((head, body_bytes)) => Ok(Wish::Plain {
            target: wanted,
            head,
            body_bytes,
        }),
        Err(why) => Err((Some(wanted), why)),
    }
}

/// Splits `http://host[:port]/path`: the target, the authority as written, path and query.
fn absolute(target: &str) -> Result<(HostPort, &str, &str), &'static str> {
    const SCHEME: &str = "http://";
    let scheme = target.get(..SCHEME.len()).unwrap_or_default();
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err("neither CONNECT nor an absolute http URL");
    }
    if !target.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
        return Err("a URL with impossible characters");
    }
    let rest = &target[SCHEME.len()..];
    let split = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(split);
    Ok((target_of(authority)?, authority, path))
}

/// The target of an authority of plain HTTP, whose port is 80 where none is named.
fn target_of(authority: &str) -> Result<HostPort, &'static str> {
    match authority.contains(':') {
        true => authority.parse(),
        false => format!("{authority}:80").parse(),
    }
}

/// Headers that speak to this proxy or about this connection, not to the server.
const HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "proxy-authenticate",
    "te",
    "trailer",
    "upgrade",
    "host",
];

type Header<'a> = (String, &'a str);

fn headers<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<Header<'a>>, &'static str> {
    const HEADERS_MAX: usize = 128;
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or("a header without a colon")?;
        if name.is_empty() || !name.bytes().all(token) {
            return Err("a header's name that is none");
        }
        if value.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
            return Err("a control character in a header");
        }
        if headers.len() == HEADERS_MAX {
            return Err("too many headers");
        }
        headers.push((name.to_ascii_lowercase(), value.trim_matches([' ', '\t'])));
    }
    Ok(headers)
}

/// The head to pass on, in origin form, for one request alone; and its body's length.
fn plain<'a>(
    method: &str,
    authority: &str,
    path: &str,
    lines: impl Iterator<Item = &'a str>,
) -> Result<(Vec<u8>, u64), &'static str> {
    let headers = headers(lines)?;
    let mut named = headers.iter().filter(|(name, _)| name == "host");
    let (Some((_, host)), None) = (named.next(), named.next()) else {
        return Err("not exactly one Host");
    };
    if target_of(host)? != target_of(authority)? {
        return Err("a Host that is not the target");
    }
    // A body whose length both ends could reckon differently would smuggle a second request past us.
    if headers.iter().any(|(name, _)| name == "transfer-encoding") {
        return Err("a body without a length");
    }
    let mut lengths = headers.iter().filter(|(name, _)| name == "content-length");
    let body_bytes = match (lengths.next(), lengths.next()) {
        (None, _) => 0,
        (Some((_, n)), None) if !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) => {
            n.parse().map_err(|_| "a length that is none")?
        }
        _ => return Err("a length that is none"),
    };
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut head = format!("{method} {slash}{path} HTTP/1.1\r\nHost: {authority}\r\n");
    let also: Vec<&str> = headers
        .iter()
        .filter(|(name, _)| name == "connection")
        .flat_map(|(_, value)| value.split(',').map(str::trim))
        .collect();
    for (name, value) in &headers {
        let hop = HOP.contains(&name.as_str())
            || also
                .iter()
                .any(|a| name != "content-length" && a.eq_ignore_ascii_case(name));
        if !hop {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str("Connection: close\r\n\r\n");
    Ok((head.into_bytes(), body_bytes))
}

/// RFC 9110, 5.6.2.
fn token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn target(s: &str) -> HostPort {
        s.parse().unwrap()
    }

    fn refused(head: &str) -> &'static str {
        read(head.as_bytes()).unwrap_err().1
    }

    #[test]
    fn connect_names_host_and_port() {
        let wish =
            read(b"CONNECT Registry.example.org:443 HTTP/1.1\r\nHost: x\r\nUser-Agent: a\r\n\r\n");
        assert_eq!(wish, Ok(Wish::Connect(target("registry.example.org:443"))));
        for bad in [
            "a.example",
            "a.example:0",
            "u@a.example:443",
            "[::1]:443",
            "a.example:443/x",
            "*:443",
            "",
        ] {
            let head = format!("CONNECT {bad} HTTP/1.1\r\n\r\n");
            assert!(read(head.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_plain_request_is_passed_on_in_origin_form_once() {
        let head = b"GET http://a.example:8080/x?y=1 HTTP/1.1\r\nHost: a.example:8080\r\nAccept: */*\r\n\
            Proxy-Connection: keep-alive\r\nConnection: x-hop, close\r\nX-Hop: 1\r\nProxy-Authorization: s\r\n\r\n";
        let Ok(Wish::Plain {
            target: to,
            head,
            body_bytes,
        }) = read(head)
        else {
            panic!()
        };
        assert_eq!((to, body_bytes), (target("a.example:8080"), 0));
        let want = "GET /x?y=1 HTTP/1.1\r\nHost: a.example:8080\r\naccept: */*\r\nConnection: close\r\n\r\n";
        assert_eq!(String::from_utf8(head).unwrap(), want);
    }

    #[test]
    fn a_body_keeps_its_length_and_a_bare_host_its_port() {
        let head = b"POST HTTP://A.example HTTP/1.1\r\nhost: a.example:80\r\ncontent-length: 12\r\nconnection: content-length\r\n\r\n";
        let Ok(Wish::Plain {
            target: to,
            head,
            body_bytes,
        }) = read(head)
        else {
            panic!()
        };
        assert_eq!((to, body_bytes), (target("a.example:80"), 12));
        assert!(head.starts_with(b"POST / HTTP/1.1\r\nHost: A.example\r\ncontent-length: 12\r\n"));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let get = |rest: &str| refused(&format!("GET http://a.example/ HTTP/1.1\r\n{rest}\r\n"));
        assert_eq!(get(""), "not exactly one Host");
        assert_eq!(
            get("Host: a.example\r\nHost: a.example\r\n"),
            "not exactly one Host"
        );
        assert_eq!(get("Host: b.example\r\n"), "a Host that is not the target");
        assert_eq!(
            get("Host: a.example:8080\r\n"),
            "a Host that is not the target"
        );
        assert_eq!(
            get("Host: a.example\r\nTransfer-Encoding: chunked\r\n"),
            "a body without a length"
        );
        for length in ["-1", "+1", "1, 1", "", "0x1", "99999999999999999999999"] {
            assert_eq!(
                get(&format!("Host: a.example\r\nContent-Length: {length}\r\n")),
                "a length that is none"
            );
        }
        assert_eq!(
            get("Host: a.example\r\nContent-Length: 1\r\nContent-Length: 1\r\n"),
            "a length that is none"
        );
        assert_eq!(
            get("Host: a.example\r\nA : b\r\n"),
            "a header's name that is none"
        );
        assert_eq!(
            get("Host: a.example\r\n folded\r\n"),
            "a header without a colon"
        );
        assert_eq!(
            get("Host: a.example\r\nA: b\nC: d\r\n"),
            "a control character in a header"
        );
        assert_eq!(
            get(&format!("Host: a.example\r\n{}", "A: b\r\n".repeat(200))),
            "too many headers"
        );
    }

    #[test]
    fn other_forms_and_schemes_are_refused() {
        for line in [
            "GET / HTTP/1.1",
            "GET https://a.example/ HTTP/1.1",
            "GET ftp://a.example/ HTTP/1.1",
            "GET http://u:p@a.example/ HTTP/1.1",
            "GET http://a.example/#x HTTP/1.1",
            "OPTIONS * HTTP/1.1",
            "GET http:///x HTTP/1.1",
            "GET http://[::1]/ HTTP/1.1",
            "GET http://a.example/ HTTP/2",
            "GET  http://a.example/ HTTP/1.1",
            "G(T http://a.example/ HTTP/1.1",
            "PRI * HTTP/2.0",
            "",
        ] {
            let head = format!("{line}\r\nHost: a.example\r\n\r\n");
            assert!(read(head.as_bytes()).is_err(), "{line}");
        }
        assert!(read(b"\xff\xfe\r\n\r\n").is_err());
    }

    #[test]
    fn the_end_is_the_first_empty_line() {
        assert_eq!(end(b"a\r\n\r\nb\r\n\r\n"), Some(5));
        assert_eq!(end(b"a\r\n\r"), None);
        assert_eq!(end(b"a\n\n"), None);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }

        /// Whatever is passed on is one head with one Host and nothing after its empty line.
        #[test]
        fn what_is_passed_on_is_one_head(rest in "[ -~\r\n\t]{0,120}") {
            let head = format!("GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n{rest}\r\n\r\n");
            let head = &head.as_bytes()[..end(head.as_bytes()).unwrap()];
            if let Ok(Wish::Plain { head, .. }) = read(head) {
                prop_assert_eq!(end(&head), Some(head.len()));
                let text = String::from_utf8(head).unwrap().to_ascii_lowercase();
                prop_assert_eq!(text.matches("\r\nhost:").count(), 1);
                prop_assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
            }
        }
    }
}
