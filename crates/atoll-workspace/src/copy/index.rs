use sha1::{Digest as _, Sha1};

use crate::beneath::Dir;
use crate::names::RelPath;
use crate::store::{Flat, Leaf};

const EXTENDED: u16 = 0x4000;
const SKIP_WORKTREE: u16 = 0x4000;

/// An index, version 2 or 3, of `flat`. Where the copy holds the same file, its stat
/// goes in, so that `git status` need not read it. What is `filtered` git is told
/// to leave alone, as it has no filter in the copy: else each such file would show
/// as modified, and `git checkout .` would put a pointer in the place of its content.
pub(super) fn encode(
    flat: &Flat,
    copy: &Dir,
    same: &dyn Fn(&RelPath, &Leaf) -> bool,
    filtered: &dyn Fn(&RelPath) -> bool,
) -> Vec<u8> {
    let mut out = b"DIRC\0\0\0\x02".to_vec();
    out.extend_from_slice(&u32::try_from(flat.len()).unwrap_or(0).to_be_bytes());
    let mut extended = false;
    for (path, leaf) in flat {
        let start = out.len();
        let stat = same(path, leaf).then(|| {
            copy.parent(path)
                .and_then(|d| d.stat(path.name().as_bytes()))
                .ok()
        });
        match stat.flatten() {
            Some(s) => {
                // git keeps the low 32 bits of each.
                #[allow(clippy::cast_possible_truncation, clippy::unnecessary_cast)]
                let words = [
                    s.st_ctime as u32,
                    s.st_ctime_nsec as u32,
                    s.st_mtime as u32,
                    s.st_mtime_nsec as u32,
                    s.st_dev as u32,
                    s.st_ino as u32,
                    leaf.mode.bits(),
                    s.st_uid,
                    s.st_gid,
                    s.st_size as u32,
                ];
                words
                    .iter()
                    .for_each(|w| out.extend_from_slice(&w.to_be_bytes()));
            }
            None => {
                let words = [0, 0, 0, 0, 0, 0, leaf.mode.bits(), 0, 0, 0];
                words
                    .iter()
                    .for_each(|w: &u32| out.extend_from_slice(&w.to_be_bytes()));
            }
        }
        out.extend_from_slice(leaf.id.as_bytes());
        let name = path.as_str().as_bytes();
        let length = u16::try_from(name.len().min(0xfff)).unwrap_or(0xfff);
        if filtered(path) {
            extended = true;
            out.extend_from_slice(&(length | EXTENDED).to_be_bytes());
            out.extend_from_slice(&SKIP_WORKTREE.to_be_bytes());
        } else {
            out.extend_from_slice(&length.to_be_bytes());
        }
        out.extend_from_slice(name);
        // One to eight NULs, to a multiple of eight.
        let pad = 8 - (out.len() - start) % 8;
        out.resize(out.len() + pad, 0);
    }
    if extended {
        out[7] = 3;
    }
    let sum: [u8; 20] = Sha1::digest(&out).into();
    out.extend_from_slice(&sum);
    out
}
