use crate::names::RelPath;
use crate::store::{Mode, ObjectId};

/// What git's index says of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) path: RelPath,
    pub(crate) mode: Mode,
    pub(crate) id: ObjectId,
    /// 0, or the side of an unmerged path.
    pub(crate) stage: u8,
}

/// Parses versions 2 to 4 (`Documentation/gitformat-index.txt`). Entries whose
/// paths no workspace can hold are left out; `None` when it is no such index.
pub(crate) fn parse_index(content: &[u8], entries_max: usize) -> Option<Vec<IndexEntry>> {
    let be32 = |at: usize| {
        Some(u32::from_be_bytes(
            content.get(at..at + 4)?.try_into().ok()?,
        ))
    };
    if content.get(..4)? != b"DIRC" {
        return None;
    }
    let version = be32(4)?;
    let count = be32(8)? as usize;
    if !(2..=4).contains(&version) || count > entries_max {
        return None;
    }
    let mut entries = Vec::with_capacity(count.min(content.len() / 62));
    let mut previous: Vec<u8> = Vec::new();
    let mut at = 12_usize;
    for _ in 0..count {
        let mode = be32(at + 24)?;
        let id = ObjectId::from_slice(content.get(at + 40..at + 60)?)?;
        let flags = u16::from_be_bytes(content.get(at + 60..at + 62)?.try_into().ok()?);
        let extended = version >= 3 && flags & 0x4000 != 0;
        let name_at = at + 62 + if extended { 2 } else { 0 };
        let path = if version == 4 {
            let (strip, used) = varint(content.get(name_at..)?)?;
            let keep = previous.len().checked_sub(strip)?;
            let rest = content.get(name_at + used..)?;
            let nul = rest.iter().take(4097).position(|b| *b == 0)?;
            previous.truncate(keep);
            previous.extend_from_slice(&rest[..nul]);
            if previous.len() > 4096 {
                return None;
            }
            at = name_at + used + nul + 1;
            previous.clone()
        } else {
            let rest = content.get(name_at..)?;
            let nul = rest.iter().take(4097).position(|b| *b == 0)?;
            // Padded with 1 to 8 NULs to a multiple of eight.
            at += (name_at - at + nul + 8) & !7;
            rest[..nul].to_vec()
        };
        let path = std::str::from_utf8(&path)
            .ok()
            .and_then(|p| RelPath::parse_outside_git(p).ok());
        if let (Some(path), Some(mode)) = (path, Mode::from_bits(mode)) {
            entries.push(IndexEntry {
                path,
                mode,
                id,
                stage: (flags >> 12 & 3) as u8,
            });
        }
    }
    Some(entries)
}

// The offset encoding of packs.
fn varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut n = usize::from(bytes.first()? & 0x7f);
    let mut used = 1;
    while bytes[used - 1] & 0x80 != 0 {
        n = n.checked_add(1)?.checked_mul(128)? | usize::from(bytes.get(used)? & 0x7f);
        used += 1;
    }
    Some((n, used))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn hostile_indexes_do_not_panic(version in 2_u32..5, count in 0_u32..9, rest in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let mut content = b"DIRC".to_vec();
            content.extend_from_slice(&version.to_be_bytes());
            content.extend_from_slice(&count.to_be_bytes());
            content.extend_from_slice(&rest);
            let _ = parse_index(&content, 100);
        }
    }

    #[test]
    fn an_index_that_claims_too_much_is_refused() {
        let mut content = b"DIRC\0\0\0\x02".to_vec();
        content.extend_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(parse_index(&content, 1000), None);
        assert_eq!(parse_index(b"DIRC\0\0\0\x02\0\0\0\x01", 1000), None);
        assert_eq!(parse_index(b"DIRC\0\0\0\x02\0\0\0\0", 1000), Some(vec![]));
    }
}
