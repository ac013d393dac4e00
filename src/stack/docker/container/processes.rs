//! A container's processes and sockets, read from its own `/proc` by a shell inside.

use std::collections::{BTreeMap, HashMap};

use super::Container;
use crate::stack::{
    Instance, Service, ServiceState, Socket, StackError,
    procfs::{self, Stat},
};

impl Container {
    /// Its processes: of a gateway nginx's master and workers, else the main process.
    pub async fn state(&self) -> Result<ServiceState, StackError> {
        let (running, restarts) = self.running().await?;
        let ended = ServiceState {
            running: false,
            main: Instance { pid: 0, started: 0 },
            workers: Vec::new(),
            restarts,
        };
        if !running {
            return Ok(ended);
        }
        let processes = match self.processes().await {
            Ok(processes) => processes,
            // It may have ended between the two questions.
            Err(_) if self.has_ended().await? => return Ok(ended),
            Err(error) => return Err(error),
        };
        let Some(main) = main_process(self.service, &processes) else {
            return Ok(ended);
        };
        let instance = |stat: &Stat| Instance {
            pid: stat.pid,
            started: stat.started,
        };
        let mut workers: Vec<Instance> = processes
            .iter()
            .filter(|stat| stat.parent == main.pid && stat.name == main.name)
            .map(instance)
            .collect();
        workers.sort_by_key(|worker| worker.pid);
        Ok(ServiceState {
            running: true,
            main: instance(main),
            workers,
            restarts,
        })
    }

    async fn processes(&self) -> Result<Vec<Stat>, StackError> {
        // A process may go while the list is read.
        let script = "for stat in /proc/[0-9]*/stat; do IFS= read -r line < \"$stat\" && printf '%s\\n' \"$line\"; done 2>/dev/null; true";
        let bytes = self.must("listing processes", script).await?;
        Ok(String::from_utf8_lossy(&bytes)
            .lines()
            .filter_map(Stat::parse)
            .filter(Stat::alive)
            .collect())
    }

    /// The TCP sockets of its network namespace, each with the process of the service that
    /// holds it.
    pub async fn sockets(&self) -> Result<Vec<Socket>, StackError> {
        let state = self.state().await?;
        let pids: Vec<u32> = std::iter::once(&state.main)
            .chain(&state.workers)
            .map(|process| process.pid)
            .collect();
        // What a process holds is shown to its own user only, root without capabilities
        // included: nginx's workers are often another's than its master.
        let mut by_user: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        let names: Vec<String> = pids.iter().map(|pid| format!("/proc/{pid}")).collect();
        let script = format!("stat -c '%u %n' {} 2>/dev/null; true", names.join(" "));
        let owners = self
            .must("looking up the users of processes", &script)
            .await?;
        for line in String::from_utf8_lossy(&owners).lines() {
            if let Some((user, name)) = line.split_once(' ')
                && let Ok(user) = user.parse()
            {
                by_user.entry(user).or_default().push(name.to_owned());
            }
        }
        let mut text = String::new();
        for (user, names) in by_user {
            let script = format!(
                "for d in {}; do echo \"dir $d/fd\"; ls -l \"$d/fd\"; done 2>/dev/null; true",
                names.join(" ")
            );
            text.push_str(&self.run_as(Some(user), &script).await?.text());
            text.push('\n');
        }
        let script = "for t in /proc/net/tcp /proc/net/tcp6; do echo \"table $t\"; cat \"$t\"; done 2>/dev/null; test -r /proc/net/tcp";
        let tables = self.must("reading the socket table", script).await?;
        text.push_str(&String::from_utf8_lossy(&tables));
        Ok(read_sockets(&text))
    }
}

/// nginx's master, whatever stands before it as the first process; else the first process.
fn main_process(service: Service, processes: &[Stat]) -> Option<&Stat> {
    let is_nginx = |stat: &&Stat| matches!(stat.name.as_str(), "nginx" | "openresty");
    if service == Service::Gateway {
        let of_nginx: Vec<&Stat> = processes.iter().filter(is_nginx).collect();
        let master = of_nginx
            .iter()
            .find(|stat| !of_nginx.iter().any(|other| other.pid == stat.parent));
        if let Some(master) = master {
            return Some(master);
        }
    }
    // Of a gateway: whatever is about to become nginx. It is there, and does not answer yet.
    processes.iter().find(|stat| stat.pid == 1)
}

fn read_sockets(text: &str) -> Vec<Socket> {
    let mut holders: HashMap<u64, u32> = HashMap::new();
    let mut tables: Vec<String> = Vec::new();
    let mut pid = None;
    for line in text.lines() {
        if let Some(directory) = line.strip_prefix("dir /proc/") {
            pid = directory
                .split('/')
                .next()
                .and_then(|pid| pid.parse::<u32>().ok());
        } else if line.starts_with("table ") {
            tables.push(String::new());
        } else if let Some(table) = tables.last_mut() {
            table.push_str(line);
            table.push('\n');
        } else if let (Some(pid), Some((_, target))) = (pid, line.split_once(" -> "))
            && let Some(inode) = procfs::socket_inode(target)
        {
            holders.entry(inode).or_insert(pid);
        }
    }
    tables
        .iter()
        .flat_map(|table| procfs::table(table, &holders))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_told_apart_by_the_process_that_holds_them() {
        let text = "dir /proc/1/fd\ntotal 0\nlrwx------ 1 root root 64 Jan  1 00:00 6 -> socket:[77]\n\
                    dir /proc/7/fd\nlrwx------ 1 root root 64 Jan  1 00:00 9 -> socket:[78]\n\
                    lrwx------ 1 root root 64 Jan  1 00:00 6 -> socket:[77]\n\
                    table /proc/net/tcp\n  sl  local_address rem_address   st\n\
                    0: 00000000:0050 00000000:0000 0A 0:0 0:0 0 0 0 77 1\n\
                    1: 0100007F:9C40 0100007F:1F90 01 0:0 0:0 0 0 0 78 1\n\
                    2: 0100007F:9C41 0100007F:1F90 06 0:0 0:0 0 0 0 0 1\ntable /proc/net/tcp6\n";
        let found: Vec<String> = read_sockets(text).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "process 1: 0.0.0.0:80 -> 0.0.0.0:0 LISTEN",
                "process 7: 127.0.0.1:40000 -> 127.0.0.1:8080 ESTABLISHED",
                "nobody: 127.0.0.1:40001 -> 127.0.0.1:8080 TIME_WAIT",
            ]
        );
    }

    #[test]
    fn the_master_is_found_behind_an_init() {
        let stat = |pid, name: &str, parent| Stat {
            flags: 0,
            pid,
            name: name.to_owned(),
            state: 'S',
            parent,
            started: 1,
        };
        let processes = [
            stat(1, "tini", 0),
            stat(7, "nginx", 1),
            stat(8, "nginx", 7),
            stat(30, "sh", 0),
        ];
        assert_eq!(main_process(Service::Gateway, &processes).unwrap().pid, 7);
        let starting = [stat(1, "sh", 0)];
        assert_eq!(main_process(Service::Gateway, &starting).unwrap().pid, 1);
        assert_eq!(main_process(Service::Redis, &processes).unwrap().pid, 1);
    }
}
