//! The store as the guard's journal and the node's log.

use atoll_domain::{
    Commitment, Cost, Event, EventId, GateId, GrantId, JobId, Ms, PatchId, SessionId, WorkspaceId,
};
use atoll_guard::{Appended, BoxFuture, Entry, Full, Journal};
use atoll_ports::Log;
use atoll_ports::log::{
    Cut, Error, Export, Filter, GateRow, GrantRow, JobRow, LabelRow, MarkRow, OpenPermit, PatchRow,
    Segment, SessionRow, Sink, Verified,
};
use atoll_ports::sweep::Swept;

use crate::Store;

impl Journal for Store {
    fn append(&self, entry: Entry, sync: bool) -> BoxFuture<'_, Result<Appended, Full>> {
        Box::pin(async move {
            let done = self.put(vec![entry], sync).await?;
            done.first()
                .copied()
                .ok_or_else(|| Full::Failed("the event was not stored".into()))
        })
    }

    fn close(&self, entry: Entry) {
        self.take_close(entry);
    }
}

impl Log for Store {
    fn append_all(
        &self,
        entries: Vec<Entry>,
        sync: bool,
    ) -> BoxFuture<'_, Result<Vec<Appended>, Full>> {
        Box::pin(self.put(entries, sync))
    }
    fn head(&self) -> u64 {
        self.last()
    }
    fn past(&self, seq: u64) -> BoxFuture<'_, u64> {
        Box::pin(self.wait_past(seq))
    }
    fn events(&self, after: u64, limit: usize, filter: &Filter) -> Result<Vec<Event>, Error> {
        self.reader.events(after, limit, filter)
    }
    fn lines(&self, after: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, Error> {
        self.reader.lines(after, limit)
    }
    fn event(&self, id: &EventId) -> Result<Option<Event>, Error> {
        self.reader.event(id)
    }
    fn content(&self, commitment: &Commitment) -> Result<Option<Vec<u8>>, Error> {
        self.reader.content(commitment)
    }
    fn sessions(&self, limit: usize) -> Result<Vec<SessionRow>, Error> {
        self.reader.sessions(limit)
    }
    fn session(&self, id: &SessionId) -> Result<Option<SessionRow>, Error> {
        self.reader.session(id)
    }
    fn session_by_ordinal(&self, ordinal: u64) -> Result<Option<SessionRow>, Error> {
        self.reader.session_by_ordinal(ordinal)
    }
    fn gates(&self, open: bool, limit: usize) -> Result<Vec<GateRow>, Error> {
        self.reader.gates(open, limit)
    }
    fn gate_by_ordinal(&self, ordinal: u64) -> Result<Option<GateRow>, Error> {
        self.reader.gate_by_ordinal(ordinal)
    }
    fn gate(&self, id: &GateId) -> Result<Option<GateRow>, Error> {
        self.reader.gate(id)
    }
    fn gates_of(&self, session: &SessionId, limit: usize) -> Result<Vec<GateRow>, Error> {
        self.reader.gates_of(session, limit)
    }
    fn labels_of(&self, session: &SessionId) -> Result<Vec<LabelRow>, Error> {
        self.reader.labels_of(session)
    }
    fn marks_of(&self, workspace: &WorkspaceId, limit: usize) -> Result<Vec<MarkRow>, Error> {
        self.reader.marks_of(workspace, limit)
    }
    fn latest(&self) -> Result<Ms, Error> {
        self.reader.latest()
    }
    fn grants(&self, limit: usize) -> Result<Vec<GrantRow>, Error> {
        self.reader.grants(limit)
    }
    fn grant(&self, id: &GrantId) -> Result<Option<GrantRow>, Error> {
        self.reader.grant(id)
    }
    fn grant_revoked(&self, id: &GrantId) -> Result<bool, Error> {
        self.reader.grant_revoked(id)
    }
    fn grant_children(&self, id: &GrantId) -> Result<u64, Error> {
        self.reader.grant_children(id)
    }
    fn patches(&self, limit: usize) -> Result<Vec<PatchRow>, Error> {
        self.reader.patches(limit)
    }
    fn patch_by_ordinal(&self, ordinal: u64) -> Result<Option<PatchRow>, Error> {
        self.reader.patch_by_ordinal(ordinal)
    }
    fn patch(&self, id: &PatchId) -> Result<Option<PatchRow>, Error> {
        self.reader.patch(id)
    }
    fn jobs(&self, limit: usize) -> Result<Vec<JobRow>, Error> {
        self.reader.jobs(limit)
    }
    fn job_by_ordinal(&self, ordinal: u64) -> Result<Option<JobRow>, Error> {
        self.reader.job_by_ordinal(ordinal)
    }
    fn job(&self, id: &JobId) -> Result<Option<JobRow>, Error> {
        self.reader.job(id)
    }
    fn open_permits(&self) -> Result<Vec<OpenPermit>, Error> {
        self.reader.open_permits()
    }
    fn spent_on(&self, day: u64) -> Result<Cost, Error> {
        self.reader.spent_on(day)
    }
    fn spend_granted(&self, workspace: &WorkspaceId, provider: &str) -> Result<Option<u64>, Error> {
        self.reader.spend_granted(workspace, provider)
    }
    fn checkpoint(&self) -> BoxFuture<'_, Result<Option<Appended>, Full>> {
        Box::pin(self.ask_checkpoint(false))
    }
    fn verify(&self) -> Result<Verified, Error> {
        self.reader.verify(None, &[], true)
    }
    fn rebuild(&self) -> BoxFuture<'_, Result<u64, Error>> {
        Box::pin(self.ask_rebuild())
    }
    fn cut(&self, cut: &Cut) -> Result<Option<Segment>, Error> {
        self.reader.cut(cut)
    }
    fn segment(&self, segment: Segment, out: Sink<'_>) -> Result<(), Error> {
        self.reader.segment(segment, out)
    }
    fn sweep(&self) -> BoxFuture<'_, Result<Swept, Error>> {
        Box::pin(self.ask_sweep())
    }
    fn export(&self, what: &Export, out: Sink<'_>) -> Result<u64, Error> {
        self.reader.export(what, out)
    }
    fn room(&self) -> (u64, bool) {
        self.free()
    }
}
