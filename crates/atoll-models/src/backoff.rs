//! How long to wait before the next attempt.

use std::time::{Duration, SystemTime};

use atoll_domain::Entropy;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use crate::config::Retries;

/// The wait before the attempt that follows attempt number `attempt` (from 1), or `None`: the provider asks
/// for a longer wait than anyone would sit through, and to come earlier would only be refused again.
///
/// Exponential, and from half to whole by chance, so that sessions that failed together don't return together.
pub(crate) fn wait(
    retries: &Retries,
    attempt: u32,
    asked: Option<Duration>,
    entropy: &dyn Entropy,
) -> Option<Duration> {
    let doubled = retries
        .wait_ms_min
        .saturating_mul(1 << attempt.saturating_sub(1).min(32));
    let full = doubled.min(retries.wait_ms_max);
    let mut bytes = [0; 4];
    entropy.fill(&mut bytes);
    let chance = u64::from(u32::from_be_bytes(bytes));
    let own = full / 2 + ((full - full / 2).saturating_mul(chance) >> 32);
    let Some(asked) = asked else {
        return Some(Duration::from_millis(own));
    };
    let asked_ms = u64::try_from(asked.as_millis()).unwrap_or(u64::MAX);
    // Never earlier than asked; the jitter comes on top.
    (asked_ms <= retries.wait_ms_max)
        .then(|| Duration::from_millis(asked_ms.saturating_add(own / 4).max(own)))
}

/// What `Retry-After` asks for: seconds, or an HTTP date, which is measured against the answer's own `Date`
/// so that a wrong clock here doesn't matter.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let until = date(text)?;
    let now = headers
        .get(DATE)
        .and_then(|d| date(d.to_str().ok()?))
        .unwrap_or_else(SystemTime::now);
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Always(u8);
    impl Entropy for Always {
        fn fill(&self, out: &mut [u8]) {
            out.fill(self.0);
        }
    }

    #[test]
    fn waits_double_between_half_and_whole_up_to_the_longest() {
        let retries = Retries {
            attempts_max: 9,
            wait_ms_min: 500,
            wait_ms_max: 60_000,
        };
        let at = |attempt, byte| {
            wait(&retries, attempt, None, &Always(byte))
                .unwrap()
                .as_millis()
        };
        assert_eq!((at(1, 0), at(1, 255)), (250, 499));
        assert_eq!((at(3, 0), at(3, 255)), (1_000, 1_999));
        assert_eq!((at(20, 0), at(99, 255)), (30_000, 59_999));
    }

    #[test]
    fn a_provider_is_never_asked_earlier_than_it_wants() {
        let retries = Retries::default();
        let asked = |s| {
            wait(&retries, 1, Some(Duration::from_secs(s)), &Always(255)).map(|d| d.as_millis())
        };
        assert_eq!(asked(7), Some(7_124));
        assert_eq!(asked(0), Some(499));
        assert_eq!(asked(60), Some(60_124));
        assert_eq!(asked(61), None);
        assert_eq!(asked(u64::MAX), None);
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(DATE, "Fri, 20 Nov 2026 10:00:00 GMT".parse().unwrap());
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            retry_after(&headers).map(|d| d.as_secs())
        };
        assert_eq!(of("7"), Some(7));
        assert_eq!(of(" 120 "), Some(120));
        assert_eq!(of("99999999999999999999999999"), Some(u64::MAX));
        assert_eq!(of("Fri, 20 Nov 2026 10:00:30 GMT"), Some(30));
        assert_eq!(of("Fri, 20 Nov 2026 09:00:00 GMT"), Some(0));
        for odd in ["", "-1", "1.5", "soon", "7s"] {
            assert_eq!(of(odd), None, "{odd}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
