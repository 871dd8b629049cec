//! Reads a grammar and says whether a text belongs to it: the judge of the grammars that are made here.

use std::collections::{BTreeSet, HashMap};

enum Node {
    Text(Vec<char>),
    Class(bool, Vec<(char, char)>),
    Rule(String),
    All(Vec<Node>),
    Any(Vec<Node>),
    Times(Box<Node>, usize, usize),
}

pub(super) struct Judge(HashMap<String, Node>);

struct Reader<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
}

impl Judge {
    /// Panics where the grammar is none.
    pub(super) fn of(grammar: &str) -> Judge {
        let mut rules = HashMap::new();
        for line in grammar.lines() {
            let (name, body) = line.split_once(" ::= ").expect("a rule has a name");
            assert!(name.bytes().all(|b| b.is_ascii_alphanumeric()), "{name}");
            let mut reader = Reader {
                rest: body.chars().peekable(),
            };
            let node = reader.any();
            assert!(reader.rest.next().is_none(), "unread: {line}");
            assert!(
                rules.insert(name.to_owned(), node).is_none(),
                "{name} twice"
            );
        }
        let judge = Judge(rules);
        judge.0.values().for_each(|node| judge.known(node));
        judge
    }

    fn known(&self, node: &Node) {
        match node {
            Node::Rule(name) => assert!(self.0.contains_key(name), "no rule {name}"),
            Node::All(nodes) | Node::Any(nodes) => nodes.iter().for_each(|n| self.known(n)),
            Node::Times(node, ..) => self.known(node),
            Node::Text(_) | Node::Class(..) => {}
        }
    }

    /// Whether the whole text belongs to the grammar.
    pub(super) fn accepts(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        self.ends(&self.0["root"], &text, 0).contains(&text.len())
    }

    fn ends(&self, node: &Node, text: &[char], at: usize) -> BTreeSet<usize> {
        match node {
            Node::Text(wanted) => {
                let fits = text[at..].starts_with(wanted);
                fits.then_some(at + wanted.len()).into_iter().collect()
            }
            Node::Class(not, ranges) => {
                let fits = text.get(at).is_some_and(|c| {
                    ranges.iter().any(|(from, to)| (from..=to).contains(&c)) != *not
                });
                fits.then_some(at + 1).into_iter().collect()
            }
            Node::Rule(name) => self.ends(&self.0[name], text, at),
            Node::Any(nodes) => nodes.iter().flat_map(|n| self.ends(n, text, at)).collect(),
            Node::All(nodes) => nodes.iter().fold(BTreeSet::from([at]), |from, node| {
                from.iter()
                    .flat_map(|at| self.ends(node, text, *at))
                    .collect()
            }),
            Node::Times(node, min, max) => {
                let (mut now, mut out) = (BTreeSet::from([at]), BTreeSet::new());
                for count in 0..=*max {
                    if count >= *min {
                        let before = out.len();
                        out.extend(&now);
                        if count > *min && out.len() == before {
                            break;
                        }
                    }
                    now = now
                        .iter()
                        .flat_map(|at| self.ends(node, text, *at))
                        .collect();
                    if now.is_empty() {
                        break;
                    }
                }
                out
            }
        }
    }
}

impl Reader<'_> {
    fn spaces(&mut self) {
        while self.rest.next_if_eq(&' ').is_some() {}
    }

    fn any(&mut self) -> Node {
        let mut all = vec![self.all()];
        while self.rest.next_if_eq(&'|').is_some() {
            all.push(self.all());
        }
        Node::Any(all)
    }

    fn all(&mut self) -> Node {
        let mut out = Vec::new();
        loop {
            self.spaces();
            let one = match self.rest.peek() {
                None | Some('|' | ')') => return Node::All(out),
                Some('"') => self.text(),
                Some('[') => self.class(),
                Some('(') => {
                    self.rest.next();
                    let inner = self.any();
                    assert_eq!(self.rest.next(), Some(')'));
                    inner
                }
                Some(c) => {
                    assert!(c.is_ascii_alphanumeric(), "{c:?}");
                    let mut name = String::new();
                    while let Some(c) = self.rest.next_if(char::is_ascii_alphanumeric) {
                        name.push(c);
                    }
                    Node::Rule(name)
                }
            };
            out.push(self.times(one));
        }
    }

    fn times(&mut self, one: Node) -> Node {
        let (min, max) = match self.rest.peek() {
            Some('?') => (0, 1),
            Some('*') => (0, usize::MAX - 1),
            Some('{') => {
                let inside: String = self.rest.by_ref().take_while(|c| *c != '}').collect();
                let (min, max) = inside[1..].split_once(',').expect("two bounds");
                let max = if max.is_empty() {
                    usize::MAX - 1
                } else {
                    max.parse().unwrap()
                };
                return Node::Times(Box::new(one), min.parse().unwrap(), max);
            }
            _ => return one,
        };
        self.rest.next();
        Node::Times(Box::new(one), min, max)
    }

    fn char(&mut self) -> char {
        let c = self.rest.next().expect("a closing mark");
        if c != '\\' {
            return c;
        }
        match self.rest.next().expect("something after a backslash") {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'x' => {
                let hex: String = self.rest.by_ref().take(2).collect();
                char::from(u8::from_str_radix(&hex, 16).unwrap())
            }
            c => {
                assert!("\"\\]".contains(c), "\\{c}");
                c
            }
        }
    }

    fn text(&mut self) -> Node {
        self.rest.next();
        let mut out = Vec::new();
        while *self.rest.peek().expect("a closing quote") != '"' {
            out.push(self.char());
        }
        self.rest.next();
        Node::Text(out)
    }

    fn class(&mut self) -> Node {
        self.rest.next();
        let not = self.rest.next_if_eq(&'^').is_some();
        let mut ranges = Vec::new();
        while *self.rest.peek().expect("a closing bracket") != ']' {
            let from = self.char();
            let mut ahead = self.rest.clone();
            if ahead.next() == Some('-') && ahead.next() != Some(']') {
                self.rest.next();
                ranges.push((from, self.char()));
            } else {
                ranges.push((from, from));
            }
        }
        self.rest.next();
        Node::Class(not, ranges)
    }
}
