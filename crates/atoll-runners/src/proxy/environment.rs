//! How the programs inside learn of the proxy.

use std::collections::BTreeMap;

/// The variables that point a job's programs at a proxy listening on `port` of its own loopback.
///
/// curl, cargo, npm, pip, go and most others read these, some in lower case alone, some in upper. The
/// job's own loopback stays direct: its tests talk to servers that they start.
pub fn environment(port: u16) -> BTreeMap<String, String> {
    let url = format!("http://127.0.0.1:{port}");
    let mut env = BTreeMap::new();
    for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
        env.insert(name.to_owned(), url.clone());
    }
    for name in ["no_proxy", "NO_PROXY"] {
        env.insert(name.to_owned(), "localhost,127.0.0.1,::1".to_owned());
    }
    env
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_is_named_in_both_cases() {
        let env = environment(8080);
        for name in ["http_proxy", "HTTPS_PROXY"] {
            assert_eq!(env[name], "http://127.0.0.1:8080");
        }
        assert!(env["no_proxy"].contains("127.0.0.1"));
    }
}
