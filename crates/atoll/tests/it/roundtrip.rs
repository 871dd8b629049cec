//! Every command through client, socket and server, and back.

use std::collections::BTreeMap;

use atoll_api::*;
use atoll_client::Client;
use atoll_domain::GateAnswerKind;
use futures::{StreamExt, TryStreamExt};

use crate::fake::{self, Fake};

struct Door {
    fake: std::sync::Arc<Fake>,
    client: Client,
    task: tokio::task::JoinHandle<()>,
    _dir: tempfile::TempDir,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn door(owner_shift: u32) -> Door {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("run");
    let uid = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(dir.path()).unwrap());
    let listener = atoll_http::bind(&folder, uid).unwrap();
    let fake = Fake::new();
    let served = atoll_http::serve(
        listener,
        fake.clone(),
        uid + owner_shift,
        std::future::pending(),
    );
    Door {
        fake,
        client: Client::new(folder.join(atoll_http::SOCKET)),
        task: tokio::spawn(served),
        _dir: dir,
    }
}

fn nobody() -> Caller {
    Caller::owner(12345, "a claim that is not sent")
}

#[tokio::test]
async fn sessions_arrive_as_they_were_sent() {
    let Door { client, fake, .. } = &door(0);
    let me = &nobody();
    let keys = BTreeMap::from([("A_KEY".to_owned(), "secret".to_owned())]);
    let request = CodeRequest {
        prompt: "mend\n\"it\"".into(),
        keys: keys.clone(),
        on_ask: OnAsk::Fail,
        ..CodeRequest::default()
    };
    assert_eq!(
        client.code(me, "k1".into(), request).await.unwrap(),
        fake::started()
    );
    assert_eq!(
        client.say(me, "s4".into(), "more".into()).await.unwrap(),
        fake::started()
    );
    let more = ResumeRequest {
        prompt: Some("go on".into()),
        ..ResumeRequest::default()
    };
    assert_eq!(
        client.resume(me, "@".into(), more).await.unwrap(),
        fake::started()
    );
    client.cancel(me, "s4".into()).await.unwrap();
    assert_eq!(
        client.sessions(me, 7).await.unwrap(),
        [fake::session_view()]
    );
    assert_eq!(
        client.session(me, "s4".into()).await.unwrap().view,
        fake::session_view()
    );
    assert_eq!(
        client.session_undo(me, "s4".into()).await.unwrap(),
        fake::session_view()
    );
    client.session_undo_to(me, "s4".into(), 2).await.unwrap();
    let request = ForkRequest { turn: Some(1) };
    client
        .session_fork(me, "k2".into(), "s4".into(), request)
        .await
        .unwrap();
    let request = DeclassifyRequest {
        label: atoll_domain::Label::Untrusted,
        why: "I read it".into(),
        file: Some("a b.md".into()),
    };
    let cleared = client.session_declassify(me, "s4".into(), request);
    assert!(cleared.await.unwrap().files.is_empty());
    client.session_delete(me, "s4".into()).await.unwrap();
    let updates: Vec<Update> = client
        .watch(me, "s4".into(), 7)
        .await
        .unwrap()
        .collect()
        .await;
    assert_eq!(updates, [fake::update(8), fake::update(9)]);
    assert_eq!(
        fake.calls(),
        [
            "code k1 mend\n\"it\" {\"A_KEY\": \"secret\"} Fail",
            "say s4 more",
            "resume @ Some(\"go on\")",
            "cancel s4",
            "sessions 7",
            "session s4",
            "session_undo s4",
            "session_undo_to s4 2",
            "session_fork k2 s4 Some(1)",
            "session_declassify s4 I read it Some(\"a b.md\")",
            "session_delete s4",
            "watch s4 7",
        ]
    );
}

#[tokio::test]
async fn jobs_and_gates_arrive_as_they_were_sent() {
    let Door { client, fake, .. } = &door(0);
    let me = &nobody();
    let exec = ExecRequest {
        cmd: vec!["make".into(), "a b".into()],
        ..ExecRequest::default()
    };
    assert_eq!(
        client.exec(me, "k2".into(), exec).await.unwrap().job,
        fake::job_id()
    );
    client
        .exec_stdin(me, "j9".into(), vec![0, 255])
        .await
        .unwrap();
    client.exec_stdin(me, "j9".into(), vec![]).await.unwrap();
    client.exec_resize(me, "j9".into(), 80, 24).await.unwrap();
    client.exec_stop(me, "j9".into()).await.unwrap();
    assert_eq!(
        client
            .artifact(me, "j9".into(), "a b/ü?.txt".into())
            .await
            .unwrap(),
        [0, 255, 10]
    );
    assert_eq!(client.gates(me, true).await.unwrap(), [fake::gate_view()]);
    assert_eq!(
        client.gate(me, "g3".into()).await.unwrap(),
        fake::gate_view()
    );
    let answer = AnswerRequest {
        answer: GateAnswerKind::No,
        why: "no".into(),
        gate: fake::gate_id(),
        also: vec![],
    };
    client.gate_answer(me, "g3".into(), answer).await.unwrap();
    assert_eq!(
        fake.calls(),
        [
            "exec k2 [\"make\", \"a b\"]",
            "exec_stdin j9 [0, 255]",
            "exec_stdin j9 []",
            "exec_resize j9 80 24",
            "exec_stop j9",
            "artifact j9 a b/ü?.txt",
            "gates true",
            "gate g3",
            "gate_answer g3 No no",
        ]
    );
}

#[tokio::test]
async fn an_edit_and_a_conversation_arrive_as_they_were_sent() {
    let Door { client, fake, .. } = &door(0);
    let me = &nobody();
    let begun = client.patch_edit(me, "k3".into(), "p7".into()).await;
    let request = EditRequest {
        edit: begun.unwrap().edit,
        abandon: true,
    };
    client.patch_edited(me, "p7".into(), request).await.unwrap();
    let request = CodeRequest {
        prompt: "why".into(),
        ..CodeRequest::default()
    };
    client.chat(me, "k4".into(), request).await.unwrap();
    assert_eq!(
        fake.calls(),
        ["patch_edit k3 p7", "patch_edited p7 true", "chat k4 why"]
    );
}

async fn exports_arrive_whole_or_not_at_all(client: &Client, me: &Caller) {
    let export = ExportRequest {
        session: Some("s4".into()),
        contents: true,
        since: None,
    };
    let lines = client.export(me, export.clone()).await.unwrap();
    let lines: Vec<Vec<u8>> = lines.try_collect().await.unwrap();
    assert_eq!(lines, [b"{\"a\":1}".to_vec(), b"{\"b\":2}".to_vec()]);
    // One that broke off isn't taken for a whole one.
    let broken = ExportRequest {
        since: Some(7),
        ..export
    };
    let cut = match client.export(me, broken).await {
        Ok(lines) => lines.collect::<Vec<_>>().await.pop().unwrap().unwrap_err(),
        Err(err) => err,
    };
    assert!(cut.is(atoll_api::codes::NODE_UNREACHABLE), "{cut:?}");
}

#[tokio::test]
async fn patches_log_and_models_arrive_as_they_were_sent() {
    let Door { client, fake, .. } = &door(0);
    let me = &nobody();
    assert_eq!(client.health().await.unwrap(), fake::health());
    assert_eq!(client.status(me).await.unwrap().events, 3);
    assert_eq!(client.patches(me).await.unwrap(), [fake::patch_view()]);
    assert_eq!(
        client.patch(me, "p7".into()).await.unwrap(),
        fake::patch_detail()
    );
    let accept = AcceptRequest {
        branch: Some("b".into()),
        confirm_runs_outside: true,
    };
    assert_eq!(
        client.patch_accept(me, "p7".into(), accept).await.unwrap(),
        fake::patch_detail()
    );
    client
        .patch_reject(me, "p7".into(), "why".into())
        .await
        .unwrap();
    client.patch_undo(me, "p7".into()).await.unwrap();
    let tail = Tail {
        after: 3,
        last: Some(2),
        session: Some("s4".into()),
        limit: None,
    };
    assert_eq!(client.events(me, tail).await.unwrap(), [fake::event(1)]);
    let followed: Vec<EventView> = client.follow(me, 3, None).await.unwrap().collect().await;
    assert_eq!(followed, [fake::event(4), fake::event(5)]);
    assert_eq!(
        client.verify(me).await.unwrap().bad,
        Some((2, "why".into()))
    );
    assert_eq!(client.replay(me, "s4".into()).await.unwrap().effects, 5);
    exports_arrive_whole_or_not_at_all(client, me).await;
    assert_eq!(client.checkpoint(me).await.unwrap().size, 3);
    assert_eq!(client.rebuild(me).await.unwrap(), 12);
    let erase = atoll_api::EraseRequest {
        what: "s4".into(),
        field: Some("text".into()),
        why: "asked".into(),
        dry: true,
    };
    assert_eq!(client.erase(me, erase).await.unwrap().contents, 2);
    assert_eq!(client.models(me).await.unwrap(), []);
    assert_eq!(
        client
            .model_test(me, None, BTreeMap::new())
            .await
            .unwrap()
            .words,
        "42"
    );
    client.reload(me).await.unwrap();
    assert_eq!(client.policy(me).await.unwrap().profile, "careful");
    client.down(me).await.unwrap();
    let uid = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap());
    let calls = fake.calls();
    assert_eq!(
        calls[1],
        format!("status {uid}"),
        "the caller is who the kernel says"
    );
    assert_eq!(
        calls[2..],
        [
            "patches",
            "patch p7",
            "patch_accept p7 Some(\"b\") true",
            "patch_reject p7 why",
            "patch_undo p7",
            "events 3 Some(2) Some(\"s4\")",
            "follow 3 None",
            "verify",
            "replay s4",
            "export Some(\"s4\") true",
            "export Some(\"s4\") true",
            "checkpoint",
            "rebuild",
            "erase s4 Some(\"text\") asked true",
            "models",
            "model_test None {}",
            "reload",
            "policy",
            "down",
        ]
    );
}

#[tokio::test]
async fn errors_come_back_whole_and_names_cannot_leave_their_route() {
    let Door { client, fake, .. } = &door(0);
    let err = client.session(&nobody(), "s99".into()).await.unwrap_err();
    assert!(
        err.is(codes::NO_SUCH) && err.next == ["atoll session list"],
        "{err:?}"
    );
    client
        .session_delete(&nobody(), "../../down".into())
        .await
        .unwrap();
    assert_eq!(fake.calls(), ["session_delete ../../down"]);
}

#[tokio::test]
async fn a_node_of_another_owner_refuses_us() {
    let Door { client, fake, .. } = &door(1);
    let err = client.status(&nobody()).await.unwrap_err();
    assert!(err.is(codes::NODE_STRANGER), "{err:?}");
    assert!(fake.calls().is_empty());
}

#[tokio::test]
async fn grants_arrive_as_they_were_sent_and_a_token_goes_along_unseen() {
    let Door { client, fake, .. } = &door(0);
    let me = &nobody();
    let request = MintRequest {
        name: Some("ci".into()),
        role: atoll_domain::Role::Viewer,
        ttl_s: 60,
        kinds: None,
        workspaces: None,
        hosts: None,
        budget: Default::default(),
        requests_per_min: None,
        body_limit_bytes: None,
    };
    let minted = client.grant_mint(me, request).await.unwrap();
    assert_eq!(
        (minted.token.reveal(), &minted.grant),
        ("secret", &fake::grant_view())
    );
    assert!(!format!("{minted:?}").contains("secret"), "{minted:?}");
    client
        .grant_revoke(me, "c1".into(), "lost".into())
        .await
        .unwrap();
    let bearer = client.clone().with_token(Some(Token::new("good")));
    assert!(!format!("{bearer:?}").contains("good"), "{bearer:?}");
    assert_eq!(bearer.grants(me).await.unwrap(), [fake::grant_view()]);
    let bad = client.clone().with_token(Some(Token::new("bad")));
    assert!(bad.grants(me).await.unwrap_err().is(codes::TOKEN_BAD));
    let unsendable = client.clone().with_token(Some(Token::new("a\nb")));
    assert!(unsendable.health().await.unwrap_err().is(codes::TOKEN_BAD));
    assert_eq!(
        fake.calls(),
        [
            "grant_mint Some(\"ci\")",
            "grant_revoke c1 lost",
            "enter",
            "grants true"
        ]
    );
}
