//! Candidates that attack: the host and the caller stay untouched, the run ends in time and in
//! little memory, and the verdict is never a pass.
//!
//! The attacks are in `fixtures/hostile`. Each is otherwise the shipped gateway, so that a candidate
//! whose attack succeeds passes the plan, which fails the test.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{Read as _, Write as _},
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            fs::{PermissionsExt as _, chown},
            net::{SocketAddr, UnixListener},
        },
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use regex::Regex;
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;
use verify::{
    digest,
    mutation::{Copy as Gateway, Edit},
    yaml,
};

use super::{
    broken::shipped_gateway,
    docker::engine,
    support::{needs_sandbox, root},
};

/// How long a run may take by its own flag, and how much longer the process may; beside it runs
/// whatever else is tested.
const DEADLINE: Duration = Duration::from_secs(90);
const GRACE: Duration = Duration::from_secs(15);

/// The most that any `verify` process may hold, in KiB.
const PEAK: u64 = 200 * 1024;

/// How long the kernel may take to end the processes of a run that is over; in containers a watchdog
/// first sees that the engine makes nothing more that it was asked for.
const GONE: Duration = Duration::from_secs(5);
const GONE_IN_CONTAINERS: Duration = Duration::from_secs(15);

/// Those that are about privileges.
const OF_PRIVILEGES: [&str; 8] = [
    "mount-remount",
    "device",
    "ptrace",
    "proc-sys",
    "new-namespaces",
    "read-host-files",
    "caller-environment",
    "forge-pass",
];

/// Those that mean the same in a container, whose files and processes are its own; the first
/// [`OF_EACH_KIND`] of them on every change.
const IN_CONTAINERS: [&str; 17] = [
    "mount-remount",
    "new-namespaces",
    "host-sockets",
    "caller-environment",
    "redis-config",
    "memory-4-gib",
    "endless-answer",
    "device",
    "abstract-sockets",
    "cgroup",
    "keyring",
    "proc-sys",
    "redis-flush",
    "redis-shutdown",
    "fork-bomb",
    "fill-disk",
    "log-1-gb",
];
const OF_EACH_KIND: usize = 7;

/// A candidate that attacks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hostile {
    id: String,
    /// What it attempts, for a person.
    #[serde(rename = "title")]
    _title: String,
    /// Lua for `init_by_lua_block`, where `attack` is the module `attack.lua`.
    #[serde(default)]
    at_start: Option<String>,
    /// The same for `init_worker_by_lua_block`.
    #[serde(default)]
    in_workers: Option<String>,
    #[serde(default)]
    edits: Vec<Edit>,
    /// The verdicts that are right.
    expect: Vec<String>,
    /// What the report or the terminal says of it: a regular expression.
    says: String,
}

impl Hostile {
    /// The shipped gateway with the attack in it.
    fn gateway(&self, canary: &str, good_events: Option<&Path>) -> Gateway {
        let lua = |text: &str| {
            let text = text.replace("@CANARY@", canary);
            format!("local attack, ffi = require \"attack\", require \"ffi\"\n{text}")
        };
        let edit = |find: &str, replace: String| Edit {
            file: "nginx.conf".into(),
            find: find.to_owned(),
            replace,
        };
        let mut edits = self.edits.clone();
        if let Some(text) = &self.at_start {
            let first = "require \"token_api\"";
            edits.push(edit(first, format!("do {}\nend\n{first}", lua(text))));
        }
        if let Some(text) = &self.in_workers {
            let block = "    init_by_lua_block {";
            let text = format!("init_worker_by_lua_block {{\n{}\n}}\n{block}", lua(text));
            edits.push(edit(block, text));
        }
        let gateway = Gateway::with(&shipped_gateway(), &edits)
            .unwrap_or_else(|error| panic!("{}: {error}", self.id));
        let add = |from: &Path, name: &str| {
            fs::copy(from, gateway.lua().join(name)).expect("a module is copied");
        };
        add(&root().join("fixtures/hostile/attack.lua"), "attack.lua");
        if let Some(events) = good_events {
            add(events, "events.ndjson");
        }
        gateway
    }
}

fn catalogue() -> Vec<Hostile> {
    let folder = root().join("fixtures/hostile");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("fixtures/hostile")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    files.sort();
    let all: Vec<Hostile> = files
        .iter()
        .flat_map(|file| yaml::load::<Vec<Hostile>>(file).expect("a catalogue"))
        .collect();
    let ids: BTreeSet<&str> = all.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids.len(), all.len(), "an id is there twice");
    assert!(all.len() >= 25, "{} hostile candidates", all.len());
    for one in &all {
        let right = |verdict: &String| ["fail", "inconclusive"].contains(&verdict.as_str());
        assert!(
            !one.expect.is_empty() && one.expect.iter().all(right),
            "{}",
            one.id
        );
    }
    all
}

fn chosen(ids: &[&str]) -> Vec<Hostile> {
    let all = catalogue();
    let of = |id: &&str| all.iter().find(|one| one.id == *id).cloned();
    ids.iter()
        .map(|id| of(id).unwrap_or_else(|| panic!("no hostile candidate {id}")))
        .collect()
}

/// Files and sockets of the host that no candidate may see or change.
struct Canaries {
    /// A name that nothing else has.
    name: String,
    /// What is in the files and in the caller's environment.
    secret: String,
    planted: Vec<PathBuf>,
    before: Vec<(PathBuf, String)>,
    sockets: Vec<UnixListener>,
}

impl Canaries {
    fn plant() -> Self {
        static PLANTED: AtomicUsize = AtomicUsize::new(0);
        let count = PLANTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("verify-canary-{}-{count}", std::process::id());
        let secret = digest::sha256(format!("{name} {:?}", Instant::now()).as_bytes());
        let checkouts = ["/opt", "/srv"].map(|folder| Path::new(folder).join(&name));
        let mut planted = Vec::new();
        for folder in checkouts
            .into_iter()
            .filter(|path| fs::create_dir(path).is_ok())
        {
            fs::write(folder.join("Cargo.toml"), &secret).expect("a canary");
            planted.push(folder);
        }
        for folder in ["/root", "/home"] {
            let file = Path::new(folder).join(&name);
            if fs::write(&file, &secret).is_ok() {
                planted.push(file);
            }
        }
        assert!(!planted.is_empty(), "no canary can be planted");
        let abstract_name = SocketAddr::from_abstract_name(&name).expect("an abstract name");
        let mut sockets = vec![UnixListener::bind_addr(&abstract_name).expect("a canary socket")];
        let path = PathBuf::from(format!("/srv/{name}.sock"));
        if let Ok(socket) = UnixListener::bind(&path) {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("permissions");
            sockets.push(socket);
            planted.push(path);
        }
        for socket in &sockets {
            socket.set_nonblocking(true).expect("a canary socket");
        }
        let mut canaries = Self {
            name,
            secret,
            planted,
            before: Vec::new(),
            sockets,
        };
        canaries.before = canaries.state();
        canaries
    }

    /// Every file that must stay as it is, with the hash of its content.
    fn state(&self) -> Vec<(PathBuf, String)> {
        let files = [
            "/etc/passwd",
            "/etc/shadow",
            "/proc/sys/kernel/core_pattern",
            "/proc/sys/kernel/modprobe",
            "/proc/sys/kernel/hostname",
            "/proc/sys/fs/suid_dumpable",
        ]
        .map(PathBuf::from);
        let own = self.planted.iter().flat_map(|path| match path.is_dir() {
            true => vec![path.join("Cargo.toml")],
            false => vec![path.clone()],
        });
        files
            .into_iter()
            .chain(own)
            .filter_map(|path| {
                let mut content = Vec::new();
                File::open(&path).ok()?.read_to_end(&mut content).ok()?;
                Some((path, digest::sha256(&content)))
            })
            .collect()
    }

    /// One of the files.
    fn file(&self) -> &Path {
        let found = self
            .before
            .iter()
            .find(|(path, _)| path.to_string_lossy().contains(&self.name));
        found
            .map(|(path, _)| path.as_path())
            .expect("a canary was planted")
    }

    /// What is not as it was.
    fn harmed(&self) -> Vec<String> {
        let after = self.state();
        let mut harmed: Vec<String> = self
            .before
            .iter()
            .filter(|file| !after.contains(file))
            .map(|(path, _)| format!("{} was changed", path.display()))
            .collect();
        let reached = |socket: &&UnixListener| socket.accept().is_ok();
        harmed.extend(
            (self.sockets.iter())
                .filter(reached)
                .map(|socket| format!("{socket:?} was reached")),
        );
        harmed
    }
}

impl Drop for Canaries {
    fn drop(&mut self) {
        for path in &self.planted {
            // What cannot be removed was not planted by this test.
            let _ = fs::remove_dir_all(path).or_else(|_| fs::remove_file(path));
        }
    }
}

/// A process of this machine.
struct Seen {
    pid: u32,
    parent: u32,
    /// In ticks since the machine's start.
    start: u64,
    command: String,
}

fn processes() -> Vec<Seen> {
    let all = fs::read_dir("/proc").expect("/proc");
    all.flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let (before, after) = stat.rsplit_once(") ")?;
            Some(Seen {
                pid,
                parent: after.split(' ').nth(1)?.parse().ok()?,
                // The 22nd field; `after` begins with the third.
                start: after.split(' ').nth(19)?.parse().ok()?,
                command: before.split_once('(')?.1.to_owned(),
            })
        })
        .collect()
}

/// Everything that one run started, watched from outside.
struct Watch {
    /// Process ids, each with the moment of its start: ids are used again.
    pids: BTreeMap<u32, u64>,
    /// The most that a `verify` process held, in KiB.
    peak: u64,
}

impl Watch {
    fn of(pid: u32) -> Self {
        Self {
            pids: BTreeMap::from([(pid, 0)]),
            peak: 0,
        }
    }

    fn look(&mut self) {
        // A child may be listed before its parent is known.
        let mut known = 0;
        let all = processes();
        while known != self.pids.len() {
            known = self.pids.len();
            let parents = |one: &&Seen| self.pids.contains_key(&one.parent);
            let children: Vec<_> = all
                .iter()
                .filter(parents)
                .map(|one| (one.pid, one.start))
                .collect();
            self.pids.extend(children);
        }
        let verify = |one: &&Seen| one.command == "verify" && self.pids.contains_key(&one.pid);
        for one in all.iter().filter(verify) {
            self.peak = self.peak.max(high_water_mark(one.pid).unwrap_or(0));
        }
    }

    /// The processes of the run that still live.
    fn left(&self) -> Vec<String> {
        processes()
            .into_iter()
            .filter(|one| self.pids.get(&one.pid) == Some(&one.start))
            .map(|one| format!("process {} ({}) was left behind", one.pid, one.command))
            .collect()
    }

    /// The same, when there was so much time to end them.
    fn left_after(&self, limit: Duration) -> Vec<String> {
        let over = Instant::now();
        loop {
            let left = self.left();
            if left.is_empty() || over.elapsed() > limit {
                return left;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn high_water_mark(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Who runs which program, and where.
#[derive(Clone)]
struct Runner {
    program: PathBuf,
    root: PathBuf,
    user: Option<u32>,
    stack: &'static str,
}

impl Runner {
    fn here() -> Self {
        Self {
            program: env!("CARGO_BIN_EXE_verify").into(),
            root: root().to_owned(),
            user: None,
            stack: "sandbox",
        }
    }

    /// The command, from a caller that leaves a descriptor open which is not closed by an exec.
    fn command(&self, scratch: &Path, left_open: &Path) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "file=$1; shift; exec \"$@\" 9< \"$file\"", "sh"]);
        command.arg(left_open);
        if let Some(user) = self.user {
            command
                .arg("setpriv")
                .arg(format!("--reuid={user}"))
                .arg(format!("--regid={user}"))
                .args(["--clear-groups", "--"]);
        }
        command.arg(&self.program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("VERIFY_") {
                command.env_remove(name);
            }
        }
        command
            .args(["--quick", "--stack", self.stack, "--deadline"])
            .arg(DEADLINE.as_secs().to_string())
            .current_dir(&self.root)
            .env("GITHUB_ACTIONS", "true")
            .env("NO_COLOR", "1")
            .env("HOME", scratch)
            .env("VERIFY_STATE_DIR", scratch.join("state"))
            .env("VERIFY_REPORT_DIR", scratch.join("reports"))
            .stdin(Stdio::null());
        command
    }
}

/// What one attack came to.
struct Outcome {
    id: String,
    code: Option<i32>,
    verdict: String,
    took: Duration,
    peak: u64,
    wrong: Vec<String>,
}

impl Outcome {
    fn row(&self) -> String {
        format!(
            "| {} | {} | {} | {:.1} | {} | {} |",
            self.id,
            self.code.map_or("none".to_owned(), |code| code.to_string()),
            self.verdict,
            self.took.as_secs_f64(),
            self.peak / 1024,
            self.wrong.join("; ").replace('\n', " "),
        )
    }
}

fn scratch_of(runner: &Runner) -> TempDir {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    if let Some(user) = runner.user {
        chown(scratch.path(), Some(user), Some(user)).expect("the folder is the user's");
    }
    scratch
}

/// Every file of a folder, also in folders of it.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flatten()
        .flat_map(|entry| match entry.path() {
            link if link.is_symlink() => Vec::new(),
            folder if folder.is_dir() => files_of(&folder),
            file => vec![file],
        })
        .collect()
}

/// Runs one candidate and looks at what became of it.
fn attack(
    one: &Hostile,
    runner: &Runner,
    canaries: &Canaries,
    good_events: Option<&Path>,
) -> Outcome {
    let gateway = one.gateway(&canaries.name, good_events);
    let scratch = scratch_of(runner);
    make_readable(gateway.candidate().parent().expect("its folder"));
    let output = ["stdout", "stderr"].map(|name| scratch.path().join(name));
    let open = |path: &PathBuf| File::create(path).expect("a file for the output");
    let started = Instant::now();
    let mut child = runner
        .command(scratch.path(), canaries.file())
        .arg("--candidate")
        .arg(gateway.candidate())
        .arg("--lua")
        .arg(gateway.lua())
        .arg("--html")
        .arg(gateway.html())
        .env("HOSTILE_CANARY", &canaries.secret)
        .stdout(open(&output[0]))
        .stderr(open(&output[1]))
        .spawn()
        .expect("verify can be run");
    let mut watch = Watch::of(child.id());
    let mut wrong = Vec::new();
    let status = loop {
        watch.look();
        if let Some(status) = child.try_wait().expect("the run can be waited for") {
            break Some(status);
        }
        if started.elapsed() > DEADLINE + GRACE {
            wrong.push("it did not end within its deadline".to_owned());
            child.kill().expect("the run can be ended");
            child.wait().expect("the run can be waited for");
            break None;
        }
        thread::sleep(Duration::from_millis(30));
    };
    let took = started.elapsed();
    wrong.extend(watch.left_after(match runner.stack {
        "containers" => GONE_IN_CONTAINERS,
        _ => GONE,
    }));

    let reports = scratch.path().join("reports");
    let text_of = |path: &PathBuf| {
        let bytes = fs::read(path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let printed = output.each_ref().map(text_of).join("\n");
    let read_report = |name: &str| text_of(&reports.join("latest").join(name));
    let report: Value = serde_json::from_str(&read_report("report.json")).unwrap_or_default();
    let verdict = report["verdict"].as_str().unwrap_or("none").to_owned();
    let code = status.and_then(|status| status.code());
    let fits = match code {
        Some(1) => verdict == "fail",
        Some(4) => verdict == "inconclusive",
        _ => false,
    };
    if !fits || !one.expect.contains(&verdict) {
        wrong.push(format!("exit {code:?} and verdict {verdict}"));
    }
    let said = format!("{printed}\n{}", read_report("report.md"));
    let says = Regex::new(&one.says).expect("`says` is an expression");
    if !says.is_match(&said) {
        wrong.push(format!("nothing says `{}`", one.says));
    }
    if watch.peak > PEAK {
        wrong.push(format!("verify held {} MiB", watch.peak / 1024));
    }
    wrong.extend(harm_of_output(
        &printed,
        &output,
        &reports,
        &canaries.secret,
    ));
    if !wrong.is_empty() {
        // What a person needs to see why, kept out of the way of the list.
        let why = wrong.join("; ");
        let _ = writeln!(std::io::stderr().lock(), "--- {}: {why}\n{printed}", one.id);
    }
    Outcome {
        id: one.id.clone(),
        code,
        verdict,
        took,
        peak: watch.peak,
        wrong,
    }
}

/// What in the output and in the files of the run acts on who reads it, or is not for them.
fn harm_of_output(
    printed: &str,
    output: &[PathBuf; 2],
    reports: &Path,
    secret: &str,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files_of(reports).iter().chain(output) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let text = fs::read(file).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        for (what, parts) in [
            ("a canary", [secret, secret]),
            (
                "that an attack succeeded",
                ["attack succeeded", "attack succeeded"],
            ),
            ("a terminal escape", ["\u{1b}", "\u{9b}"]),
            ("a bidi control", ["\u{202e}", "\u{2066}"]),
        ] {
            if let Some(at) = parts.iter().find_map(|part| text.find(part)) {
                let around: String = text[at..].chars().take(160).collect();
                wrong.push(format!("{name} has {what}: {around:?}"));
            }
        }
        if name.ends_with(".html") && text.contains("<script>hostile") {
            wrong.push(format!("{name} has a script of the candidate's"));
        }
    }
    let command =
        Regex::new(r"^(::error::|::stop-commands::|::set-output name=x::|##\[error\])hostile")
            .expect("an expression");
    let mut guard: Option<&str> = None;
    for line in printed.lines() {
        match (guard, line.strip_prefix("::stop-commands::")) {
            (None, Some(token)) if token != "hostile" => guard = Some(token),
            (Some(token), _) if line == format!("::{token}::") => guard = None,
            (None, _) if command.is_match(line) => {
                wrong.push(format!("a workflow command was printed: {line:?}"));
            }
            _ => {}
        }
    }
    wrong
}

/// Runs two candidates at a time, and returns what each came to, in order.
fn attack_with(
    all: &[Hostile],
    runner: &Runner,
    canaries: &Canaries,
    good_events: Option<&Path>,
) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = attack(one, runner, canaries, good_events);
                    outcomes.lock().expect("the outcomes").push(outcome);
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().expect("the outcomes");
    outcomes.sort_by_key(|outcome| all.iter().position(|one| one.id == outcome.id));
    outcomes
}

#[track_caller]
fn nothing_came_of_it(all: &[Hostile], runner: &Runner) {
    let canaries = Canaries::plant();
    let good = good_events(runner);
    let outcomes = attack_with(all, runner, &canaries, Some(&good.0));
    let wrong: Vec<String> = outcomes
        .iter()
        .flat_map(|one| one.wrong.iter().map(|wrong| format!("{}: {wrong}", one.id)))
        .chain(canaries.harmed())
        .collect();
    assert_eq!(outcomes.len(), all.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The events of a run of the good gateway, for who forges one; and that it does run.
fn good_events(runner: &Runner) -> (PathBuf, TempDir) {
    let scratch = scratch_of(runner);
    let run = runner
        .command(scratch.path(), Path::new("/dev/null"))
        .output()
        .expect("verify can be run");
    assert_eq!(
        run.status.code(),
        Some(3),
        "the good gateway: {}\n{}",
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr)
    );
    (scratch.path().join("reports/latest/events.ndjson"), scratch)
}

fn make_readable(folder: &Path) {
    for path in files_of(folder) {
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode | 0o444)).expect("a file");
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("a folder");
}

#[test]
fn every_fourth_hostile_candidate_neither_passes_nor_leaves_the_sandbox() {
    needs_sandbox();
    let some: Vec<Hostile> = catalogue().into_iter().step_by(4).collect();
    nothing_came_of_it(&some, &Runner::here());
}

#[test]
#[ignore = "the whole catalogue, eight minutes: make test-all"]
fn no_hostile_candidate_passes_or_leaves_the_sandbox() {
    needs_sandbox();
    nothing_came_of_it(&catalogue(), &Runner::here());
}

/// A copy of the program and its files that an ordinary user can read.
fn ordinary_user() -> (Runner, TempDir) {
    let copy = tempfile::tempdir().expect("a temporary folder");
    let program = Path::new(env!("CARGO_BIN_EXE_verify"));
    let copied = Command::new("cp")
        .arg("-rL")
        .args(["features", "fixtures"].map(|name| root().join(name)))
        .args([program, &program.with_file_name("oauth2-proxy")])
        .arg(copy.path())
        .status()
        .expect("cp can be run");
    assert!(copied.success(), "the program cannot be copied");
    let readable = Command::new("chmod")
        .args(["-R", "a+rX"])
        .arg(copy.path())
        .status()
        .expect("chmod can be run");
    assert!(readable.success(), "the copy cannot be made readable");
    let runner = Runner {
        program: copy.path().join("verify"),
        root: copy.path().to_owned(),
        user: Some(1000),
        stack: "sandbox",
    };
    (runner, copy)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn no_hostile_candidate_of_an_ordinary_user_gains_a_privilege() {
    needs_sandbox();
    // Who is no ordinary user cannot become one, and is one in the test above.
    if is_root() {
        let (runner, _copy) = ordinary_user();
        nothing_came_of_it(&chosen(&OF_PRIVILEGES), &runner);
    }
}

#[test]
#[ignore = "the whole catalogue once more: make test-all"]
fn no_hostile_candidate_of_an_ordinary_user_passes_or_leaves_the_sandbox() {
    needs_sandbox();
    assert!(is_root(), "only root can become an ordinary user");
    let (runner, _copy) = ordinary_user();
    nothing_came_of_it(&catalogue(), &runner);
}

#[test]
fn no_hostile_candidate_leaves_its_container() {
    in_containers(&IN_CONTAINERS[..OF_EACH_KIND]);
}

#[test]
#[ignore = "all that mean the same in a container: make test-all"]
fn none_of_all_hostile_candidates_leaves_its_container() {
    in_containers(&IN_CONTAINERS);
}

fn in_containers(ids: &[&str]) {
    let Some(_engine) = engine() else { return };
    let runner = Runner {
        stack: "containers",
        ..Runner::here()
    };
    nothing_came_of_it(&chosen(ids), &runner);
}

/// A row for each candidate, for a report on how one build fares: VERIFY_HOSTILE_PROGRAM names
/// another and VERIFY_HOSTILE_ROOT its checkout, VERIFY_HOSTILE_ONLY some of the candidates,
/// VERIFY_HOSTILE_STACK=containers where they run.
#[test]
#[ignore = "prints a table and judges nothing"]
fn table_of_hostile_candidates() {
    let setting = |name: &str| std::env::var(format!("VERIFY_HOSTILE_{name}")).ok();
    let mut runner = Runner::here();
    if let Some(program) = setting("PROGRAM") {
        runner.program = program.into();
    }
    if let Some(checkout) = setting("ROOT") {
        runner.root = checkout.into();
    }
    let _engine = match setting("STACK").as_deref() {
        Some("containers") => {
            runner.stack = "containers";
            engine()
        }
        _ => None,
    };
    let all = match setting("ONLY") {
        Some(ids) => chosen(&ids.split(',').collect::<Vec<_>>()),
        None => catalogue(),
    };
    let canaries = Canaries::plant();
    let good = good_events(&runner);
    let outcomes = attack_with(&all, &runner, &canaries, Some(&good.0));
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "| candidate | exit | verdict | s | MiB | wrong |");
    let _ = writeln!(out, "| --- | --- | --- | --- | --- | --- |");
    for outcome in &outcomes {
        let _ = writeln!(out, "{}", outcome.row());
    }
    for harmed in canaries.harmed() {
        let _ = writeln!(out, "{harmed}");
    }
}
