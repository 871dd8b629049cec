//! Opening a session for `code` or `chat`.

use std::sync::Arc;

use atoll_agent::{Mode, SessionConfig, TASK_BYTES_MAX};
use atoll_api::{Caller, CodeRequest, Error, OnAsk, Started, codes};
use atoll_domain::{Budget, Labels, PromptSent, Role, SessionId, SessionOpened, SpendGranted};
use atoll_guard::{Account, Entry};
use atoll_ports::models::ModelChoice;
use atoll_ports::workspace::Detected;

use crate::commands::exec::masked_note;
use crate::facts::{Context, dollars};
use crate::job::split_words;
use crate::labels::{Marks, Source};
use crate::launch::{Launch, Prepared};
use crate::session::{Drive, Handle, Opened};
use crate::shared::{Origin, Shared, full_error, lock, log_error};

/// A prompt's length, in bytes.
const PROMPT_BYTES_MAX: usize = 256 << 10;
const STEPS_MAX: u64 = 1000;

/// What a session is made of, before it is logged.
pub(crate) struct Plan {
    pub(crate) opened: Opened,
    pub(crate) budget: Budget,
    pub(crate) profile: String,
    pub(crate) sources: Vec<Source>,
    pub(crate) marks: Marks,
}

impl Plan {
    fn labels(&self) -> Labels {
        let labels = self.sources.iter().map(|s| s.label);
        labels.fold(Labels::default(), Labels::with)
    }
}

/// What a session is for, as the log has it.
fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Code => "code",
        Mode::Chat => "chat",
    }
}

impl Shared {
    pub(crate) async fn code(
        self: &Arc<Self>,
        caller: &Caller,
        key: &str,
        mode: Mode,
        request: CodeRequest,
    ) -> Result<Started, Error> {
        check_request(&request)?;
        let key = caller_key(caller, key);
        let session = SessionId::derive(&[word(mode).as_bytes(), key.as_bytes()]);
        if let Some(row) = self.log.session(&session).map_err(log_error)? {
            let ordinal = format!("s{}", row.ordinal);
            return Ok(Started {
                ordinal,
                session,
                cursor: row.seqs.0 - 1,
                notes: Vec::new(),
            });
        }
        if lock(&self.sessions).len() >= self.current().options.sessions_max {
            return Err(
                Error::new(codes::NODE_BUSY, "as many sessions run as may at once")
                    .next("atoll session list"),
            );
        }
        let choice = self.ready_model(request.model.as_deref())?;
        let cursor = self.log.head();
        let opener = Context {
            session: Some(session),
            ..Context::owner(self, caller)
        };
        let prepared = self.prepare(&opener, session, &request.root).await?;
        let marks = self.marks(prepared.workspace, &prepared.snapped.tree).await;
        let plan = self.plan(mode, &request, &choice, &prepared, marks?)?;
        self.ledger
            .open(Account::Session(session), plan.budget, Default::default());
        let entries = self.opening(caller, session, &request, &choice, &prepared, &plan);
        if let Err(full) = self.log.append_all(entries, true).await {
            let _ = self.workspaces.remove(session); // nothing was logged: nothing stays
            return Err(full_error(&full));
        }
        let notes = self.opening_notes(&request, &prepared, &plan);
        let labels = plan.labels();
        let context = Context {
            session: Some(session),
            purse: None,
            actor: atoll_domain::Actor::ai("agent"),
            role: Role::Agent,
            grant: caller.grant,
            profile: plan.profile,
            workspace: Some((prepared.workspace, prepared.root.clone())),
            trusted: prepared.trusted,
            labels,
            known: vec![choice.model.clone()],
            marks: Arc::new(plan.marks),
            on_ask: request.on_ask,
            turn: String::new(),
        };
        let drive = Drive::new(
            self.clone(),
            session,
            context,
            plan.opened,
            choice,
            request.keys,
            prepared.copy,
        )?;
        self.launch(session, drive);
        Ok(Started {
            ordinal: self.ordinal_of(&session),
            session,
            cursor,
            notes,
        })
    }

    /// Gives a session its task.
    pub(crate) fn launch(self: &Arc<Self>, session: SessionId, drive: Drive) {
        let (handle, inbox) = Handle::new(self.until_down());
        lock(&self.sessions).insert(session, handle);
        let shared = self.clone();
        tokio::spawn(async move {
            drive.run(inbox).await;
            // Before the session is free for another turn, which opens both again.
            shared.rest(session);
            lock(&shared.sessions).remove(&session);
        });
    }

    /// Forgets what is held in memory for a session without a turn under way.
    pub(crate) fn rest(&self, session: SessionId) {
        self.workspaces.rest(session);
        let day = crate::clock::day_of(self.clock.wall());
        let purse = self.purse_of(&session);
        let done = (!self.purse_in_use(session, purse)).then_some(purse);
        self.ledger.forget(day, done.as_slice());
    }

    fn plan(
        &self,
        mode: Mode,
        request: &CodeRequest,
        choice: &ModelChoice,
        prepared: &Prepared,
        marks: Marks,
    ) -> Result<Plan, Error> {
        let current = self.current();
        let options = &current.options;
        let test = self.test_command(request, &prepared.detected, prepared.trusted)?;
        let agent = SessionConfig {
            revision: atoll_agent::REVISION.into(),
            mode,
            workspace: prepared.name(),
            root: prepared.root.clone(),
            test,
            languages: prepared.detected.languages.clone(),
            guide: prepared.detected.guide.clone(),
            context_tokens: choice.context_tokens,
            output_tokens_max: choice.output_tokens_max,
            steps_max: request.steps_max.unwrap_or(options.steps_max),
            plan: request.plan,
            on_ask: match request.on_ask {
                OnAsk::Wait => atoll_agent::OnAsk::Wait,
                OnAsk::Deny => atoll_agent::OnAsk::Deny,
                OnAsk::Fail => atoll_agent::OnAsk::Fail,
            },
            small: choice.small,
        };
        agent
            .check()
            .map_err(|err| Error::new(codes::USAGE, err.to_string()).next("atoll model list"))?;
        let launch = Launch::of(prepared, &request.home, &request.path);
        let budget = Budget {
            micros_max: request.micros_max.or(options.session.micros_max),
            tokens_max: request.tokens_max.or(options.session.tokens_max),
            ms_max: None, // `--time` is wall time, kept by the session's own deadline
            runs_max: options.session.runs_max,
        };
        let time_s = request
            .time_s
            .or(options.session.ms_max.map(|ms| ms / 1000));
        let profile = request
            .profile
            .clone()
            .unwrap_or_else(|| options.profile.clone());
        let mut sources = vec![Source::workspace(&prepared.root)];
        if !prepared.trusted {
            sources.push(Source::repository(&prepared.root));
        }
        if agent.guide.is_some() {
            sources.extend(marks.of_guide());
        }
        let opened = Opened {
            agent,
            launch,
            time_s,
            trusted: prepared.trusted,
        };
        Ok(Plan {
            opened,
            budget,
            profile,
            sources,
            marks,
        })
    }

    /// The person's, else the trusted workspace's, else the best that parsing found.
    fn test_command(
        &self,
        request: &CodeRequest,
        detected: &Detected,
        trusted: bool,
    ) -> Result<Option<Vec<String>>, Error> {
        if let Some(line) = &request.test {
            let words = split_words(line).filter(|w| !w.is_empty());
            let words = words.ok_or_else(|| {
                Error::new(codes::USAGE, "the test command can't be split into words")
                    .next("atoll code --help")
            })?;
            // Pipes, patterns and assignments in front are a shell's: give it to one.
            let assigns = words[0]
                .split_once('=')
                .is_some_and(|(name, _)| !name.contains('/'));
            let shell = assigns || line.contains(['|', ';', '&', '<', '>', '$', '`', '*', '(']);
            return Ok(Some(if shell {
                vec!["sh".into(), "-c".into(), line.clone()]
            } else {
                words
            }));
        }
        if let Some(cmd) = detected.suggested_test.clone().filter(|_| trusted) {
            return Ok(Some(cmd));
        }
        Ok(detected.tests.first().map(|t| t.cmd.clone()))
    }

    fn opening(
        &self,
        caller: &Caller,
        session: SessionId,
        request: &CodeRequest,
        choice: &ModelChoice,
        prepared: &Prepared,
        plan: &Plan,
    ) -> Vec<Entry> {
        let human = || Origin::human(&caller.name, Some(session));
        let opened = self.entry(|s| {
            let body = SessionOpened {
                id: session,
                mode: word(plan.opened.agent.mode).into(),
                workspace: prepared.workspace,
                root: s.text(&prepared.root),
                revision: atoll_agent::REVISION.into(),
                prompt: plan.opened.agent.prompt_hash(),
                tools: plan.opened.agent.tools_hash(),
                provider: choice.model.provider.clone(),
                model: s.text(&choice.model.model),
                profile: plan.profile.clone(),
                budget: plan.budget,
                steps_max: plan.opened.agent.steps_max,
                config: s.json(&plan.opened),
                grant: caller.grant,
            };
            (human(), body)
        });
        let mut entries = vec![opened, self.snapped_entry(session, prepared)];
        let sources = plan.sources.iter();
        entries.extend(sources.map(|s| self.labelled_entry(session, s)));
        // A bearer's word lets nobody else spend.
        if let Some(micros_max) = request
            .micros_max
            .filter(|_| caller.grant.is_none() && (choice.remote || choice.price.is_some()))
        {
            let provider = choice.model.provider.clone();
            let body = SpendGranted {
                workspace: prepared.workspace,
                provider,
                micros_max,
            };
            entries.push(self.entry(|_| (human(), body)));
        }
        entries.push(self.entry(|s| {
            (
                human(),
                PromptSent {
                    turn: 1,
                    steer: false,
                    text: s.text(&request.prompt),
                },
            )
        }));
        entries
    }

    fn opening_notes(
        &self,
        request: &CodeRequest,
        prepared: &Prepared,
        plan: &Plan,
    ) -> Vec<String> {
        let mut notes = prepared.notes.clone();
        notes.extend(masked_note(prepared));
        if request.prompt.len() > TASK_BYTES_MAX {
            notes.push(format!(
                "the words have {} bytes: the model sees {TASK_BYTES_MAX} of them, their beginning and end",
                request.prompt.len()
            ));
        }
        match request.on_ask {
            OnAsk::Wait => {}
            OnAsk::Deny => notes.push(
                "nobody is asked: what the policy would ask is denied; --on-ask wait leaves it to `atoll gate answer`".into(),
            ),
            OnAsk::Fail => notes.push(
                "nobody is asked: the first question ends the run, exit 4 (--on-ask fail)".into(),
            ),
        }
        if plan.opened.agent.test.is_none() && !plan.opened.agent.chats() {
            notes.push("no test command was found: name one with --test \"…\"".into());
        }
        if let Some(micros) = plan
            .budget
            .micros_max
            .filter(|_| request.micros_max.is_some())
        {
            notes.push(format!("may spend up to {}", dollars(micros)));
        }
        notes
    }
}

/// A key means something to who chose it alone.
pub(crate) fn caller_key(caller: &Caller, key: &str) -> String {
    match &caller.grant {
        Some(grant) => format!("{grant} {key}"),
        None => key.to_owned(),
    }
}

/// Words of a person are bounded, whenever they come.
pub(crate) fn check_length(words: &str) -> Result<(), Error> {
    match words.len() > PROMPT_BYTES_MAX {
        true => Err(Error::new(
            codes::USAGE,
            format!("a prompt has at most {PROMPT_BYTES_MAX} bytes"),
        )),
        false => Ok(()),
    }
}

fn check_request(request: &CodeRequest) -> Result<(), Error> {
    if request.prompt.trim().is_empty() {
        let err = Error::new(codes::NO_PROMPT, "there are no words to work on");
        return Err(err.next("atoll code \"make the failing test pass\""));
    }
    check_length(&request.prompt)?;
    if request.steps_max.is_some_and(|n| n == 0 || n > STEPS_MAX) {
        return Err(Error::new(
            codes::USAGE,
            format!("--max-steps is from 1 to {STEPS_MAX}"),
        ));
    }
    if let Some(profile) = &request.profile
        && !["read-only", "careful", "open"].contains(&profile.as_str())
    {
        return Err(Error::new(
            codes::USAGE,
            format!("there is no profile {profile:?}: read-only, careful or open"),
        ));
    }
    Ok(())
}
