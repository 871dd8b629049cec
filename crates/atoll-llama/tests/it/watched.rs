//! Engines that die, lie, hang or rest: scripts in an engine's stead.

use atoll_domain::Tick;
use atoll_guard::Stop;
use atoll_ports::models::{Delta, Failure};
use futures::StreamExt;
use testkit::permits::{guard, permit};

use crate::stand::{
    PATIENCE, act, alive, begin, call, conversation, embedded, failure, script, until,
};
use testkit::gguf::model;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    model().write(folder.path(), "tiny");
    folder
}

/// Reads a chat and takes its id out.
const CHAT: &str = r#"echo "$loaded"; read -r chat; id=${chat#*\"id\":}; id=${id%%,*}"#;

#[tokio::test]
async fn pieces_and_figures_are_passed_on() {
    let body = format!(
        r#"{CHAT}; echo '{{"answer":"piece","id":'$id',"text":"he"}}'; echo '{{"answer":"piece","id":'$id',"text":"y"}}';
        echo '{{"answer":"done","id":'$id',"input_tokens":9,"cached_tokens":4,"output_tokens":2,"finish":"stop"}}'; read -r x"#
    );
    let folder = folder();
    let models = embedded(folder.path(), script(&body));
    let (heard, end) = call(&models, act(&models, conversation(&["hi"]), 8)).await;
    assert_eq!(heard, [Delta::Text("he".into()), Delta::Text("y".into())]);
    let reply = end.unwrap();
    assert_eq!(reply.message.joined_text(), "hey");
    assert_eq!(
        (reply.model.as_str(), reply.finish.as_str()),
        ("tiny", "stop")
    );
    let usage = reply.usage;
    assert_eq!(
        (
            usage.input_tokens,
            usage.cached_tokens,
            usage.output_tokens,
            usage.reported
        ),
        (9, 4, 2, true)
    );
}

#[tokio::test]
async fn an_engine_that_dies_ends_its_call_and_the_next_call_starts_another() {
    let folder = folder();
    let deaths = [
        ("kill -SEGV $$", "by signal 11"),
        (
            "echo 'GGML_ASSERT(x) failed' >&2; kill -ABRT $$",
            "by signal 6 (GGML_ASSERT(x) failed)",
        ),
        ("exit 7", "with code 7"),
    ];
    for (death, told) in deaths {
        let body = format!(r#"{CHAT}; echo '{{"answer":"piece","id":'$id',"text":"a"}}'; {death}"#);
        let models = embedded(folder.path(), script(&body));
        for _ in 0..2 {
            let act = act(&models, conversation(&["hi"]), 8);
            let (heard, end) = call(&models, act).await;
            assert_eq!(heard, [Delta::Text("a".into())]);
            let err = end.unwrap_err();
            assert_eq!(err.failure, Failure::Server);
            assert!(err.words.contains(told), "{}", err.words);
        }
    }
    let models = embedded(folder.path(), script("kill -KILL $$"));
    let (kind, words) = failure(&models).await;
    assert_eq!(
        (kind, words.as_str()),
        (Failure::Server, "the engine ended by signal 9")
    );
}

#[tokio::test]
async fn what_is_no_engine_is_ended() {
    let folder = folder();
    for (body, told) in [
        ("echo hello; exec sleep 1000", "what is no answer"),
        (
            "echo \"$loaded\"; echo \"$loaded\"; exec sleep 1000",
            "what nobody asked",
        ),
        (
            "echo \"$loaded\"; echo '{\"answer\":\"piece\",\"id\":99,\"text\":\"x\"}'; exec sleep 1000",
            "what nobody asked",
        ),
        (
            "head -c 3000000 /dev/zero; exec sleep 1000",
            "what is no answer",
        ),
    ] {
        let models = embedded(folder.path(), script(body));
        // Where it was taken for loaded for a moment, the call began and failed.
        let words = failure(&models).await.1;
        let short = words.contains(told) || words.contains("ends as soon as it is started");
        assert!(short, "{body}: {words}");
        until("no engine is left", || models.pids().is_empty()).await;
    }
}

#[tokio::test]
async fn a_flood_is_bounded_by_what_was_asked_for() {
    let folder = folder();
    let body =
        format!(r#"{CHAT}; while :; do echo '{{"answer":"piece","id":'$id',"text":"x"}}'; done"#);
    let models = embedded(folder.path(), script(&body));
    let (heard, end) = call(&models, act(&models, conversation(&["hi"]), 8)).await;
    assert_eq!(heard.len(), 10, "as many as were asked for, and two");
    assert!(end.unwrap_err().words.contains("what nobody asked"));
}

#[tokio::test]
async fn an_engine_that_hears_no_stop_is_ended() {
    let folder = folder();
    let body =
        format!(r#"{CHAT}; echo '{{"answer":"piece","id":'$id',"text":"x"}}'; exec sleep 1000"#);
    let mut options = script(&body);
    options.cancel_ms = 50;
    let models = embedded(folder.path(), options);
    let mut calling = begin(&models, act(&models, conversation(&["hi"]), 8)).await;
    let first = tokio::time::timeout(PATIENCE, calling.deltas.next())
        .await
        .unwrap();
    assert_eq!(first, Some(Ok(Delta::Text("x".into()))));
    let pid = models.pids()[0];
    drop(calling);
    until("it is gone", || !alive(pid)).await;
}

#[tokio::test]
async fn an_engine_that_rests_ends_and_starts_again_when_it_is_needed() {
    let folder = folder();
    let body = format!(
        r#"{CHAT}; echo '{{"answer":"done","id":'$id',"input_tokens":1,"cached_tokens":0,"output_tokens":0,"finish":"stop"}}'; read -r x"#
    );
    let mut options = script(&body);
    options.idle_ms = 20;
    let models = embedded(folder.path(), options);
    for _ in 0..3 {
        call(&models, act(&models, conversation(&["hi"]), 8))
            .await
            .1
            .unwrap();
        until("it rests", || models.pids().is_empty()).await;
    }
}

#[tokio::test]
async fn no_engine_outlives_its_models() {
    let folder = folder();
    let body = format!("{CHAT}; exec sleep 1000");
    let models = embedded(folder.path(), script(&body));
    let mut calling = begin(&models, act(&models, conversation(&["hi"]), 8)).await;
    let polled = tokio::time::timeout(std::time::Duration::from_millis(300), calling.deltas.next());
    assert!(polled.await.is_err());
    let pid = models.pids()[0];
    assert!(alive(pid));
    drop(calling);
    drop(models);
    until("it is gone", || !alive(pid)).await;
}

#[tokio::test]
async fn what_an_engine_says_of_a_model_is_told() {
    let folder = folder();
    for (code, kind) in [
        ("memory", Failure::Refused),
        ("file", Failure::Refused),
        ("unable", Failure::Refused),
        ("engine", Failure::Server),
    ] {
        let body = format!(
            r#"echo '{{"answer":"failed","id":null,"code":"{code}","words":"it is so"}}'; exit 1"#
        );
        let models = embedded(folder.path(), script(&body));
        let (failure, words) = failure(&models).await;
        assert_eq!(failure, kind, "{code}");
        assert!(words.contains("it is so"), "{words}");
    }
}

#[tokio::test]
async fn a_model_that_went_since_is_not_called() {
    let folder = folder();
    let models = embedded(folder.path(), script("exit 1"));
    let act = act(&models, conversation(&["hi"]), 8);
    std::fs::remove_file(folder.path().join("tiny.gguf")).unwrap();
    let (guard, _) = guard();
    let stop = models
        .call(permit(&guard, act).await, Tick(0))
        .err()
        .unwrap();
    assert!(matches!(stop, Stop::Changed(_)), "{stop:?}");
}

#[test]
fn names_are_found_and_what_is_none_is_left_alone() {
    let folder = folder();
    std::fs::write(folder.path().join("broken.gguf"), "GGUF").unwrap();
    std::fs::write(folder.path().join("half.gguf.part"), "GGUF").unwrap();
    std::fs::write(folder.path().join(".hidden.gguf"), model().bytes()).unwrap();
    let models = embedded(folder.path(), script("exit 1"));
    let names: Vec<String> = models.found().into_iter().map(|f| f.name).collect();
    assert_eq!(names, ["tiny"]);
    for name in ["embedded", "embedded/tiny", "tiny", " tiny "] {
        assert_eq!(
            models.resolve(name).unwrap().model.to_string(),
            "embedded/tiny"
        );
    }
    for name in ["broken", "../tiny", "embedded/", "", "half", "tiny.gguf"] {
        assert!(models.resolve(name).is_none(), "{name}");
    }
    let choice = models.resolve("tiny").unwrap();
    assert!(!choice.remote && choice.priced && choice.price.is_none());
    assert_eq!(choice.context_tokens, 512);
}

#[test]
fn the_fence_leaves_one_file_threads_and_nothing_else() {
    let folder = folder();
    let model = folder.path().join("tiny.gguf");
    let before = std::fs::read(&model).unwrap();
    let said = std::process::Command::new(env!("CARGO_BIN_EXE_atoll-engine"))
        .args(["--fence", model.to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let mut lines = said.lines();
    let fences = lines.next().unwrap();
    assert!(
        fences.starts_with("fences ") && fences.ends_with("seccomp"),
        "{said}"
    );
    let wanted = [
        "model yes",
        "thread yes",
        "other no",
        "list no",
        "write no",
        "tcp no",
        "udp no",
        "unix no",
        "program no",
        "memory no",
    ];
    // Which files are read is Landlock's to say, where the kernel has it.
    let landlock = fences.contains("landlock");
    for (line, wanted) in lines.zip(wanted) {
        let theirs = ["other ", "list "].iter().any(|w| line.starts_with(w));
        assert!(line == wanted || (theirs && !landlock), "{line}: {said}");
    }
    assert_eq!(said.lines().count(), 11, "{said}");
    assert_eq!(std::fs::read(&model).unwrap(), before);
}
