//! Pack files. Atoll writes packs without deltas, one for a whole snapshot, so
//! that a snapshot costs three syncs however many files it has. It reads packs
//! of any kind, as untrusted data.
//!
//! Format: git's `Documentation/gitformat-pack.txt`, pack version 2, index version 2.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use sha1::{Digest as _, Sha1};

use super::ObjectId;
use super::object::Kind;
use crate::beneath::{Dir, Sync, temp_name};
use crate::error::{Error, Result};

/// Writes one pack.
pub(super) struct Writer {
    temp: String,
    out: BufWriter<File>,
    at: u64,
    entries: Vec<Written>,
}

struct Written {
    id: ObjectId,
    crc: u32,
    offset: u64,
}

fn io(e: impl Into<io::Error>) -> Error {
    Error::io("write", "the object store", e)
}

impl Writer {
    pub(super) fn begin(pack_dir: &Dir) -> Result<Self> {
        let temp = temp_name();
        // Readable, too: the checksum is taken over the finished file.
        let fd = rustix::fs::openat(
            pack_dir.fd(),
            temp.as_str(),
            rustix::fs::OFlags::RDWR
                | rustix::fs::OFlags::CREATE
                | rustix::fs::OFlags::EXCL
                | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::from_raw_mode(0o600),
        )
        .map_err(io)?;
        let mut out = BufWriter::with_capacity(1 << 17, File::from(fd));
        out.write_all(b"PACK\0\0\0\x02\0\0\0\0").map_err(io)?;
        Ok(Self {
            temp,
            out,
            at: 12,
            entries: Vec::new(),
        })
    }

    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn add(&mut self, id: ObjectId, kind: Kind, content: &[u8]) -> Result<()> {
        let mut packed = Vec::with_capacity(content.len() / 2 + 32);
        let mut size = content.len();
        let mut byte = (kind.code() << 4) | (size & 0xf) as u8;
        size >>= 4;
        while size > 0 {
            packed.push(byte | 0x80);
            byte = (size & 0x7f) as u8;
            size >>= 7;
        }
        packed.push(byte);
        // Level 1: snapshots are written far more often than they are read.
        let mut zlib = ZlibEncoder::new(packed, Compression::fast());
        zlib.write_all(content).map_err(io)?;
        let packed = zlib.finish().map_err(io)?;
        self.add_raw(id, &packed)
    }

    /// Adds an entry that is already packed and holds no offset delta.
    pub(super) fn add_raw(&mut self, id: ObjectId, packed: &[u8]) -> Result<()> {
        let mut crc = flate2::Crc::new();
        crc.update(packed);
        self.out.write_all(packed).map_err(io)?;
        self.entries.push(Written {
            id,
            crc: crc.sum(),
            offset: self.at,
        });
        self.at += packed.len() as u64;
        Ok(())
    }

    /// Makes the pack durable and visible; its name without an ending.
    pub(super) fn finish(mut self, pack_dir: &Dir, sync: Sync) -> Result<String> {
        let count = u32::try_from(self.entries.len())
            .map_err(|_| Error::corrupt("a pack", "it would hold too many objects"))?;
        self.out.flush().map_err(io)?;
        let file = self.out.get_mut();
        file.write_all_at(&count.to_be_bytes(), 8).map_err(io)?;
        let sum = sum_of(file).map_err(io)?;
        file.seek(SeekFrom::End(0)).map_err(io)?;
        file.write_all(&sum).map_err(io)?;
        if sync == Sync::Yes {
            rustix::fs::fsync(&*file).map_err(io)?;
        }

        let name = format!("pack-{}", hex::encode(sum));
        let idx = index_of(&mut self.entries, &sum);
        pack_dir
            .rename(self.temp.as_bytes(), format!("{name}.pack").as_bytes())
            .map_err(io)?;
        pack_dir
            .replace(&format!("{name}.idx"), &idx, 0o600, None, sync)
            .map_err(io)?;
        self.temp.clear();
        Ok(name)
    }

    pub(super) fn abandon(self, pack_dir: &Dir) {
        let _ = pack_dir.unlink(self.temp.as_bytes());
    }
}

fn sum_of(file: &mut File) -> io::Result<[u8; 20]> {
    file.seek(SeekFrom::Start(0))?;
    let mut hash = Sha1::new();
    let mut buffer = vec![0; 1 << 17];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            n => hash.update(&buffer[..n]),
        }
    }
}

fn index_of(entries: &mut [Written], pack_sum: &[u8; 20]) -> Vec<u8> {
    entries.sort_by_key(|e| e.id);
    let mut out = Vec::with_capacity(1100 + entries.len() * 28);
    out.extend_from_slice(b"\xfftOc\0\0\0\x02");
    let mut fan = [0_u32; 256];
    for e in entries.iter() {
        fan[usize::from(e.id.as_bytes()[0])] += 1;
    }
    let mut total = 0;
    for n in fan {
        total += n;
        out.extend_from_slice(&total.to_be_bytes());
    }
    for e in entries.iter() {
        out.extend_from_slice(e.id.as_bytes());
    }
    for e in entries.iter() {
        out.extend_from_slice(&e.crc.to_be_bytes());
    }
    let mut large = Vec::new();
    for e in entries.iter() {
        match u32::try_from(e.offset) {
            Ok(small) if small < 1 << 31 => out.extend_from_slice(&small.to_be_bytes()),
            _ => {
                let at = u32::try_from(large.len() / 8).unwrap_or(0) | 1 << 31;
                out.extend_from_slice(&at.to_be_bytes());
                large.extend_from_slice(&e.offset.to_be_bytes());
            }
        }
    }
    out.extend_from_slice(&large);
    out.extend_from_slice(pack_sum);
    let sum: [u8; 20] = Sha1::digest(&out).into();
    out.extend_from_slice(&sum);
    out
}

/// An open pack and its index, either of which may be hostile.
pub(super) struct Pack {
    pub(super) name: String,
    idx: File,
    pack: File,
    pub(super) pack_bytes: u64,
    fan: Vec<u32>,
    /// All offsets in order, once somebody asks where entries end.
    offsets: std::sync::OnceLock<Vec<u64>>,
}

/// One entry as it lies in a pack.
pub(super) enum Packed {
    Whole(Kind, Vec<u8>),
    /// The delta, and the offset of its base in the same pack.
    OnOffset(Vec<u8>, u64),
    OnId(Vec<u8>, ObjectId),
}

impl Pack {
    /// Opens `pack/NAME.{pack,idx}` below an objects directory.
    pub(super) fn open(pack_dir: &Dir, name: &str) -> io::Result<Self> {
        let open = |ending: &str| -> io::Result<File> {
            let file = pack_dir.file(format!("{name}.{ending}").as_bytes())?;
            if file.metadata()?.is_file() {
                Ok(file)
            } else {
                Err(io::ErrorKind::InvalidInput.into())
            }
        };
        let (idx, pack) = (open("idx")?, open("pack")?);
        let mut head = [0; 8 + 1024];
        idx.read_exact_at(&mut head, 0)?;
        if &head[..8] != b"\xfftOc\0\0\0\x02" {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let fan: Vec<u32> = head[8..].chunks_exact(4).map(be32).collect();
        let pack_bytes = pack.metadata()?.len();
        let names_end = 1032 + u64::from(fan[255]) * 20;
        if fan.windows(2).any(|w| w[0] > w[1]) || names_end > idx.metadata()?.len() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Self {
            name: name.to_owned(),
            idx,
            pack,
            pack_bytes,
            fan,
            offsets: std::sync::OnceLock::new(),
        })
    }

    pub(super) fn count(&self) -> u32 {
        self.fan[255]
    }

    /// All ids, in order.
    pub(super) fn ids(&self) -> io::Result<Vec<ObjectId>> {
        let mut raw = vec![0; self.count() as usize * 20];
        self.idx.read_exact_at(&mut raw, 1032)?;
        Ok(raw
            .chunks_exact(20)
            .filter_map(ObjectId::from_slice)
            .collect())
    }

    fn id_at(&self, at: u32) -> io::Result<[u8; 20]> {
        let mut raw = [0; 20];
        self.idx
            .read_exact_at(&mut raw, 1032 + u64::from(at) * 20)?;
        Ok(raw)
    }

    /// Where `id` lies in the pack.
    pub(super) fn find(&self, id: &ObjectId) -> io::Result<Option<u64>> {
        let first = usize::from(id.as_bytes()[0]);
        let (mut low, mut high) = (
            if first == 0 { 0 } else { self.fan[first - 1] },
            self.fan[first],
        );
        while low < high {
            let middle = low + (high - low) / 2;
            match self.id_at(middle)?.cmp(id.as_bytes()) {
                std::cmp::Ordering::Equal => return self.offset_at(middle).map(Some),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    pub(super) fn offset_at(&self, at: u32) -> io::Result<u64> {
        let count = u64::from(self.count());
        let mut raw = [0; 4];
        self.idx
            .read_exact_at(&mut raw, 1032 + count * 24 + u64::from(at) * 4)?;
        let short = u32::from_be_bytes(raw);
        if short & (1 << 31) == 0 {
            return Ok(u64::from(short));
        }
        let mut raw = [0; 8];
        self.idx.read_exact_at(
            &mut raw,
            1032 + count * 28 + u64::from(short & !(1 << 31)) * 8,
        )?;
        Ok(u64::from_be_bytes(raw))
    }

    /// The entry of `id` as it lies in the pack, for a pack that is known to hold
    /// no deltas.
    pub(super) fn raw_entry(&self, id: &ObjectId) -> io::Result<Option<Vec<u8>>> {
        let Some(from) = self.find(id)? else {
            return Ok(None);
        };
        let offsets = match self.offsets.get() {
            Some(offsets) => offsets,
            None => {
                let mut all = (0..self.count())
                    .map(|n| self.offset_at(n))
                    .collect::<io::Result<Vec<_>>>()?;
                all.push(self.pack_bytes.saturating_sub(20));
                all.sort_unstable();
                self.offsets.get_or_init(|| all)
            }
        };
        let to = offsets
            .get(offsets.partition_point(|o| *o <= from))
            .copied()
            .unwrap_or(from);
        self.raw(from, to).map(Some)
    }

    /// The bytes from `from` to `to`, for copying an entry as it is.
    pub(super) fn raw(&self, from: u64, to: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![
            0;
            usize::try_from(to.saturating_sub(from))
                .map_err(|_| io::ErrorKind::InvalidData)?
        ];
        self.pack.read_exact_at(&mut bytes, from)?;
        Ok(bytes)
    }

    pub(super) fn read(&self, offset: u64, limit_bytes: u64) -> Result<Packed> {
        let bad = |why: &str| Error::corrupt(format!("{}.pack", self.name), why);
        let mut head = [0; 64];
        let got = self
            .pack
            .read_at(&mut head, offset)
            .map_err(|e| Error::io("read", &self.name, e))?;
        let mut bytes = head[..got].iter().copied();
        let mut next = || bytes.next().ok_or_else(|| bad("an entry is cut off"));
        let mut byte = next()?;
        let mut used = 1;
        let code = (byte >> 4) & 7;
        let mut size = u64::from(byte & 0xf);
        let mut shift = 4;
        while byte & 0x80 != 0 {
            byte = next()?;
            used += 1;
            if shift > 56 {
                return Err(bad("an entry has an impossible size"));
            }
            size |= u64::from(byte & 0x7f) << shift;
            shift += 7;
        }
        if size > limit_bytes {
            return Err(Error::Limit {
                what: format!("the size of an object in {}", self.name),
                limit: limit_bytes,
                hint: "raise file_limit_bytes",
            });
        }
        let mut base_offset = 0;
        let mut base_id = None;
        if code == 6 {
            let mut byte = next()?;
            used += 1;
            let mut back = u64::from(byte & 0x7f);
            while byte & 0x80 != 0 {
                byte = next()?;
                used += 1;
                back = back
                    .checked_add(1)
                    .and_then(|b| b.checked_mul(128))
                    .ok_or_else(|| bad("a base offset overflows"))?
                    | u64::from(byte & 0x7f);
            }
            if back == 0 || back > offset {
                return Err(bad("a base lies outside the pack"));
            }
            base_offset = offset - back;
        } else if code == 7 {
            base_id = head.get(used..used + 20).and_then(ObjectId::from_slice);
            used += 20;
        }
        let content = self.inflate(offset + used as u64, size)?;
        match (code, base_id) {
            (6, _) => Ok(Packed::OnOffset(content, base_offset)),
            (7, Some(id)) => Ok(Packed::OnId(content, id)),
            _ => Kind::from_code(code)
                .map(|k| Packed::Whole(k, content))
                .ok_or_else(|| bad("an entry has no known kind")),
        }
    }

    fn inflate(&self, offset: u64, size: u64) -> Result<Vec<u8>> {
        let bad = |why: &str| Error::corrupt(format!("{}.pack", self.name), why);
        let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or(0).min(1 << 20));
        let source = At {
            file: &self.pack,
            at: offset,
        };
        let buffer = vec![0; if size < 4096 { 4096 } else { 1 << 15 }];
        ZlibDecoder::new_with_buf(source, buffer)
            .take(size + 1)
            .read_to_end(&mut content)
            .map_err(|_| bad("an entry does not inflate"))?;
        if content.len() as u64 == size {
            Ok(content)
        } else {
            Err(bad("an entry has another size than it says"))
        }
    }
}

struct At<'a> {
    file: &'a File,
    at: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.file.read_at(buffer, self.at)?;
        self.at += got as u64;
        Ok(got)
    }
}

fn be32(raw: &[u8]) -> u32 {
    raw.iter().fold(0, |n, b| n << 8 | u32::from(*b))
}

/// Applies a delta to its base (both untrusted), making at most `limit_bytes`.
pub(super) fn apply_delta(base: &[u8], delta: &[u8], limit_bytes: u64) -> Option<Vec<u8>> {
    fn size(bytes: &mut std::slice::Iter<'_, u8>) -> Option<u64> {
        let (mut n, mut shift) = (0_u64, 0);
        loop {
            let byte = *bytes.next()?;
            if shift > 56 {
                return None;
            }
            n |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return Some(n);
            }
        }
    }
    let mut bytes = delta.iter();
    let (from, to) = (size(&mut bytes)?, size(&mut bytes)?);
    if from != base.len() as u64 || to > limit_bytes {
        return None;
    }
    let to = usize::try_from(to).ok()?;
    let mut out = Vec::with_capacity(to.min(1 << 20));
    while let Some(&op) = bytes.next() {
        if op & 0x80 != 0 {
            let (mut offset, mut length) = (0_usize, 0_usize);
            for bit in 0..4 {
                if op & (1 << bit) != 0 {
                    offset |= usize::from(*bytes.next()?) << (bit * 8);
                }
            }
            for bit in 0..3 {
                if op & (1 << (bit + 4)) != 0 {
                    length |= usize::from(*bytes.next()?) << (bit * 8);
                }
            }
            if length == 0 {
                length = 0x1_0000;
            }
            out.extend_from_slice(base.get(offset..offset.checked_add(length)?)?);
        } else if op != 0 {
            let (insert, rest) = bytes.as_slice().split_at_checked(usize::from(op))?;
            out.extend_from_slice(insert);
            bytes = rest.iter();
        } else {
            return None;
        }
        if out.len() > to {
            return None;
        }
    }
    (out.len() == to).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delta_copies_and_inserts() {
        // from 5, to 6: copy 1..4 of the base, insert "xyz".
        let delta = [5, 6, 0x91, 1, 3, 3, b'x', b'y', b'z'];
        assert_eq!(apply_delta(b"abcde", &delta, 100).unwrap(), b"bcdxyz");
        assert_eq!(apply_delta(b"abcde", &delta, 5), None);
        assert_eq!(apply_delta(b"abcd", &delta, 100), None);
        assert_eq!(apply_delta(b"abcde", &[5, 6, 0x91, 4, 3], 100), None);
        assert_eq!(apply_delta(b"abcde", &[5, 6, 0], 100), None);
    }

    proptest::proptest! {
        #[test]
        fn hostile_deltas_do_not_panic(delta in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let _ = apply_delta(b"abcdefgh", &delta, 1 << 20);
        }
    }
}
