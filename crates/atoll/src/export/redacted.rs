//! The one place where an export asks what must not go out.

use std::borrow::Cow;

/// Text that was looked at.
pub struct Looked {
    /// Without what was found in it, where something was.
    pub text: String,
    /// In how many places something was found.
    pub places: u64,
}

/// Bytes as text, without secrets unless the export is to be whole. What is not UTF-8 is looked at all the same.
pub fn look(bytes: &[u8], whole: bool) -> Looked {
    let text: Cow<'_, str> = String::from_utf8_lossy(bytes);
    if whole {
        return Looked {
            text: text.into_owned(),
            places: 0,
        };
    }
    let (places, redacted) = atoll_redact::redact(&text);
    match places {
        0 => Looked {
            text: text.into_owned(),
            places,
        },
        _ => Looked {
            text: redacted,
            places,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_export_shows_a_secret() {
        let text = b"DB_PASSWORD=k3Jx9QpLm2Vt\n";
        assert_eq!(look(text, true).places, 0);
        let looked = look(text, false);
        assert_eq!((looked.places, looked.text.contains("k3Jx")), (1, false));
        assert_eq!(look(b"\xffDB_PASSWORD=k3Jx9QpLm2Vt", false).places, 1);
        assert_eq!(look(b"plain", false).text, "plain");
    }
}
