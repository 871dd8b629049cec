//! What every vault must do, whatever keeps its key: an adapter brings a [`Ground`] and joins by one line,
//! `testkit::vault_conformance!(name, ground)`. And a vault in memory, for tests of others.
#![allow(clippy::unwrap_used, reason = "a suite of tests")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atoll_domain::action::UseSecret;
use atoll_domain::{Body, ClosedHow, JobId, Ms, SecretFor, SecretName, Tick};
use atoll_guard::{End, Permit, Stop};
use atoll_ports::Did;
use atoll_ports::vault::{Error, Keep, Listed, Secret, State, Strength, VALUE_BYTES_MAX, Vault};
use zeroize::Zeroizing;

use crate::permits;

/// A place of its own, without a vault.
pub trait Ground: Send + Sync {
    /// Opens the vault as a new process would; what was opened before may still be there.
    fn open(&self) -> Arc<dyn Vault>;
    /// How one is made here.
    fn keep(&self) -> Keep;
    /// Makes a newly opened one ready for use, as its user would.
    fn unlock(&self, vault: &dyn Vault);
    /// What keeps its key.
    fn strength(&self) -> Strength;
}

/// A name.
pub fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

/// A value.
pub fn value(text: &str) -> Secret {
    Secret::new(Zeroizing::new(text.to_owned())).unwrap()
}

/// What a secret's value is, by a permit of its own.
pub async fn revealed(vault: &dyn Vault, name: &SecretName) -> Result<String, Error> {
    let (guard, _) = permits::guard();
    let (live, value) = vault.reveal(permit(&guard, name).await, Tick(1)).unwrap();
    live.finish(End::done());
    value.map(|v| v.expose().to_owned())
}

async fn permit(guard: &atoll_guard::Guard, name: &SecretName) -> Permit<UseSecret> {
    let act = UseSecret {
        session: None,
        name: name.clone(),
        used: SecretFor::Job(JobId::new(Ms(1), [1; 10])),
    };
    permits::permit(guard, act).await
}

fn made(ground: &dyn Ground) -> Arc<dyn Vault> {
    let vault = ground.open();
    vault.make(ground.keep()).unwrap();
    vault
}

fn names(vault: &dyn Vault) -> Vec<String> {
    let listed = vault.list().unwrap();
    listed.iter().map(|l| l.name.to_string()).collect()
}

/// Without a vault there is nothing to do but make one, once.
pub async fn there_is_none_until_it_is_made(ground: &dyn Ground) {
    let vault = ground.open();
    assert_eq!(vault.state().strength, None);
    let (a, v) = (name("a"), || value("v"));
    assert_eq!(vault.list().unwrap_err(), Error::Absent);
    assert_eq!(vault.set(&a, v(), false, Ms(1)), Err(Error::Absent));
    assert_eq!(vault.set(&a, v(), true, Ms(1)), Err(Error::Absent));
    assert_eq!(vault.remove(&a), Err(Error::Absent));
    assert_eq!(revealed(&*vault, &a).await, Err(Error::Absent));
    vault.make(ground.keep()).unwrap();
    assert_eq!(vault.make(ground.keep()), Err(Error::Made));
    let state = vault.state();
    assert_eq!(state.strength, Some(ground.strength()));
    assert_eq!((state.locked, state.problem), (false, None));
    assert_eq!(names(&*vault), [""; 0]);
}

/// What is put in comes out as it is, for another process too, until it goes.
pub async fn what_is_put_in_comes_out(ground: &dyn Ground) {
    let vault = made(ground);
    let long = "é".repeat(VALUE_BYTES_MAX / 2);
    let texts = ["x", " a\nb\t\"c\" \\ ü ", &long];
    for (at, text) in texts.iter().enumerate() {
        let name = name(&format!("s{at}"));
        vault.set(&name, value(text), false, Ms(5)).unwrap();
    }
    assert_eq!(names(&*vault), ["s0", "s1", "s2"]);
    let again = ground.open();
    ground.unlock(&*again);
    for vault in [&vault, &again] {
        for (at, text) in texts.iter().enumerate() {
            let got = revealed(&**vault, &name(&format!("s{at}"))).await;
            assert!(got.as_deref() == Ok(*text), "s{at}");
        }
    }
    again.remove(&name("s1")).unwrap();
    assert_eq!(again.remove(&name("s1")), Err(Error::Missing(name("s1"))));
    assert_eq!(names(&*vault), ["s0", "s2"]);
    let gone = revealed(&*vault, &name("s1")).await;
    assert_eq!(gone, Err(Error::Missing(name("s1"))));
}

/// A value is replaced only by who says so, and the old one is gone.
pub async fn a_value_is_replaced_on_purpose(ground: &dyn Ground) {
    let vault = made(ground);
    let a = name("a");
    assert_eq!(
        vault.set(&a, value("1"), true, Ms(5)),
        Err(Error::Missing(a.clone()))
    );
    vault.set(&a, value("1"), false, Ms(5)).unwrap();
    assert_eq!(
        vault.set(&a, value("2"), false, Ms(6)),
        Err(Error::Exists(a.clone()))
    );
    assert_eq!(revealed(&*vault, &a).await.as_deref(), Ok("1"));
    vault.set(&a, value("3"), true, Ms(7)).unwrap();
    assert_eq!(revealed(&*vault, &a).await.as_deref(), Ok("3"));
    let listed = vault.list().unwrap();
    assert_eq!(
        listed,
        [Listed {
            name: a,
            set: Ms(5),
            rotated: Some(Ms(7))
        }]
    );
}

/// A value comes out by a permit, which says the name alone and is closed once; a late one gives nothing.
pub async fn a_value_comes_out_by_a_permit(ground: &dyn Ground) {
    let vault = made(ground);
    vault.set(&name("a"), value("v4lue"), false, Ms(5)).unwrap();
    let (guard, journal) = permits::guard();
    let (live, got) = vault
        .reveal(permit(&guard, &name("a")).await, Tick(1))
        .unwrap();
    assert_eq!(got.ok().unwrap().expose(), "v4lue");
    live.finish(End::done());
    let late = permit(&guard, &name("a")).await;
    let refused = vault.reveal(late, Tick(u64::MAX)).err();
    assert_eq!(refused, Some(Stop::Expired));
    let closed = journal.bodies().into_iter().filter_map(|b| match b {
        Body::Closed(c) => Some(c.how),
        _ => None,
    });
    assert_eq!(
        closed.collect::<Vec<_>>(),
        [ClosedHow::Done, ClosedHow::Unused]
    );
    let said = format!("{:?}", journal.drafts());
    assert!(!said.contains("v4lue"));
}

/// Several that write at once lose nothing of each other's.
pub async fn writers_at_once_lose_nothing(ground: &dyn Ground) {
    let first = made(ground);
    first.set(&name("first"), value("v"), false, Ms(1)).unwrap();
    let second = ground.open();
    ground.unlock(&*second);
    let writers = [first.clone(), second];
    std::thread::scope(|scope| {
        for (who, vault) in writers.iter().enumerate() {
            scope.spawn(move || {
                for at in 0..8 {
                    let name = name(&format!("w{who}.{at}"));
                    vault.set(&name, value("v"), false, Ms(1)).unwrap();
                }
            });
        }
    });
    assert_eq!(names(&*first).len(), 17);
}

/// One that is locked gives nothing until it is unlocked.
pub async fn a_locked_one_gives_nothing(ground: &dyn Ground) {
    let vault = made(ground);
    vault.set(&name("a"), value("v"), false, Ms(1)).unwrap();
    vault.lock();
    if vault.state().locked {
        assert_eq!(vault.list().unwrap_err(), Error::Locked);
        assert_eq!(revealed(&*vault, &name("a")).await, Err(Error::Locked));
        assert_eq!(vault.remove(&name("a")), Err(Error::Locked));
        let wrong = vault.unlock(value("wr0ng")).unwrap_err();
        assert!(matches!(wrong, Error::Passphrase(_)), "{wrong}");
        assert!(!wrong.to_string().contains("wr0ng"));
        assert!(vault.state().locked);
    }
    ground.unlock(&*vault);
    assert_eq!(revealed(&*vault, &name("a")).await.as_deref(), Ok("v"));
}

/// Runs the suite on an expression that makes a new [`Ground`].
#[macro_export]
macro_rules! vault_conformance {
    ($name:ident, $ground:expr, [$($test:ident),* $(,)?]) => {
        mod $name {
            $(
                #[tokio::test]
                async fn $test() {
                    let ground = $ground;
                    testkit::vault::$test(&ground).await;
                }
            )*
        }
    };
    ($name:ident, $ground:expr) => {
        testkit::vault_conformance!($name, $ground, [
            there_is_none_until_it_is_made, what_is_put_in_comes_out, a_value_is_replaced_on_purpose,
            a_value_comes_out_by_a_permit, writers_at_once_lose_nothing, a_locked_one_gives_nothing,
        ]);
    };
}

/// A vault that is gone with its process.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<Option<Rows>>>);

type Rows = BTreeMap<SecretName, (Zeroizing<String>, Ms, Option<Ms>)>;

impl Memory {
    fn rows(&self) -> MutexGuard<'_, Option<Rows>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Vault for Memory {
    fn state(&self) -> State {
        State {
            strength: self.rows().is_some().then_some(Strength::Memory),
            locked: false,
            place: "memory".into(),
            problem: None,
            offers: Vec::new(),
        }
    }
    fn make(&self, _: Keep) -> Result<(), Error> {
        let mut rows = self.rows();
        if rows.is_some() {
            return Err(Error::Made);
        }
        *rows = Some(Rows::new());
        Ok(())
    }
    fn unlock(&self, _: Secret) -> Result<(), Error> {
        self.rows().as_ref().map(|_| ()).ok_or(Error::Absent)
    }
    fn lock(&self) {}
    fn list(&self) -> Result<Vec<Listed>, Error> {
        let rows = self.rows();
        let rows = rows.as_ref().ok_or(Error::Absent)?.iter();
        let listed = rows.map(|(name, (_, set, rotated))| Listed {
            name: name.clone(),
            set: *set,
            rotated: *rotated,
        });
        Ok(listed.collect())
    }
    fn set(&self, name: &SecretName, value: Secret, rotate: bool, now: Ms) -> Result<(), Error> {
        let mut rows = self.rows();
        let rows = rows.as_mut().ok_or(Error::Absent)?;
        let before = rows.get(name).map(|row| row.1);
        match (before, rotate) {
            (Some(_), false) => return Err(Error::Exists(name.clone())),
            (None, true) => return Err(Error::Missing(name.clone())),
            _ => {}
        }
        let value = Zeroizing::new(value.expose().to_owned());
        let row = (value, before.unwrap_or(now), before.map(|_| now));
        rows.insert(name.clone(), row);
        Ok(())
    }
    fn remove(&self, name: &SecretName) -> Result<(), Error> {
        let mut rows = self.rows();
        let gone = rows.as_mut().ok_or(Error::Absent)?.remove(name);
        gone.map(drop).ok_or_else(|| Error::Missing(name.clone()))
    }
    fn reveal(&self, permit: Permit<UseSecret>, now: Tick) -> Did<UseSecret, Secret, Error> {
        let live = permit.begin(now)?;
        let rows = self.rows();
        let name = &live.act().name;
        let found = match rows.as_ref() {
            None => Err(Error::Absent),
            Some(rows) => rows.get(name).ok_or_else(|| Error::Missing(name.clone())),
        };
        let value = found.map(|row| value(&row.0));
        drop(rows);
        Ok((live, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Ground for Memory {
        fn open(&self) -> Arc<dyn Vault> {
            Arc::new(self.clone())
        }
        fn keep(&self) -> Keep {
            Keep::KeyFile
        }
        fn unlock(&self, _: &dyn Vault) {}
        fn strength(&self) -> Strength {
            Strength::Memory
        }
    }

    testkit::vault_conformance!(memory, crate::vault::Memory::default());
}
