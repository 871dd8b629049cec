//! What the model answered, or why it did not.

use atoll_domain::{Message, SessionEnd, Usage};

use crate::clip::cut_bytes;
use crate::context;
use crate::finish;
use crate::prompt::one_line;
use crate::state::{Finishing, Queued, State, What};
use crate::tools::{CALLS_MAX, EXTRACTS_MAX, ToolRequest, first_sentence, parse_call, rescue};
use crate::transcript::{Call, Said, safe_arguments, safe_id, safe_name, thoughts_of};
use crate::words;

/// What is kept of a reply's text, in bytes.
const TEXT_BYTES_MAX: usize = 32 << 10;
/// Nudges for replies without a call, one after the other.
const NUDGES_MAX: u64 = 2;
/// Waits before a call whose reply broke is made again, in milliseconds. What failed before a reply began was
/// tried again by the adapter, which knows what the provider asks for; the agent doesn't repeat that.
const WAITS_MS: [u64; 2] = [0, 2_000];
/// How often a turn's conversation is squeezed because the provider found it too long.
const SQUEEZES_MAX: u64 = 3;

impl State {
    pub(crate) fn replied(&mut self, message: &Message, finish: &str, usage: &Usage) {
        self.calibrate(usage);
        self.turn.rounds += 1;
        self.turn.retries = 0;
        if self.led() {
            return self.led_reply(message);
        }
        let mut text = without_thoughts(&message.joined_text());
        let mut calls = message.tool_calls.clone();
        if calls.is_empty()
            && let Some((rest, found)) = rescue(&text)
        {
            (text, calls) = (rest, found);
        }
        let text = cut_bytes(text.trim(), TEXT_BYTES_MAX);
        let dropped = calls.len().saturating_sub(CALLS_MAX);
        calls.truncate(CALLS_MAX);
        let step = self.step;
        let mut echoed: Vec<Call> = Vec::with_capacity(calls.len());
        for (index, call) in calls.iter().enumerate() {
            let id = safe_id(&call.id, step, index, &echoed);
            let parsed = self.understand(&call.name, &call.arguments, finish);
            self.queue.push_back(Queued {
                call_id: id.clone(),
                name: one_line(&call.name, 64),
                arguments: cut_bytes(&call.arguments, 2000),
                parsed,
            });
            echoed.push(Call {
                id,
                name: safe_name(&call.name),
                arguments: safe_arguments(&call.arguments),
            });
        }
        self.ledger.said(&text);
        self.say(Said::Reply {
            text: text.clone(),
            calls: echoed,
            thoughts: thoughts_of(&message.content),
        });
        if dropped > 0 {
            let held = format!(
                "{dropped} more calls were dropped: at most {CALLS_MAX} are taken in one reply."
            );
            self.held.push(Said::Note(held));
        }
        if self.queue.is_empty() {
            self.spoke(&text, finish);
        } else {
            self.turn.nudges = 0;
            self.advance();
        }
    }

    fn understand(
        &mut self,
        name: &str,
        arguments: &str,
        finish: &str,
    ) -> Result<crate::tools::Parsed, String> {
        let parsed = parse_call(&self.config, name, arguments);
        if let Ok(ToolRequest::Extract { .. }) = parsed.as_ref().map(|p| &p.request) {
            self.turn.extracts += 1;
            if self.turn.extracts > EXTRACTS_MAX {
                return Err(format!(
                    "at most {EXTRACTS_MAX} values are extracted in a turn: go on without"
                ));
            }
        }
        parsed.map_err(|why| {
            if finish == "length" && why.contains("JSON") {
                "the call was cut off at the limit of a reply's length: write less at a time".into()
            } else {
                why
            }
        })
    }

    /// The provider's count against ours, kept near it.
    fn calibrate(&mut self, usage: &Usage) {
        if !usage.reported || usage.input_tokens == 0 {
            return;
        }
        let ours = context::raw_tokens(&context::conversation(self).0).max(1);
        let counted = usage.input_tokens.min(100_000_000) * 1000 / ours;
        let (low, high) = context::SCALE_PERMILLE;
        self.scale_permille = counted.clamp(low, high);
    }

    /// A reply without a call.
    fn spoke(&mut self, text: &str, finish: &str) {
        let title = || one_line(first_sentence(text), 72);
        if self.config.plan && !text.is_empty() && finish != "length" {
            if self.steered() {
                return self.close_round();
            }
            return self.end(SessionEnd::Answer, text.to_owned(), None);
        }
        // A conversation's reply is its answer; the person says what is next.
        if self.config.chats() && !text.is_empty() && finish != "length" {
            return self.conclude(Finishing {
                call_id: None,
                title: title(),
                summary: text.to_owned(),
                unrelated_failures: false,
            });
        }
        if self.turn.nudges < NUDGES_MAX {
            self.turn.nudges += 1;
            self.note(match (finish, self.config.plan) {
                ("length", _) => words::CUT_LENGTH,
                (_, true) => words::NUDGE_PLAN,
                (_, false) if self.config.chats() => words::NUDGE_CHAT,
                (_, false) => words::NUDGE,
            });
            return self.close_round();
        }
        if text.is_empty() {
            let why = "the model answered nothing";
            return match self.changed() {
                true => self.conclude(Finishing {
                    call_id: None,
                    title: one_line(first_sentence(&self.turn.task), 72),
                    summary: String::new(),
                    unrelated_failures: false,
                }),
                false => self.end(SessionEnd::Failed, finish::failed_words(self, why), None),
            };
        }
        self.conclude(Finishing {
            call_id: None,
            title: title(),
            summary: text.to_owned(),
            unrelated_failures: false,
        });
    }

    /// The next call of the reply, or the round's end.
    pub(crate) fn advance(&mut self) {
        let Some(call) = self.queue.pop_front() else {
            return self.close_round();
        };
        let Ok(crate::tools::Parsed {
            request:
                ToolRequest::Finish {
                    title,
                    summary,
                    solved,
                    unrelated_failures,
                },
            ..
        }) = call.parsed.clone()
        else {
            return self.set(What::Call(call));
        };
        // What comes after a finish is answered and dropped.
        for late in std::mem::take(&mut self.queue) {
            self.answer(&late.call_id, words::AFTER_FINISH, "dropped");
        }
        if !solved {
            self.answer(&call.call_id, words::ACCEPTED, "finish");
            let why = if summary.is_empty() { title } else { summary };
            return self.end(SessionEnd::Failed, format!("No patch: {why}"), None);
        }
        self.conclude(Finishing {
            call_id: Some(call.call_id),
            title,
            summary,
            unrelated_failures,
        });
    }

    /// Answers a call without an effect.
    pub(crate) fn answer(&mut self, call_id: &str, text: &str, brief: &str) {
        self.say(Said::Result {
            call_id: call_id.to_owned(),
            text: text.to_owned(),
            brief: brief.to_owned(),
        });
    }

    pub(crate) fn reply_failed(&mut self, reason: &str, said: &str) {
        let said = one_line(said, 300);
        match reason {
            "cut" => {
                if self.turn.retries == 0 {
                    self.note(words::CUT_STREAM);
                }
                self.again(reason, &said);
            }
            "garbage" | "lost" => self.again(reason, &said),
            "unreachable" => self.end(SessionEnd::Unreachable, said, None),
            "rate_limited" | "server" | "timeout" => {
                let words = format!("The model did not answer ({}): {said}", plainly(reason));
                self.end(SessionEnd::Unreachable, words, None);
            }
            "context" => self.squeeze(&said),
            "denied" => {
                let words = format!("The model may not be called: {said}");
                self.end(SessionEnd::Denied, words, None);
            }
            "needs_person" => self.needs_person(&said),
            "limit" => self.limit(&if said.is_empty() {
                "the budget is used up".to_owned()
            } else {
                said
            }),
            "cancelled" => self.end(SessionEnd::Cancelled, "Stopped.".into(), None),
            _ => {
                let words = format!(
                    "The provider can't be used ({}): {said}",
                    one_line(reason, 40)
                );
                self.end(SessionEnd::Unreachable, words, None);
            }
        }
    }

    /// Asks again after a wait, if there are tries left.
    fn again(&mut self, reason: &str, said: &str) {
        let tries = usize::try_from(self.turn.retries).unwrap_or(usize::MAX);
        match WAITS_MS.get(tries) {
            Some(wait_ms) => {
                self.turn.retries += 1;
                self.set(What::Ask { wait_ms: *wait_ms });
            }
            None => {
                let words = format!(
                    "The model did not answer after {} tries ({}): {said}",
                    tries + 1,
                    plainly(reason)
                );
                self.end(SessionEnd::Unreachable, words, None);
            }
        }
    }

    /// The window is smaller than was said: use less of it.
    fn squeeze(&mut self, said: &str) {
        if self.turn.squeezes >= SQUEEZES_MAX {
            let words = format!("The conversation is too long for the model: {said}");
            return self.end(SessionEnd::Unreachable, words, None);
        }
        self.turn.squeezes += 1;
        self.room_permille = self.room_permille * 6 / 10;
        self.ask_in_room();
    }
}

/// A failure's name, for people.
fn plainly(reason: &str) -> &str {
    match reason {
        "rate_limited" => "too many requests",
        "server" => "its provider failed",
        "timeout" => "nothing came in time",
        "cut" => "its reply was cut off",
        "garbage" => "what came can't be understood",
        "lost" => "the node ended in its middle",
        other => other,
    }
}

/// Without the thinking that some local models write before their answer.
fn without_thoughts(text: &str) -> String {
    let trimmed = text.trim_start();
    match trimmed.strip_prefix("<think>") {
        Some(rest) => rest.split_once("</think>").map_or("", |r| r.1).to_owned(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thoughts_are_not_part_of_the_reply() {
        assert_eq!(without_thoughts("<think>hm\n</think>\nyes"), "\nyes");
        assert_eq!(without_thoughts("<think>never ends"), "");
        assert_eq!(without_thoughts("a <think> b"), "a <think> b");
    }
}
