//! The limits that the gateway hits: what it does there is its own doing.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use rustix::process::Signal;
use tokio::task::JoinHandle;

use super::{confine::Limits, layout, logs, process, procfs};
use crate::stack::Service;

const MIB: u64 = 1024 * 1024;

/// The memory that all processes of the gateway may use together, in bytes.
const MEMORY: u64 = 2048 * MIB;

/// How often its processes are looked at.
const EVERY: Duration = Duration::from_millis(200);

/// The file systems that only the gateway writes to.
const PLACES: [&str; 3] = ["/var", "/tmp", layout::PREFIX];

/// A watch on the gateway's processes. Where the kernel counts them together (cgroups) it does so
/// besides; this works everywhere.
#[derive(Debug)]
pub struct Watch {
    main: Arc<AtomicU32>,
    hit: Arc<OnceLock<String>>,
    posed: Arc<OnceLock<String>>,
    task: JoinHandle<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watch {
    /// Begins with the gateway whose main process this is.
    pub fn begin(main: u32) -> Self {
        let main = Arc::new(AtomicU32::new(main));
        let hit = Arc::new(OnceLock::new());
        let posed = Arc::new(OnceLock::new());
        let (watched, told, seen) = (Arc::clone(&main), Arc::clone(&hit), Arc::clone(&posed));
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(EVERY).await;
                let main = watched.load(Ordering::Relaxed);
                let processes = processes(main);
                look(main, &processes, &told);
                if let Some(port) = port_of_another(&processes) {
                    let _ = seen.set(port);
                }
            }
        });
        Self {
            main,
            hit,
            posed,
            task,
        }
    }

    pub fn follow(&self, main: u32) {
        self.main.store(main, Ordering::Relaxed);
    }

    /// Whether the gateway took the place of a service round it, whose port was free for a moment.
    pub fn posed(&self) -> Option<String> {
        self.posed.get().cloned()
    }

    /// The limit that the gateway hit, if it hit one.
    pub fn hit(&self) -> Option<String> {
        (self.hit.get().cloned())
            .or_else(full_file_system)
            .or_else(full_log)
    }
}

fn look(main: u32, processes: &[u32], hit: &OnceLock<String>) {
    let usage = usage(processes);
    if usage.memory > MEMORY {
        let (used, limit) = (usage.memory / MIB, MEMORY / MIB);
        let _ = hit.set(format!(
            "its processes used {used} MiB of memory; they may use {limit} MiB"
        ));
        process::signal(main, Signal::KILL);
    }
    let limit = Limits::of_gateway().processes;
    if usage.tasks >= limit {
        let _ = hit.set(format!(
            "it ran {} processes and threads; it may run {limit}",
            usage.tasks
        ));
    }
}

#[derive(Default)]
struct Usage {
    memory: u64,
    tasks: u32,
}

/// All processes in a process's PID namespace.
fn processes(main: u32) -> Vec<u32> {
    let namespace = |pid: u32| Some(fs::metadata(format!("/proc/{pid}/ns/pid")).ok()?.ino());
    let (Some(own), Ok(pids)) = (namespace(main), procfs::pids()) else {
        return Vec::new();
    };
    pids.filter(|pid| namespace(*pid) == Some(own)).collect()
}

/// A port of a service round the gateway that the gateway listens on.
fn port_of_another(processes: &[u32]) -> Option<String> {
    let listeners = procfs::listeners(processes).ok()?;
    let taken = listeners.iter().find(|listener| {
        listener.pid.is_some() && layout::PORTS.contains(&listener.local.port())
    })?;
    Some(format!(
        "the gateway listened on port {}, which belongs to a service round it",
        taken.local.port()
    ))
}

/// What processes use together.
fn usage(processes: &[u32]) -> Usage {
    let mut usage = Usage::default();
    // What they share counts once.
    let mut shared = 0;
    for pid in processes {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let number = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let word = line.and_then(|rest| rest.split_whitespace().next());
            word.and_then(|word| word.parse().ok()).unwrap_or(0)
        };
        usage.memory += number("RssAnon:") * 1024;
        shared = shared.max(number("RssShmem:") * 1024);
        usage.tasks += u32::try_from(number("Threads:")).unwrap_or(u32::MAX);
    }
    usage.memory += shared;
    usage
}

fn full_file_system() -> Option<String> {
    let full = |place: &&&str| {
        rustix::fs::statvfs(Path::new(place))
            .is_ok_and(|held| held.f_blocks > 0 && held.f_bavail == 0)
    };
    let place = PLACES.iter().find(full)?;
    Some(format!("it filled the file system at {place}"))
}

fn full_log() -> Option<String> {
    let limit = Limits::of_gateway().file_size;
    let streams = ["stdout", "stderr"];
    let paths = streams.map(|stream| layout::log_file(Service::Gateway.name(), stream));
    let full = paths
        .into_iter()
        .chain(logs::in_directory().into_iter().flatten())
        .find(|path| {
            path.symlink_metadata()
                .is_ok_and(|found| found.len() >= limit)
        })?;
    Some(format!(
        "its log {} reached {} MiB, the most that a file may have",
        full.display(),
        limit / MIB
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usage_of_this_process_is_seen() {
        let usage = usage(&processes(std::process::id()));
        assert!(usage.memory > MIB, "{}", usage.memory);
        assert!(usage.tasks > 1, "{}", usage.tasks);
    }

    #[test]
    fn a_process_that_is_gone_uses_nothing() {
        let usage = usage(&[4_000_000]);
        assert_eq!((usage.memory, usage.tasks), (0, 0));
    }
}
