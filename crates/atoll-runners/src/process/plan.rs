//! From a permitted job to the plan that its init executes: paths checked, mounts in order.

use atoll_domain::action::Job;
use atoll_domain::{Mount, MountKind, RunnerKind};
use atoll_guard::Stop;

use super::Options;
use crate::wire::{How, Plan, PlanMount};

/// Mounts of one job.
const MOUNTS_MAX: usize = 128;
/// Where nothing can be put: it is the box's own.
const OWN: [&str; 14] = [
    "/usr", "/etc", "/proc", "/dev", "/sys", "/bin", "/sbin", "/lib", "/lib32", "/lib64",
    "/libx32", "/boot", "/run", "/.stage",
];
/// What can't be a mount point as a whole.
const WHOLE: [&str; 5] = ["/", "/tmp", "/var", "/home", "/var/tmp"];

/// Checks the job and plans it. Opens nothing but the copy's path.
pub fn of(job: &Job, options: &Options) -> Result<Plan, Stop> {
    let spec = &job.spec;
    if spec.runner != RunnerKind::Process {
        return Err(Stop::Unable("this runner runs processes alone".into()));
    }
    if spec.cmd.is_empty() {
        return Err(Stop::Unable("no command was given".into()));
    }
    if let Some(secret) = spec.secrets.iter().find(|s| spec.env.contains_key(&s.var)) {
        let why = format!(
            "{} is set already, and a secret was to be in it",
            secret.var
        );
        return Err(Stop::Unable(why));
    }
    let words = spec
        .cmd
        .iter()
        .chain(spec.env.iter().flat_map(|(k, v)| [k, v]));
    if words.clone().any(|word| word.contains('\0')) {
        return Err(Stop::Unable(
            "a zero byte in the command or its environment".into(),
        ));
    }
    if spec
        .env
        .keys()
        .any(|name| name.is_empty() || name.contains('='))
    {
        return Err(Stop::Unable(
            "an environment name is empty or holds `=`".into(),
        ));
    }
    absolute(&spec.workdir)?;
    let limits = spec.limits;
    Ok(Plan {
        argv: spec.cmd.clone(),
        exe: job.exe.as_ref().map(|exe| exe.path.clone()),
        env: spec.env.clone().into_iter().collect(),
        workdir: spec.workdir.clone(),
        mounts: mounts(job)?,
        tty: spec
            .tty
            .map(|tty| (tty.cols.clamp(1, 1000), tty.rows.clamp(1, 1000))),
        proxy: !spec.network.is_none(),
        secrets: !spec.secrets.is_empty(),
        keep_workdir: !spec.artifacts.is_empty(),
        ttl_ms: spec.ttl_s.saturating_mul(1000),
        grace_ms: options.grace_ms,
        cpu_ms: limits.cpu_ms.max(1),
        memory_bytes: limits.memory_bytes.max(8 << 20),
        pids_max: limits.pids_max.max(1),
        disk_bytes: limits.disk_bytes,
    })
}

/// Refuses what is not absolute and plain.
fn absolute(path: &str) -> Result<(), Stop> {
    let plain = path.starts_with('/')
        && !path.contains('\0')
        && path.len() < 4096
        && path
            .split('/')
            .skip(1)
            .all(|part| part != ".." && part != ".")
        && (path == "/" || path.split('/').skip(1).all(|part| !part.is_empty()));
    if plain {
        Ok(())
    } else {
        Err(Stop::Sandbox(format!(
            "{path:?} is not a plain absolute path"
        )))
    }
}

fn below(path: &str, top: &str) -> bool {
    path.strip_prefix(top)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Refuses a place inside that is the box's own.
fn place(dst: &str) -> Result<(), Stop> {
    absolute(dst)?;
    if WHOLE.contains(&dst) || OWN.iter().any(|own| below(dst, own)) {
        let why = format!("nothing can stand at {dst} inside: it belongs to the sandbox");
        return Err(Stop::Sandbox(why));
    }
    Ok(())
}

fn mounts(job: &Job) -> Result<Vec<PlanMount>, Stop> {
    let mut all = Vec::new();
    if let Some(copy) = &job.copy {
        place(&copy.inside)?;
        // The copy lies in the node's own folder, which may be reached over the user's symlinks.
        let host = std::fs::canonicalize(&copy.host)
            .map_err(|err| Stop::Sandbox(format!("the private copy {}: {err}", copy.host)))?;
        let Some(src) = host.to_str().map(str::to_owned) else {
            return Err(Stop::Sandbox("the private copy's path is not UTF-8".into()));
        };
        all.push(PlanMount {
            how: How::Bind,
            src,
            dst: copy.inside.clone(),
            ro: false,
        });
    }
    for mount in &job.spec.mounts {
        if let Some(planned) = one(mount)? {
            all.push(planned);
        }
    }
    if all.len() > MOUNTS_MAX {
        return Err(Stop::Sandbox(format!("more than {MOUNTS_MAX} mounts")));
    }
    if let Some(home) = job.spec.env.get("HOME")
        && place(home).is_ok()
        && all.iter().all(|mount| mount.dst != *home)
    {
        let home = home.clone();
        all.push(PlanMount {
            how: How::Tmpfs,
            src: String::new(),
            dst: home,
            ro: false,
        });
    }
    // Parents first; a later mount of the same place would hide an earlier one.
    all.sort_by_key(|mount| mount.dst.matches('/').count());
    for (i, mount) in all.iter().enumerate() {
        if all[..i].iter().any(|other| other.dst == mount.dst) {
            return Err(Stop::Sandbox(format!("two mounts at {}", mount.dst)));
        }
    }
    Ok(all)
}

fn one(mount: &Mount) -> Result<Option<PlanMount>, Stop> {
    let how = match mount.kind {
        MountKind::Bind => How::Bind,
        MountKind::Overlay => How::Overlay,
        MountKind::Tmpfs => How::Tmpfs,
    };
    let dst = mount.dst.clone();
    if how == How::Tmpfs {
        place(&dst)?;
        return Ok(Some(PlanMount {
            how,
            src: String::new(),
            dst,
            ro: false,
        }));
    }
    absolute(&mount.src)?;
    let system = [
        "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
    ];
    if mount.ro && mount.src == dst && system.iter().any(|own| below(&dst, own)) {
        // Part of every box already.
        return Ok(None);
    }
    place(&dst)?;
    let secret = ["/proc", "/dev", "/sys", "/run", "/boot"];
    if mount.src == "/" || secret.iter().any(|own| below(&mount.src, own)) {
        return Err(Stop::Sandbox(format!("{} is never mounted", mount.src)));
    }
    let ro = mount.ro && how == How::Bind;
    Ok(Some(PlanMount {
        how,
        src: mount.src.clone(),
        dst,
        ro,
    }))
}
