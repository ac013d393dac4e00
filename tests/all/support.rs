//! What every test needs: the real binary run from the project's root, its answer, candidates
//! and plan bundles with one change, and texts without what differs from run to run.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use regex::Regex;
use serde_json::Value;
use tempfile::TempDir;
use verify::evidence::EvidenceKind;

/// The configuration that is shipped as the candidate.
pub const SHIPPED: &str = "fixtures/gateway/nginx_v11.1.conf";

/// The project's root, which every command runs from.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Fails the test with one line where the sandbox's programs are not installed. A test that
/// cannot look has not seen anything: it is never skipped.
pub fn needs_sandbox() {
    static MISSING: OnceLock<Option<String>> = OnceLock::new();
    let missing = MISSING.get_or_init(|| {
        let check = Command::new(root().join("scripts/provision"))
            .arg("--check")
            .stdin(Stdio::null())
            .output()
            .expect("scripts/provision can be run");
        let said = [check.stdout, check.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        (!check.status.success()).then(|| said.lines().collect::<Vec<_>>().join("; "))
    });
    if let Some(missing) = missing {
        panic!("run scripts/provision first: {missing}");
    }
}

/// `verify` with a report folder of its own.
pub struct Verify {
    pub command: Command,
    scratch: TempDir,
}

/// `verify` with these arguments, from the project's root, in plain text, unmoved by the
/// settings of whoever runs the tests.
pub fn verify<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(args: I) -> Verify {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_verify"));
    for (name, _) in std::env::vars_os() {
        let name_shown = name.to_string_lossy();
        if name_shown.starts_with("VERIFY_") || name_shown.starts_with("GITHUB_") {
            command.env_remove(name);
        }
    }
    command
        .args(args)
        .current_dir(root())
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .env("VERIFY_STACK", "sandbox")
        // How fast a machine is that runs three of them at once is no test's subject.
        .env("VERIFY_DEADLINE", "300")
        .env("VERIFY_STATE_DIR", scratch.path().join("state"))
        .env("VERIFY_REPORT_DIR", scratch.path().join("reports"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Verify { command, scratch }
}

impl Verify {
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Where the run writes its reports; made by the run itself.
    pub fn reports(&self) -> PathBuf {
        self.scratch.path().join("reports")
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Its folder alone, to be kept for as long as the run lasts.
    pub fn into_scratch(self) -> TempDir {
        self.scratch
    }

    /// Runs it to its end.
    pub fn ends(mut self) -> Ended {
        let output = self.command.output().expect("verify can be run");
        Ended::new(output, self.scratch)
    }

    /// Runs it in the sandbox to its end.
    pub fn ends_in_sandbox(self) -> Ended {
        needs_sandbox();
        self.ends()
    }
}

/// What a command left behind.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    scratch: TempDir,
}

impl Ended {
    pub fn new(output: Output, scratch: TempDir) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
            scratch,
        }
    }

    /// The exit code, with everything that was said where it is another one.
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(
            self.code,
            Some(code),
            "exit code\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Standard error holds all of these.
    #[track_caller]
    pub fn complains<const N: usize>(&self, parts: [&str; N]) -> &Self {
        for part in parts {
            assert!(
                self.stderr.contains(part),
                "standard error does not say `{part}`:\n{}",
                self.stderr
            );
        }
        self
    }

    /// No run was begun: there is no report folder, and no verdict was printed.
    #[track_caller]
    pub fn started_nothing(&self) -> &Self {
        assert_eq!(self.stdout, "", "something was printed");
        let reports = self.scratch.path().join("reports");
        assert!(!reports.exists(), "{} was made", reports.display());
        self
    }

    /// The folder of the run.
    pub fn dir(&self) -> PathBuf {
        self.scratch.path().join("reports/latest")
    }

    /// The saved report.
    #[track_caller]
    pub fn report(&self) -> Report {
        let path = self.dir().join("report.json");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!(
                "{}: {error}\n{}\n{}",
                path.display(),
                self.stdout,
                self.stderr
            )
        });
        Report(serde_json::from_str(&text).expect("report.json is JSON"))
    }
}

/// A saved report.
pub struct Report(pub Value);

impl Report {
    pub fn verdict(&self) -> &Value {
        &self.0["verdict"]
    }

    #[track_caller]
    pub fn item(&self, id: &str) -> &Value {
        let items = self.items().iter();
        items
            .clone()
            .find(|item| item["id"] == id)
            .unwrap_or_else(|| panic!("the report has no item {id}"))
    }

    pub fn items(&self) -> &Vec<Value> {
        self.0["items"].as_array().expect("items is a list")
    }

    /// The numbers of the items with this status, in order.
    pub fn with_status(&self, status: &str) -> Vec<&str> {
        let items = self.items().iter();
        items
            .filter(|item| item["status"] == status)
            .filter_map(|item| item["id"].as_str())
            .collect()
    }

    /// The kinds of an item's evidence.
    pub fn evidence_kinds(&self, id: &str) -> Vec<EvidenceKind> {
        let item = self.items().iter().find(|item| item["id"] == id);
        let evidence = item.and_then(|item| item["evidence"].as_array());
        evidence
            .into_iter()
            .flatten()
            .filter_map(|piece| serde_json::from_value(piece["kind"].clone()).ok())
            .collect()
    }
}

/// A file or folder that is gone with the test.
pub struct Scratch {
    _folder: TempDir,
    pub path: PathBuf,
}

impl Scratch {
    /// A file with this content.
    pub fn file(name: &str, content: impl AsRef<[u8]>) -> Self {
        let scratch = Self::nothing(name);
        fs::write(&scratch.path, content).expect("a scratch file can be written");
        scratch
    }

    /// A place where nothing is.
    pub fn nothing(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(name);
        Self {
            _folder: folder,
            path,
        }
    }

    pub fn str(&self) -> &str {
        self.path.to_str().expect("a scratch path is UTF-8")
    }
}

/// `text` with `from` replaced, which must be there exactly once.
#[track_caller]
pub fn replaced(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "`{from}` is not there once");
    text.replacen(from, to, 1)
}

/// The shipped candidate with one change.
#[track_caller]
pub fn candidate(from: &str, to: &str) -> Scratch {
    let shipped = fs::read_to_string(root().join(SHIPPED)).expect("the shipped candidate");
    Scratch::file("candidate.conf", replaced(&shipped, from, to))
}

/// The shipped plan bundle with one change in one of its files.
#[track_caller]
pub fn bundle(file: &str, from: &str, to: &str) -> Scratch {
    let copy = Scratch::nothing("plan");
    fs::create_dir(&copy.path).expect("a scratch folder");
    for entry in fs::read_dir(root().join("features")).expect("the shipped bundle") {
        let entry = entry.expect("an entry of the bundle");
        fs::copy(entry.path(), copy.path.join(entry.file_name())).expect("a copy");
    }
    let changed = copy.path.join(file);
    let text = fs::read_to_string(&changed).expect("a file of the bundle");
    fs::write(&changed, replaced(&text, from, to)).expect("a scratch file can be written");
    copy
}

/// The line, from 1, of the only place in a file where `text` stands.
#[track_caller]
pub fn line_of(file: &Path, text: &str) -> usize {
    let content = fs::read_to_string(file).expect("a file");
    assert_eq!(content.matches(text).count(), 1, "`{text}` is not once");
    let before = content.split(text).next().unwrap_or_default();
    before.matches('\n').count() + 1
}

/// A text for a snapshot: what differs from run to run and from machine to machine is named
/// in its place. Runs of blanks before a duration are one, as its width is chance.
pub fn steady(text: &str) -> String {
    let rules = [
        (r"\b\d{8}T\d{6}-[0-9a-f]{4}\b", "RUN"),
        (r" +\d+(\.\d+)? (ms|s)\b", " TIME"),
        (r"/\S*/reports\b", "REPORTS"),
        (r"\b\d{4}-\d\d-\d\dT[0-9:.]+([+-]\d\d:\d\d|Z)", "WHEN"),
        (r"\b[0-9a-f]{64}\b", "SHA256"),
        (r"\b[0-9a-f]{12}…", "HASH…"),
        // Which programs there are, and how long their versions are, differs.
        (r"(?s)(Components|構成): .*?\n\n", "COMPONENTS\n\n"),
    ];
    rules.iter().fold(text.to_owned(), |text, (what, name)| {
        let what = Regex::new(what).expect("a rule is an expression");
        what.replace_all(&text, *name).into_owned()
    })
}
