//! A provider's address: where it is, whether that is this machine, and what is refused.

use std::net::IpAddr;

use reqwest::Url;

use crate::config::BadConfig;

/// A checked address.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    base: String,
    /// The host, without brackets.
    pub(crate) host: String,
    /// Host and port, for people and policy.
    pub(crate) authority: String,
    /// Whether the host is another machine.
    pub(crate) remote: bool,
    /// Whether it is spoken to by TLS.
    pub(crate) tls: bool,
}

impl Endpoint {
    pub(crate) fn parse(provider: &str, text: &str, insecure: bool) -> Result<Endpoint, BadConfig> {
        let bad = |why: &str| BadConfig::Address {
            provider: provider.into(),
            url: shown(text),
            why: why.into(),
        };
        let url = Url::parse(text).map_err(|err| bad(&format!("it is no URL ({err})")))?;
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(bad("only http and https are spoken")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad(
                "it holds a password; keys come from key_env or the key file",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("a `?` or `#` has no place in it"));
        }
        let host = url.host_str().ok_or_else(|| bad("it names no host"))?;
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let remote = !is_loopback(&host);
        if !tls && remote && !insecure {
            return Err(bad(
                "plain http to another machine shows keys and code to everyone on the way; use https, or set insecure = true",
            ));
        }
        let port = url.port_or_known_default().unwrap_or(443);
        let authority = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let base = url.as_str().trim_end_matches('/').to_owned();
        Ok(Endpoint {
            base,
            host,
            authority,
            remote,
            tls,
        })
    }

    /// The address of one of its routes.
    pub(crate) fn route(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

/// What may be shown of a URL that may hold a password.
fn shown(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, rest)) => format!("…@{rest}"),
        None => text.into(),
    }
}

/// `localhost` is loopback by RFC 6761, whatever a name server says: the client resolves it itself.
pub(crate) fn is_loopback(host: &str) -> bool {
    if host == "localhost" {
        return true;
    }
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback(),
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Endpoint, BadConfig> {
        Endpoint::parse("p", text, false)
    }

    #[test]
    fn loopback_is_here_and_everything_else_is_not() {
        for here in [
            "http://127.0.0.1:11434/v1",
            "http://localhost:1/v1",
            "http://LOCALHOST/v1",
            "http://[::1]:8080/v1",
            "http://127.1/v1",
            "http://2130706433/v1",
            "http://[::ffff:127.0.0.1]/v1",
            "https://127.0.0.1/v1",
        ] {
            assert!(!parse(here).unwrap().remote, "{here}");
        }
        for away in [
            "https://api.openai.com/v1",
            "https://localhost.example/v1",
            "https://127.0.0.1.example/v1",
            "https://0.0.0.0/v1",
            "https://10.0.0.1/v1",
            "https://evil.localhost/v1",
            "https://[::ffff:10.0.0.1]/v1",
        ] {
            assert!(parse(away).unwrap().remote, "{away}");
        }
    }

    #[test]
    fn plain_http_leaves_the_machine_only_if_told() {
        let url = "http://192.168.1.5:8080/v1";
        assert!(
            parse(url)
                .unwrap_err()
                .to_string()
                .contains("insecure = true")
        );
        assert!(Endpoint::parse("p", url, true).unwrap().remote);
    }

    #[test]
    fn passwords_queries_and_other_schemes_are_refused_without_being_shown() {
        for bad in [
            "https://user:hunter2@api.example/v1",
            "https://hunter2@api.example/v1",
            "https://api.example/v1?key=1",
            "https://api.example/v1#x",
            "ftp://api.example",
            "file:///etc/passwd",
            "unix:/run/x",
            "api.example/v1",
            "",
        ] {
            let err = parse(bad).unwrap_err().to_string();
            assert!(!err.contains("hunter2"), "{err}");
        }
    }

    #[test]
    fn routes_are_joined_with_one_slash() {
        let endpoint = parse("https://openrouter.ai/api/v1/").unwrap();
        assert_eq!(
            endpoint.route("/models"),
            "https://openrouter.ai/api/v1/models"
        );
        assert_eq!(endpoint.authority, "openrouter.ai:443");
        assert_eq!(parse("http://[::1]:8080").unwrap().authority, "[::1]:8080");
    }
}
