//! The gate lets through what was verified and nothing else, and `latest` is never an older run.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::support::{Ended, bundle, root, verify};

/// The files of a gateway, and a report folder that several commands share.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        for (from, to) in [
            ("fixtures/gateway/nginx_v11.1.conf", "new.conf"),
            ("fixtures/gateway/nginx_v10.conf", "old.conf"),
            ("fixtures/profiles/plan.yaml", "profile.yaml"),
        ] {
            fs::copy(root().join(from), place.path(to)).expect("a copy");
        }
        for (from, to) in [
            ("fixtures/gateway/lua", "lua"),
            ("fixtures/gateway/html", "html"),
            ("features", "plan"),
        ] {
            fs::create_dir(place.path(to)).expect("a folder");
            for entry in fs::read_dir(root().join(from)).expect("a folder") {
                let entry = entry.expect("an entry");
                let to = place.path(to).join(entry.file_name());
                fs::copy(entry.path(), to).expect("a copy");
            }
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn verify(&self, args: &[&str]) -> Ended {
        verify(args)
            .env("VERIFY_REPORT_DIR", self.path("reports"))
            .ends_in_sandbox()
    }

    /// With the flags that name every file.
    fn with_files(&self, args: &[&str]) -> Ended {
        let named = [
            ("--candidate", "new.conf"),
            ("--baseline", "old.conf"),
            ("--lua", "lua"),
            ("--html", "html"),
            ("--profile", "profile.yaml"),
            ("--plan", "plan"),
        ];
        let mut all: Vec<String> = args.iter().map(ToString::to_string).collect();
        for (flag, name) in named {
            all.push(flag.to_owned());
            all.push(self.path(name).display().to_string());
        }
        self.verify(&all.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn latest(&self) -> String {
        self.path("reports/latest").display().to_string()
    }

    fn gate(&self, args: &[&str]) -> Ended {
        self.verify(&[&["gate", &self.latest()], args].concat())
    }

    /// A report of a run that passed, as an earlier run left it.
    fn passed_before(&self) {
        let old = self.path("reports/20250101T000000-0000");
        fs::create_dir_all(&old).expect("a folder");
        let example = root().join("reports/example/pass/report.json");
        fs::copy(example, old.join("report.json")).expect("the example");
        symlink("20250101T000000-0000", self.latest()).expect("a link");
        self.gate(&[]).exits(0);
    }
}

#[test]
fn a_partial_run_is_no_permission() {
    let place = Place::new();
    place.verify(&["--item", "1.1"]).exits(0);
    let gate = place.gate(&[]);
    gate.exits(4);
    assert!(gate.stdout.contains("not verified: 24 of 25 items: 1.2, "));
    let allowed = place.gate(&["--allow-partial"]);
    allowed.exits(0);
    let first = allowed.stdout.lines().next().expect("a line");
    assert!(first.starts_with("NOT VERIFIED: 24 of 25 items: 1.2, 1.3, "));
    assert!(first.contains("7.2"), "{first}");
}

#[test]
fn the_files_must_be_those_of_the_report() {
    let place = Place::new();
    place.with_files(&["--item", "1.1"]).exits(0);
    let gate = || place.with_files(&["gate", &place.latest(), "--allow-partial"]);
    gate().exits(0);

    let add = |name: &str| {
        let path = place.path(name);
        let before = fs::read(&path).expect("a file");
        fs::write(&path, [&before[..], b"\n"].concat()).expect("a file");
        before
    };
    for (name, flag) in [
        ("new.conf", "--candidate"),
        ("old.conf", "--baseline"),
        ("lua/bans.lua", "--lua"),
        ("html/token-session-manager.html", "--html"),
        ("profile.yaml", "--profile"),
        ("plan/phase1_basic.feature", "--plan"),
    ] {
        let before = add(name);
        let path = place.path(name).display().to_string();
        gate()
            .exits(2)
            .complains([&format!("{flag} {path}: changed since the run")]);
        fs::write(&path, before).expect("a file");
    }
    gate().exits(0);

    let further = place.path("lua/further.lua");
    fs::write(&further, "").expect("a file");
    gate()
        .exits(2)
        .complains([further.to_str().expect("UTF-8"), "not verified"]);
    fs::remove_file(&further).expect("it is there");
    fs::remove_file(place.path("lua/bans.lua")).expect("it is there");
    gate().exits(2).complains(["--lua bans.lua: missing"]);
}

#[test]
fn the_report_must_be_of_this_run_and_recent() {
    let place = Place::new();
    let run = place.verify(&["--item", "1.1"]);
    run.exits(0);
    let partial = "--allow-partial";
    let path = place.path("reports/latest/report.json");
    let text = fs::read_to_string(&path).expect("a report");
    let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let run = &report["run"];
    let id = run["id"].as_str().expect("an id");
    place
        .gate(&[partial, "--run", id, "--max-age", "1h"])
        .exits(0);
    place
        .gate(&[partial, "--run", "20250101T000000-0000"])
        .exits(2)
        .complains([id, "not of 20250101T000000-0000"]);
    place.gate(&[partial, "--max-age", "1"]).exits(2);

    let started = run["started_at"].as_str().expect("a time");
    for (other, word) in [
        ("2025", "--max-age 1h: the run ended"),
        ("2999", "from now"),
    ] {
        let moved = started.replacen(started.get(..4).expect("a year"), other, 1);
        fs::write(&path, text.replace(started, &moved)).expect("a report");
        place
            .gate(&[partial, "--max-age", "1h"])
            .exits(2)
            .complains([word]);
        place.gate(&[partial]).exits(0);
    }
}

#[test]
fn a_report_says_what_was_verified_by_which_verify_and_where() {
    let place = Place::new();
    let run = place.with_files(&["--item", "1.1"]);
    run.exits(0);
    let path = place.path("reports/latest/report.json");
    let text = fs::read_to_string(path).expect("a report");
    let mut report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let inputs = report["run"]["inputs"].as_array().expect("a list").clone();
    let of = |role: &str, path: &str| {
        let found = inputs
            .iter()
            .find(|input| input["role"] == role && input["path"] == path);
        found.unwrap_or_else(|| panic!("no {role} {path}"))["sha256"].clone()
    };
    assert_eq!(
        of("candidate", "new.conf"),
        report["run"]["candidate"]["sha256"]
    );
    for (role, path) in [
        ("baseline", "old.conf"),
        ("lua", "bans.lua"),
        ("auth_proxy", "oauth2-proxy.cfg"),
        ("plan", "plan.yaml"),
        ("plan", "diagnosis.yaml"),
        ("profile", "profile.yaml"),
    ] {
        of(role, path);
    }
    assert_eq!(
        report["run"]["verify"]["version"],
        env!("CARGO_PKG_VERSION")
    );
    assert!(report["run"]["host"].is_string());
    for name in ["Plan files: ", "Profile file: "] {
        assert!(run.stdout.contains(name), "{}", run.stdout);
    }

    // As an older verify wrote it.
    let old = place.path("old.json");
    let run = report["run"].as_object_mut().expect("an object");
    run.remove("inputs");
    fs::write(&old, report.to_string()).expect("a file");
    let old = old.to_str().expect("UTF-8");
    place.verify(&["gate", old, "--allow-partial"]).exits(0);
    place
        .with_files(&["gate", old, "--allow-partial"])
        .exits(2)
        .complains(["--candidate: the report has no `inputs`", "older `verify`"]);
}

#[test]
fn a_run_that_ends_before_its_report_is_the_latest_and_no_pass() {
    let place = Place::new();
    place.passed_before();
    place.verify(&["--list"]).exits(0);
    place.verify(&["--dry-run"]).exits(0);
    place.gate(&[]).exits(0);

    let broken = bundle("plan.yaml", "version: \"1.0\"", "verson: \"1.0\"");
    let missing = place.path("gone.conf").display().to_string();
    for (args, reason) in [
        (["--candidate", &missing], "gone.conf"),
        (["--item", "9.9"], "--item 9.9"),
        (["--profile", "plann"], "--profile plann"),
        (["--plan", broken.str()], "unknown key `verson`"),
    ] {
        fs::remove_file(place.latest()).expect("a link");
        symlink("20250101T000000-0000", place.latest()).expect("a link");
        place.verify(&args).exits(2);
        place
            .gate(&[])
            .exits(2)
            .complains(["ended before anything was started", reason]);
    }
    // What was open before is open still.
    place
        .verify(&["--failed"])
        .exits(2)
        .complains(["nothing failed in the latest run, 20"]);

    let nowhere = place.path("nowhere");
    verify(["--item", "1.1"])
        .env("VERIFY_REPORT_DIR", place.path("reports"))
        .env("PATH", &nowhere)
        .ends()
        .exits(4);
    place.gate(&[]).exits(4).complains(["bwrap"]);
}

#[test]
fn what_is_no_file_is_refused_by_name_and_flag_at_once() {
    type Make = fn(&Path);
    let make: [(&str, Make); 3] = [
        ("symbolic link", |path| {
            symlink("/etc/passwd", path).expect("a link");
        }),
        ("FIFO", |path| {
            let mode = Mode::from_raw_mode(0o600);
            mknodat(CWD, path, FileType::Fifo, mode, 0).expect("a FIFO");
        }),
        ("socket", |path| {
            UnixListener::bind(path).expect("a socket");
        }),
    ];
    for flag in ["--lua", "--html", "--lualib", "--baseline-lua", "--plan"] {
        for (kind, make) in make {
            let folder = tempfile::tempdir().expect("a folder");
            let bad = folder.path().join("bad.lua");
            make(&bad);
            let named = format!("{flag} {}: is a {kind}", bad.display());
            let args = [flag, folder.path().to_str().expect("UTF-8")];
            verify(args)
                .ends()
                .exits(2)
                .complains([&named])
                .started_nothing();
        }
    }
    for flag in ["--lua", "--html", "--lualib", "--plan"] {
        verify([flag, "/dev"])
            .ends()
            .exits(2)
            .complains([&format!("{flag} /dev/"), "only regular files"])
            .started_nothing();
    }
    let folder = tempfile::tempdir().expect("a folder");
    symlink("/etc/passwd", folder.path().join("x.lua")).expect("a link");
    let path = folder.path().to_str().expect("UTF-8");
    verify(["lint", "--lua", path])
        .ends()
        .exits(2)
        .complains(["x.lua: is a symbolic link"]);
    verify(["gate", "reports/example/pass", "--lua", path])
        .ends()
        .exits(2)
        .complains(["x.lua: is a symbolic link"]);
    for flag in ["--profile", "--candidate"] {
        verify([flag, "/dev/zero"])
            .ends()
            .exits(2)
            .complains(["/dev/zero: is not a regular file"])
            .started_nothing();
    }
}
