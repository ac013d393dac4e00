//! However a run ends, nothing of it is left but its report folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::support::{self, Report, needs_sandbox, verify};

/// How long the kernel may take to clear away what a killed run leaves.
const DEADLINE: Duration = Duration::from_secs(5);

/// A process: its number, and when it was started, as numbers are used again.
type Process = (u32, u64);

/// What /proc tells of a process: its parent, process group and session, its name.
struct Known {
    parent: u32,
    group: u32,
    session: u32,
    name: String,
}

/// Every process that lives. One that ended and waits to be reaped does not live.
fn processes() -> BTreeMap<Process, Known> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name is in parentheses and may hold anything: proc(5).
            let (head, tail) = stat.rsplit_once(')')?;
            let fields: Vec<&str> = tail.split_whitespace().collect();
            if matches!(fields[0], "Z" | "X") {
                return None;
            }
            let known = Known {
                parent: fields[1].parse().ok()?,
                group: fields[2].parse().ok()?,
                session: fields[3].parse().ok()?,
                name: head.split_once('(')?.1.to_owned(),
            };
            Some(((pid, fields[19].parse().ok()?), known))
        })
        .collect()
}

/// Everything below a process, with its name.
fn descendants(of: u32) -> BTreeMap<Process, String> {
    let all = processes();
    let below = |pid: u32| {
        let mut at = pid;
        while let Some((_, known)) = all.iter().find(|((number, _), _)| *number == at) {
            if known.parent == of {
                return true;
            }
            at = known.parent;
        }
        false
    };
    all.iter()
        .filter(|((pid, _), _)| below(*pid))
        .map(|(process, known)| (*process, known.name.clone()))
        .collect()
}

/// Those of them that still live.
fn left(of: &BTreeMap<Process, String>) -> Vec<String> {
    let now = processes();
    of.iter()
        .filter(|(process, _)| now.contains_key(process))
        .map(|((pid, _), name)| format!("{name} ({pid})"))
        .collect()
}

/// None of them lives, or at most for as long as the kernel takes to clear a process away
/// whose files it has closed already.
#[track_caller]
fn nothing_left(of: &BTreeMap<Process, String>) {
    let begun = Instant::now();
    while !left(of).is_empty() && begun.elapsed() < DEADLINE {
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(left(of), [""; 0], "left behind");
}

/// A run in the middle of the plan, and everything that it started.
struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
    family: BTreeMap<Process, String>,
    reports: PathBuf,
    _scratch: TempDir,
}

impl Running {
    /// Starts the plan and waits until item 1.2 is done: everything is up, much is to come.
    fn start() -> Self {
        let programs = ["bwrap", "nginx", "redis-server", "oauth2-proxy"];
        Self::until(&["--quick"], " 1.2 passed", &programs)
    }

    /// Starts a run and waits until it has said something, and has these programs running.
    fn until(args: &[&str], said: &str, programs: &[&str]) -> Self {
        needs_sandbox();
        let mut verify = verify(args);
        verify.command.stdout(Stdio::null());
        let mut child = verify.command.spawn().expect("verify can be run");
        let stderr = child.stderr.take().expect("it is a pipe");
        let mut running = Self {
            family: BTreeMap::new(),
            stderr: BufReader::new(stderr),
            reports: verify.reports(),
            _scratch: verify.into_scratch(),
            child,
        };
        running.read_until(said);
        running.family = descendants(running.child.id());
        for program in programs {
            let names: Vec<&String> = running.family.values().collect();
            assert!(
                names.iter().any(|name| name.starts_with(program)),
                "{names:?}"
            );
        }
        running
    }

    fn read_until(&mut self, text: &str) {
        let mut said = String::new();
        while !said.contains(text) {
            let read = self.stderr.read_line(&mut said).expect("UTF-8");
            assert!(read > 0, "it ended and never said `{text}`:\n{said}");
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a pid"), signal).expect("a signal can be sent");
    }

    /// Its exit status, within the deadline.
    fn wait(&mut self) -> ExitStatus {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).expect("UTF-8");
        self.child.wait().expect("it is a child")
    }

    fn dir(&self) -> PathBuf {
        let mut entries = fs::read_dir(&self.reports).expect("the report folder");
        entries
            .find_map(|entry| {
                let path = entry.expect("an entry").path();
                (path.is_dir() && !path.is_symlink()).then_some(path)
            })
            .expect("the folder of the run")
    }
}

fn gate(dir: &Path) -> support::Ended {
    verify(["gate", dir.to_str().expect("UTF-8")]).ends()
}

/// Ends a run by a signal that it can handle.
fn interrupted_by(signal: Signal, name: &str) {
    let mut run = Running::start();
    run.signal(signal);
    let status = run.wait();
    nothing_left(&run.family);
    assert_eq!(status.code(), Some(130), "{status}");

    let dir = run.dir();
    let text = fs::read_to_string(dir.join("report.json")).expect("a report");
    let report = Report(serde_json::from_str(&text).expect("JSON"));
    assert_eq!(report.0["run"]["end"]["signal"], name);
    assert_eq!(report.verdict(), "inconclusive");
    assert_eq!(report.item("1.1")["status"], "passed", "what was found");
    assert_eq!(report.item("6.4")["status"], "inconclusive", "what was not");
    assert_eq!(report.with_status("failed"), [""; 0]);
    assert!(dir.join("report.md").is_file());
    assert!(dir.join("events.ndjson").is_file());
    gate(&dir).exits(130);
}

#[test]
fn ctrl_c_leaves_a_report_and_no_process() {
    interrupted_by(Signal::INT, "SIGINT");
}

#[test]
fn sigterm_leaves_a_report_and_no_process() {
    interrupted_by(Signal::TERM, "SIGTERM");
}

#[test]
fn sigkill_leaves_events_that_can_be_judged_and_no_process() {
    let mut run = Running::start();
    run.signal(Signal::KILL);
    let status = run.child.wait().expect("it is a child");
    assert_eq!(status.code(), None, "it was killed");
    nothing_left(&run.family);

    let dir = run.dir();
    assert!(!dir.join("report.json").exists(), "nobody could write it");
    gate(&run.reports.join("latest")).exits(4);
    let judged = gate(&dir);
    judged.exits(4);
    assert!(judged.stdout.contains("inconclusive"), "{}", judged.stdout);
    let events = dir.join("events.ndjson");
    let shown = verify([
        "render",
        "--format",
        "json",
        events.to_str().expect("UTF-8"),
    ])
    .ends();
    shown.exits(0);
    let report = Report(serde_json::from_str(&shown.stdout).expect("JSON"));
    assert_eq!(report.item("1.1")["status"], "passed", "what was found");
    assert_eq!(report.item("6.4")["status"], "inconclusive", "what was not");
}

#[test]
fn sigkill_leaves_nothing_of_chromium() {
    if !super::browser::has_browser() {
        return;
    }
    let args = ["--phase", "2", "--browser", "chromium"];
    let mut run = Running::until(&args, " 2.1 passed", &["bwrap", "chrom"]);
    run.signal(Signal::KILL);
    run.child.wait().expect("it is a child");
    nothing_left(&run.family);
}

/// bubblewrap asks to end with its parent only a moment after it has begun; whatever ends a run in
/// that moment ends it by its process group. So no part of it may leave that, or keep a terminal.
#[test]
fn no_part_of_a_sandbox_leaves_the_group_by_which_it_is_ended() {
    let mut run = Running::start();
    let now = processes();
    let guard = descendants(run.child.id()).into_keys().find(|process| {
        now.get(process)
            .is_some_and(|known| known.parent == run.child.id())
    });
    let (guard, _) = guard.expect("the guard is the run's child");
    let made = run.family.iter().filter(|(_, name)| *name == "bwrap");
    let groups: Vec<(u32, u32)> = made
        .filter_map(|(process, _)| now.get(process))
        .map(|known| (known.group, known.session))
        .collect();
    run.signal(Signal::TERM);
    run.wait();
    // At least that of the run with its first process, and that of a service.
    assert!(groups.len() > 2, "{groups:?}");
    assert!(
        groups.iter().all(|group| *group == (guard, guard)),
        "{groups:?}"
    );
}

/// The whole sandbox gone at once is the harness's misfortune, not the candidate's failure.
#[test]
fn a_sandbox_that_is_killed_is_inconclusive() {
    let mut run = Running::start();
    let first = run.family.iter().find(|(_, name)| *name == "bwrap");
    let ((pid, _), _) = first.expect("bwrap runs");
    let pid = i32::try_from(*pid).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a pid"), Signal::KILL).expect("a signal can be sent");
    let status = run.wait();
    assert_eq!(status.code(), Some(4), "{status}");
    nothing_left(&run.family);
    let dir = run.dir();
    let text = fs::read_to_string(dir.join("report.json")).expect("a report");
    let report = Report(serde_json::from_str(&text).expect("JSON"));
    assert_eq!(report.verdict(), "inconclusive");
    assert_eq!(report.with_status("failed"), [""; 0]);
    assert_eq!(report.0["rollback"]["required"], false);
    gate(&dir).exits(4);
}

/// Everything below a run, and everything in the sessions that this was ever in: what lost its parent
/// is still in its session.
fn family(of: u32, sessions: &mut BTreeSet<u32>) -> BTreeMap<Process, String> {
    let below = descendants(of);
    let all = processes();
    let own = all.iter().find(|((pid, _), _)| *pid == of);
    let own = own.map(|(_, known)| known.session);
    let of_these = below.keys().filter_map(|process| all.get(process));
    let further = of_these.map(|known| known.session);
    sessions.extend(further.filter(|session| Some(*session) != own));
    let orphans = all
        .into_iter()
        .filter(|(_, known)| sessions.contains(&known.session))
        .map(|(process, known)| (process, known.name));
    below.into_iter().chain(orphans).collect()
}

/// As early as anything can be seen of a run, a signal ends it as it does later on.
#[test]
fn a_signal_at_the_very_start_ends_a_run_like_any_other() {
    needs_sandbox();
    // verify alone, with its guard, with bubblewrap, with the first process of its namespace.
    for count in [1, 2, 3, 4] {
        interrupted_with(count);
    }
}

/// Ends a run as soon as its folder is there and it has so many processes.
#[track_caller]
fn interrupted_with(count: usize) {
    let mut verify = verify(["--phase", "3"]);
    let mut child = verify.command.spawn().expect("verify can be run");
    let reports = verify.reports();
    let begun = Instant::now();
    let begun_to_write = || fs::read_dir(&reports).is_ok_and(|mut runs| runs.next().is_some());
    let (mut seen, mut sessions) = (BTreeMap::new(), BTreeSet::new());
    while !begun_to_write() || seen.len() + 1 < count {
        assert!(begun.elapsed() < DEADLINE, "{count} processes: {seen:?}");
        if count > 1 {
            seen.extend(family(child.id(), &mut sessions));
        }
    }
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a pid"), Signal::TERM).expect("a signal can be sent");
    let told = Instant::now();
    let mut status = None;
    while status.is_none() && told.elapsed() < DEADLINE {
        seen.extend(family(child.id(), &mut sessions));
        status = child.try_wait().expect("it is a child");
    }
    seen.extend(family(child.id(), &mut sessions));
    // Where it did not end: a defect of it leaves nothing on the machine either.
    let _ = child.kill();
    child.wait().expect("it is a child");
    nothing_left(&seen);
    let code = status.and_then(|status| status.code());
    assert_eq!(code, Some(130), "told with {count} processes");
}

#[test]
fn a_run_that_takes_too_long_is_broken_off_and_leaves_nothing() {
    needs_sandbox();
    let mut verify = verify(["--deadline", "1"]);
    // Slow down to a halt by a candidate that never answers its health check.
    let slow = support::candidate(
        "\nhttp {\n",
        "\nhttp {\n    limit_rate 1;\n    limit_rate_after 1;\n",
    );
    verify.command.arg("--candidate").arg(&slow.path);
    let run = verify.ends();
    run.exits(4);
    let report = run.report();
    assert_eq!(report.verdict(), "inconclusive");
    assert_eq!(report.0["rollback"]["required"], false);
    assert!(run.stdout.contains("deadline"), "{}", run.stdout);
}

#[test]
fn two_runs_at_once_are_both_right() {
    needs_sandbox();
    let runs = [(); 2].map(|()| std::thread::spawn(|| verify(["--phase", "3"]).ends()));
    for run in runs {
        let run = run.join().expect("it was waited for");
        run.exits(0);
        let passed = ["3.1", "3.2", "3.3", "3.4", "3.5", "3.6"];
        assert_eq!(run.report().with_status("passed"), passed);
    }
}
