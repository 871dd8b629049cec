//! Reading the projections.

use atoll_domain::{
    ActionKey, Cost, EventId, GateId, GrantId, JobId, Labels, Ms, PatchId, PermitId, SessionId,
    WorkspaceId,
};
use atoll_ports::log::{
    Error, GateRow, GrantRow, JobRow, LabelRow, MarkRow, OpenPermit, PatchRow, SessionRow,
};
use rusqlite::{OptionalExtension as _, Params, Row, params};

use crate::reader::{PAGE_MAX, Reader};
use crate::row::{from_json, from_word, id, sql, unpack};

const SESSION: &str =
    "SELECT id, ordinal, mode, workspace, root, config, prompt, provider, model, state, ended,
     opened, updated, turns, steps, micros, tokens, ms, runs, budget, untrusted, private, secret,
     tree, base, seq_first, seq_last, capability FROM sessions";
const GATE: &str = "SELECT id, ordinal, session, kind, question, hash, rules, opened, expires, answer, answerer, used FROM gates";
const PATCH: &str = "SELECT id, ordinal, session, state, files, class, tests_ok, record, diff, proposed FROM patches";
const JOB: &str = "SELECT id, ordinal, session, purpose, permit, started, outcome, how FROM jobs";
const LABEL: &str = "SELECT seq, label, source, what, cleared FROM labels";
const MARK: &str = "SELECT seq, label, session, files, cleared FROM marks";
const PERMIT: &str = "SELECT id, granted, seq, session, kind, key, again, action, micros, tokens, ms, runs FROM permits";

const GRANT: &str =
    "SELECT capabilities.id AS id, ordinal, parent, role, minted, expires, kinds, budget, rate, body, scope, name,
     used, micros, tokens, ms, runs, ts FROM capabilities LEFT JOIN revocations ON revocations.id = capabilities.id";

/// Columns by name, with the port's errors.
struct Columns<'a>(&'a Row<'a>);

impl Columns<'_> {
    fn get<T: rusqlite::types::FromSql>(&self, name: &str) -> Result<T, Error> {
        self.0.get(name).map_err(sql)
    }
    fn bytes(&self, name: &str) -> Result<Vec<u8>, Error> {
        self.get(name)
    }
    fn ms(&self, name: &str) -> Result<Ms, Error> {
        self.get(name).map(Ms)
    }
    fn word<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        from_word(self.get(name)?)
    }
    fn maybe_word<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        self.get::<Option<String>>(name)?.map(from_word).transpose()
    }
    fn commitment(&self, name: &str) -> Result<atoll_domain::Commitment, Error> {
        unpack(&self.bytes(name)?)
    }
    fn maybe_commitment(&self, name: &str) -> Result<Option<atoll_domain::Commitment>, Error> {
        self.get::<Option<Vec<u8>>>(name)?
            .map(|b| unpack(&b))
            .transpose()
    }
    fn session(&self) -> Result<Option<SessionId>, Error> {
        self.get::<Option<Vec<u8>>>("session")?
            .map(|b| id(SessionId::PREFIX, &b))
            .transpose()
    }
    fn maybe_grant(&self, name: &str) -> Result<Option<GrantId>, Error> {
        self.get::<Option<Vec<u8>>>(name)?
            .map(|b| id(GrantId::PREFIX, &b))
            .transpose()
    }
    fn cost(&self) -> Result<Cost, Error> {
        Ok(Cost {
            micros: self.get("micros")?,
            tokens: self.get("tokens")?,
            ms: self.get("ms")?,
            runs: self.get("runs")?,
        })
    }
}

fn session(c: &Columns<'_>) -> Result<SessionRow, Error> {
    Ok(SessionRow {
        ordinal: c.get("ordinal")?,
        id: id(SessionId::PREFIX, &c.bytes("id")?)?,
        mode: c.get("mode")?,
        workspace: id(WorkspaceId::PREFIX, &c.bytes("workspace")?)?,
        root: c.commitment("root")?,
        config: c.commitment("config")?,
        prompt: c.maybe_commitment("prompt")?,
        provider: c.get("provider")?,
        model: c.commitment("model")?,
        state: c.word("state")?,
        end: c.maybe_word("ended")?,
        opened: c.ms("opened")?,
        updated: c.ms("updated")?,
        turns: c.get("turns")?,
        steps: c.get("steps")?,
        spent: c.cost()?,
        budget: from_json(&c.get::<String>("budget")?)?,
        labels: Labels {
            untrusted: c.get("untrusted")?,
            private: c.get("private")?,
            secret: c.get("secret")?,
        },
        tree: c.maybe_commitment("tree")?,
        base: c.maybe_commitment("base")?,
        seqs: (c.get("seq_first")?, c.get("seq_last")?),
        grant: c.maybe_grant("capability")?,
    })
}

fn gate(c: &Columns<'_>) -> Result<GateRow, Error> {
    let (answerer, used): (Option<String>, Option<Vec<u8>>) = (c.get("answerer")?, c.get("used")?);
    Ok(GateRow {
        ordinal: c.get("ordinal")?,
        id: id(GateId::PREFIX, &c.bytes("id")?)?,
        session: c.session()?,
        kind: c.word("kind")?,
        question: c.commitment("question")?,
        hash: c.commitment("hash")?,
        rules: from_json(&c.get::<String>("rules")?)?,
        opened: c.ms("opened")?,
        expires: c.ms("expires")?,
        answer: c.maybe_word("answer")?,
        answerer: answerer.as_deref().map(from_json).transpose()?,
        used: used.map(|p| id(PermitId::PREFIX, &p)).transpose()?,
    })
}

fn patch(c: &Columns<'_>) -> Result<PatchRow, Error> {
    Ok(PatchRow {
        ordinal: c.get("ordinal")?,
        id: id(PatchId::PREFIX, &c.bytes("id")?)?,
        session: id(SessionId::PREFIX, &c.bytes("session")?)?,
        state: c.word("state")?,
        files: c.get("files")?,
        class: c.word("class")?,
        tests_ok: c.get("tests_ok")?,
        record: c.commitment("record")?,
        diff: c.commitment("diff")?,
        proposed: c.ms("proposed")?,
    })
}

fn job(c: &Columns<'_>) -> Result<JobRow, Error> {
    Ok(JobRow {
        ordinal: c.get("ordinal")?,
        id: id(JobId::PREFIX, &c.bytes("id")?)?,
        session: c.session()?,
        purpose: c.word("purpose")?,
        permit: id(PermitId::PREFIX, &c.bytes("permit")?)?,
        started: c.ms("started")?,
        outcome: c.maybe_commitment("outcome")?,
        how: c.maybe_word("how")?,
    })
}

fn grant(c: &Columns<'_>) -> Result<GrantRow, Error> {
    let kinds: Option<String> = c.get("kinds")?;
    Ok(GrantRow {
        ordinal: c.get("ordinal")?,
        id: id(GrantId::PREFIX, &c.bytes("id")?)?,
        parent: c.maybe_grant("parent")?,
        role: c.word("role")?,
        minted: c.ms("minted")?,
        expires: c.ms("expires")?,
        kinds: kinds.as_deref().map(from_json).transpose()?,
        budget: from_json(&c.get::<String>("budget")?)?,
        spent: c.cost()?,
        requests_per_min: c.get("rate")?,
        body_limit_bytes: c.get("body")?,
        scope: c.commitment("scope")?,
        name: c.commitment("name")?,
        used: c.get::<Option<u64>>("used")?.map(Ms),
        revoked: c.get::<Option<u64>>("ts")?.map(Ms),
    })
}

fn permit(c: &Columns<'_>) -> Result<OpenPermit, Error> {
    let key = c.get::<Option<Vec<u8>>>("key")?;
    Ok(OpenPermit {
        permit: id(PermitId::PREFIX, &c.bytes("id")?)?,
        granted: id(EventId::PREFIX, &c.bytes("granted")?)?,
        seq: c.get("seq")?,
        session: c.session()?,
        kind: c.word("kind")?,
        key: key.map(|k| id(ActionKey::PREFIX, &k)).transpose()?,
        again: c.word("again")?,
        reserve: c.cost()?,
        action: c.commitment("action")?,
    })
}

fn label(c: &Columns<'_>) -> Result<LabelRow, Error> {
    Ok(LabelRow {
        seq: c.get("seq")?,
        label: c.word("label")?,
        source: c.get("source")?,
        what: c.maybe_commitment("what")?,
        cleared: c.get("cleared")?,
    })
}

fn mark(c: &Columns<'_>) -> Result<MarkRow, Error> {
    Ok(MarkRow {
        seq: c.get("seq")?,
        label: c.word("label")?,
        session: c.session()?,
        files: c.commitment("files")?,
        cleared: c.get("cleared")?,
    })
}

/// What `LIMIT` takes; at most [`PAGE_MAX`].
fn page(limit: usize) -> i64 {
    limit.min(PAGE_MAX) as i64
}

impl Reader {
    fn list<T>(
        &self,
        select: &str,
        rest: &str,
        args: impl Params,
        read: impl Fn(&Columns<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        self.with(|db| {
            let mut query = db
                .prepare_cached(&format!("{select} {rest}"))
                .map_err(sql)?;
            let mut rows = query.query(args).map_err(sql)?;
            let mut out = Vec::new();
            while let Some(row) = rows.next().map_err(sql)? {
                out.push(read(&Columns(row))?);
            }
            Ok(out)
        })
    }

    /// The row with this ordinal, or the latest for 0.
    fn nth<T>(
        &self,
        select: &str,
        hidden: &str,
        ordinal: u64,
        read: impl Fn(&Columns<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let wanted = i64::try_from(ordinal).unwrap_or(i64::MAX);
        let rest =
            format!("WHERE {hidden} AND (?1 = 0 OR ordinal = ?1) ORDER BY ordinal DESC LIMIT 1");
        Ok(self.list(select, &rest, params![wanted], read)?.pop())
    }

    /// Sessions that were not deleted, the newest first.
    pub fn sessions(&self, limit: usize) -> Result<Vec<SessionRow>, Error> {
        self.list(
            SESSION,
            "WHERE deleted = 0 ORDER BY ordinal DESC LIMIT ?1",
            params![page(limit)],
            session,
        )
    }

    pub fn session(&self, wanted: &SessionId) -> Result<Option<SessionRow>, Error> {
        Ok(self
            .list(
                SESSION,
                "WHERE deleted = 0 AND id = ?1",
                params![wanted.as_bytes()],
                session,
            )?
            .pop())
    }

    pub fn session_by_ordinal(&self, ordinal: u64) -> Result<Option<SessionRow>, Error> {
        self.nth(SESSION, "deleted = 0", ordinal, session)
    }

    pub fn gates(&self, open: bool, limit: usize) -> Result<Vec<GateRow>, Error> {
        let rest = "WHERE ?1 = 0 OR answer IS NULL ORDER BY ordinal DESC LIMIT ?2";
        self.list(GATE, rest, params![open, page(limit)], gate)
    }

    pub fn gate(&self, wanted: &GateId) -> Result<Option<GateRow>, Error> {
        Ok(self
            .list(GATE, "WHERE id = ?1", params![wanted.as_bytes()], gate)?
            .pop())
    }

    pub fn gates_of(&self, session: &SessionId, limit: usize) -> Result<Vec<GateRow>, Error> {
        let rest = "WHERE session = ?1 ORDER BY ordinal DESC LIMIT ?2";
        self.list(GATE, rest, params![session.as_bytes(), page(limit)], gate)
    }

    pub fn gate_by_ordinal(&self, ordinal: u64) -> Result<Option<GateRow>, Error> {
        self.nth(GATE, "1", ordinal, gate)
    }

    pub fn labels_of(&self, session: &SessionId) -> Result<Vec<LabelRow>, Error> {
        let rest = "WHERE session = ?1 ORDER BY seq LIMIT ?2";
        self.list(
            LABEL,
            rest,
            params![session.as_bytes(), page(PAGE_MAX)],
            label,
        )
    }

    pub fn marks_of(&self, workspace: &WorkspaceId, limit: usize) -> Result<Vec<MarkRow>, Error> {
        let rest = "WHERE workspace = ?1 ORDER BY seq DESC LIMIT ?2";
        self.list(MARK, rest, params![workspace.as_bytes(), page(limit)], mark)
    }

    pub fn patches(&self, limit: usize) -> Result<Vec<PatchRow>, Error> {
        self.list(
            PATCH,
            "ORDER BY ordinal DESC LIMIT ?1",
            params![page(limit)],
            patch,
        )
    }

    pub fn patch_by_ordinal(&self, ordinal: u64) -> Result<Option<PatchRow>, Error> {
        self.nth(PATCH, "1", ordinal, patch)
    }

    pub fn patch(&self, wanted: &PatchId) -> Result<Option<PatchRow>, Error> {
        Ok(self
            .list(PATCH, "WHERE id = ?1", params![wanted.as_bytes()], patch)?
            .pop())
    }

    pub fn jobs(&self, limit: usize) -> Result<Vec<JobRow>, Error> {
        self.list(
            JOB,
            "ORDER BY ordinal DESC LIMIT ?1",
            params![page(limit)],
            job,
        )
    }

    pub fn job_by_ordinal(&self, ordinal: u64) -> Result<Option<JobRow>, Error> {
        self.nth(JOB, "1", ordinal, job)
    }

    pub fn job(&self, wanted: &JobId) -> Result<Option<JobRow>, Error> {
        Ok(self
            .list(JOB, "WHERE id = ?1", params![wanted.as_bytes()], job)?
            .pop())
    }

    /// The latest time of any event.
    pub fn latest(&self) -> Result<Ms, Error> {
        let found = self.list("SELECT ts FROM log", "", params![], |c| c.ms("ts"))?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    pub fn grants(&self, limit: usize) -> Result<Vec<GrantRow>, Error> {
        let rest = "ORDER BY ordinal DESC LIMIT ?1";
        self.list(GRANT, rest, params![page(limit)], grant)
    }

    pub fn grant(&self, wanted: &GrantId) -> Result<Option<GrantRow>, Error> {
        let rest = "WHERE capabilities.id = ?1";
        Ok(self
            .list(GRANT, rest, params![wanted.as_bytes()], grant)?
            .pop())
    }

    pub fn grant_revoked(&self, wanted: &GrantId) -> Result<bool, Error> {
        let select = "SELECT ts FROM revocations";
        let found = self.list(select, "WHERE id = ?1", params![wanted.as_bytes()], |_| {
            Ok(())
        })?;
        Ok(!found.is_empty())
    }

    /// Of the whole chain's beginning: how many came from it.
    pub fn grant_children(&self, wanted: &GrantId) -> Result<u64, Error> {
        let select = "SELECT count(*) AS n FROM capabilities";
        let rest =
            "WHERE parent IS NOT NULL AND root = (SELECT root FROM capabilities WHERE id = ?1)";
        Ok(self
            .list(select, rest, params![wanted.as_bytes()], |c| c.get("n"))?
            .pop()
            .unwrap_or(0))
    }

    /// In the order in which they were granted.
    pub fn open_permits(&self) -> Result<Vec<OpenPermit>, Error> {
        self.list(PERMIT, "ORDER BY seq", params![], permit)
    }

    pub fn spent_on(&self, day: u64) -> Result<Cost, Error> {
        let day = i64::try_from(day).unwrap_or(i64::MAX);
        let select = "SELECT micros, tokens, ms, runs FROM days";
        Ok(self
            .list(select, "WHERE day = ?1", params![day], |c| c.cost())?
            .pop()
            .unwrap_or_default())
    }

    pub fn spend_granted(
        &self,
        workspace: &WorkspaceId,
        provider: &str,
    ) -> Result<Option<u64>, Error> {
        self.with(|db| {
            db.query_row(
                "SELECT micros_max FROM grants WHERE workspace = ?1 AND provider = ?2",
                params![workspace.as_bytes(), provider],
                |r| r.get(0),
            )
            .optional()
            .map_err(sql)
        })
    }
}
