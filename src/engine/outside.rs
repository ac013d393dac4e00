//! The processes of a run as they are seen from outside of its sandbox: what the worker says of them
//! is not all that there is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
};

use tokio::process::Child;

use super::{GatewaySeen, Place};
use crate::stack::{Instance, docker::containers, procfs::Stat};

/// Where the processes of a run are looked for.
pub struct Outside {
    /// The process that all others stem from.
    root: Option<u32>,
    /// The gateway's program, where the run started it.
    nginx: Option<PathBuf>,
    /// The run whose containers it started.
    containers: Option<String>,
}

struct Seen {
    stat: Stat,
    /// Its numbers, from this process's namespace to its own.
    numbers: Vec<u32>,
    /// Its PID namespace.
    namespace: Option<u64>,
}

impl Outside {
    /// The processes that this one starts.
    pub fn of(child: &Child, place: &Place, run: &str) -> Self {
        Self {
            root: child.id(),
            nginx: place.sandboxed().map(|programs| programs.nginx.clone()),
            containers: matches!(place, Place::Containers(_)).then(|| run.to_owned()),
        }
    }

    /// Whether the gateway is what the worker says: the main process runs, or does not, the workers
    /// are its children, and all of them are nginx. Of containers the engine is asked.
    ///
    /// # Errors
    /// What is otherwise.
    pub async fn look(&self, told: &GatewaySeen) -> Result<(), String> {
        if let Some(run) = &self.containers {
            return containers::look(run, told.main.is_some()).await;
        }
        let Some(nginx) = &self.nginx else {
            // It runs in a deployment, which is not the run's own.
            return Ok(());
        };
        let program =
            fs::metadata(nginx).map_err(|error| format!("{}: {error}", nginx.display()))?;
        let is_nginx = |seen: &Seen| {
            let path = format!("/proc/{}/exe", seen.stat.pid);
            fs::metadata(path)
                .is_ok_and(|exe| (exe.dev(), exe.ino()) == (program.dev(), program.ino()))
        };
        let all = self.processes();
        // The worker's own namespace is one below this process's, the gateway's two.
        let find = |wanted: &Instance| {
            all.iter().find(|seen| {
                seen.numbers.len() == 3
                    && seen.numbers.get(1) == Some(&wanted.pid)
                    && seen.stat.started == wanted.started
                    && seen.stat.alive()
            })
        };
        let Some(main) = &told.main else {
            return match all.iter().find(|seen| seen.stat.alive() && is_nginx(seen)) {
                None => Ok(()),
                Some(seen) => Err(format!(
                    "the worker says that the gateway does not run, and nginx runs as process {}",
                    seen.stat.pid
                )),
            };
        };
        let Some(main) = find(main) else {
            return Err(format!(
                "the worker says that the gateway runs as process {}, and there is no such process",
                main.pid
            ));
        };
        if !is_nginx(main) {
            return Err(format!(
                "the gateway's main process is not {}, but `{}`",
                nginx.display(),
                main.stat.name
            ));
        }
        for worker in &told.workers {
            // One may retire while it is looked for.
            let Some(seen) = find(worker) else { continue };
            if seen.namespace != main.namespace || !is_nginx(seen) {
                return Err(format!(
                    "the gateway's process {} is not nginx, but `{}`",
                    worker.pid, seen.stat.name
                ));
            }
        }
        Ok(())
    }

    /// The process of the run that somebody stopped, if there is one.
    pub fn stopped(&self) -> Option<String> {
        let all = self.processes();
        let seen = all.iter().find(|seen| {
            // Those of the services are for the worker to see.
            seen.numbers.len() < 3 && matches!(seen.stat.state, 'T' | 't')
        })?;
        Some(format!(
            "process {} (`{}`) of the run was stopped",
            seen.stat.pid, seen.stat.name
        ))
    }

    fn processes(&self) -> Vec<Seen> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let stats: BTreeMap<u32, Stat> = pids
            .filter_map(|pid| Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?))
            .map(|stat| (stat.pid, stat))
            .collect();
        let mut below: BTreeSet<u32> = self.root.into_iter().collect();
        loop {
            let more: Vec<u32> = stats
                .values()
                .filter(|stat| below.contains(&stat.parent) && !below.contains(&stat.pid))
                .map(|stat| stat.pid)
                .collect();
            if more.is_empty() {
                break;
            }
            below.extend(more);
        }
        let seen = |stat: Stat| {
            let numbers = numbers(stat.pid);
            let namespace = fs::metadata(format!("/proc/{}/ns/pid", stat.pid));
            Seen {
                stat,
                numbers,
                namespace: namespace.ok().map(|found| found.ino()),
            }
        };
        (stats.into_values())
            .filter(|stat| below.contains(&stat.pid))
            .map(seen)
            .collect()
    }
}

/// A process's numbers in each PID namespace that it is in, from this one's on inwards.
fn numbers(pid: u32) -> Vec<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let words = line.unwrap_or_default().split_whitespace();
    words.filter_map(|word| word.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen_below_itself() {
        let outside = Outside {
            root: Some(std::process::id()),
            nginx: Some("/proc/self/exe".into()),
            containers: None,
        };
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let all = outside.processes();
        let own: Vec<u32> = all.iter().map(|seen| seen.stat.pid).collect();
        assert!(
            own.contains(&std::process::id()) && own.contains(&child.id()),
            "{own:?}"
        );
        assert_eq!(outside.stopped(), None);
        let pid = i32::try_from(child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::STOP).unwrap();
        while !outside
            .processes()
            .iter()
            .any(|seen| seen.stat.state == 'T')
        {
            std::thread::yield_now();
        }
        let seen = outside.stopped().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(seen.contains("sleep"), "{seen}");
    }

    #[tokio::test]
    async fn a_gateway_that_is_said_to_run_must_be_there() {
        let outside = Outside {
            root: Some(std::process::id()),
            nginx: Some("/bin/true".into()),
            containers: None,
        };
        let main = Some(Instance {
            pid: 4_000_000,
            started: 1,
        });
        let told = GatewaySeen {
            main,
            workers: Vec::new(),
        };
        let error = outside.look(&told).await.unwrap_err();
        assert!(error.contains("there is no such process"), "{error}");
        let gone = GatewaySeen {
            main: None,
            workers: Vec::new(),
        };
        assert_eq!(outside.look(&gone).await, Ok(()));
    }
}
