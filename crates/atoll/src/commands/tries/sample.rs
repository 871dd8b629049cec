#![allow(
    clippy::disallowed_methods,
    reason = "unpacks the bundled sample into Atoll's own cache"
)]
//! The bundled sample, and the place it is unpacked to: below Atoll's own cache, never in a project.

use std::path::{Path, PathBuf};

use atoll_api::{Error, codes};

use crate::app::env;
use crate::paths::Paths;

/// Its name, as people read it.
pub const NAME: &str = "samples/till";

/// Its files, as they are in the source.
const FILES: [(&str, &str); 4] = [
    (
        "README.md",
        include_str!("../../../../../samples/till/README.md"),
    ),
    (
        "till/__init__.py",
        include_str!("../../../../../samples/till/till/__init__.py"),
    ),
    (
        "till/total.py",
        include_str!("../../../../../samples/till/till/total.py"),
    ),
    (
        "tests/test_total.py",
        include_str!("../../../../../samples/till/tests/test_total.py"),
    ),
];

/// Copies that were changed, by an accepted patch or by hand, stay as they are; so many are kept.
const COPIES_MAX: usize = 100;

/// Whether the sample's tests can be run with what is installed here.
pub fn runnable() -> Result<(), Error> {
    let path = env("PATH").unwrap_or_default();
    let there = std::env::split_paths(&path).any(|dir| dir.join("python3").is_file());
    match there {
        true => Ok(()),
        false => Err(Error::new(
            codes::NOT_FOUND_CMD,
            "the sample's tests need python3, which isn't on PATH",
        )
        .changed("nothing")
        .next("sudo apt-get install python3")
        .next("atoll code \"make the tests pass\" --repo DIR, with a project of yours")),
    }
}

/// A place that holds the sample as it is bundled: the first that does, or a new one.
pub fn unpack(paths: &Paths) -> Result<PathBuf, Error> {
    let above = paths.cache.join("samples");
    let names = (1..=COPIES_MAX).map(|n| match n {
        1 => "till".to_owned(),
        n => format!("till-{n}"),
    });
    for name in names {
        let place = above.join(name);
        if is_as_bundled(&place) {
            return Ok(place);
        }
        if std::fs::symlink_metadata(&place).is_err() {
            write(&place).map_err(|err| {
                Error::new(codes::FILES, "the sample can't be unpacked")
                    .found(format!("{}: {err}", place.display()))
                    .next("atoll doctor")
            })?;
            return Ok(place);
        }
    }
    Err(
        Error::new(codes::FILES, "there are many changed copies of the sample")
            .found(format!("{COPIES_MAX} below {}", above.display()))
            .next(format!("rm -r {}", above.display())),
    )
}

/// Written beside its place and then named: what has the name is whole.
fn write(place: &Path) -> std::io::Result<()> {
    let part = place.with_extension(format!("part-{}", std::process::id()));
    for (name, text) in FILES {
        let file = part.join(name);
        std::fs::create_dir_all(file.parent().unwrap_or(&part))?;
        std::fs::write(&file, text)?;
    }
    match std::fs::rename(&part, place) {
        // Another `atoll try` was first, with the same files.
        Err(_) if is_as_bundled(place) => std::fs::remove_dir_all(&part),
        done => done,
    }
}

fn is_as_bundled(place: &Path) -> bool {
    let plain = std::fs::symlink_metadata(place).is_ok_and(|m| m.is_dir());
    let same = |(name, text): &(&str, &str)| {
        std::fs::read(place.join(name)).is_ok_and(|now| now == text.as_bytes())
    };
    plain && FILES.iter().all(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_copy_is_left_alone_and_another_one_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths {
            config: dir.path().into(),
            data: dir.path().into(),
            state: dir.path().into(),
            cache: dir.path().join("cache"),
            run: dir.path().into(),
            home: dir.path().into(),
        };
        let first = unpack(&paths).unwrap();
        assert_eq!(unpack(&paths).unwrap(), first);
        std::fs::write(first.join("till/total.py"), "mine").unwrap();
        let second = unpack(&paths).unwrap();
        assert_ne!(second, first);
        assert_eq!(
            std::fs::read_to_string(first.join("till/total.py")).unwrap(),
            "mine"
        );
        assert!(is_as_bundled(&second) && !is_as_bundled(&first));
        assert_eq!(
            std::fs::read_dir(paths.cache.join("samples"))
                .unwrap()
                .count(),
            2
        );
    }
}
