//! What a caller with a token reaches: what its scope names, and, to go on with it, what was begun under it.

use std::sync::Arc;
use std::time::Duration;

use atoll_api::{Caller, Error, codes};
use atoll_domain::{GateId, GrantId, JobId, Role, SessionId};
use atoll_ports::log::SessionRow;

use crate::launch::job_id;
use crate::shared::{Shared, lock, log_error, no_such};

/// What is wanted of a session or its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// To see it.
    Look,
    /// To stop or undo it: whose it is, or an operator.
    Decide,
    /// To go on with it, at its cost: whose it is.
    Own,
}

fn not_its(what: &str) -> Error {
    Error::new(codes::TOKEN_ROLE, format!("the token is not for {what}"))
        .next("atoll grant list    says what it is for")
}

impl Shared {
    /// A session by name, where the caller reaches it: the name that was given, or with a token its id, so that what
    /// is used is what was looked at.
    pub(crate) fn reach(&self, caller: &Caller, name: String, hold: Hold) -> Result<String, Error> {
        let Some(grant) = &caller.grant else {
            return Ok(name);
        };
        let row = self.find_session(&name)?;
        self.reaches(caller, grant, &row, hold)?;
        Ok(row.id.to_string())
    }

    /// A job by name, by way of its session.
    pub(crate) fn reach_job(
        &self,
        caller: &Caller,
        name: String,
        hold: Hold,
    ) -> Result<String, Error> {
        let Some(grant) = &caller.grant else {
            return Ok(name);
        };
        let (id, session) = match name.parse::<JobId>() {
            Ok(id) => (
                id,
                self.log
                    .job(&id)
                    .map_err(log_error)?
                    .and_then(|row| row.session),
            ),
            Err(_) => self.find_job(&name).map(|row| (row.id, row.session))?,
        };
        // One that waits at its gate, or for its copy, has no row yet.
        let waits = || {
            let live: Vec<SessionId> = lock(&self.sessions).keys().copied().collect();
            live.into_iter()
                .find(|s| job_id(s, atoll_domain::Step(1)) == id)
        };
        let session = session.or_else(waits);
        let row = session
            .and_then(|s| self.log.session(&s).transpose())
            .transpose()
            .map_err(log_error)?;
        let row = row.ok_or_else(|| no_such("job", &name, "atoll session show @"))?;
        self.reaches(caller, grant, &row, hold)?;
        Ok(id.to_string())
    }

    /// A gate by name.
    pub(crate) fn reach_gate(&self, caller: &Caller, name: String) -> Result<String, Error> {
        let Some(grant) = &caller.grant else {
            return Ok(name);
        };
        let gate = self.find_gate(&name)?;
        match self.session_row(gate.session)? {
            Some(row) => self.reaches(caller, grant, &row, Hold::Look)?,
            None => self.reach_all(caller)?,
        }
        Ok(gate.id.to_string())
    }

    fn session_row(&self, session: Option<SessionId>) -> Result<Option<SessionRow>, Error> {
        let row = session.map(|id| self.log.session(&id)).transpose();
        row.map(Option::flatten).map_err(log_error)
    }

    /// A patch by name.
    pub(crate) fn reach_patch(&self, caller: &Caller, name: String) -> Result<String, Error> {
        let Some(grant) = &caller.grant else {
            return Ok(name);
        };
        let patch = self.find_patch(&name)?;
        self.reaches(caller, grant, &self.patch_session(&patch)?, Hold::Look)?;
        Ok(patch.id.to_string())
    }

    /// The whole node and its whole log: not for a token that names folders.
    pub(crate) fn reach_all(&self, caller: &Caller) -> Result<(), Error> {
        let warrant = self.warrant(caller.grant)?;
        match warrant.iter().all(|grant| grant.terms.workspaces.is_none()) {
            true => Ok(()),
            false => Err(not_its("more than its own folders")),
        }
    }

    /// One session's part of the log, or all of it.
    pub(crate) fn reach_log(
        &self,
        caller: &Caller,
        session: Option<String>,
    ) -> Result<Option<String>, Error> {
        match session {
            Some(name) => self.reach(caller, name, Hold::Look).map(Some),
            None => self.reach_all(caller).map(|()| None),
        }
    }

    /// Which sessions a caller sees: those of its folders.
    pub(crate) fn sees(
        &self,
        caller: &Caller,
    ) -> Result<impl Fn(&Shared, &SessionId) -> bool + use<>, Error> {
        let warrant = self.warrant(caller.grant)?;
        let every = warrant.iter().all(|grant| grant.terms.workspaces.is_none());
        Ok(move |shared: &Shared, id: &SessionId| {
            let root = || {
                shared
                    .log
                    .session(id)
                    .ok()
                    .flatten()
                    .map(|row| shared.words(&row.root))
            };
            every
                || root().is_some_and(|root| {
                    warrant
                        .iter()
                        .all(|g| g.terms.allows_workspace(Some(&root)))
                })
        })
    }

    fn reaches(
        &self,
        caller: &Caller,
        grant: &GrantId,
        row: &SessionRow,
        hold: Hold,
    ) -> Result<(), Error> {
        let root = self.words(&row.root);
        let warrant = self.warrant(Some(*grant))?;
        if !warrant
            .iter()
            .all(|g| g.terms.allows_workspace(Some(&root)))
        {
            return Err(not_its("work in this folder"));
        }
        let others = match hold {
            Hold::Look => caller.role != Role::Worker,
            Hold::Decide => matches!(caller.role, Role::Owner | Role::Operator),
            Hold::Own => false,
        };
        if others || self.comes_from(row.grant, grant)? {
            return Ok(());
        }
        let err = not_its(&format!("s{}: it was not begun under it", row.ordinal));
        Err(err.next("begin one of its own: atoll code, atoll exec"))
    }

    /// Whether a session's grant is this one, or comes from it.
    pub(crate) fn comes_from(&self, of: Option<GrantId>, grant: &GrantId) -> Result<bool, Error> {
        let chain = of.map(|id| self.chain(&id)).transpose()?;
        Ok(chain.is_some_and(|chain| chain.iter().any(|row| row.id == *grant)))
    }

    /// Whether a caller may answer this gate: one that it reaches, of a kind of action that it is for, and not its own.
    /// Nobody answers their own question: neither with the token that a session was begun with, nor with any other of
    /// the same origin, since a bearer makes those without anyone's word.
    pub(crate) fn may_answer(&self, caller: &Caller, gate: &GateId) -> Result<(), Error> {
        let Some(grant) = &caller.grant else {
            return Ok(());
        };
        let name = self.reach_gate(caller, gate.to_string())?;
        let gate = self.find_gate(&name)?;
        let warrant = self.warrant(Some(*grant))?;
        if !warrant.iter().all(|g| g.terms.allows_kind(gate.kind)) {
            return Err(not_its(&format!(
                "actions of the kind {}",
                gate.kind.name()
            )));
        }
        let origin = |leaf: &GrantId| Ok::<_, Error>(self.chain(leaf)?.first().map(|row| row.id));
        let of = self.session_row(gate.session)?.and_then(|row| row.grant);
        let of = of.map(|leaf| origin(&leaf)).transpose()?.flatten();
        if of.is_none() || of != origin(grant)? {
            return Ok(());
        }
        let why = "nobody answers their own question: the session was begun with this token, or with one of the same origin";
        Err(Error::new(codes::TOKEN_ROLE, why).next("whose node it is answers it: atoll gate list"))
    }

    /// Resolves when a caller's grant ends: revoked, or run out. Never without one.
    pub(crate) async fn grant_ends(self: Arc<Self>, grant: Option<GrantId>) {
        let Some(grant) = grant else {
            return std::future::pending().await;
        };
        let mut revoked = self.grants.revoked.subscribe();
        loop {
            let Ok(warrant) = self.warrant(Some(grant)) else {
                return;
            };
            let now = self.wall_ever();
            let until = warrant
                .iter()
                .map(|g| g.terms.expires)
                .min()
                .unwrap_or_default();
            if warrant.iter().any(|g| g.revoked) || now >= until {
                return;
            }
            // The wall clock may be set forward meanwhile.
            let wait = Duration::from_millis(until.since(now)).min(Duration::from_secs(5));
            tokio::select! {
                _ = revoked.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}
