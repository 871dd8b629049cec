//! `.atoll/workspace.toml`: suggestions of a repository, inert until its owner
//! trusts them.

use atoll_domain::{Mount, MountKind};

/// Larger files are not read.
pub(crate) const LIMIT_BYTES: u64 = 64 << 10;
const WORDS_MAX: usize = 64;
const WORD_BYTES_MAX: usize = 4096;
const MOUNTS_MAX: usize = 32;

/// What a repository suggests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The test command.
    pub test: Option<Vec<String>>,
    /// A command that makes the workspace ready.
    pub setup: Option<Vec<String>>,
    /// Further mounts.
    pub mounts: Vec<Mount>,
}

/// What is wrong with a settings file, with the line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Error {
    /// From 1.
    pub line: usize,
    /// What is wrong and what is expected.
    pub why: String,
}

/// Parses the file's text; a single mistake refuses the whole.
///
/// # Errors
/// [`Error`] with the line.
pub fn parse(text: &str) -> Result<Settings, Error> {
    let fail = |line: usize, why: &str| Error {
        line,
        why: why.to_owned(),
    };
    if text.len() as u64 > LIMIT_BYTES {
        return Err(fail(1, "the file is too large"));
    }
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| {
        let line = e.span().map_or(1, |s| {
            text[..s.start.min(text.len())].matches('\n').count() + 1
        });
        fail(line, e.message())
    })?;
    let mut settings = Settings::default();
    for (key, value) in &table {
        let line = line_of(text, key);
        match key.as_str() {
            "test" => settings.test = Some(command(value).map_err(|w| fail(line, w))?),
            "setup" => settings.setup = Some(command(value).map_err(|w| fail(line, w))?),
            "mounts" => settings.mounts = mounts(value).map_err(|w| fail(line, w))?,
            _ => {
                return Err(fail(
                    line,
                    &format!(
                        "`{}` is not a setting; there are test, setup and mounts",
                        key.escape_default()
                    ),
                ));
            }
        }
    }
    Ok(settings)
}

// Keys of the top level stand at a line's start, plain or as a table's name.
fn line_of(text: &str, key: &str) -> usize {
    let stands = |l: &str| {
        let l = l
            .trim_start()
            .trim_start_matches('[')
            .trim_start()
            .trim_start_matches(['"', '\'']);
        l.strip_prefix(key).is_some_and(|r| {
            r.trim_start_matches(['"', '\''])
                .trim_start()
                .starts_with(['=', '.', ']'])
        })
    };
    text.lines().position(stands).map_or(1, |n| n + 1)
}

fn command(value: &toml::Value) -> Result<Vec<String>, &'static str> {
    const WANT: &str = "a command is a list of words, or one line for a shell";
    let words = match value {
        toml::Value::String(line) => vec!["sh".to_owned(), "-c".to_owned(), line.clone()],
        toml::Value::Array(words) => words
            .iter()
            .map(|w| w.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or(WANT)?,
        _ => return Err(WANT),
    };
    let fits = words.len() <= WORDS_MAX
        && words
            .iter()
            .all(|w| w.len() <= WORD_BYTES_MAX && !w.contains('\0'));
    if words.first().is_none_or(|w| w.trim().is_empty())
        || words
            .last()
            .is_none_or(|w| words.len() == 3 && w.trim().is_empty())
    {
        return Err("the command is empty");
    }
    if fits {
        Ok(words)
    } else {
        Err("the command is too long")
    }
}

fn mounts(value: &toml::Value) -> Result<Vec<Mount>, &'static str> {
    let list = value
        .as_array()
        .ok_or("mounts is a list of tables with src, and dst, type and ro if need be")?;
    if list.len() > MOUNTS_MAX {
        return Err("there are too many mounts");
    }
    list.iter().map(mount).collect()
}

fn mount(value: &toml::Value) -> Result<Mount, &'static str> {
    let table = value.as_table().ok_or("a mount is a table with src")?;
    if table
        .keys()
        .any(|k| !["src", "dst", "type", "ro"].contains(&k.as_str()))
    {
        return Err("a mount has src, dst, type and ro only");
    }
    let text = |key: &str| {
        table
            .get(key)
            .map(|v| v.as_str().ok_or("src, dst and type are texts"))
            .transpose()
    };
    let kind = match text("type")?.unwrap_or("bind") {
        "bind" => MountKind::Bind,
        "overlay" => MountKind::Overlay,
        "tmpfs" => MountKind::Tmpfs,
        _ => return Err("type is bind, overlay or tmpfs"),
    };
    let src = text("src")?.unwrap_or_default().to_owned();
    let dst = text("dst")?.unwrap_or(&src).to_owned();
    let ro = table
        .get("ro")
        .map_or(Some(true), toml::Value::as_bool)
        .ok_or("ro is true or false")?;
    let plain = |p: &str| {
        p.starts_with('/')
            && p.len() <= 1024
            && !p.contains('\0')
            && !p.split('/').any(|c| c == "..")
    };
    if !plain(&dst) || (kind != MountKind::Tmpfs && !plain(&src)) {
        return Err("src and dst are absolute paths without `..`");
    }
    Ok(Mount { kind, src, dst, ro })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_typed_and_bounded() {
        let s =
            parse("test = ['cargo', 'test']\nsetup = 'make deps'\n[[mounts]]\nsrc = '/opt/sdk'\n")
                .unwrap();
        assert_eq!(s.test.unwrap(), ["cargo", "test"]);
        assert_eq!(s.setup.unwrap(), ["sh", "-c", "make deps"]);
        assert_eq!(
            s.mounts,
            [Mount {
                kind: MountKind::Bind,
                src: "/opt/sdk".into(),
                dst: "/opt/sdk".into(),
                ro: true
            }]
        );
        for (text, line) in [
            ("test = [", 1),
            ("setup = 'x'\n\ntest = 3\n", 3),
            ("test = []", 1),
            ("test = ''", 1),
            ("\npolicy = 'open'\n", 2),
            ("[[mounts]]\nsrc = '../x'\n", 1),
            ("[[mounts]]\nsrc = '/a/../b'\n", 1),
            ("[[mounts]]\nsrc = '/a'\nrw = true\n", 1),
            ("mounts = 1", 1),
        ] {
            assert_eq!(parse(text).unwrap_err().line, line, "{text}");
        }
        assert!(parse(&"#".repeat(70_000)).is_err());
        assert!(parse(&format!("test = [{}]", "'x',".repeat(65))).is_err());
    }

    proptest::proptest! {
        #[test]
        fn hostile_settings_do_not_panic(text in "(test|setup|mounts|x|\\[\\[mounts\\]\\]\n|src|=|'/a'|\\[|\\]|\n|\u{fc}| ){0,24}") {
            let _ = parse(&text);
        }
    }
}
