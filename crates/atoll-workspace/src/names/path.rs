use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

use crate::error::Error;

/// A path below a workspace's root: UTF-8, `/` between components, none of them
/// empty, `.` or `..`; at most 4,096 bytes. It may still name a `.git`
/// ([`RelPath::is_git`]).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelPath(String);

const PATH_BYTES_MAX: usize = 4096;
const NAME_BYTES_MAX: usize = 255;

impl RelPath {
    /// Checks `path`. A leading `./` and a trailing `/` are dropped.
    ///
    /// # Errors
    /// [`Error::Path`] with the reason.
    pub fn parse(path: &str) -> Result<Self, Error> {
        let refuse = |why| {
            Err(Error::Path {
                path: path.chars().take(200).collect(),
                why,
            })
        };
        let mut rest = path;
        while let Some(r) = rest.strip_prefix("./") {
            rest = r;
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if path.starts_with('/') {
            return refuse("it is absolute; give it relative to the workspace");
        }
        if rest.is_empty() {
            return refuse("it is empty");
        }
        if rest.len() > PATH_BYTES_MAX {
            return refuse("it is longer than 4,096 bytes");
        }
        for name in rest.split('/') {
            match name {
                "" => return refuse("it has an empty component"),
                "." | ".." => return refuse("it has a `.` or `..` component"),
                _ if name.len() > NAME_BYTES_MAX => {
                    return refuse("a component is longer than 255 bytes");
                }
                _ if name.contains('\0') => return refuse("it holds a NUL byte"),
                _ => {}
            }
        }
        Ok(Self(rest.to_owned()))
    }

    /// As [`RelPath::parse`], and no component may be an alias of `.git`.
    ///
    /// # Errors
    /// [`Error::Path`].
    pub fn parse_outside_git(path: &str) -> Result<Self, Error> {
        let parsed = Self::parse(path)?;
        if parsed.is_git() {
            return Err(Error::Path {
                path: path.chars().take(200).collect(),
                why: "it names a .git folder",
            });
        }
        Ok(parsed)
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last component.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Everything before the last component; `None` at the root.
    #[must_use]
    pub fn parent(&self) -> Option<RelPath> {
        self.0.rsplit_once('/').map(|(dir, _)| Self(dir.to_owned()))
    }

    /// The components, outermost first.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// This path with `name` below it; `name` was checked by the caller.
    pub(crate) fn join_checked(parent: Option<&RelPath>, name: &str) -> Self {
        match parent {
            Some(p) => Self(format!("{}/{name}", p.0)),
            None => Self(name.to_owned()),
        }
    }

    /// Does a component mean `.git` on some file system?
    #[must_use]
    pub fn is_git(&self) -> bool {
        self.components().any(is_git_alias)
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for RelPath {
    type Error = Error;
    fn try_from(s: String) -> Result<Self, Error> {
        Self::parse(&s)
    }
}

impl From<RelPath> for String {
    fn from(p: RelPath) -> Self {
        p.0
    }
}

/// Would a file system take `name` for `.git`? Covers case, HFS+'s ignored
/// characters, compatibility forms, NTFS's short name `git~1`, its trailing dots
/// and spaces, its streams (`.git::$DATA`), and a backslash as a separator.
#[must_use]
pub fn is_git_alias(name: &str) -> bool {
    name.split(['\\', '/']).any(|part| {
        let folded = fold(part);
        let stem = folded.split(':').next().unwrap_or_default();
        let stem = stem.trim_end_matches([' ', '.']);
        stem == ".git" || is_short_name(stem)
    })
}

// NTFS gives the first 8.3 name `git~1` to `.git`; a hash-based one starts `gi`.
fn is_short_name(stem: &str) -> bool {
    stem.strip_prefix("git~")
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Lower case, compatibility-decomposed, without the code points that HFS+
/// ignores when it compares names.
pub(crate) fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    name.nfkc()
        .filter(|c| !is_ignored(*c))
        .flat_map(char::to_lowercase)
        .collect()
}

fn is_ignored(c: char) -> bool {
    matches!(c,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{00ad}' | '\u{034f}' | '\u{180b}'..='\u{180e}' | '\u{fe00}'..='\u{fe0f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_of_git_are_seen() {
        for name in [
            ".git",
            ".GIT",
            ".Git",
            ".g\u{200c}it",
            "\u{feff}.git",
            ".git.",
            ".git ",
            ".git . .",
            "git~1",
            "GIT~1",
            ".git::$INDEX_ALLOCATION",
            ".git:x",
            "a\\.git",
            ".git\\config",
            "\u{ff0e}git",
            ".gi\u{ff54}",
            ".g\u{2060}i\u{206a}T",
        ] {
            assert!(is_git_alias(name), "{name:?}");
        }
        for name in [
            ".gitignore",
            ".gitattributes",
            "git",
            ".github",
            "git~",
            "x.git",
            ".gitx",
            "git~a",
        ] {
            assert!(!is_git_alias(name), "{name:?}");
        }
    }

    #[test]
    fn paths_are_checked() {
        for bad in [
            "", "/", "/a", "a//b", "../a", "a/..", "a/./b", "a\0b", ".", "..",
        ] {
            assert!(RelPath::parse(bad).is_err(), "{bad:?}");
        }
        assert!(RelPath::parse(&"a/".repeat(2100)).is_err());
        assert!(RelPath::parse(&"a".repeat(256)).is_err());
        assert_eq!(RelPath::parse("./a/b/").unwrap().as_str(), "a/b");
        assert!(RelPath::parse_outside_git("sub/.GIT/config").is_err());
        let p = RelPath::parse("a/b/c").unwrap();
        assert_eq!((p.name(), p.parent().unwrap().as_str()), ("c", "a/b"));
    }

    proptest::proptest! {
        #[test]
        fn a_parsed_path_never_climbs(s in "[./a\\\\\u{200c}]{0,12}") {
            if let Ok(p) = RelPath::parse(&s) {
                proptest::prop_assert!(p.components().all(|c| !c.is_empty() && c != "." && c != ".."));
                proptest::prop_assert!(!p.as_str().starts_with('/'));
            }
        }
    }
}
