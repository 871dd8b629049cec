//! One pinned file over HTTPS: resumed where a try broke off, never past its pinned length, and by redirects to
//! HTTPS alone. A plain server is spoken to on loopback only.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, ETAG, HeaderValue, IF_RANGE, LOCATION, RANGE};
use reqwest::{Client, Response, StatusCode, Url};
use rustls_platform_verifier::BuilderVerifierExt;

use super::{Fault, Pin, Step, Watch, disk};

const REDIRECTS_MAX: usize = 5;
/// Tries that bring nothing new, in a row.
const TRIES_MAX: u32 = 4;
const CONNECT_S: u64 = 15;
/// Between two pieces.
const IDLE_S: u64 = 30;
const TAG_LIMIT_BYTES: usize = 1024;

/// How a try ended that wasn't the last.
enum Broke {
    /// It may go on later.
    Off(String),
    /// It won't.
    For(Fault),
}

fn off(why: impl std::fmt::Display) -> Broke {
    Broke::Off(why.to_string())
}

/// Where the validator of what is in `part` is kept: the server's tag of the file it is the beginning of.
pub(super) fn tag_file(part: &Path) -> PathBuf {
    part.with_extension("tag")
}

/// Fetches `url` into `part`, until it has the pinned length.
#[allow(
    clippy::disallowed_methods,
    reason = "writes the model that its user asked for"
)]
pub(super) async fn fetch(
    url: &str,
    pin: &Pin,
    part: &Path,
    watch: Watch<'_>,
) -> Result<(), Fault> {
    let url = Url::parse(url).map_err(|err| Fault::Name(format!("{url}: {err}")))?;
    if !is_allowed(&url, is_loopback(&url)) {
        return Err(Fault::Name(format!(
            "{url}: models are fetched over HTTPS alone"
        )));
    }
    let client = client(&url)?;
    let options = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(part);
    let mut file = options.map_err(disk(part.display().to_string()))?;
    let (mut tries, mut resumed) = (0, None);
    loop {
        let before = length(&file)?;
        if before == pin.size_bytes {
            return Ok(());
        }
        let broke = attempt(&client, &url, pin, part, &mut file, &mut resumed, watch).await;
        let why = match broke {
            Ok(()) => return Ok(()),
            Err(Broke::For(fault)) => return Err(fault),
            Err(Broke::Off(why)) => why,
        };
        tries = if length(&file)? > before {
            1
        } else {
            tries + 1
        };
        if tries >= TRIES_MAX {
            let host = url.host_str().unwrap_or_default();
            return Err(Fault::Unreachable(format!("{host}: {why}")));
        }
        watch(Step::Doing(format!("trying again: {why}")));
        tokio::time::sleep(Duration::from_millis(250 << tries)).await;
    }
}

fn length(file: &File) -> Result<u64, Fault> {
    file.metadata()
        .map(|meta| meta.len())
        .map_err(disk("the download"))
}

/// One request, from where the file ends to where it breaks off.
#[allow(
    clippy::disallowed_methods,
    reason = "writes the model that its user asked for"
)]
async fn attempt(
    client: &Client,
    url: &Url,
    pin: &Pin,
    part: &Path,
    file: &mut File,
    resumed: &mut Option<u64>,
    watch: Watch<'_>,
) -> Result<(), Broke> {
    let told = part.display().to_string();
    let here = length(file).map_err(Broke::For)?;
    let tag = std::fs::read(tag_file(part)).ok();
    let tag = tag.and_then(|tag| HeaderValue::from_bytes(&tag).ok());
    // Without a tag, or with too much, nobody could tell what it is the beginning of.
    let from = tag.as_ref().map_or(0, |_| here).min(pin.size_bytes);
    let range = tag
        .filter(|_| from > 0 && from < pin.size_bytes)
        .map(|tag| (from, tag));
    let response = follow(client, url, range.as_ref()).await?;
    let mut at = match response.status() {
        StatusCode::PARTIAL_CONTENT => continues(&response, from, pin)?,
        StatusCode::OK => 0,
        StatusCode::RANGE_NOT_SATISFIABLE => 0,
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            return Err(off(format!("it answers {status}")));
        }
        status => {
            return Err(Broke::For(Fault::Unreachable(format!(
                "{url} answers {status}"
            ))));
        }
    };
    if at == 0 {
        file.set_len(0)
            .map_err(|err| Broke::For(disk(told.clone())(err)))?;
        keep_tag(part, response.headers().get(ETAG));
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            let _ = std::fs::remove_file(tag_file(part)); // so that the next try begins anew
            return Err(off("it has no such part of the file"));
        }
        let offered = response.content_length();
        if offered.is_some_and(|offered| offered != pin.size_bytes) {
            return Err(Broke::For(another(offered, pin)));
        }
    }
    resumed.get_or_insert(at);
    let seek = file.seek(SeekFrom::Start(at));
    seek.map_err(|err| Broke::For(disk(told.clone())(err)))?;
    let mut bytes = |done| {
        watch(Step::Bytes {
            resumed: resumed.unwrap_or(0),
            done,
            total: pin.size_bytes,
        });
    };
    at = copy(response, file, at, pin, &told, &mut bytes).await?;
    if at == pin.size_bytes {
        Ok(())
    } else {
        Err(off(format!(
            "it broke off after {at} of {} bytes",
            pin.size_bytes
        )))
    }
}

/// Writes what comes, from `at` on; where it ended.
async fn copy(
    mut response: Response,
    file: &mut File,
    mut at: u64,
    pin: &Pin,
    told: &str,
    written: &mut (dyn FnMut(u64) + Send),
) -> Result<u64, Broke> {
    loop {
        let next = tokio::time::timeout(Duration::from_secs(IDLE_S), response.chunk()).await;
        let next = next.map_err(|_| off(format!("nothing came for {IDLE_S} s")))?;
        let Some(bytes) = next.map_err(off)? else {
            return Ok(at);
        };
        if at + bytes.len() as u64 > pin.size_bytes {
            let _ = file.set_len(0); // none of it is what was pinned
            return Err(Broke::For(another(None, pin)));
        }
        file.write_all(&bytes)
            .map_err(|err| Broke::For(disk(told)(err)))?;
        at += bytes.len() as u64;
        written(at);
    }
}

fn another(offered: Option<u64>, pin: &Pin) -> Fault {
    let offered = offered.map_or("more".into(), |n| n.to_string());
    Fault::NotPinned(format!(
        "the source offers {offered} bytes, and {} are pinned: it isn't the same file",
        pin.size_bytes
    ))
}

/// Where a part begins; it must be where ours ends, of a file of the pinned length.
fn continues(response: &Response, from: u64, pin: &Pin) -> Result<u64, Broke> {
    let told = response
        .headers()
        .get(CONTENT_RANGE)
        .and_then(|v| v.to_str().ok());
    let wanted = format!("bytes {from}-{}/{}", pin.size_bytes - 1, pin.size_bytes);
    if told == Some(wanted.as_str()) {
        return Ok(from);
    }
    let told: String = told.unwrap_or("nothing").chars().take(80).collect();
    Err(Broke::For(Fault::NotPinned(format!(
        "asked for `{wanted}`, the source sends `{told}`"
    ))))
}

#[allow(
    clippy::disallowed_methods,
    reason = "beside the model that its user asked for"
)]
fn keep_tag(part: &Path, tag: Option<&HeaderValue>) {
    // A weak tag says nothing about bytes.
    let strong = tag.filter(|t| !t.as_bytes().starts_with(b"W/") && t.len() <= TAG_LIMIT_BYTES);
    let kept = match strong {
        Some(tag) => std::fs::write(tag_file(part), tag.as_bytes()),
        None => std::fs::remove_file(tag_file(part)),
    };
    drop(kept); // without it, the next try begins anew
}

/// Asks, and goes where the source says, as long as that is over HTTPS.
async fn follow(
    client: &Client,
    url: &Url,
    range: Option<&(u64, HeaderValue)>,
) -> Result<Response, Broke> {
    let (loopback, mut at) = (is_loopback(url), url.clone());
    for _ in 0..=REDIRECTS_MAX {
        let mut request = client.get(at.clone());
        if let Some((from, tag)) = range {
            request = request
                .header(RANGE, format!("bytes={from}-"))
                .header(IF_RANGE, tag);
        }
        let wait = Duration::from_secs(IDLE_S);
        let response = tokio::time::timeout(wait, request.send()).await;
        let response = response
            .map_err(|_| off("no answer in time"))?
            .map_err(plainly)?;
        if !response.status().is_redirection() {
            return Ok(response);
        }
        let to = response
            .headers()
            .get(LOCATION)
            .and_then(|v| v.to_str().ok());
        let to = to.and_then(|to| at.join(to).ok());
        let Some(to) = to.filter(|to| is_allowed(to, loopback)) else {
            let why = format!("{url} redirects to where a model isn't fetched from");
            return Err(Broke::For(Fault::NotPinned(why)));
        };
        at = to;
    }
    let why = format!("{url} redirects more than {REDIRECTS_MAX} times");
    Err(Broke::For(Fault::NotPinned(why)))
}

fn plainly(err: reqwest::Error) -> Broke {
    let mut last: &dyn std::error::Error = &err;
    while let Some(source) = last.source() {
        last = source;
    }
    Broke::Off(last.to_string())
}

fn is_loopback(url: &Url) -> bool {
    url.scheme() == "http" && matches!(url.host_str(), Some("127.0.0.1" | "[::1]"))
}

/// HTTPS; and what began on loopback may stay there.
fn is_allowed(url: &Url, began_on_loopback: bool) -> bool {
    let plain = url.username().is_empty() && url.password().is_none() && url.host().is_some();
    plain && (url.scheme() == "https" || (began_on_loopback && is_loopback(url)))
}

/// A client by the user's own proxy settings; it follows no redirect by itself.
fn client(url: &Url) -> Result<Client, Fault> {
    let unable = |why: String| Fault::Unreachable(format!("no connection can be made: {why}"));
    let mut builder = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(Duration::from_secs(CONNECT_S))
        .user_agent(concat!("atoll/", env!("CARGO_PKG_VERSION")));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|err| unable(err.to_string()))?;
    let tls = if is_loopback(url) {
        builder = builder.no_proxy();
        tls.with_root_certificates(rustls::RootCertStore::empty())
    } else {
        tls.with_platform_verifier()
            .map_err(|err| unable(format!("{err} (is ca-certificates installed?)")))?
    };
    builder
        .tls_backend_preconfigured(tls.with_no_client_auth())
        .build()
        .map_err(|err| unable(err.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_is_gone_to_and_loopback_from_loopback() {
        let allowed = |url: &str, loopback| is_allowed(&Url::parse(url).unwrap(), loopback);
        assert!(allowed("https://a.example/x", false));
        assert!(allowed("http://127.0.0.1:9/x", true));
        for (url, loopback) in [
            ("http://a.example/x", false),
            ("http://a.example/x", true),
            ("http://127.0.0.1/x", false),
            ("http://localhost/x", true),
            ("ftp://127.0.0.1/x", true),
            ("https://user@a.example/x", false),
            ("https://user:word@a.example/x", false),
            ("file:///etc/passwd", true),
        ] {
            assert!(!allowed(url, loopback), "{url}");
        }
    }
}
