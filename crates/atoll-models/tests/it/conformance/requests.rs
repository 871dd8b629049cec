//! What is sent, and what comes back of it.

use atoll_domain::{Conversation, Form, Message, Part, Speaker, ToolCall};
use atoll_models::{Thinking, WireKind};
use atoll_ports::Models;
use atoll_ports::models::Key;
use serde_json::{Value, json};
use testkit::provider::{Options, Reply, Script, Server};

use super::{WIRES, two_calls};
use crate::stand::{Stand, config, registry};

fn image() -> Part {
    Part::Image {
        media_type: "image/png".into(),
        data: "aGk=".into(),
    }
}

pub async fn images_are_shown_to_models_that_see(wire: WireKind) {
    for sees in [None, Some(false)] {
        let script = Script::list([Reply::text("I see.")]);
        let stand = Stand::with(wire, script, |config| {
            config.providers[0].models[0].images = sees;
        });
        let mut act = stand.act();
        act.conversation.messages[0].content.push(image());
        let heard = stand.call_of(act).await;
        assert_eq!(heard.text(), "I see.");
        let sent = &stand.server.requests()[0].text;
        assert_eq!(sent.contains("aGk="), sees.is_none(), "{sent}");
        assert_eq!(sent.contains("an image was left out"), sees.is_some());
        assert_eq!(stand.models.resolve("p/m").unwrap().images, sees.is_none());
    }
}

pub async fn a_reply_in_a_form(wire: WireKind) {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false});
    // Where the form is a tool, the model calls it.
    let reply = match wire {
        WireKind::AnthropicMessages => Reply::call("answer", json!({"n": 42})),
        _ => Reply::text("{\"n\":42}"),
    };
    let stand = Stand::new(wire, Script::list([reply]));
    let mut act = stand.act();
    act.conversation.tools.clear();
    act.conversation.form = Some(Form {
        name: "answer".into(),
        schema: schema.clone(),
        varied: false,
    });
    let heard = stand.call_of(act).await;
    let reply = heard.reply();
    let said: Value = serde_json::from_str(&reply.message.joined_text()).unwrap();
    assert_eq!(said, json!({"n": 42}));
    assert!(reply.message.tool_calls.is_empty());
    assert_eq!(reply.finish, "stop");
    assert_eq!(heard.text(), reply.message.joined_text());
    let sent = stand.server.requests()[0].json();
    let asked = match wire {
        WireKind::ChatCompletions => &sent["response_format"]["json_schema"]["schema"],
        WireKind::AnthropicMessages => &sent["tools"][0]["input_schema"],
        WireKind::Ollama => &sent["format"],
    };
    assert_eq!(*asked, schema);
}

/// The usual question, a reply of this wire that thinks and calls, and the results of its calls.
async fn transcript(wire: WireKind) -> Conversation {
    let reply = Reply {
        reasoning: Some("Which file? That one.".into()),
        ..two_calls()
    };
    let stand = Stand::new(wire, Script::list([reply]));
    let act = stand.act();
    let mut conversation = act.conversation.clone();
    let message = stand.call_of(act).await.end.unwrap().message;
    let results: Vec<Message> = message
        .tool_calls
        .iter()
        .map(|c| Message::tool(&c.id, "what is in it"))
        .collect();
    conversation.messages.push(message);
    conversation.messages.extend(results);
    conversation
}

async fn sent(wire: WireKind, conversation: Conversation) -> Value {
    let stand = Stand::with(wire, Script::list([Reply::text("done")]), |config| {
        config.providers[0].models[0].thinking = Some(Thinking::On);
    });
    let mut act = stand.act();
    act.conversation = conversation;
    act.output_tokens_max = 8_000;
    let heard = stand.call_of(act).await;
    assert_eq!(heard.text(), "done", "{heard:?}");
    stand.server.requests()[0].json()
}

pub async fn thoughts_are_kept_and_go_back_where_they_came_from(wire: WireKind) {
    let conversation = transcript(wire).await;
    let kept = conversation.messages[1].content.first();
    assert!(
        matches!(kept, Some(Part::Reasoning { text, .. }) if text == "Which file? That one."),
        "{kept:?}"
    );
    let sent = sent(wire, conversation).await;
    let said = &sent["messages"][1];
    match wire {
        // Chat completions have no place for them that all servers know.
        WireKind::ChatCompletions => assert!(!sent.to_string().contains("Which file?")),
        WireKind::AnthropicMessages => {
            let thought = json!({"type": "thinking", "thinking": "Which file? That one.", "signature": "sig+0001/=="});
            assert_eq!(said["content"][0], thought);
            assert_eq!(sent["thinking"]["type"], "enabled");
        }
        WireKind::Ollama => assert_eq!(said["thinking"], "Which file? That one."),
    }
}

pub async fn a_transcript_of_any_wire_is_taken(wire: WireKind) {
    for other in WIRES {
        let mut conversation = transcript(other).await;
        // What other agents and servers leave behind: an id twice, an odd one, no words, a call that wasn't JSON.
        let odd = |id: &str, arguments: &str| ToolCall {
            id: id.into(),
            name: "read_file".into(),
            arguments: arguments.into(),
        };
        let first = conversation.messages[1].tool_calls[0].id.clone();
        let mut message = Message::text(Speaker::Assistant, "");
        message.tool_calls = vec![odd(&first, "{\"path\""), odd("functions.read:0|x", "[]")];
        conversation.messages.push(message);
        conversation.messages.push(Message::tool(&first, ""));
        conversation
            .messages
            .push(Message::tool("functions.read:0|x", "b"));
        conversation
            .messages
            .push(Message::text(Speaker::User, "Go on."));
        let sent = sent(wire, conversation).await.to_string();
        assert!(sent.contains("what is in it") && sent.contains("Go on."));
        assert!(sent.contains("invalid_arguments"));
    }
}

pub async fn the_key_goes_where_the_wire_wants_it(wire: WireKind) {
    let options = Options {
        key: Some("s3cret".into()),
        ..Options::default()
    };
    let server = Server::with(Script::list([Reply::text("in")]), options).unwrap();
    let stand = Stand {
        models: registry(config(wire, &server.base_url())),
        server,
        key: Some(Key::new("s3cret")),
    };
    assert_eq!(stand.call().await.text(), "in");
    let seen = &stand.server.requests()[0];
    let holding: Vec<&str> = seen
        .headers
        .iter()
        .filter(|(_, v)| v.contains("s3cret"))
        .map(|(k, _)| k.as_str())
        .collect();
    let wanted = match wire {
        WireKind::AnthropicMessages => "x-api-key",
        _ => "authorization",
    };
    assert_eq!(holding, [wanted]);
    assert!(!seen.text.contains("s3cret"));
    let wrong = Stand {
        key: Some(Key::new("other")),
        ..stand
    };
    let heard = wrong.call().await;
    assert_eq!(heard.failure(), atoll_ports::models::Failure::Auth);
    assert!(!heard.end.unwrap_err().words.contains("other"));
}

pub async fn models_are_listed(wire: WireKind) {
    let options = Options {
        models: vec!["b:7b".into(), "a".into()],
        ..Options::default()
    };
    let server = Server::with(Script::list([]), options).unwrap();
    let models = registry(config(wire, &server.base_url()));
    assert_eq!(models.offered("p", None).await.unwrap(), ["a", "b:7b"]);
}
