//! A session as a reader follows it, made of its events and what they commit to, and of nothing else: what the page
//! tells is what the export proves.

mod tell;

use std::collections::BTreeMap;

use atoll_domain::{Actor, ActorKind, Event, JobId, Ms, SessionEnd};

/// One text in a story, in bytes; what is cut stands in the events.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// A diff.
const DIFF_BYTES_MAX: usize = 512 << 10;
/// Rows of a story.
const ITEMS_MAX: usize = 20_000;

/// A content, as it may be shown.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// The text, redacted unless the export is whole.
    pub text: String,
    /// Where it is kept as a file of its own in the zip.
    pub file: Option<String>,
}

/// The contents of an event, by its body's fields.
pub type Words = BTreeMap<String, Said>;

/// How a row is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Plain,
    Good,
    Bad,
    Asks,
}

/// A text, cut to what the page has room for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub title: &'static str,
    pub text: String,
    /// Bytes that are not here.
    pub more: u64,
    /// Whether it is folded away at first.
    pub folded: bool,
}

/// What stands below a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    Text(Text),
    Diff(Text),
    Rows(Vec<(&'static str, String)>),
    File(String),
}

/// One row of the timeline.
#[derive(Clone, Debug)]
pub struct Item {
    pub seq: u64,
    pub ts: Ms,
    /// `you`, `model`, `read`, `test`, `gate`, ….
    pub tag: String,
    pub head: String,
    pub mark: Mark,
    pub blocks: Vec<Block>,
}

/// A turn, or what came before the first (number 0).
#[derive(Clone, Debug, Default)]
pub struct Turn {
    pub number: u64,
    pub from: Ms,
    pub until: Ms,
    pub items: Vec<Item>,
    pub end: Option<SessionEnd>,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub micros: u64,
}

/// The whole of it.
#[derive(Clone, Debug, Default)]
pub struct Story {
    pub about: Vec<(&'static str, String)>,
    pub turns: Vec<Turn>,
    pub labels: Vec<String>,
    pub permits: u64,
    pub denied: u64,
    pub asked: u64,
    /// Rows that found no room.
    pub untold: u64,
}

/// Who did it, for people.
pub fn who(actor: &Actor) -> String {
    match actor.kind {
        ActorKind::Human => actor.id.clone(),
        ActorKind::Ai => format!("{} (AI)", actor.id),
        ActorKind::System => "the node".into(),
    }
}

/// Writes a story, event by event.
pub struct Writer {
    story: Story,
    /// Bytes of text that the page still has room for.
    room: usize,
    items: usize,
    /// The row of a tool that is under way, and of a job, by turn and place in it.
    tools: BTreeMap<u64, (usize, usize)>,
    jobs: BTreeMap<JobId, (usize, usize)>,
    /// The job whose permit is open.
    running: Option<JobId>,
    /// The model's calls, by their ids: arguments as it wrote them.
    calls: BTreeMap<String, String>,
    names: Names,
}

/// Short names that the node gave: `p1`, `j2`, `g3`, by id.
#[derive(Clone, Debug, Default)]
pub struct Names(pub BTreeMap<String, String>);

impl Names {
    /// The short name, else the id: what never ran has none.
    pub fn of(&self, id: &impl std::fmt::Display) -> String {
        self.short(id).unwrap_or_else(|| id.to_string())
    }

    /// The short name, if it has one.
    pub fn short(&self, id: &impl std::fmt::Display) -> Option<String> {
        self.0.get(&id.to_string()).cloned()
    }
}

impl Writer {
    /// With room for so many bytes of text.
    pub fn new(room: usize, names: Names) -> Writer {
        Writer {
            story: Story {
                turns: vec![Turn::default()],
                ..Story::default()
            },
            room,
            items: 0,
            tools: BTreeMap::new(),
            jobs: BTreeMap::new(),
            running: None,
            calls: BTreeMap::new(),
            names,
        }
    }

    fn cut(&mut self, text: &str, max: usize) -> (String, u64) {
        let max = max.min(self.room);
        let at = text.floor_char_boundary(max.min(text.len()));
        self.room -= at;
        (text[..at].to_owned(), (text.len() - at) as u64)
    }

    /// A text block; none of nothing.
    fn text(&mut self, title: &'static str, text: &str, folded: bool) -> Option<Block> {
        if text.trim().is_empty() {
            return None;
        }
        let (text, more) = self.cut(text.trim_end(), TEXT_BYTES_MAX);
        Some(Block::Text(Text {
            title,
            text,
            more,
            folded,
        }))
    }

    fn diff(&mut self, title: &'static str, text: &str) -> Option<Block> {
        if text.trim().is_empty() {
            return None;
        }
        let (text, more) = self.cut(text, DIFF_BYTES_MAX);
        Some(Block::Diff(Text {
            title,
            text,
            more,
            folded: false,
        }))
    }

    fn turn(&mut self) -> &mut Turn {
        if self.story.turns.is_empty() {
            self.story.turns.push(Turn::default());
        }
        let last = self.story.turns.len() - 1;
        &mut self.story.turns[last]
    }

    /// Where the row stands now; `None`: there was no room.
    fn push(&mut self, event: &Event, row: Row) -> Option<(usize, usize)> {
        if self.items >= ITEMS_MAX {
            self.story.untold += 1;
            return None;
        }
        self.items += 1;
        let (head, _) = self.cut(&row.head, TEXT_BYTES_MAX);
        let item = Item {
            seq: event.seq,
            ts: event.ts,
            tag: row.tag,
            head,
            mark: row.mark,
            blocks: row.blocks.into_iter().flatten().collect(),
        };
        let turn = self.turn();
        if turn.items.is_empty() {
            turn.from = event.ts;
        }
        turn.until = event.ts;
        turn.items.push(item);
        let at = turn.items.len() - 1;
        Some((self.story.turns.len() - 1, at))
    }

    fn item(&mut self, (turn, at): (usize, usize)) -> Option<&mut Item> {
        self.story.turns.get_mut(turn)?.items.get_mut(at)
    }

    /// What a job wrote in all, on one of its streams.
    pub fn output(&mut self, job: &JobId, stream: u8, text: &str) {
        let Some(place) = self.jobs.get(job).copied() else {
            return;
        };
        let title = if stream == 1 {
            "output"
        } else {
            "error output"
        };
        let block = self.text(title, text, true);
        if let Some(item) = self.item(place) {
            item.blocks.extend(block);
        }
    }

    /// The story, when nothing more comes.
    pub fn end(mut self) -> Story {
        self.story.turns.retain(|turn| !turn.items.is_empty());
        self.story
    }
}

/// A row to come.
struct Row {
    tag: String,
    head: String,
    mark: Mark,
    blocks: Vec<Option<Block>>,
}

fn row(tag: &str, head: impl Into<String>) -> Row {
    Row {
        tag: tag.into(),
        head: head.into(),
        mark: Mark::Plain,
        blocks: Vec::new(),
    }
}

impl Row {
    fn mark(mut self, mark: Mark) -> Row {
        self.mark = mark;
        self
    }
    fn with(mut self, block: Option<Block>) -> Row {
        self.blocks.push(block);
        self
    }
    fn rows(self, rows: Vec<(&'static str, String)>) -> Row {
        let rows: Vec<_> = rows
            .into_iter()
            .filter(|(_, v)| !v.trim().is_empty())
            .collect();
        match rows.is_empty() {
            true => self,
            false => self.with(Some(Block::Rows(rows))),
        }
    }
}
