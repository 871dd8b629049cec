//! All entries, without a box and in one, beside each other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use atoll_domain::action::ReadOp;
use atoll_domain::{PatchClass, Shown};
use tokio::task::JoinSet;

use super::bare;
use super::boxed::{Bench, Mode, NOBODY, modes};
use super::corpus::{Entry, Way};
use super::network;
use super::pristine::Pristine;
use super::report::{Report, Row};
use super::world::{Seen, World, is_root};

/// Benches of each kind at once.
const WORKERS: usize = 3;

/// Where everything of a run lies.
struct Ground {
    dir: tempfile::TempDir,
    pristine: Arc<Pristine>,
    /// The port of the host that is open.
    allowed: u16,
}

impl Ground {
    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn there(program: &str) -> bool {
    super::world::PATH
        .split(':')
        .any(|folder| Path::new(folder).join(program).exists())
}

/// Carries out every entry whose programs are there.
pub async fn everything(all: Vec<Entry>) -> Report {
    let dir = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open).unwrap();
    let pristine = Arc::new(Pristine::new(dir.path().join("pristine")));
    let allowed = network::allowed().await;
    let ground = Arc::new(Ground {
        dir,
        pristine,
        allowed,
    });
    let mut report = Report::default();
    let mut ready = Vec::new();
    for entry in all {
        let missing = entry.needs.iter().find(|program| !there(program)).cloned();
        if missing.is_none() {
            ready.push(entry.clone());
        }
        report.add(entry, missing);
    }
    let mut tasks: JoinSet<Vec<(String, Option<Mode>, Row)>> = JoinSet::new();
    for part in parts(&ready) {
        let ground = ground.clone();
        tasks.spawn(async move {
            let base = ground.at(&format!("bare-{}", part[0].id));
            std::fs::create_dir_all(&base).unwrap();
            let mut rows = Vec::new();
            for entry in part.into_iter().filter(|entry| entry.unproven.is_empty()) {
                let row = without(&entry, &base, &ground).await;
                rows.push((entry.id, None, row));
            }
            rows
        });
    }
    collect(&mut tasks, &mut report).await;
    for (n, mode) in modes().into_iter().enumerate() {
        let ready = ready.iter().enumerate();
        let ready = ready.filter(|(at, entry)| n == 0 || again(entry, *at));
        let ready: Vec<Entry> = ready.map(|(_, entry)| entry.clone()).collect();
        for part in parts(&ready) {
            let ground = ground.clone();
            tasks.spawn(async move {
                let base = ground.at(&format!("{mode:?}-{}", part[0].id));
                let options = network::options();
                let mut bench = Bench::new(mode, base, ground.pristine.clone(), options);
                let mut rows = Vec::new();
                for entry in part {
                    let row = within(&entry, &mut bench, &ground).await;
                    rows.push((entry.id, Some(mode), row));
                }
                rows
            });
        }
    }
    collect(&mut tasks, &mut report).await;
    report
}

/// Whether an entry is tried in the second kind of box, too. What is judged by files alone has no box; and of those that
/// differ in how a command is written, not in what it does to a box, one in four is, or all if that is asked for.
fn again(entry: &Entry, at: usize) -> bool {
    const TEXTS: [&str; 4] = ["shell", "programs", "git", "persist"];
    let job = matches!(entry.way, Way::Run | Way::Net);
    let text = TEXTS.contains(&entry.family.as_str());
    job && (!text || at.is_multiple_of(4) || std::env::var_os("ATOLL_TEST_ALL").is_some())
}

/// The entries in as many parts as there are benches.
fn parts(all: &[Entry]) -> Vec<Vec<Entry>> {
    let mut parts = vec![Vec::new(); WORKERS];
    for (n, entry) in all.iter().enumerate() {
        parts[n % WORKERS].push(entry.clone());
    }
    parts.retain(|part| !part.is_empty());
    parts
}

async fn collect(tasks: &mut JoinSet<Vec<(String, Option<Mode>, Row)>>, report: &mut Report) {
    while let Some(done) = tasks.join_next().await {
        for (id, mode, row) in done.unwrap() {
            report.done(&id, mode, row);
        }
    }
}

/// The hosts that an entry has open.
fn hosts(entry: &Entry, world: &World) -> Vec<String> {
    let given = entry.hosts.iter().map(|host| world.fill(host));
    match entry.hosts.is_empty() {
        true => vec![world.fill(&format!("{}:@allowed@", network::ALLOWED))],
        false => given.collect(),
    }
}

async fn without(entry: &Entry, base: &Path, ground: &Ground) -> Row {
    let owner = match is_root() {
        true => NOBODY,
        false => rustix::process::geteuid().as_raw(),
    };
    let world = || {
        let mut world = World::new(base, &ground.pristine, owner, &format!("bare-{}", entry.id));
        world.add("@allowed@", ground.allowed.to_string());
        world.lay(&entry.files);
        if !entry.before.is_empty() {
            bare::script(&world, "sh", &world.fill(&entry.before), &[]);
        }
        world.note();
        world
    };
    let (seen, said) = match entry.way {
        Way::Run => bare::run(&mut world(), entry, &[]),
        Way::Net => {
            let mut world = world();
            let names = hosts(entry, &world);
            let names = names.iter().map(|host| network::host(host).host).collect();
            let url = format!("http://127.0.0.1:{}", network::naive(names).await);
            let mut env: BTreeMap<&str, String> = BTreeMap::new();
            for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
                env.insert(name, url.clone());
            }
            for name in ["no_proxy", "NO_PROXY"] {
                env.insert(name, "localhost,127.0.0.1,::1".into());
            }
            let env: Vec<_> = env.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
            bare::run(&mut world, entry, &env)
        }
        Way::Patch => {
            let mut world = world();
            let (_, mut said) = bare::run(&mut world, entry, &[]);
            world.note();
            said += &bare::script(&world, "sh", &world.fill(&entry.then), &[]);
            (world.seen(), said)
        }
        Way::Tool => bare::tool(&mut world(), entry),
        Way::Shown => {
            let seen = Seen {
                hidden: hidden(&entry.text),
                ..Seen::default()
            };
            (seen, String::new())
        }
    };
    Row { seen, said }
}

async fn within(entry: &Entry, bench: &mut Bench, ground: &Ground) -> Row {
    let ready = |world: &mut World| world.add("@allowed@", ground.allowed.to_string());
    let (seen, said) = match entry.way {
        Way::Run => bench.command(entry, |_| Vec::new(), ready).await,
        Way::Net => {
            let open = |world: &World| {
                hosts(entry, world)
                    .iter()
                    .map(|h| network::host(h))
                    .collect()
            };
            bench.command(entry, open, ready).await
        }
        Way::Patch => patch(entry, bench).await,
        Way::Tool => tool(entry, bench).await,
        Way::Shown => {
            let seen = Seen {
                hidden: hidden(Shown::text(&entry.text).as_str()),
                ..Seen::default()
            };
            (seen, String::new())
        }
    };
    Row { seen, said }
}

/// The world as the entry wants it.
fn laid(entry: &Entry, bench: &Bench) -> World {
    let mut world = bench.world(entry);
    world.lay(&entry.files);
    if !entry.before.is_empty() {
        bare::script(&world, "sh", &world.fill(&entry.before), &[]);
        world.own();
    }
    world.note();
    world
}

/// A job changes the copy. What needs no question apart is accepted, and the person goes on working.
async fn patch(entry: &Entry, bench: &mut Bench) -> (Seen, String) {
    let mut world = laid(entry, bench);
    let copy = bench.copy(&world).await;
    let text = format!("{}\necho done-{}", world.fill(&entry.run), world.mark);
    let job = bench.job(&world, &copy, &entry.shell, &text, Vec::new());
    let (out, _) = bench.run(job).await;
    let mut said = String::from_utf8_lossy(&out).into_owned();
    assert!(
        said.contains(&format!("done-{}", world.mark)),
        "{}: {said}",
        entry.id
    );
    let mut seen = world.seen();
    accept(bench, &copy, &mut world, &mut seen, &mut said).await;
    world.own();
    world.note();
    said += &bare::script(&world, "sh", &world.fill(&entry.then), &[]);
    let later = world.seen();
    // What the person's own programs keep in the home is theirs.
    let outside = later
        .wrote
        .into_iter()
        .filter(|name| name.starts_with("out/"));
    seen.wrote.extend(outside);
    seen.connected.extend(later.connected);
    seen.look("what the person saw", said.as_bytes());
    bench.end(&world, copy, &mut seen).await;
    (seen, said)
}

/// Accepts what is ordinary. What isn't must not go as if it were.
async fn accept(
    bench: &Bench,
    copy: &super::boxed::Copy,
    world: &mut World,
    seen: &mut Seen,
    said: &mut String,
) {
    match bench.patch(copy).await {
        Err(err) => *said += &format!("\nno patch: {err}"),
        Ok((tree, diffed)) => {
            for file in &diffed.summary.files {
                *said += &format!("\n{:?} {} {:?}", file.class, file.path, file.why);
            }
            let done = bench
                .accept(copy, &tree, &diffed, PatchClass::Ordinary)
                .await;
            *said += &format!("\naccepted as ordinary: {done:?}\n");
            let now = world.seen();
            seen.wrote.extend(now.wrote);
            // What isn't ordinary changed nothing.
            if diffed.summary.class != PatchClass::Ordinary {
                seen.checkout.extend(now.checkout);
            }
        }
    }
}

/// A path that is given to a tool of the agent's; what it wrote is accepted where it is ordinary.
async fn tool(entry: &Entry, bench: &mut Bench) -> (Seen, String) {
    let mut world = laid(entry, bench);
    let copy = bench.copy(&world).await;
    let path = world.fill(&entry.text);
    let read = |op| bench.read(&copy, op);
    let out = match entry.op.as_str() {
        "read" => {
            read(ReadOp::Read {
                path,
                start_line: None,
                lines_max: None,
            })
            .await
        }
        "list" => {
            read(ReadOp::List {
                path,
                depth: Some(2),
            })
            .await
        }
        "search" => {
            read(ReadOp::Search {
                pattern: "canary".into(),
                literal: true,
                path: Some(path),
                glob: None,
                context: None,
            })
            .await
        }
        "write" => {
            let written = bench.write(&copy, &path, "x\n").await;
            let mut seen = world.seen();
            let mut said = format!("{written:?}");
            if written.is_ok() {
                accept(bench, &copy, &mut world, &mut seen, &mut said).await;
                // None of these names is an ordinary one.
                seen.checkout.extend(world.seen().checkout);
            }
            bench.end(&world, copy, &mut seen).await;
            return (seen, said);
        }
        other => panic!("{}: no tool {other}", entry.id),
    };
    let mut seen = world.seen();
    let said = match out {
        Ok(out) => out.text,
        Err(err) => err.to_string(),
    };
    seen.look("the tool's answer", said.as_bytes());
    bench.end(&world, copy, &mut seen).await;
    (seen, said)
}

/// Whether a terminal shows a text otherwise than it is: `EVIL` must be read there, and nothing unseen.
fn hidden(text: &str) -> bool {
    let mut screen = vt100::Parser::new(50.try_into().unwrap(), 200.try_into().unwrap(), 0);
    screen.process(text.replace('\n', "\r\n").as_bytes());
    let seen = screen.screen().contents();
    let concealed = !seen.contains("EVIL") || faint(screen.screen());
    concealed || crate::kit::dangerous(text).is_some() || text.contains(unseen)
}

/// Letters without a shape that `kit::dangerous` doesn't know: Unicode's default-ignorable ones.
fn unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a letter has the colour of its ground.
fn faint(screen: &vt100::Screen) -> bool {
    let (rows, columns) = screen.size();
    (0..rows.get()).any(|row| {
        (0..columns.get()).any(|column| {
            let cell = screen.cell(row, column);
            cell.is_some_and(|c| {
                c.has_contents()
                    && c.fgcolor() == c.bgcolor()
                    && c.fgcolor() != vt100::Color::Default
            })
        })
    })
}
