//! Going on with a session: parked in the middle of a turn, or idle after one.

use std::ops::ControlFlow;
use std::sync::Arc;

use atoll_agent::ToolOutput;
use atoll_api::{Caller, Error, OnAsk, ResumeRequest, Started, codes};
use atoll_domain::{
    ActionKey, Again, Body, Label, ModelRef, ModelSwitched, PlanSet, PromptSent, Role, SessionEnd,
    SessionId, SessionResumed, SessionState, Step, TreeId,
};
use atoll_guard::{Account, Entry};
use atoll_ports::log::{Filter, SessionRow};
use atoll_ports::models::ModelChoice;
use atoll_ports::workspace::Detected;

use crate::facts::Context;
use crate::labels::Source;
use crate::session::ask::PAID;
use crate::session::open::check_length;
use crate::session::{Drive, Opened};
use crate::shared::{Origin, Shared, files_error, full_error, lock, log_error};

/// What is said for a person who goes on with a session without any words.
const GO_ON: &str = "Go on.";

/// Whether a turn that ended like this was cut off: neither done nor given up by the agent.
fn from_outside(end: SessionEnd) -> bool {
    use SessionEnd::{Cancelled, Error, Limit, NeedsYou, Unreachable};
    matches!(end, Cancelled | Error | Limit | NeedsYou | Unreachable)
}

impl Shared {
    /// Words for a running session steer it; for any other they begin its next turn.
    pub(crate) async fn say(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        text: String,
    ) -> Result<Started, Error> {
        check_length(&text)?;
        let row = self.find_session(name)?;
        let handle = lock(&self.sessions).get(&row.id).cloned();
        let Some(handle) = handle else {
            let request = ResumeRequest {
                prompt: Some(text),
                ..ResumeRequest::default()
            };
            return self.resume(caller, name, request).await;
        };
        let cursor = self.log.head();
        if text.trim().is_empty() || !handle.steer(&caller.name, text) {
            return Err(
                Error::new(codes::SESSION_STATE, "the session takes no words now")
                    .next("try again in a moment"),
            );
        }
        Ok(Started {
            ordinal: format!("s{}", row.ordinal),
            session: row.id,
            cursor,
            notes: Vec::new(),
        })
    }

    pub(crate) async fn resume(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        mut request: ResumeRequest,
    ) -> Result<Started, Error> {
        check_length(request.prompt.as_deref().unwrap_or_default())?;
        let row = self.find_session(name)?;
        let ordinal = format!("s{}", row.ordinal);
        let view = self.session_view(&row);
        let state = view.state;
        // Whose turn was ended from outside needs no new words.
        if state == SessionState::Idle && view.end.is_some_and(from_outside) {
            request.prompt.get_or_insert_with(|| GO_ON.to_owned());
        }
        self.check_resumable(&row, &ordinal, state, &request)?;
        let mut opened: Opened = self.json(&row.config).ok_or_else(|| {
            Error::new(
                codes::SESSION_STATE,
                format!("the configuration of {ordinal} was erased"),
            )
        })?;
        opened.agent.check().map_err(|err| {
            Error::new(
                codes::SESSION_STATE,
                format!("{ordinal} can't go on: {err}"),
            )
            .next("atoll code starts a new one")
        })?;
        let (choice, switched) = self.model_of(&row, request.model.as_deref(), &mut opened)?;
        let cursor = self.log.head();
        let root = self.words(&row.root);
        let tree = self.tree_of(&row)?;
        let owner = self.runner.owner();
        let copy = self
            .workspaces
            .checkout(row.id, row.workspace, &root, &tree, owner)
            .await
            .map_err(files_error)?;
        let purse = self.purse_of(&row.id);
        let spent = self.family_spent(&row, purse);
        self.ledger.open(Account::Session(purse), row.budget, spent);
        let mut context = Context {
            purse: Some(purse),
            ..self.resumed_context(&row, &root, &opened, request.on_ask)?
        };
        self.labelled_again(&row, &mut context, opened.trusted, &tree)
            .await?;
        let mut drive = Drive::new(
            self.clone(),
            row.id,
            context,
            opened,
            choice,
            request.keys.clone(),
            copy,
        )?;
        let switch = switched.then(|| self.switching(caller, &drive));
        let entries = self.resuming(caller, &row, &drive, (&tree, switch), &request)?;
        self.log
            .append_all(entries, true)
            .await
            .map_err(|full| full_error(&full))?;
        drive.catch_up()?;
        self.launch(row.id, drive);
        Ok(Started {
            ordinal,
            session: row.id,
            cursor,
            notes: Vec::new(),
        })
    }

    fn check_resumable(
        &self,
        row: &SessionRow,
        ordinal: &str,
        state: SessionState,
        request: &ResumeRequest,
    ) -> Result<(), Error> {
        let error = |why: String| {
            Err(Error::new(codes::SESSION_STATE, why).next(format!("atoll session show {ordinal}")))
        };
        match state {
            _ if row.mode == "exec" => error(format!(
                "{ordinal} was a single job; run it again with atoll exec"
            )),
            SessionState::Running | SessionState::NeedsYou => {
                error(format!("{ordinal} is running"))
            }
            SessionState::Closed => error(format!("{ordinal} has ended for good")),
            SessionState::Idle
                if request
                    .prompt
                    .as_deref()
                    .is_none_or(|p| p.trim().is_empty()) =>
            {
                let err = Error::new(
                    codes::NO_PROMPT,
                    format!("{ordinal} has ended its turn: say what is next"),
                );
                Err(err.next(format!("atoll session resume {ordinal} \"now also …\"")))
            }
            SessionState::Idle | SessionState::Parked => Ok(()),
        }
    }

    /// The tree that the session goes on from: after the last outcome that changed it.
    fn tree_of(&self, row: &SessionRow) -> Result<TreeId, Error> {
        let tree = row
            .tree
            .as_ref()
            .or(row.base.as_ref())
            .and_then(|t| self.tree(t));
        tree.ok_or_else(|| Error::new(codes::SESSION_STATE, "the session's files were erased"))
    }

    fn resumed_context(
        &self,
        row: &SessionRow,
        root: &str,
        opened: &Opened,
        on_ask: OnAsk,
    ) -> Result<Context, Error> {
        let unchanged = |d: &Detected| {
            self.current()
                .options
                .trusted
                .iter()
                .any(|(p, h)| p == root && *h == d.atoll_hash)
        };
        let detected = self.workspaces.detect(row.id, "");
        let trusted = opened.trusted && detected.is_ok_and(|d| unchanged(&d));
        Ok(Context {
            session: Some(row.id),
            purse: None,
            actor: atoll_domain::Actor::ai("agent"),
            role: Role::Agent,
            grant: row.grant,
            profile: self.profile_of(row),
            workspace: Some((row.workspace, root.to_owned())),
            trusted,
            labels: row.labels.with(Label::Private),
            known: self.models_of(&row.id)?,
            marks: Arc::default(),
            on_ask,
            turn: String::new(),
        })
    }

    /// What a session gains by going on: its place may be vouched for no longer, and its files be known by now.
    async fn labelled_again(
        &self,
        row: &SessionRow,
        context: &mut Context,
        vouched: bool,
        tree: &TreeId,
    ) -> Result<(), Error> {
        if vouched && !context.trusted {
            let root = self.words(&row.root);
            let sources = vec![Source::repository(&root)];
            context.labels = self.mark(row.id, sources).await?;
        }
        let base = row.base.as_ref().and_then(|base| self.tree(base));
        let marks = self.marks(row.workspace, base.as_ref().unwrap_or(tree));
        context.marks = Arc::new(marks.await?);
        Ok(())
    }

    /// The models that have a session's context: the one it was opened with, and those that answered since.
    fn models_of(&self, session: &SessionId) -> Result<Vec<ModelRef>, Error> {
        let (mut known, mut now) = (Vec::new(), None);
        let kinds = ["SessionOpened", "ModelSwitched", "ReplyReceived"];
        self.story(session, 0, &kinds, |event| {
            let named = |provider: String, model| {
                let model = self.words(model);
                Some(ModelRef { provider, model })
            };
            match event.typed() {
                Body::SessionOpened(b) => {
                    now = named(b.provider, &b.model);
                    known.extend(now.clone());
                }
                Body::ModelSwitched(b) => now = named(b.provider, &b.model),
                Body::ReplyReceived(_) => known.extend(now.take()),
                _ => {}
            }
            ControlFlow::<()>::Continue(())
        })
        .map_err(log_error)?;
        Ok(known)
    }

    /// The profile that the session, or the one that it was forked from, was opened with.
    fn profile_of(&self, row: &SessionRow) -> String {
        let opened = self.first_event(&self.purse_of(&row.id));
        match opened.ok().flatten().map(|event| event.typed()) {
            Some(Body::SessionOpened(b)) => b.profile,
            _ => self.current().options.profile.clone(),
        }
    }

    /// The model that goes on, and whether it is another one than before.
    fn model_of(
        &self,
        row: &SessionRow,
        wanted: Option<&str>,
        opened: &mut Opened,
    ) -> Result<(ModelChoice, bool), Error> {
        let before = format!("{}/{}", row.provider, self.words(&row.model));
        let choice = self.ready_model(Some(wanted.unwrap_or(&before)))?;
        let switched = choice.model.to_string() != before;
        if switched {
            opened.agent.context_tokens = choice.context_tokens;
            opened.agent.output_tokens_max = choice.output_tokens_max;
            opened.agent.check().map_err(|err| {
                let words = format!("s{} can't go on with {}: {err}", row.ordinal, choice.model);
                Error::new(codes::USAGE, words).next("atoll model list")
            })?;
        }
        Ok((choice, switched))
    }

    /// That another model goes on, and what stays behind.
    fn switching(&self, caller: &Caller, drive: &Drive) -> Entry {
        let choice = &drive.choice;
        self.entry(|s| {
            let body = ModelSwitched {
                provider: choice.model.provider.clone(),
                model: s.text(&choice.model.model),
                context_tokens: choice.context_tokens,
                output_tokens_max: choice.output_tokens_max,
                thoughts_lost: drive.state.thoughts(),
            };
            (Origin::human(&caller.name, Some(drive.session)), body)
        })
    }

    /// What is logged at a resume: unknown outcomes first, then a switch of models, then that it goes on, then new
    /// words.
    fn resuming(
        &self,
        caller: &Caller,
        row: &SessionRow,
        drive: &Drive,
        (tree, switch): (&TreeId, Option<Entry>),
        request: &ResumeRequest,
    ) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        let mut unknown = 0;
        if let Some(effect) = drive.state.in_flight()
            && self.is_unknown(row, effect.step())?
        {
            unknown = 1;
            entries.push(match effect {
                atoll_agent::Effect::CallModel { step, .. } => self.entry(|s| {
                    let words = s.text(PAID);
                    let body = atoll_domain::ReplyFailed {
                        step,
                        reason: "lost".into(),
                        words,
                    };
                    (Origin::system(row.id), body)
                }),
                effect => drive.result_entry(effect.step(), &ToolOutput::unknown(), None),
            });
        }
        entries.extend(switch);
        if drive.state.running() {
            entries.push(self.entry(|s| {
                (
                    Origin::human(&caller.name, Some(row.id)),
                    SessionResumed {
                        unknown,
                        tree: s.text(tree.as_str()),
                    },
                )
            }));
        }
        let plans = drive.state.config().plan;
        if let Some(on) = request
            .plan
            .filter(|on| *on != plans && !drive.state.running())
        {
            let origin = Origin::human(&caller.name, Some(row.id));
            entries.push(self.entry(|_| (origin, PlanSet { on })));
        }
        if let Some(text) = request.prompt.as_deref().filter(|p| !p.trim().is_empty()) {
            let steer = drive.state.running();
            let turn = drive.state.progress().turn + u64::from(!steer);
            entries.push(self.entry(|s| {
                (
                    Origin::human(&caller.name, Some(row.id)),
                    PromptSent {
                        turn,
                        steer,
                        text: s.text(text),
                    },
                )
            }));
        }
        Ok(entries)
    }

    /// Whether the action of this step began, nobody saw its end, and it may not be repeated.
    fn is_unknown(&self, row: &SessionRow, step: Step) -> Result<bool, Error> {
        let key = ActionKey::of(&row.id, step);
        let kinds = vec!["Granted".into(), "Closed".into()];
        let filter = Filter {
            session: Some(row.id),
            kinds,
            topic: None,
        };
        let (mut after, mut open) = (row.seqs.0.saturating_sub(1), None);
        let mut unknown = false;
        loop {
            let page = self.log.events(after, 500, &filter).map_err(log_error)?;
            let Some(last) = page.last() else {
                return Ok(unknown);
            };
            after = last.seq;
            for event in page {
                match event.typed() {
                    Body::Granted(g) if g.key == Some(key) => open = Some((g.permit, g.again)),
                    Body::Closed(c) if open.is_some_and(|(p, _)| p == c.permit) => {
                        let never = open.is_some_and(|(_, again)| again == Again::Never);
                        unknown = never && c.how == atoll_domain::ClosedHow::Lost;
                    }
                    _ => {}
                }
            }
        }
    }
}
