//! Writing loose objects into a user's `.git/objects`: plain data that any git
//! reads, made without running one.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::ObjectId;
use super::object::{Kind, name_of};
use crate::beneath::{Dir, Owner, temp_name};
use crate::error::{Error, Result};
use crate::names::RelPath;

/// Writes one object, durably; an existing one is left alone.
pub(crate) fn write(
    objects: &Dir,
    kind: Kind,
    content: &[u8],
    owner: Option<Owner>,
) -> Result<ObjectId> {
    let id = name_of(kind, content);
    let hex = id.to_string();
    let path = RelPath::parse(&format!("{}/{}", &hex[..2], &hex[2..]))?;
    let fail = |e| Error::io("write", format!(".git/objects/{path}"), e);
    let dir = objects.parent_made(&path, owner).map_err(fail)?;
    if dir.stat(path.name().as_bytes()).is_ok() {
        return Ok(id);
    }
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    let packed = zlib
        .write_all(format!("{} {}\0", kind.name(), content.len()).as_bytes())
        .and_then(|()| zlib.write_all(content))
        .and_then(|()| zlib.finish())
        .map_err(|e| Error::io("write", &path, e))?;
    let temp = format!("tmp_obj_{}", temp_name().trim_start_matches('.'));
    let mut file = dir.new_file(temp.as_bytes(), 0o444).map_err(fail)?;
    let written = file
        .write_all(&packed)
        .and_then(|()| owner.map_or(Ok(()), |o| o.give(&file).map_err(Into::into)))
        .and_then(|()| file.sync_all())
        .and_then(|()| {
            dir.rename(temp.as_bytes(), path.name().as_bytes())
                .map_err(Into::into)
        })
        .and_then(|()| dir.sync().map_err(Into::into));
    if let Err(e) = written {
        let _ = dir.unlink(temp.as_bytes());
        return Err(Error::io("write", format!(".git/objects/{path}"), e));
    }
    Ok(id)
}
