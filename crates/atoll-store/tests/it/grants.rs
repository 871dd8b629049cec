//! Grants as they are read off the events.

use atoll_domain::{
    Body, Budget, Commitment, Cost, Draft, GrantId, GrantMinted, GrantRevoked, Kind, Ms, PermitId,
    Role,
};
use atoll_guard::{Entry, Journal as _};
use atoll_ports::Log as _;
use atoll_store::Store;

use crate::made::{Place, closed, granted};

fn grant(n: u8) -> GrantId {
    GrantId::new(Ms(1), [n; 10])
}

fn permit(n: u8) -> PermitId {
    PermitId::new(Ms(2), [n; 10])
}

fn micros(micros: u64) -> Cost {
    Cost {
        micros,
        ..Cost::ZERO
    }
}

async fn tell(store: &Store, body: impl Into<Body>) {
    let entry = Entry::plain(Draft::node(body.into()));
    store.append(entry, true).await.unwrap();
}

async fn minted(store: &Store, n: u8, parent: Option<u8>) {
    let text = |t: &str| Commitment::of(&[0; 32], t.as_bytes());
    let body = GrantMinted {
        id: grant(n),
        parent: parent.map(grant),
        role: Role::Agent,
        expires: Ms(9),
        kinds: Some(vec![Kind::Read]),
        budget: Budget::default(),
        requests_per_min: 60,
        body_limit_bytes: 1000,
        scope: text("{}"),
        name: text("ci"),
    };
    tell(store, body).await;
}

async fn spent(store: &Store, under: u8, by: u8, cost: Option<Cost>) {
    let mut entry = granted(None, permit(by), micros(500), None);
    let Body::Granted(b) = &mut entry.draft.body else {
        panic!("a grant of a permit")
    };
    b.grant = Some(grant(under));
    store.append(entry, true).await.unwrap();
    if let Some(cost) = cost {
        store.close(closed(None, permit(by), cost, b""));
    }
    tell(store, atoll_domain::Heartbeat { sessions: 0 }).await; // what was closed is there by now
}

#[tokio::test]
async fn what_a_child_spends_its_parents_spent_and_a_rebuild_finds_the_same() {
    let place = Place::new();
    let store = place.open();
    minted(&store, 1, None).await;
    minted(&store, 2, Some(1)).await;
    minted(&store, 3, Some(2)).await;
    minted(&store, 4, Some(99)).await;
    minted(&store, 1, None).await; // told twice: once
    spent(&store, 3, 1, Some(micros(7))).await;
    spent(&store, 2, 2, Some(micros(20))).await;
    spent(&store, 1, 3, None).await;
    let row = |n| store.grant(&grant(n)).unwrap();
    assert_eq!(row(4), None, "of a parent that nobody knows");
    let of = |n| row(n).unwrap().spent.micros;
    assert_eq!([of(1), of(2), of(3)], [27, 27, 7]);
    assert_eq!(row(3).unwrap().ordinal, 3);
    assert!(row(1).unwrap().used.is_some());
    for n in 1..=3 {
        assert_eq!(store.grant_children(&grant(n)).unwrap(), 2);
    }
    let text = Commitment::of(&[0; 32], b"");
    for id in [grant(2), grant(50)] {
        tell(&store, GrantRevoked { id, why: text }).await;
    }
    assert!(row(2).unwrap().revoked.is_some());
    assert_eq!(row(1).unwrap().revoked, None);
    assert!(
        store.grant_revoked(&grant(50)).unwrap(),
        "never seen, and revoked"
    );
    assert!(!store.grant_revoked(&grant(1)).unwrap());
    assert_eq!(store.grants(9).unwrap().len(), 3);
    let dump = store.reader().dump().unwrap();
    store.rebuild().await.unwrap();
    assert_eq!(store.reader().dump().unwrap(), dump);
}

#[tokio::test]
async fn the_latest_time_outlives_a_clock_that_is_set_back() {
    let place = Place::new();
    let store = place.open();
    tell(&store, atoll_domain::Heartbeat { sessions: 1 }).await;
    let latest = store.latest().unwrap();
    place
        .now
        .store(latest.0 - 1_000_000, std::sync::atomic::Ordering::Relaxed);
    drop(store);
    let store = place.open();
    tell(&store, atoll_domain::Heartbeat { sessions: 2 }).await;
    assert_eq!(store.latest().unwrap(), latest);
}
