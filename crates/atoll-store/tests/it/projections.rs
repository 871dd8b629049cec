use std::sync::atomic::Ordering;

use atoll_domain::{
    Body, Budget, Cost, ExecStarted, GateAnswerKind, GateAnswered, GateId, GateOpened, JobId, Kind,
    Label, Labelled, ModelAsked, ModelSwitched, Ms, PatchAccepted, PatchClass, PatchId,
    PatchProposed, PromptSent, Purpose, SessionClosed, SessionDeleted, SessionEnd, SessionForked,
    SessionId, SessionOpened, SessionState, SpendGranted, Step, ToolResult, TurnEnded, WorkspaceId,
    WorkspaceSnapped,
};
use atoll_guard::{Entry, Journal as _};
use atoll_ports::Log as _;
use atoll_ports::log::PatchState;
use atoll_store::Store;

use crate::made::{Place, closed, granted, of, permit, words};

fn session(n: u8) -> SessionId {
    SessionId::new(Ms(1), [n; 10])
}

fn workspace() -> WorkspaceId {
    WorkspaceId::derive(&[b"w"])
}

fn opened(id: SessionId) -> Body {
    SessionOpened {
        id,
        mode: "code".into(),
        workspace: workspace(),
        root: words("/home/me/shop"),
        revision: "1".into(),
        prompt: atoll_domain::Hash::of(b"prompt"),
        tools: atoll_domain::Hash::of(b"tools"),
        provider: "local".into(),
        model: words("model"),
        profile: "careful".into(),
        budget: Budget {
            micros_max: Some(2_000_000),
            ..Budget::default()
        },
        steps_max: 30,
        config: words("config"),
        grant: None,
    }
    .into()
}

fn cost(micros: u64, runs: u64) -> Cost {
    Cost {
        micros,
        runs,
        ..Cost::ZERO
    }
}

async fn put(store: &Store, s: SessionId, body: impl Into<Body>) {
    store
        .append(Entry::plain(of(Some(s), body.into())), false)
        .await
        .unwrap();
}

fn gate_opened(n: u8) -> GateOpened {
    GateOpened {
        gate: GateId::new(Ms(1), [n; 10]),
        kind: Kind::Run,
        hash: words("hash"),
        action: words("action"),
        facts: words("facts"),
        rules: vec!["careful.network".into()],
        policy: atoll_domain::Hash::of(b"policy"),
        question: words("question"),
        expires: Ms(1_763_600_600_000),
    }
}

fn proposed(n: u8) -> PatchProposed {
    PatchProposed {
        id: PatchId::new(Ms(1), [n; 10]),
        turn: 1,
        files: 2,
        class: PatchClass::Ordinary,
        tests_ok: Some(true),
        record: words("record"),
        diff: words("diff"),
    }
}

/// A job under a permit, with one that it covers.
async fn job(store: &Store, n: u8) {
    let s = session(n);
    store
        .append(granted(Some(s), permit(n), cost(500, 1), None), true)
        .await
        .unwrap();
    let job = JobId::new(Ms(1), [n; 10]);
    put(
        store,
        s,
        ExecStarted {
            job,
            permit: permit(n),
            purpose: Purpose::Test,
        },
    )
    .await;
    store
        .append(
            granted(Some(s), permit(n + 100), Cost::ZERO, Some(permit(n))),
            false,
        )
        .await
        .unwrap();
    store.close(closed(Some(s), permit(n + 100), cost(7, 0), b"{}"));
    store.close(closed(Some(s), permit(n), cost(300, 1), b"{\"ok\":true}"));
}

/// One session with a bit of everything.
async fn story(store: &Store, n: u8) {
    let s = session(n);
    put(store, s, opened(s)).await;
    let snapped = WorkspaceSnapped {
        workspace: workspace(),
        tree: words("base"),
        files: 3,
        bytes: 99,
        masked: 1,
        skipped: 0,
        notes: words("notes"),
    };
    put(store, s, snapped).await;
    put(
        store,
        s,
        PromptSent {
            turn: 1,
            steer: false,
            text: words("make it pass"),
        },
    )
    .await;
    put(
        store,
        s,
        PromptSent {
            turn: 1,
            steer: true,
            text: words("faster"),
        },
    )
    .await;
    put(
        store,
        s,
        Labelled {
            label: Label::Private,
            source: "workspace".into(),
            what: None,
        },
    )
    .await;
    put(
        store,
        s,
        ModelAsked {
            step: Step(4),
            provider: "local".into(),
            effect: words("effect"),
        },
    )
    .await;
    job(store, n).await;
    put(
        store,
        s,
        ToolResult {
            step: Step(4),
            ok: true,
            result: words("result"),
            tree: Some(words("after")),
        },
    )
    .await;
    put(store, s, gate_opened(n)).await;
}

#[tokio::test]
async fn a_session_is_folded_from_its_events() {
    let place = Place::new();
    let store = place.open();
    story(&store, 1).await;
    let row = store.session(&session(1)).unwrap().unwrap();
    assert_eq!(
        (row.ordinal, row.state, row.turns, row.steps),
        (1, SessionState::NeedsYou, 1, 4)
    );
    assert_eq!(
        (row.prompt, row.base, row.tree),
        (
            Some(words("make it pass")),
            Some(words("base")),
            Some(words("after"))
        )
    );
    assert_eq!((row.labels.private, row.labels.untrusted), (true, false));
    // The sub-permit's cost is in the one that covers it.
    assert_eq!(row.spent, cost(300, 1));
    assert_eq!(row.budget.micros_max, Some(2_000_000));
    assert_eq!((row.seqs.0, row.seqs.1), (2, store.head()));
    assert_eq!(
        store.spent_on(1_763_600_000_000 / 86_400_000).unwrap(),
        cost(300, 1)
    );
    assert_eq!(store.open_permits().unwrap(), []);

    let switched = ModelSwitched {
        provider: "other".into(),
        model: words("larger"),
        context_tokens: 9,
        output_tokens_max: 3,
        thoughts_lost: 0,
    };
    put(&store, session(1), switched).await;
    let row = store.session(&session(1)).unwrap().unwrap();
    assert_eq!(
        (row.provider.as_str(), row.model),
        ("other", words("larger"))
    );
    assert_eq!(row.state, SessionState::NeedsYou);

    let job = store.job_by_ordinal(0).unwrap().unwrap();
    assert_eq!(
        (job.ordinal, job.purpose, job.how),
        (1, Purpose::Test, Some(atoll_domain::ClosedHow::Done))
    );
    assert_eq!(
        store.content(&job.outcome.unwrap()).unwrap().unwrap(),
        b"{\"ok\":true}"
    );
}

#[tokio::test]
async fn the_first_answer_to_a_gate_counts() {
    let place = Place::new();
    let store = place.open();
    story(&store, 1).await;
    let gate = store.gates(true, 9).unwrap().remove(0);
    assert_eq!(
        (gate.ordinal, gate.rules.as_slice()),
        (1, &["careful.network".to_owned()][..])
    );
    let answered = |answer| GateAnswered {
        gate: gate.id,
        answer,
        why: words("fine"),
    };
    put(&store, session(1), answered(GateAnswerKind::Once)).await;
    put(&store, session(1), answered(GateAnswerKind::No)).await;
    assert_eq!(store.gates(true, 9).unwrap(), []);
    assert_eq!(
        store.gate(&gate.id).unwrap().unwrap().answer,
        Some(GateAnswerKind::Once),
        "the first answer counts"
    );
    assert_eq!(
        store.session_by_ordinal(0).unwrap().unwrap().state,
        SessionState::Running
    );
}

#[tokio::test]
async fn a_patch_and_the_end_of_a_session_are_folded() {
    let place = Place::new();
    let store = place.open();
    story(&store, 1).await;
    put(&store, session(1), proposed(1)).await;
    put(
        &store,
        session(1),
        TurnEnded {
            turn: 1,
            end: SessionEnd::Patch,
            words: words("done"),
        },
    )
    .await;
    assert_eq!(
        store.patch_by_ordinal(1).unwrap().unwrap().state,
        PatchState::Proposed
    );
    put(
        &store,
        session(1),
        PatchAccepted {
            id: proposed(1).id,
            branch: false,
        },
    )
    .await;
    assert_eq!(store.patches(9).unwrap()[0].state, PatchState::Accepted);
    let row = store.session(&session(1)).unwrap().unwrap();
    assert_eq!(
        (row.state, row.end),
        (SessionState::Idle, Some(SessionEnd::Patch))
    );
    put(
        &store,
        session(1),
        SessionClosed {
            end: SessionEnd::Answer,
        },
    )
    .await;
    assert_eq!(
        store.session(&session(1)).unwrap().unwrap().state,
        SessionState::Closed
    );
}

#[tokio::test]
async fn ordinals_count_up_and_are_never_given_twice() {
    let place = Place::new();
    let store = place.open();
    story(&store, 1).await;
    story(&store, 2).await;
    let fork = SessionForked {
        id: session(3),
        parent: session(2),
        seq: 9,
        tree: words("fork"),
    };
    put(&store, session(3), fork).await;
    put(&store, session(2), SessionDeleted { id: session(2) }).await;
    put(&store, session(4), opened(session(4))).await;
    put(&store, session(4), opened(session(4))).await;
    let rows = store.sessions(9).unwrap();
    assert_eq!(
        rows.iter().map(|r| r.ordinal).collect::<Vec<_>>(),
        [4, 3, 1]
    );
    assert_eq!(
        (rows[1].tree, rows[1].spent),
        (Some(words("fork")), Cost::ZERO)
    );
    assert_eq!(store.session_by_ordinal(2).unwrap(), None);
    assert_eq!(store.session_by_ordinal(99).unwrap(), None);
    assert_eq!(
        store.gate_by_ordinal(2).unwrap().unwrap().session,
        Some(session(2))
    );
}

#[tokio::test]
async fn what_was_not_closed_is_open_after_a_restart() {
    let place = Place::new();
    let store = place.open();
    let s = session(1);
    put(&store, s, opened(s)).await;
    let at = store
        .append(granted(Some(s), permit(1), cost(9, 1), None), true)
        .await
        .unwrap();
    drop(store);
    let store = place.open();
    let open = store.open_permits().unwrap().remove(0);
    assert_eq!(
        (open.permit, open.granted, open.seq, open.session),
        (permit(1), at.id, at.seq, Some(s))
    );
    assert_eq!(open.reserve, cost(9, 1));
    store.close(closed(Some(s), permit(1), cost(9, 1), b"lost"));
    store.close(closed(Some(s), permit(1), cost(9, 1), b"twice"));
    store.append(crate::made::bare(1), true).await.unwrap();
    assert_eq!(store.open_permits().unwrap(), []);
    assert_eq!(
        store.session(&s).unwrap().unwrap().spent,
        cost(9, 1),
        "a permit is paid for once"
    );
}

#[tokio::test]
async fn the_day_of_the_grant_pays() {
    let place = Place::new();
    let store = place.open();
    let day = 1_763_600_000_000 / 86_400_000;
    store
        .append(granted(None, permit(1), cost(5, 1), None), true)
        .await
        .unwrap();
    place.now.fetch_add(86_400_000, Ordering::Relaxed);
    store.close(closed(None, permit(1), cost(5, 1), b""));
    store.append(crate::made::bare(1), false).await.unwrap();
    assert_eq!(
        (
            store.spent_on(day).unwrap(),
            store.spent_on(day + 1).unwrap()
        ),
        (cost(5, 1), Cost::ZERO)
    );
}

#[tokio::test]
async fn spending_is_granted_by_workspace_and_provider() {
    let place = Place::new();
    let store = place.open();
    for micros_max in [5, 3] {
        let body = SpendGranted {
            workspace: workspace(),
            provider: "p".into(),
            micros_max,
        };
        store
            .append(Entry::plain(of(None, body.into())), true)
            .await
            .unwrap();
    }
    assert_eq!(store.spend_granted(&workspace(), "p"), Ok(Some(3)));
    assert_eq!(store.spend_granted(&workspace(), "q"), Ok(None));
}

#[tokio::test]
async fn rebuilding_gives_the_same_projections() {
    let place = Place::new();
    let store = place.open();
    for n in 1..6 {
        story(&store, n).await;
        put(&store, session(n), proposed(n)).await;
    }
    store
        .append(
            granted(Some(session(1)), permit(77), cost(1, 1), None),
            true,
        )
        .await
        .unwrap();
    store.checkpoint().await.unwrap();
    let before = store.reader().dump().unwrap();
    assert!(before.len() > 25, "{}", before.len());
    assert_eq!(store.rebuild().await, Ok(store.head()));
    assert_eq!(store.reader().dump().unwrap(), before);

    // Not because nothing happens: what was lost comes back.
    let db = place.db();
    db.execute_batch("DELETE FROM sessions; UPDATE ordinals SET last = 50; DELETE FROM permits;")
        .unwrap();
    assert_ne!(store.reader().dump().unwrap(), before);
    store.rebuild().await.unwrap();
    assert_eq!(store.reader().dump().unwrap(), before);
}

#[tokio::test]
async fn an_older_store_gets_what_a_newer_one_keeps() {
    let place = Place::new();
    let store = place.open();
    for n in 1..=3 {
        story(&store, n).await;
    }
    let gate = store.gate_by_ordinal(1).unwrap().unwrap();
    let mut again = granted(gate.session, permit(77), Cost::ZERO, None);
    let Body::Granted(b) = &mut again.draft.body else {
        panic!("a grant")
    };
    b.gate = Some(gate.id);
    store.append(again, true).await.unwrap();
    let kept = store.gate(&gate.id).unwrap().unwrap();
    assert_eq!(kept.used, Some(permit(77)));
    let dump = store.reader().dump().unwrap();
    drop(store);
    place
        .db()
        .execute_batch(
            "DROP INDEX gates_session; ALTER TABLE gates DROP COLUMN answerer;
             ALTER TABLE gates DROP COLUMN used; ALTER TABLE log DROP COLUMN epoch;
             ALTER TABLE log DROP COLUMN epoch_ts; DROP TABLE labels; DROP TABLE marks;
             DROP TABLE capabilities; DROP TABLE revocations;
             ALTER TABLE sessions DROP COLUMN capability; ALTER TABLE permits DROP COLUMN capability; PRAGMA user_version = 1;",
        )
        .unwrap();
    let store = place.open();
    assert_eq!(store.reader().dump().unwrap(), dump);
    assert_eq!(store.verify().unwrap().bad, None);
}
