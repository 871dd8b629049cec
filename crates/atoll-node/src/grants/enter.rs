//! A token at the door: read, known, counted.

use atoll_api::{Caller, Error, Token, codes};
use atoll_domain::{GRANT_DEPTH_MAX, GrantMinted, Ms, Standing, Terms};
use atoll_ports::grants::{self, Block};
use atoll_ports::log::GrantRow;

use super::Scope;
use crate::shared::{Origin, Shared, lock, log_error};

/// Attenuations that are written down of one grant: a bearer makes them without the node.
const CHILDREN_MAX: u64 = 200;
const MINUTE_MS: u64 = 60_000;

/// A token that is refused, as people read it. Nothing falls back to the owner's rights.
pub(crate) fn token_error(err: &grants::Error) -> Error {
    use grants::Error as E;
    match err {
        E::Expired => Error::new(codes::TOKEN_ENDED, "the token has run out").next(ANOTHER),
        E::Wider(_) | E::Malformed(_) | E::Foreign => {
            Error::new(codes::TOKEN_BAD, format!("the token is refused: {err}")).next(ANOTHER)
        }
        E::Key(_) => Error::new(codes::STORE_UNUSABLE, err.to_string()).next("atoll doctor"),
    }
}

const ANOTHER: &str =
    "ask whose node it is for another one (atoll grant mint), or unset ATOLL_TOKEN";

fn ended(grant: &Standing, now: Ms) -> Result<(), Error> {
    let refused = |why: &str| {
        Err(Error::new(codes::TOKEN_ENDED, why.to_owned())
            .found(grant.id.to_string())
            .next(ANOTHER))
    };
    match () {
        () if grant.revoked => refused("the token was revoked, or one that it was made of"),
        () if now >= grant.terms.expires => refused("the token has run out"),
        () => Ok(()),
    }
}

impl Shared {
    /// Who a caller with this token is.
    pub(crate) async fn enter(&self, owner: &Caller, token: &Token) -> Result<Caller, Error> {
        let now = self.wall_ever();
        let blocks = self
            .grants
            .keys
            .read(token.reveal(), now)
            .map_err(|err| token_error(&err))?;
        let chain = self.known(owner, &blocks, now).await?;
        let (Some(leaf), Some(terms)) = (chain.last(), blocks.last().map(|b| &b.terms)) else {
            return Err(token_error(&grants::Error::Foreign));
        };
        lock(&self.grants.seen).extend(chain.iter().map(|row| (row.id, now)));
        Ok(Caller {
            uid: owner.uid,
            name: format!("{}/c{}", owner.name, leaf.ordinal),
            role: terms.role,
            grant: Some(leaf.id),
            body_limit_bytes: Some(terms.body_limit_bytes),
        })
    }

    /// The grants of a token's blocks as the log has them. Those that were made without the node are written down, once
    /// what they come from is known to be good.
    async fn known(
        &self,
        owner: &Caller,
        blocks: &[Block],
        now: Ms,
    ) -> Result<Vec<GrantRow>, Error> {
        let first = blocks
            .first()
            .and_then(|b| self.log.grant(&b.id).transpose());
        // Signed with the node's key and not in its log: the log is an older one, put back.
        let first = first
            .ok_or_else(|| token_error(&grants::Error::Foreign))?
            .map_err(log_error)?;
        let mut chain = self.chain(&first.id)?;
        let mut rest = &blocks[1..];
        while let Some((block, after)) = rest.split_first() {
            let Some(row) = self.log.grant(&block.id).map_err(log_error)? else {
                break;
            };
            chain.push(row);
            rest = after;
        }
        for row in &chain {
            ended(&self.standing(row)?, now)?;
        }
        for block in rest {
            if self.log.grant_revoked(&block.id).map_err(log_error)? {
                let (id, terms) = (block.id, block.terms.clone());
                ended(
                    &Standing {
                        id,
                        terms,
                        revoked: true,
                    },
                    now,
                )?;
            }
        }
        let limits = blocks.iter().map(|b| (b.id, b.terms.requests_per_min));
        self.count(limits)?;
        match rest.is_empty() {
            true => Ok(chain),
            false => self.write_children(owner, chain, rest).await,
        }
    }

    async fn write_children(
        &self,
        owner: &Caller,
        mut chain: Vec<GrantRow>,
        rest: &[Block],
    ) -> Result<Vec<GrantRow>, Error> {
        let _one = self.grants.writing.lock().await;
        for block in rest {
            let parent = chain.last().map(|row| row.id);
            if self.log.grant(&block.id).map_err(log_error)?.is_none() {
                let many = match &parent {
                    Some(parent) => self.log.grant_children(parent).map_err(log_error)?,
                    None => 0,
                };
                if many >= CHILDREN_MAX || chain.len() >= GRANT_DEPTH_MAX {
                    let why = format!(
                        "more than {CHILDREN_MAX} attenuations of one grant, or {GRANT_DEPTH_MAX} deep"
                    );
                    return Err(
                        Error::new(codes::TOKEN_LIMIT, why).next("use those that are there")
                    );
                }
                let name = chain.last().map_or_else(
                    || owner.name.clone(),
                    |row| format!("{}/c{}", owner.name, row.ordinal),
                );
                self.append(true, |s| {
                    let body = minted(s, block.id, parent, &block.terms, &block.name);
                    (Origin::human(&name, None), body)
                })
                .await?;
            }
            let row = self.log.grant(&block.id).map_err(log_error)?;
            chain.push(
                row.ok_or_else(|| Error::new(codes::BUG, "a grant is not to be found in the log"))?,
            );
        }
        Ok(chain)
    }

    /// Counts one request for each of these, if none has used up its minute.
    fn count(
        &self,
        limits: impl Iterator<Item = (atoll_domain::GrantId, u64)>,
    ) -> Result<(), Error> {
        let now_ms = self.clock.now().0 / 1_000_000;
        let mut calls = lock(&self.grants.calls);
        calls.retain(|_, times| {
            while times
                .front()
                .is_some_and(|t| now_ms.saturating_sub(*t) >= MINUTE_MS)
            {
                times.pop_front();
            }
            !times.is_empty()
        });
        let limits: Vec<_> = limits.collect();
        for (id, max) in &limits {
            let times = calls.get(id);
            if times.is_some_and(|times| times.len() as u64 >= *max) {
                let first = times.and_then(|t| t.front()).copied().unwrap_or(now_ms);
                let wait_s = MINUTE_MS
                    .saturating_sub(now_ms.saturating_sub(first))
                    .div_ceil(1000);
                let why = format!("the token takes {max} requests within a minute");
                return Err(Error::new(codes::TOKEN_LIMIT, why)
                    .next(format!("wait {wait_s} s, then try again")));
            }
        }
        for (id, _) in limits {
            calls.entry(id).or_default().push_back(now_ms);
        }
        Ok(())
    }

    /// When a grant was used last, as far as this run knows.
    pub(crate) fn grant_seen(&self, id: &atoll_domain::GrantId) -> Option<Ms> {
        lock(&self.grants.seen).get(id).copied()
    }
}

/// The event of a grant.
pub(crate) fn minted(
    s: &mut atoll_domain::Sealer<'_>,
    id: atoll_domain::GrantId,
    parent: Option<atoll_domain::GrantId>,
    terms: &Terms,
    name: &str,
) -> GrantMinted {
    let scope = Scope {
        workspaces: terms.workspaces.clone(),
        hosts: terms.hosts.clone(),
    };
    GrantMinted {
        id,
        parent,
        role: terms.role,
        expires: terms.expires,
        kinds: terms
            .kinds
            .as_ref()
            .map(|kinds| kinds.iter().copied().collect()),
        budget: terms.budget,
        requests_per_min: terms.requests_per_min,
        body_limit_bytes: terms.body_limit_bytes,
        scope: s.json(&scope),
        name: s.text(name),
    }
}
