//! Pictures that a model can be shown.

use super::{ReadAsk, content};
use crate::beneath::Dir;
use crate::error::{Error, Result};
use crate::names::RelPath;

/// Providers take 5 MB in base64, at most.
const PICTURE_BYTES_MAX: usize = 3 << 20;
/// The names that files of these kinds have; only those are looked into.
const NAMES: [&str; 5] = ["png", "jpg", "jpeg", "gif", "webp"];

/// The media type, by the signatures that the formats begin with (PNG 1.2, JPEG's SOI, GIF89a, RIFF WebP).
fn media_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some("image/webp"),
        _ => None,
    }
}

/// The file as a picture: its media type and bytes. `None`: it is none.
///
/// # Errors
/// One that is too large to be shown.
pub(crate) fn picture(root: &Dir, path: &RelPath) -> Result<Option<(String, Vec<u8>)>> {
    let name = path.to_string().to_ascii_lowercase();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    if !NAMES.contains(&ending) {
        return Ok(None);
    }
    let Some(bytes) = content(root, path, ReadAsk::default().file_limit_bytes)? else {
        return Ok(None);
    };
    let Some(kind) = media_type(&bytes) else {
        return Ok(None);
    };
    if bytes.len() > PICTURE_BYTES_MAX {
        return Err(Error::Limit {
            what: format!("the bytes of the picture {path}"),
            limit: PICTURE_BYTES_MAX as u64,
            hint: "make it smaller, or crop it",
        });
    }
    Ok(Some((kind.into(), bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_known_by_its_bytes() {
        assert_eq!(media_type(b"\x89PNG\r\n\x1a\nIHDR"), Some("image/png"));
        assert_eq!(media_type(b"\xff\xd8\xff\xe0"), Some("image/jpeg"));
        assert_eq!(media_type(b"GIF89a.."), Some("image/gif"));
        assert_eq!(
            media_type(b"RIFF\x01\x02\x03\x04WEBPVP8 "),
            Some("image/webp")
        );
        for none in [
            &b""[..],
            b"\x89PNG",
            b"<svg>",
            b"RIFF1234WAVE",
            b"GIF88a",
            b"\xff\xd8",
        ] {
            assert_eq!(media_type(none), None);
        }
    }
}
