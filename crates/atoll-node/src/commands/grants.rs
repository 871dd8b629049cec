//! Grants: mint, list, revoke.

use std::collections::BTreeSet;

use atoll_api::{Caller, Error, GrantView, MintRequest, Minted, Token, codes};
use atoll_domain::{Body, GRANT_DEPTH_MAX, GrantId, GrantKeyMade, GrantRevoked, Kind, Ms, Terms};
use atoll_ports::log::{Filter, GrantRow};

use crate::grants::{minted, token_error};
use crate::shared::{Origin, Shared, lock, log_error, no_such};

/// Grants that are listed.
const LISTED_MAX: usize = 2_000;
/// Grants that are good at one time.
const GOOD_MAX: usize = 500;
/// The longest life, in seconds: a year and a day.
const TTL_S_MAX: u64 = 366 * 86_400;
const REQUESTS_PER_MIN: u64 = 600;
const REQUESTS_PER_MIN_MAX: u64 = 10_000;
const BODY_LIMIT_BYTES: u64 = 1 << 20;
/// What the faces take of anybody.
const BODY_LIMIT_BYTES_MAX: u64 = 4 << 20;
/// A reason's length, in bytes.
const WHY_BYTES_MAX: usize = 4096;

fn bad(why: impl Into<String>) -> Error {
    Error::new(codes::GRANT_BAD, why).next("atoll grant mint --help")
}

fn kinds(names: &[String]) -> Result<BTreeSet<Kind>, Error> {
    let kind = |name: &String| {
        let found = Kind::ALL.into_iter().find(|k| k.name() == name.as_str());
        let all = || Kind::ALL.map(Kind::name).join(", ");
        found.ok_or_else(|| bad(format!("there is no kind of action {name:?}: {}", all())))
    };
    names.iter().map(kind).collect()
}

impl Shared {
    fn terms(&self, request: &MintRequest) -> Result<Terms, Error> {
        if request.ttl_s == 0 || request.ttl_s > TTL_S_MAX {
            return Err(bad("a grant is good for 1 second to 366 days"));
        }
        let requests_per_min = request.requests_per_min.unwrap_or(REQUESTS_PER_MIN);
        let body_limit_bytes = request.body_limit_bytes.unwrap_or(BODY_LIMIT_BYTES);
        if !(1..=REQUESTS_PER_MIN_MAX).contains(&requests_per_min) {
            return Err(bad(format!(
                "1 to {REQUESTS_PER_MIN_MAX} requests within a minute"
            )));
        }
        if !(1..=BODY_LIMIT_BYTES_MAX).contains(&body_limit_bytes) {
            return Err(bad(format!("a body has 1 to {BODY_LIMIT_BYTES_MAX} bytes")));
        }
        let set = |names: &Option<Vec<String>>| names.as_ref().map(|n| n.iter().cloned().collect());
        let expires_s = self.wall_ever().plus_s(request.ttl_s).0.div_ceil(1000);
        Ok(Terms {
            role: request.role,
            expires: Ms(expires_s * 1000),
            kinds: request.kinds.as_deref().map(kinds).transpose()?,
            workspaces: set(&request.workspaces),
            hosts: set(&request.hosts),
            budget: request.budget,
            requests_per_min,
            body_limit_bytes,
        })
    }

    pub(crate) async fn grant_mint(
        &self,
        caller: &Caller,
        request: MintRequest,
    ) -> Result<Minted, Error> {
        let terms = self.terms(&request)?;
        let parents = self.warrant(caller.grant)?;
        if let Some(parent) = parents.last() {
            terms
                .check_within(&parent.terms)
                .map_err(|wider| bad(wider.to_string()))?;
        }
        if parents.len() >= GRANT_DEPTH_MAX {
            return Err(bad(format!(
                "a grant comes from {GRANT_DEPTH_MAX} others at most"
            )));
        }
        let _one = self.grants.writing.lock().await;
        let good: Vec<GrantView> = self
            .grants_list(caller)?
            .into_iter()
            .filter(|g| g.state == "good")
            .collect();
        if good.len() >= GOOD_MAX {
            return Err(
                bad(format!("{GOOD_MAX} grants are good already")).next("atoll grant revoke NAME")
            );
        }
        let next = self
            .log
            .grants(1)
            .map_err(log_error)?
            .first()
            .map_or(1, |row| row.ordinal + 1);
        let role = terms.role.name();
        let name = request
            .name
            .clone()
            .unwrap_or_else(|| format!("{role}-{next}"));
        if good.iter().any(|g| g.name == name) {
            return Err(bad(format!(
                "a grant with the name {name:?} is good already"
            )));
        }
        self.tell_key(caller).await?;
        let (id, token) = self
            .grants
            .keys
            .mint(&terms, &name)
            .map_err(|err| match err {
                atoll_ports::grants::Error::Malformed(why) => bad(why),
                err => token_error(&err),
            })?;
        self.append(true, |s| {
            let body = minted(s, id, caller.grant, &terms, &name);
            (Origin::human(&caller.name, None), body)
        })
        .await?;
        let row = self.log.grant(&id).map_err(log_error)?;
        let row = row.ok_or_else(|| Error::new(codes::BUG, "the grant is not in the log"))?;
        Ok(Minted {
            token: Token::new(token),
            grant: self.grant_view(&row)?,
        })
    }

    /// Puts the public key on the log, unless the log has it.
    async fn tell_key(&self, caller: &Caller) -> Result<(), Error> {
        let key = self.grants.keys.key().map_err(|err| token_error(&err))?;
        let filter = Filter {
            kinds: vec!["GrantKeyMade".into()],
            ..Filter::default()
        };
        let told = self.log.events(0, 1000, &filter).map_err(log_error)?;
        let told = told
            .last()
            .is_some_and(|event| matches!(event.typed(), Body::GrantKeyMade(b) if b.key == key));
        if !told {
            let body = GrantKeyMade { key };
            self.append(true, |_| (Origin::human(&caller.name, None), body))
                .await?;
        }
        Ok(())
    }

    /// All grants, or with a token its own and what comes from it; each after the one that it comes from.
    pub(crate) fn grants_list(&self, caller: &Caller) -> Result<Vec<GrantView>, Error> {
        let mut rows = self.log.grants(LISTED_MAX).map_err(log_error)?;
        rows.reverse();
        let mut out = Vec::new();
        let roots = match caller.grant {
            Some(own) => rows.iter().filter(|row| row.id == own).collect::<Vec<_>>(),
            None => rows.iter().filter(|row| row.parent.is_none()).collect(),
        };
        for root in roots {
            self.with_children(&rows, root, 0, &mut out)?;
        }
        Ok(out)
    }

    fn with_children(
        &self,
        rows: &[GrantRow],
        row: &GrantRow,
        depth: usize,
        out: &mut Vec<GrantView>,
    ) -> Result<(), Error> {
        out.push(self.grant_view(row)?);
        for child in rows
            .iter()
            .filter(|r| r.parent == Some(row.id) && depth < GRANT_DEPTH_MAX)
        {
            self.with_children(rows, child, depth + 1, out)?;
        }
        Ok(())
    }

    pub(crate) fn grant_view(&self, row: &GrantRow) -> Result<GrantView, Error> {
        let chain = self.chain(&row.id)?;
        let scope: Option<crate::grants::Scope> = self.json(&row.scope);
        let now = self.wall_ever();
        let state = match () {
            () if chain.iter().any(|g| g.revoked.is_some()) => "revoked",
            () if chain.iter().any(|g| now >= g.expires) => "expired",
            // What it allowed can't be read any more: it allows nothing.
            () if scope.is_none() => "erased",
            () => "good",
        };
        let balance = self.grant_balance(row);
        let lefts = chain.iter().map(|g| {
            let b = self.grant_balance(g);
            g.budget.left(b.spent.plus(b.reserved))
        });
        let list = |set: BTreeSet<String>| set.into_iter().collect();
        let scope = scope.unwrap_or_default();
        Ok(GrantView {
            ordinal: format!("c{}", row.ordinal),
            grant: row.id,
            parent: chain.iter().rev().nth(1).map(|g| format!("c{}", g.ordinal)),
            depth: chain.len().saturating_sub(1) as u64,
            name: self.words(&row.name),
            role: row.role,
            state: state.into(),
            minted: row.minted,
            expires: row.expires,
            kinds: row
                .kinds
                .as_ref()
                .map(|k| k.iter().map(|k| k.name().to_owned()).collect()),
            workspaces: scope.workspaces.map(list),
            hosts: scope.hosts.map(list),
            budget: row.budget,
            spent: balance.spent,
            reserved: balance.reserved,
            left: lefts.fold(atoll_domain::Budget::default(), least),
            requests_per_min: row.requests_per_min,
            body_limit_bytes: row.body_limit_bytes,
            used: row.used.max(self.grant_seen(&row.id)),
            revoked: row.revoked,
        })
    }

    /// A grant by ordinal, id or name; of a name the one that is good counts.
    fn find_grant(&self, caller: &Caller, name: &str) -> Result<GrantId, Error> {
        if let Ok(id) = name.parse::<GrantId>() {
            return Ok(id);
        }
        let all = self.grants_list(caller)?;
        let named = |g: &&GrantView| g.name == name && g.state == "good";
        let found = all
            .iter()
            .find(|g| g.ordinal == name)
            .or_else(|| all.iter().find(named));
        found
            .map(|g| g.grant)
            .ok_or_else(|| no_such("grant", name, "atoll grant list"))
    }

    pub(crate) async fn grant_revoke(
        &self,
        caller: &Caller,
        name: &str,
        why: &str,
    ) -> Result<(), Error> {
        if why.len() > WHY_BYTES_MAX {
            return Err(Error::new(
                codes::USAGE,
                format!("a reason has at most {WHY_BYTES_MAX} bytes"),
            ));
        }
        let id = self.find_grant(caller, name)?;
        // A token revokes itself and what comes from it.
        if let Some(own) = &caller.grant
            && !self.comes_from(Some(id), own).unwrap_or(false)
        {
            return Err(
                Error::new(codes::TOKEN_ROLE, "the token is not for this grant")
                    .next("atoll grant list"),
            );
        }
        if self.log.grant_revoked(&id).map_err(log_error)? {
            return Err(
                Error::new(codes::TOKEN_ENDED, "it was revoked already").next("atoll grant list")
            );
        }
        self.append(true, |s| {
            let body = GrantRevoked {
                id,
                why: s.text(why),
            };
            (Origin::human(&caller.name, None), body)
        })
        .await?;
        self.grants.revoked.send_modify(|n| *n += 1);
        self.stop_jobs(&id);
        Ok(())
    }

    /// Stops the jobs of `exec` under a grant. An agent's next action is refused, with the reason.
    fn stop_jobs(&self, grant: &GrantId) {
        let live: Vec<_> = lock(&self.sessions)
            .iter()
            .map(|(id, handle)| (*id, handle.clone()))
            .collect();
        for (id, handle) in live {
            let row = self
                .log
                .session(&id)
                .ok()
                .flatten()
                .filter(|row| row.mode == "exec");
            if row.is_some_and(|row| self.comes_from(row.grant, grant).unwrap_or(true)) {
                handle.cancel();
            }
        }
    }

    /// What is left with each provider that has a budget of its own.
    pub(crate) fn providers_left(&self) -> std::collections::BTreeMap<String, u64> {
        let names: Vec<String> = self.current().options.providers.keys().cloned().collect();
        let left = |name: &String| {
            let balance = self.ledger.balance(self.provider_account(name)?);
            balance
                .budget
                .left(balance.spent.plus(balance.reserved))
                .micros_max
        };
        names
            .iter()
            .filter_map(|name| Some((name.clone(), left(name)?)))
            .collect()
    }

    /// What is left of a session's budget, together with those that share it.
    pub(crate) fn session_left(&self, row: &atoll_ports::log::SessionRow) -> atoll_domain::Budget {
        let purse = self.purse_of(&row.id);
        let account = atoll_guard::Account::Session(purse);
        let used = match self.ledger.is_open(account) {
            true => {
                let balance = self.ledger.balance(account);
                balance.spent.plus(balance.reserved)
            }
            false => self.family_spent(row, purse),
        };
        row.budget.left(used)
    }
}

/// The smaller of each limit.
fn least(a: atoll_domain::Budget, b: atoll_domain::Budget) -> atoll_domain::Budget {
    let least = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
    atoll_domain::Budget {
        micros_max: least(a.micros_max, b.micros_max),
        tokens_max: least(a.tokens_max, b.tokens_max),
        ms_max: least(a.ms_max, b.ms_max),
        runs_max: least(a.runs_max, b.runs_max),
    }
}
