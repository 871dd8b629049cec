//! What is read off the events: sessions, gates, patches, jobs, permits, spending.

use atoll_domain::{
    Actor, Body, Draft, GateAnswerKind, GateAnswered, GateId, JobId, Ms, PatchAccepted, PatchId,
    SessionId, SpendGranted, WorkspaceId,
};
use atoll_guard::Entry;
use atoll_ports::log::PatchState;

use super::Ground;
use super::story::{
    closed, cost, gate, gate_opened, granted, job, of, opened, patch, permit, session, tell, words,
    workspace,
};

pub async fn things_are_found_by_id_and_by_ordinal(ground: &dyn Ground) {
    let log = ground.open();
    for n in 1..=3 {
        tell(&log, n).await;
    }
    for n in 1..=3u8 {
        let ordinal = u64::from(n);
        let row = log.session(&session(n)).unwrap().unwrap();
        assert_eq!((row.id, row.ordinal), (session(n), ordinal));
        assert_eq!(log.session_by_ordinal(ordinal).unwrap(), Some(row));
        let row = log.gate(&gate(n)).unwrap().unwrap();
        assert_eq!(
            (row.id, row.ordinal, row.session),
            (gate(n), ordinal, Some(session(n)))
        );
        let of_session = log.gates_of(&session(n), 9).unwrap();
        assert_eq!(of_session, std::slice::from_ref(&row));
        assert_eq!(log.gate_by_ordinal(ordinal).unwrap(), Some(row));
        let row = log.patch(&patch(n)).unwrap().unwrap();
        assert_eq!(
            (row.id, row.ordinal, row.session),
            (patch(n), ordinal, session(n))
        );
        assert_eq!(log.patch_by_ordinal(ordinal).unwrap(), Some(row));
        let row = log.job(&job(n)).unwrap().unwrap();
        assert_eq!(
            (row.id, row.ordinal, row.permit),
            (job(n), ordinal, permit(n))
        );
        assert_eq!(log.job_by_ordinal(ordinal).unwrap(), Some(row));
    }
    // The newest first, and the latest is 0.
    let ordinals: Vec<u64> = log.jobs(2).unwrap().iter().map(|j| j.ordinal).collect();
    assert_eq!(ordinals, [3, 2]);
    assert_eq!(log.session_by_ordinal(0).unwrap().unwrap().id, session(3));
    assert_eq!(log.gate_by_ordinal(0).unwrap().unwrap().id, gate(3));
    assert_eq!(log.patch_by_ordinal(0).unwrap().unwrap().id, patch(3));
    assert_eq!(log.job_by_ordinal(0).unwrap().unwrap().id, job(3));
    let accepted = PatchAccepted {
        id: patch(2),
        branch: false,
    };
    log.append(of(2, accepted), true).await.unwrap();
    assert_eq!(
        log.patch(&patch(2)).unwrap().unwrap().state,
        PatchState::Accepted
    );
    assert_eq!(
        log.patch(&patch(3)).unwrap().unwrap().state,
        PatchState::Proposed
    );
}

pub async fn nothing_is_found_where_nothing_is(ground: &dyn Ground) {
    let log = ground.open();
    for told in [false, true] {
        if told {
            tell(&log, 1).await;
        }
        let other = [9; 10];
        assert_eq!(log.session(&SessionId::new(Ms(1), other)).unwrap(), None);
        assert_eq!(log.gate(&GateId::new(Ms(1), other)).unwrap(), None);
        assert_eq!(log.patch(&PatchId::new(Ms(1), other)).unwrap(), None);
        assert_eq!(log.job(&JobId::new(Ms(1), other)).unwrap(), None);
        assert_eq!(log.gates_of(&session(9), 9).unwrap(), []);
        for ordinal in [7, u64::MAX] {
            assert_eq!(log.session_by_ordinal(ordinal).unwrap(), None);
            assert_eq!(log.gate_by_ordinal(ordinal).unwrap(), None);
            assert_eq!(log.patch_by_ordinal(ordinal).unwrap(), None);
            assert_eq!(log.job_by_ordinal(ordinal).unwrap(), None);
        }
    }
    assert_eq!(log.gates_of(&session(1), 0).unwrap(), []);
}

pub async fn a_gate_keeps_its_first_answer_and_its_first_use(ground: &dyn Ground) {
    let log = ground.open();
    tell(&log, 1).await;
    log.append(gate_opened(1, 2), false).await.unwrap();
    let row = log.gate(&gate(1)).unwrap().unwrap();
    assert_eq!((row.answer, row.answerer, row.used), (None, None, None));
    assert_eq!(log.gates(true, 9).unwrap().len(), 2);
    for (answer, who) in [
        (GateAnswerKind::Once, "owner"),
        (GateAnswerKind::No, "other"),
    ] {
        let body = GateAnswered {
            gate: gate(1),
            answer,
            why: words("fine"),
        };
        let draft = Draft::session(session(1), Actor::human(who), body.into());
        log.append(Entry::plain(draft), true).await.unwrap();
    }
    let row = log.gate(&gate(1)).unwrap().unwrap();
    assert_eq!(row.answer, Some(GateAnswerKind::Once));
    assert_eq!(row.answerer, Some(Actor::human("owner")));
    assert_eq!(row.used, None, "an answer is no use of it");
    let open: Vec<GateId> = log.gates(true, 9).unwrap().iter().map(|g| g.id).collect();
    assert_eq!(open, [gate(2)]);
    for n in [20, 21] {
        let grant = granted(1, n, cost(1), Some(gate(1)));
        log.append(grant, true).await.unwrap();
    }
    let row = log.gate(&gate(1)).unwrap().unwrap();
    assert_eq!(row.used, Some(permit(20)));
    // Closing the permit gives nothing back.
    log.close(closed(1, 20, cost(1)));
    log.append(gate_opened(1, 3), true).await.unwrap();
    assert_eq!(log.gate(&gate(1)).unwrap().unwrap().used, Some(permit(20)));
    let of_session: Vec<GateId> = log
        .gates_of(&session(1), 2)
        .unwrap()
        .iter()
        .map(|g| g.id)
        .collect();
    assert_eq!(of_session, [gate(3), gate(2)]);
}

pub async fn permits_are_open_until_they_are_closed(ground: &dyn Ground) {
    let log = ground.open();
    log.append(opened(1), false).await.unwrap();
    for n in 1..=3 {
        let grant = granted(1, n, cost(u64::from(n)), None);
        log.append(grant, true).await.unwrap();
    }
    log.close(closed(1, 2, cost(1)));
    drop(log);
    // After a restart, too, and in the order in which they were granted.
    let log = ground.open();
    let open = log.open_permits().unwrap();
    let found: Vec<_> = open.iter().map(|p| (p.permit, p.reserve)).collect();
    assert_eq!(found, [(permit(1), cost(1)), (permit(3), cost(3))]);
    let event = log.event(&open[0].granted).unwrap().unwrap();
    assert_eq!((event.kind.as_str(), event.seq), ("Granted", open[0].seq));
}

pub async fn spending_is_settled_once(ground: &dyn Ground) {
    let log = ground.open();
    tell(&log, 1).await;
    let day = log.events(1, 1, &Default::default()).unwrap()[0].ts.0 / 86_400_000;
    assert_eq!(log.spent_on(day).unwrap(), cost(300));
    assert_eq!(log.spent_on(day + 1).unwrap(), cost(0));
    // Closed again, and closed without a grant: neither is paid for.
    log.close(closed(1, 1, cost(300)));
    log.close(closed(1, 99, cost(300)));
    let spend = SpendGranted {
        workspace: workspace(),
        provider: "local".into(),
        micros_max: 7,
    };
    let draft = Draft::node(Body::from(spend));
    log.append(Entry::plain(draft), true).await.unwrap();
    assert_eq!(log.spent_on(day).unwrap(), cost(300));
    assert_eq!(log.session(&session(1)).unwrap().unwrap().spent, cost(300));
    assert_eq!(log.spend_granted(&workspace(), "local").unwrap(), Some(7));
    assert_eq!(log.spend_granted(&workspace(), "other").unwrap(), None);
    let elsewhere = WorkspaceId::derive(&[b"elsewhere"]);
    assert_eq!(log.spend_granted(&elsewhere, "local").unwrap(), None);
}

pub async fn rows_are_made_again_from_the_events(ground: &dyn Ground) {
    let log = ground.open();
    for n in 1..=3 {
        tell(&log, n).await;
    }
    let grant = granted(2, 50, cost(1), Some(gate(2)));
    log.append(grant, true).await.unwrap();
    let rows = || {
        (
            log.sessions(99).unwrap(),
            log.gates(false, 99).unwrap(),
            log.patches(99).unwrap(),
            log.jobs(99).unwrap(),
            log.open_permits().unwrap(),
        )
    };
    let before = rows();
    assert_eq!(before.0.len(), 3);
    assert_eq!(log.rebuild().await.unwrap(), log.head());
    assert_eq!(rows(), before);
    log.append(opened(4), true).await.unwrap();
    assert_eq!(log.session(&session(4)).unwrap().unwrap().ordinal, 4);
}
