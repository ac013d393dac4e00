//! What stands in the current directory, in a plan bundle from elsewhere, or in a saved file is
//! somebody else's: it judges nothing, starts nothing and holds nothing up.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::support::{Verify, bundle, line_of, root, verify};

/// A folder for a command to run in, with nothing in it.
fn elsewhere() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn at<const N: usize>(folder: &TempDir, args: [&str; N]) -> Verify {
    let mut command = verify(args);
    command.command.current_dir(folder.path());
    command
}

fn write(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    fs::write(path, text).expect("a file");
}

/// A program that leaves a mark where it was run.
fn plant(program: PathBuf, mark: &Path) {
    write(
        program.clone(),
        &format!("#!/bin/sh\ntouch {}\n", mark.display()),
    );
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode");
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a FIFO");
}

// ------------------------------------------------------------------ the current directory

#[test]
fn a_configuration_that_nobody_named_brings_no_plan_and_no_output() {
    for (key, value) in [
        ("plan", "one-item"),
        ("profile", "own.yaml"),
        ("allow-conditional", "true"),
        ("report-dir", "/tmp"),
        ("format", "json=victim.json"),
    ] {
        let here = elsewhere();
        write(
            here.path().join("verify.yaml"),
            &format!("lang: en\n{key}: {value}\n"),
        );
        at(&here, ["--list"])
            .ends()
            .exits(2)
            .complains([
                &format!("verify.yaml:2: `{key}`"),
                "needs --config verify.yaml or the flag",
            ])
            .started_nothing();
    }
}

#[test]
fn the_configuration_that_was_read_is_named() {
    let here = elsewhere();
    write(here.path().join("verify.yaml"), "lang: ja\n");
    let ended = at(&here, ["--list"]).ends();
    ended.exits(0).complains(["configuration: verify.yaml"]);
    // One that was named may do everything.
    let plan = root().join("features");
    write(
        here.path().join("named.yaml"),
        &format!("plan: {}\n", plan.display()),
    );
    let ended = at(&here, ["--list", "--config", "named.yaml"]).ends();
    ended.exits(0).complains(["configuration: named.yaml"]);
    assert_eq!(ended.stdout.lines().count(), 44);
}

#[test]
fn a_plan_and_a_profile_of_the_current_directory_judge_nothing() {
    let here = elsewhere();
    let plan = here.path().join("features/plan.yaml");
    write(plan, "not: a plan\n");
    let profile = here.path().join("fixtures/profiles/plan.yaml");
    write(profile, "not: a profile\n");
    let ended = at(&here, ["--dry-run"]).ends();
    ended.exits(0);
    assert!(ended.stdout.starts_with("44 items"), "{}", ended.stdout);
}

#[test]
fn no_program_of_the_current_directory_is_run() {
    let here = elsewhere();
    let mark = here.path().join("was-run");
    let below = here.path().join("a/b");
    fs::create_dir_all(&below).expect("folders");
    for name in [
        "oauth2-proxy",
        "redis-server",
        "nginx",
        "bwrap",
        "openresty",
    ] {
        plant(here.path().join(".cache/bin").join(name), &mark);
        plant(below.join(name), &mark);
        plant(below.join(".cache/bin").join(name), &mark);
    }
    let mut command = verify(["doctor"]);
    command.command.current_dir(&below);
    let path = std::env::var("PATH").expect("a PATH");
    for first in [".", "", "../../.cache/bin"] {
        command = command.env("PATH", format!("{first}:{path}"));
        let output = command.command.output().expect("verify can be run");
        assert!(!output.stdout.is_empty());
        assert!(!mark.exists(), "PATH={first}:… ran a planted program");
    }
}

#[test]
fn a_program_that_everybody_can_write_is_refused_and_not_run() {
    let here = elsewhere();
    let mark = here.path().join("was-run");
    let open = here.path().join("open");
    plant(open.join("redis-server"), &mark);
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("a mode");
    let path = std::env::var("PATH").expect("a PATH");
    let ended = verify(["--item", "1.1"])
        .env("PATH", format!("{}:{path}", open.display()))
        .ends();
    ended
        .exits(4)
        .complains(["redis-server is refused", "writable by everybody"]);
    assert!(!mark.exists());
}

// ------------------------------------------------------------------ plan bundles

#[test]
fn a_plan_runs_no_script_where_that_was_not_allowed() {
    let by_hand = root().join("fixtures/by-hand");
    let feature = by_hand.join("by_hand.feature");
    let line = line_of(&feature, "And the script");
    let plan = by_hand.to_str().expect("UTF-8");
    for flags in [&["--dry-run"][..], &[][..]] {
        verify(["--plan", plan].iter().chain(flags))
            .ends()
            .exits(2)
            .complains([
                &format!("{}:{line}: `the script", feature.display()),
                "needs --allow-scripts",
            ])
            .started_nothing();
    }
    verify(["--plan", plan, "--dry-run", "--allow-scripts"])
        .ends()
        .exits(0);
    verify(["mutate", "--compare", plan])
        .ends()
        .exits(2)
        .complains(["needs --allow-scripts"]);
}

#[test]
fn a_feature_is_inside_its_bundle_and_no_link() {
    let named = "feature: phase1_basic.feature";
    let plan = bundle("plan.yaml", named, "feature: ../../../etc/passwd");
    verify(["--plan", plan.str()])
        .ends()
        .exits(2)
        .complains(["plan.yaml:", "must be inside the bundle"])
        .started_nothing();

    let plan = bundle("plan.yaml", named, "feature: linked.feature");
    symlink("/etc/passwd", plan.path.join("linked.feature")).expect("a link");
    let ended = verify(["--plan", plan.str()]).ends();
    ended
        .exits(2)
        .complains(["linked.feature", "a symbolic link"]);
    assert!(!ended.stderr.contains("root:"), "{}", ended.stderr);
}

// ------------------------------------------------------------------ files that never end

/// Nobody writes into them: whoever opens one as a file waits for ever.
#[test]
fn a_fifo_is_refused_by_its_name_and_holds_nothing_up() {
    let here = elsewhere();
    let path = here.path().join("fifo.yaml");
    fifo(&path);
    let name = path.to_str().expect("UTF-8");
    let report = root().join("reports/example/pass/report.json");
    let report = report.to_str().expect("UTF-8");
    let plan = bundle("plan.yaml", "version: \"1.0\"", "version: \"1.0\"");
    let feature = plan.path.join("phase2_oauth2.feature");
    fs::remove_file(&feature).expect("it was copied");
    fifo(&feature);
    let began = Instant::now();
    for args in [
        &["--dry-run", "--profile", name][..],
        &["--dry-run", "--config", name],
        &["lint", "--profile", name],
        &["gate", name],
        &["render", name],
        &["render", report, "--matrix", name],
        &["mutate", "--mutants", name],
        &["--dry-run", "--plan", plan.str()],
    ] {
        let ended = verify(args).ends();
        ended.exits(2);
        let said = ["a FIFO", "not a regular file"];
        assert!(
            said.iter().any(|said| ended.stderr.contains(said)),
            "{}",
            ended.stderr
        );
    }
    fs::rename(&path, here.path().join("verify.yaml")).expect("renamed");
    at(&here, ["--list"])
        .ends()
        .exits(2)
        .complains(["verify.yaml", "a FIFO"]);
    assert!(began.elapsed() < Duration::from_secs(60));
}
