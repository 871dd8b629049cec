//! A tool's call: logged, done, its result logged.

use atoll_agent::{Effect, ToolOutput, ToolRequest};
use atoll_api::Error;
use atoll_domain::{Sealer, Step, ToolCalled, ToolResult, TurnStopped};
use atoll_guard::Entry;
use serde::{Deserialize, Serialize};

use crate::session::drive::{Drive, Go};
use crate::session::tool::Used;
use crate::shared::Origin;

/// What `ToolCall.call` holds, for people and for the watcher.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CallRecord {
    /// The model's id of the call.
    pub(crate) id: String,
    /// `model`, `survey`, `baseline`, `check`.
    pub(crate) by: String,
    /// What it is about, one line.
    pub(crate) target: String,
}

impl Drive {
    fn called(
        &self,
        effect: &Effect,
        by: &str,
        id: &str,
        target: &str,
    ) -> impl FnOnce(&mut Sealer<'_>) -> ToolCalled + use<> {
        let (step, digest) = (effect.step(), effect.digest());
        let tool = effect.tool_name().unwrap_or("unknown").to_owned();
        let record = CallRecord {
            id: id.to_owned(),
            by: by.to_owned(),
            target: target.to_owned(),
        };
        move |s| ToolCalled {
            step,
            tool,
            call: s.json(&record),
            effect: s.text(&digest.to_string()),
        }
    }

    /// Logs a tool's call, does it, and logs its result.
    pub(crate) async fn tool(&mut self, effect: Effect) -> Go {
        let Effect::UseTool {
            step,
            call_id,
            by,
            tool,
        } = &effect
        else {
            return Go::On;
        };
        let by = serde_json::to_value(by)
            .ok()
            .and_then(|v| v.as_str().map(str::to_owned))
            .unwrap_or_default();
        let (step, tool) = (*step, tool.clone());
        let attached = by == "attach";
        // What was only read is read again after a crash: it does not wait for the disk.
        let sync = !matches!(tool, ToolRequest::Read { .. });
        let called = self.called(&effect, &by, call_id, &tool.target());
        // What is read gives its labels before a byte of it is read; what is run, as its job is asked about.
        let sources = match &tool {
            ToolRequest::Read { what } => self.context.marks.of_read(what),
            ToolRequest::Edit { path, .. } => self.context.marks.of_path(path),
            _ => Vec::new(),
        };
        if let Err(err) = self.gain(sources).await {
            return Go::Broken(err);
        }
        let runs = matches!(tool, ToolRequest::Run { .. } | ToolRequest::Test { .. });
        let used = match self.used(step, (tool, attached), sync, called).await {
            Ok(used) => used,
            Err(err) => return Go::Broken(err),
        };
        if runs {
            self.context.labels = self.shared.labels_now(&self.session, self.context.labels);
        }
        let (output, tree) = match used {
            Used::Done(output, tree) => (output, tree),
            Used::Park => return self.park(),
            Used::NeedsPerson(why) => {
                let turn = self.state.progress().turn;
                let stopped = TurnStopped {
                    turn,
                    reason: "needs_person".into(),
                };
                let output = ToolOutput::denied(&[], &why);
                let both = vec![
                    self.result_entry(step, &output, None),
                    self.session_entry(stopped),
                ];
                return self
                    .append_all(both)
                    .await
                    .map_or_else(Go::Broken, |()| Go::On);
            }
        };
        let entry = self.result_entry(step, &output, tree.as_ref().map(|t| t.as_str()));
        self.append_entries(vec![entry], sync)
            .await
            .map_or_else(Go::Broken, |()| Go::On)
    }

    /// Logs the call and does it. A read need not wait until its call is in the log: what it is granted comes behind.
    async fn used(
        &mut self,
        step: Step,
        (tool, attached): (ToolRequest, bool),
        wait: bool,
        called: impl FnOnce(&mut Sealer<'_>) -> ToolCalled,
    ) -> Result<Used, Error> {
        if wait {
            self.append(false, called).await?;
            return Ok(self.use_tool(step, tool, attached).await);
        }
        let (draft, shared) = (Origin::agent(self.session), self.shared.clone());
        let (logged, used) = tokio::join!(
            shared.append(false, |s| (draft, called(s))),
            self.use_tool(step, tool, attached)
        );
        logged.map(|_| used)
    }

    pub(crate) fn result_entry(
        &self,
        step: Step,
        output: &ToolOutput,
        tree: Option<&str>,
    ) -> Entry {
        self.shared.entry(|s| {
            let body = ToolResult {
                step,
                ok: output.ok(),
                result: s.json(output),
                tree: tree.map(|t| s.text(t)),
            };
            (Origin::system(self.session), body)
        })
    }

    /// Logs a call that can't be done, and the answer that says why.
    pub(crate) async fn reject(&mut self, effect: Effect) -> Result<(), Error> {
        let Effect::RejectCall {
            step,
            call_id,
            name,
            ..
        } = &effect
        else {
            return Ok(());
        };
        let called = self.called(&effect, "model", call_id, name);
        let output = effect
            .rejection()
            .unwrap_or_else(|| ToolOutput::rejected("malformed"));
        let call = self
            .shared
            .entry(|s| (Origin::agent(self.session), called(s)));
        let result = self.result_entry(*step, &output, None);
        self.append_all(vec![call, result]).await
    }
}
