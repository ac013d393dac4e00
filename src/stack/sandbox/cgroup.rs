//! A control group of the run's own (cgroup v2), where the system grants one: there the kernel
//! itself bounds what all processes of a run use together.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

const MIB: u64 = 1024 * 1024;

/// The memory of a run in bytes: a browser and the real LiteLLM take most of it.
const MEMORY: u64 = 6 * 1024 * MIB;

/// The processes and threads of a run.
const PROCESSES: u64 = 4096;

/// How often, and how long apart, an ended run's group is asked to go: the kernel takes a moment to
/// see that its processes are gone.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// A group that is gone with this value.
#[derive(Debug)]
pub struct Group {
    path: PathBuf,
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..TRIES {
            match fs::remove_dir(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => thread::sleep(PAUSE),
                _ => return,
            }
        }
    }
}

impl Group {
    /// Makes one below the nearest group above this process that may be divided, where a process
    /// may move into it, too.
    #[must_use]
    pub fn make() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let made = Self::below(&mount_point(&mounts)?, own_path(&own)?)?;
        made.admits().is_ok().then_some(made)
    }

    /// Moves a process into it that does nothing and ends.
    fn admits(&self) -> io::Result<()> {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let moved = move_in(&self.path, child.id());
        // It ends as its input does.
        drop(child.stdin.take());
        child.wait()?;
        moved
    }

    fn below(root: &Path, own: &str) -> Option<Self> {
        let own = root.join(own.trim_start_matches('/'));
        let above = own.ancestors().take_while(|path| path.starts_with(root));
        above.filter(|path| divided(path)).find_map(|path| {
            let path = path.join(format!("verify-{}", std::process::id()));
            fs::create_dir(&path).ok()?;
            let made = Self { path };
            made.bound().is_ok().then_some(made)
        })
    }

    fn bound(&self) -> io::Result<()> {
        let set = |name: &str, value: u64| fs::write(self.path.join(name), value.to_string());
        set("memory.max", MEMORY)?;
        set("pids.max", PROCESSES)?;
        // A system without swap has no such file.
        let _ = set("memory.swap.max", 0);
        Ok(())
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The limit that the run hit, where it hit one.
    #[must_use]
    pub fn hit(&self) -> Option<String> {
        let count = |file: &str, event: &str| -> u64 {
            let text = fs::read_to_string(self.path.join(file)).unwrap_or_default();
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(event)?.trim().parse().ok());
            line.unwrap_or(0)
        };
        if count("memory.events", "oom_kill ") > 0 {
            let limit = MEMORY / MIB;
            return Some(format!(
                "its processes needed more than {limit} MiB together"
            ));
        }
        (count("pids.events", "max ") > 0)
            .then(|| format!("it needed more than {PROCESSES} processes and threads"))
    }
}

/// Moves this process, and what it starts from here on, into a group.
///
/// # Errors
/// Where the system does not let it.
pub fn enter(group: &Path) -> io::Result<()> {
    // What the kernel takes for the process that writes it.
    move_in(group, 0)
}

fn move_in(group: &Path, process: u32) -> io::Result<()> {
    fs::write(group.join("cgroup.procs"), process.to_string())
}

/// Whether the groups below this one have limits of memory and of processes.
fn divided(group: &Path) -> bool {
    let given = fs::read_to_string(group.join("cgroup.subtree_control")).unwrap_or_default();
    let given: Vec<&str> = given.split_whitespace().collect();
    given.contains(&"memory") && given.contains(&"pids")
}

/// Where `cgroup2` is mounted, by `/proc/self/mountinfo`.
fn mount_point(mounts: &str) -> Option<PathBuf> {
    let found = mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        (after.split(' ').next() == Some("cgroup2")).then(|| before.split(' ').nth(4))?
    });
    found.map(PathBuf::from)
}

/// This process's group in the one hierarchy of version 2, by `/proc/self/cgroup`.
fn own_path(groups: &str) -> Option<&str> {
    groups.lines().find_map(|line| line.strip_prefix("0::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_tables_are_read() {
        let mounts = "24 1 0:22 / /sys rw - sysfs sysfs rw\n\
            30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(mount_point(mounts), Some("/sys/fs/cgroup".into()));
        assert_eq!(
            mount_point("24 1 0:22 / /sys rw - tmpfs cgroup2 rw\n"),
            None
        );
        assert_eq!(
            own_path("4:memory:/a\n0::/user.slice\n"),
            Some("/user.slice")
        );
        assert_eq!(own_path("4:memory:/a\n"), None);
    }

    #[test]
    fn the_nearest_group_that_may_be_divided_gets_a_bounded_one() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("user/session");
        fs::create_dir_all(&own).unwrap();
        let control = |at: &Path, given: &str| {
            fs::write(at.join("cgroup.subtree_control"), given).unwrap();
        };
        control(&own, "");
        control(&root.path().join("user"), "cpu pids");
        assert!(Group::below(root.path(), "/user/session").is_none());
        control(root.path(), "memory pids cpu");
        let group = Group::below(root.path(), "/user/session").unwrap();
        assert_eq!(group.path().parent(), Some(root.path()));
        let read = |name: &str| fs::read_to_string(group.path().join(name)).unwrap();
        assert_eq!(read("memory.max"), MEMORY.to_string());
        assert_eq!(read("pids.max"), PROCESSES.to_string());
        assert_eq!(group.hit(), None);
        fs::write(group.path().join("pids.events"), "max 3\n").unwrap();
        assert!(group.hit().unwrap().contains("4096 processes"));
        fs::write(group.path().join("memory.events"), "oom 1\noom_kill 1\n").unwrap();
        assert!(group.hit().unwrap().contains("6144 MiB"));
    }
}
