//! A small workspace in memory: files, a test that looks at them, and a script in place of the model.

use std::collections::{BTreeMap, VecDeque};

use atoll_agent::{By, Effect, Input, SessionConfig, State, ToolOutput, ToolRequest, fold, next};
use atoll_domain::action::ReadOp;
use atoll_domain::{Edit, Hash, Message, Part, SessionEnd, Speaker, Step, ToolCall, Usage};
use serde_json::{Value, json};

/// One scripted answer of the model.
#[derive(Clone)]
pub enum Answer {
    Say(&'static str),
    Call(Vec<(&'static str, Value)>),
    Raw(Vec<(&'static str, String)>),
    /// A call, after a thought.
    Think(&'static str, (&'static str, Value)),
    Fail(&'static str),
}

pub fn call(name: &'static str, arguments: Value) -> Answer {
    Answer::Call(vec![(name, arguments)])
}

pub struct World {
    pub state: State,
    pub inputs: Vec<Input>,
    pub files: BTreeMap<String, String>,
    pub answers: VecDeque<Answer>,
    pub asked: Vec<atoll_domain::Conversation>,
    pub waits_ms: Vec<u64>,
    pub ended: Option<(SessionEnd, String, Option<atoll_agent::Proposal>)>,
    pub used: Vec<(By, String)>,
    /// Whether a test run leaves a file behind, another one each time.
    pub litters: bool,
}

pub fn config() -> SessionConfig {
    SessionConfig {
        workspace: "till".into(),
        test: Some(vec!["pytest".into(), "-q".into()]),
        ..SessionConfig::default()
    }
}

impl World {
    /// A till whose `total` cuts off instead of rounding.
    pub fn new(config: SessionConfig, answers: Vec<Answer>) -> World {
        let mut world = World {
            state: State::default(),
            inputs: Vec::new(),
            files: BTreeMap::from([
                (
                    "total.py".into(),
                    "def total(xs):\n    return int(sum(xs))\n".into(),
                ),
                ("test_total.py".into(), "from total import total\n".into()),
            ]),
            answers: answers.into(),
            asked: Vec::new(),
            waits_ms: Vec::new(),
            ended: None,
            used: Vec::new(),
            litters: false,
        };
        world.give(Input::Opened(Box::new(config)));
        let tree = world.tree();
        world.give(Input::Snapped { tree });
        world
    }

    pub fn give(&mut self, input: Input) {
        let before = self.state.clone();
        self.state = fold(before.clone(), &input);
        assert_eq!(self.state, fold(before, &input), "a fold is a function");
        assert_eq!(next(&self.state), next(&self.state), "so is next");
        self.inputs.push(input);
    }

    pub fn prompt(&mut self, text: &str) -> &mut World {
        let turn = self.state.progress().turn + 1;
        self.give(Input::Prompt {
            turn,
            text: text.into(),
            steer: self.state.running(),
        });
        self
    }

    pub fn tree(&self) -> String {
        Hash::of(format!("{:?}", self.files).as_bytes()).hex()[..40].to_owned()
    }

    /// Plays until nothing is to be done.
    pub fn play(&mut self) -> &mut World {
        for _ in 0..5000 {
            if !self.step() {
                return self;
            }
        }
        panic!("it does not end");
    }

    /// One effect; false if none is to be done.
    pub fn step(&mut self) -> bool {
        let mut effects = next(&self.state);
        assert!(effects.len() <= 1, "one at a time");
        let Some(effect) = effects.pop() else {
            return false;
        };
        let (step, digest) = (effect.step(), effect.digest());
        if effect.kind().is_some() && !matches!(effect, Effect::FinishTurn { .. }) {
            self.give(Input::Started {
                step,
                effect: Some(digest),
            });
            assert_eq!(
                next(&self.state),
                [],
                "what is under way is not proposed twice"
            );
        }
        self.act(step, effect);
        true
    }

    fn act(&mut self, step: Step, effect: Effect) {
        let rejection = effect.rejection();
        match effect {
            Effect::CallModel {
                wait_ms,
                conversation,
                ..
            } => {
                self.waits_ms.push(wait_ms);
                self.asked.push(conversation);
                let answer = self.answers.pop_front().unwrap_or(Answer::Say(""));
                self.give(answered(step, answer));
            }
            Effect::UseTool { by, tool, .. } => {
                self.used
                    .push((by, format!("{} {}", tool.name(), tool.target())));
                let before = self.tree();
                let output = self.tool(&tool);
                let tree = Some(self.tree()).filter(|tree| *tree != before);
                self.give(Input::ToolDone { step, output, tree });
            }
            Effect::RejectCall { .. } => {
                let output = rejection.expect("it has one");
                self.give(Input::ToolDone {
                    step,
                    output,
                    tree: None,
                });
            }
            Effect::Compact { upto, summary, .. } => self.give(Input::Compacted { upto, summary }),
            Effect::FinishTurn {
                turn,
                end,
                words,
                proposal,
                ..
            } => {
                self.ended = Some((end, words.clone(), proposal));
                self.give(Input::TurnEnded { turn, end, words });
            }
        }
    }

    fn tool(&mut self, tool: &ToolRequest) -> ToolOutput {
        match tool {
            ToolRequest::Read {
                what: ReadOp::Read { path, .. },
            } => match self.files.get(path) {
                Some(text) => ToolOutput::read(text, None),
                None => ToolOutput::failed(&format!("{path}: no such file")),
            },
            ToolRequest::Read { .. } => {
                let names: Vec<&str> = self.files.keys().map(String::as_str).collect();
                ToolOutput::read(&names.join("\n"), None)
            }
            ToolRequest::Edit { path, edit } => self.edit(path, edit),
            ToolRequest::Run { .. } => ToolOutput {
                exit_code: Some(0),
                ..ToolOutput::read("ran", None)
            },
            ToolRequest::Test { .. } => {
                if self.litters {
                    let runs = self.used.len().to_string();
                    self.files.insert("cache".into(), runs);
                }
                self.test()
            }
            ToolRequest::Extract { from, form, .. } => {
                let text = self.files.get(from).cloned().unwrap_or_default();
                match form.read(&text) {
                    Some(value) => ToolOutput::extracted(&value),
                    None => ToolOutput::failed("there is no such value"),
                }
            }
            ToolRequest::Finish { .. } => unreachable!("the agent handles it"),
        }
    }

    fn edit(&mut self, path: &str, edit: &Edit) -> ToolOutput {
        let before = self.files.get(path).cloned().unwrap_or_default();
        let after = match edit {
            Edit::Whole { content } => content.clone(),
            Edit::Replace {
                search, replace, ..
            } if before.contains(search) => before.replacen(search, replace, 1),
            Edit::Replace { .. } => return ToolOutput::failed("`search` was not found"),
            Edit::Delete | Edit::Diff { .. } => String::new(),
        };
        self.files.insert(path.to_owned(), after);
        ToolOutput::edited(1, 1, "", &[])
    }

    fn test(&self) -> ToolOutput {
        let ok = self.files["total.py"].contains("round(");
        let text = if ok {
            "9 passed in 0.03s"
        } else {
            "E  assert 3 == 4\n1 failed, 8 passed in 0.03s"
        };
        ToolOutput {
            exit_code: Some(i32::from(!ok)),
            ..ToolOutput::read(text, None)
        }
    }

    pub fn end(&self) -> SessionEnd {
        self.ended.as_ref().expect("it ended").0
    }

    pub fn words(&self) -> &str {
        &self.ended.as_ref().expect("it ended").1
    }

    /// All that the model was told in its last call.
    pub fn last_told(&self) -> String {
        let texts = self.asked.last().expect("it was asked").messages.iter();
        texts
            .map(Message::joined_text)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

pub fn answered(step: Step, answer: Answer) -> Input {
    let mut thoughts = Vec::new();
    let (text, calls) = match answer {
        Answer::Fail(reason) => {
            return Input::ReplyFailed {
                step,
                reason: reason.into(),
                words: "said the provider".into(),
            };
        }
        Answer::Say(text) => (text, Vec::new()),
        Answer::Call(calls) => (
            "",
            calls.into_iter().map(|(n, a)| (n, a.to_string())).collect(),
        ),
        Answer::Raw(calls) => ("", calls),
        Answer::Think(thought, (name, arguments)) => {
            thoughts.push(Part::Reasoning {
                text: thought.into(),
                signature: Some("s".into()),
                sealed: None,
            });
            ("", vec![(name, arguments.to_string())])
        }
    };
    let finish = if calls.is_empty() {
        "stop"
    } else {
        "tool_calls"
    };
    let mut message = Message::text(Speaker::Assistant, text);
    message.content.splice(0..0, thoughts);
    let calls = calls
        .into_iter()
        .enumerate()
        .map(|(i, (name, arguments))| ToolCall {
            id: format!("call_{i}"),
            name: name.into(),
            arguments,
        });
    message.tool_calls = calls.collect();
    Input::Reply {
        step,
        message,
        finish: finish.into(),
        usage: Usage::default(),
    }
}

pub fn mend() -> Answer {
    call(
        "edit",
        json!({"path": "total.py", "search": "int(", "replace": "round("}),
    )
}

pub fn spoil() -> Answer {
    call(
        "edit",
        json!({"path": "total.py", "search": "int(", "replace": "float("}),
    )
}

pub fn finish() -> Answer {
    call(
        "finish",
        json!({"title": "Fix rounding in total()", "summary": "It cut off."}),
    )
}
