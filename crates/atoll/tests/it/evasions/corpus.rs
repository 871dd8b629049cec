//! The corpus as data: one file per family, each entry with its public source.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

/// How the entries of a file are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// A command, as an agent's `run`.
    Run,
    /// The same, with one host open.
    Net,
    /// A command changes the copy, and what it made is accepted as far as nobody is asked apart.
    Patch,
    /// A path that is given to a tool.
    Tool,
    /// A text that a person is shown.
    Shown,
}

/// What an entry wants outside the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// A secret outside is in what comes out, or reached a listener.
    Read,
    /// A file outside the checkout is made, changed or gone.
    Write,
    /// The person's checkout, its `.git` included, is not what it was.
    Checkout,
    /// A listener outside was reached.
    Connect,
    /// Another process was ended or stopped.
    Signal,
    /// A process is left behind.
    Stay,
    /// What is shown hides what is there.
    Hide,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub id: String,
    /// What it tries, and so which rule it evades.
    pub tries: String,
    pub effect: Effect,
    /// A page that describes it; short forms are in `link`.
    pub source: String,
    /// A program that a deny rule would name; it is run in disguise.
    #[serde(default)]
    pub deny: String,
    /// The command.
    #[serde(default)]
    pub run: String,
    #[serde(default = "sh")]
    pub shell: String,
    /// Programs that must be there.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Files of the hostile repository.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// For `net`: the hosts that are open, where it isn't the usual one.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// What the person did before: runs outside, in the checkout.
    #[serde(default)]
    pub before: String,
    /// For `patch`: what the person does later, in the checkout.
    #[serde(default)]
    pub then: String,
    /// For `tool`: `read`, `list`, `search`, `write`.
    #[serde(default)]
    pub op: String,
    /// For `tool` and `shown`: the path, or the text.
    #[serde(default)]
    pub text: String,
    /// Why it isn't run without a box; it then counts apart.
    #[serde(default)]
    pub unproven: String,
    #[serde(skip)]
    pub family: String,
    #[serde(skip_deserializing, default = "run")]
    pub way: Way,
}

fn sh() -> String {
    "sh".into()
}

fn run() -> Way {
    Way::Run
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    way: Way,
    entry: Vec<Entry>,
}

/// All entries, by family and id.
pub fn read() -> Vec<Entry> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/evasions");
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    names.sort();
    let mut all = Vec::new();
    for path in names {
        let text = std::fs::read_to_string(&path).unwrap();
        let file: File =
            toml::from_str(&text).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
        let family = path.file_stem().unwrap().to_string_lossy().into_owned();
        all.extend(file.entry.into_iter().map(|entry| Entry {
            family: family.clone(),
            way: file.way,
            ..entry
        }));
    }
    all
}

/// Where a source is to be read.
pub fn link(source: &str) -> Option<String> {
    let (kind, rest) = source.split_once(':')?;
    Some(match kind {
        "gtfobins" => format!("https://gtfobins.github.io/gtfobins/{rest}/"),
        "attack" => format!(
            "https://attack.mitre.org/techniques/{}/",
            rest.replace('.', "/")
        ),
        "cve" => format!("https://nvd.nist.gov/vuln/detail/CVE-{rest}"),
        "cwe" => format!("https://cwe.mitre.org/data/definitions/{rest}.html"),
        "man" => {
            let section = rest.rsplit('.').next()?;
            format!("https://man7.org/linux/man-pages/man{section}/{rest}.html")
        }
        "git" => format!("https://git-scm.com/docs/{rest}"),
        "bash" => format!("https://www.gnu.org/software/bash/manual/html_node/{rest}.html"),
        "rfc" => format!("https://www.rfc-editor.org/rfc/rfc{rest}"),
        "issue" => {
            let (repository, number) = rest.split_once('#')?;
            format!("https://github.com/{repository}/issues/{number}")
        }
        "all-the-things" => format!(
            "https://github.com/swisskyrepo/PayloadsAllTheThings/tree/master/{}",
            rest.replace(' ', "%20")
        ),
        "https" => source.to_owned(),
        _ => return None,
    })
}

/// What is wrong with the data: ids that repeat, commands that repeat, sources that lead nowhere.
pub fn faults(all: &[Entry]) -> Vec<String> {
    let (mut ids, mut bodies, mut faults) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for entry in all {
        let mut say = |what: &str| faults.push(format!("{}: {what}", entry.id));
        if !ids.insert(&entry.id) {
            say("its id is there twice");
        }
        let body = (
            (&entry.shell, &entry.run, &entry.files, &entry.then),
            (&entry.op, &entry.text, &entry.before, &entry.hosts),
        );
        if !bodies.insert(body) {
            say("the same is tried by another");
        }
        if link(&entry.source).is_none() {
            say("its source can't be found");
        }
        if entry.tries.is_empty() {
            say("it doesn't say what it tries");
        }
        let whole = match entry.way {
            Way::Run | Way::Net => !entry.run.is_empty(),
            Way::Patch => !entry.run.is_empty() && !entry.then.is_empty(),
            Way::Tool => !entry.op.is_empty() && !entry.text.is_empty(),
            Way::Shown => !entry.text.is_empty(),
        };
        if !whole {
            say("there is nothing to carry out");
        }
    }
    faults
}
