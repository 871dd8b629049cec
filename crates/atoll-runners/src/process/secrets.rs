//! Secrets on their way into a job: a memory file that the job's own process reads, and masks for its output.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use atoll_domain::JobSpec;
use atoll_guard::Stop;
use atoll_ports::runner::Given;
use atoll_redact::Masks;
use zeroize::Zeroizing;

use crate::wire;

/// What goes along with a job.
#[derive(Default)]
pub struct Secrets {
    /// Variables and values, as JSON.
    pub memory: Option<OwnedFd>,
    /// What its output is masked with.
    pub masks: Option<Arc<Masks>>,
}

impl Secrets {
    /// Of those that were given, which must be those that the spec names.
    pub fn of(spec: &JobSpec, given: Vec<Given>) -> Result<Secrets, Stop> {
        let named = spec.secrets.iter();
        if !named.eq(given.iter().map(|g| &g.secret)) {
            let why = "the secrets that were given are not those that the job names";
            return Err(Stop::Unable(why.into()));
        }
        if given.is_empty() {
            return Ok(Secrets::default());
        }
        let rows: Vec<(&str, &str)> = given
            .iter()
            .map(|g| (g.secret.var.as_str(), g.value.expose()))
            .collect();
        // As long as it can get: a buffer that grows leaves copies behind.
        let bytes: usize = rows.iter().map(|(k, v)| (k.len() + v.len()) * 6 + 8).sum();
        let mut json = Zeroizing::new(Vec::with_capacity(bytes + 2));
        let failed = |err: String| Stop::Sandbox(format!("prepare the job's secrets: {err}"));
        serde_json::to_writer(&mut *json, &rows).map_err(|err| failed(err.to_string()))?;
        if json.len() > wire::FRAME_LIMIT_BYTES {
            return Err(Stop::Unable(
                "the job's secrets are too long together".into(),
            ));
        }
        let memory = wire::memory_of(&json).map_err(|err| failed(err.to_string()))?;
        let values = given
            .iter()
            .map(|g| (g.secret.name.as_str(), g.value.expose().as_bytes()));
        let masks = Masks::new(values).map_err(|err| failed(err.to_string()))?;
        Ok(Secrets {
            memory: Some(memory),
            masks: Some(Arc::new(masks)),
        })
    }
}
