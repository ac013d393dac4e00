//! A run as a person sees it: at a real terminal of 80 and of 40 columns, in both languages, with
//! and without colours, on a resize; and what a pipe gets instead.

use std::fs;

use super::{
    pty::{Pty, Seen},
    support::{Ended, Verify, candidate, needs_sandbox, steady, verify},
};

/// At a terminal, with colours.
fn at_terminal<const N: usize>(args: [&str; N]) -> Verify {
    needs_sandbox();
    let mut verify = verify(args).env("TERM", "xterm-256color");
    verify.command.env_remove("NO_COLOR").env_remove("COLUMNS");
    verify
}

/// Whether a phase's bar was seen. Which of its items ran just then is the machine's to say.
fn moved(seen: &Seen, phase: &str) -> bool {
    seen.moments.iter().any(|moment| shows_bar(moment, phase))
}

fn shows_bar(moment: &str, phase: &str) -> bool {
    moment.contains(phase) && moment.contains(['□', '■'])
}

#[track_caller]
fn no_bar_is_left(seen: &Seen) {
    assert!(!seen.screen.contains(['□', '■']), "{}", seen.screen);
}

#[test]
fn a_terminal_of_80_columns() {
    let seen = Pty::new(80).runs(at_terminal(["--phase", "1"]), |_, _| {});
    assert_eq!(seen.code, Some(0), "{}", seen.screen);
    assert!(moved(&seen, "Phase 1: Basics"), "{:?}", seen.moments);
    no_bar_is_left(&seen);
    insta::assert_snapshot!("terminal_80_en", steady(&seen.screen));
    let green = b"\x1b[1;32m";
    assert!(seen.bytes.windows(green.len()).any(|bytes| bytes == green));
}

#[test]
fn a_terminal_of_40_columns_in_japanese_and_without_colours() {
    let run = at_terminal(["--phase", "1", "--lang", "ja"]).env("NO_COLOR", "1");
    let seen = Pty::new(40).runs(run, |_, _| {});
    assert_eq!(seen.code, Some(0), "{}", seen.screen);
    assert!(moved(&seen, "Phase 1: 基本動作"), "{:?}", seen.moments);
    no_bar_is_left(&seen);
    insta::assert_snapshot!("terminal_40_ja", steady(&seen.screen));
    let bytes = String::from_utf8(seen.bytes).expect("UTF-8");
    let colours = regex::Regex::new("\u{1b}\\[[0-9;]*m").expect("an expression");
    assert!(!colours.is_match(&bytes), "{bytes:?}");
}

#[test]
fn a_terminal_that_is_made_narrower_in_mid_run() {
    let mut narrow = false;
    let seen = Pty::new(80).runs(at_terminal(["--phase", "1"]), |pty, moment| {
        if !narrow && shows_bar(moment, "Phase 1") {
            pty.resize(40);
            narrow = true;
        }
    });
    assert!(narrow, "{:?}", seen.moments);
    no_bar_is_left(&seen);
    assert_eq!(seen.screen.matches("Container restart").count(), 1);
    // What comes after it is laid out for the new width.
    let table = seen.screen.lines().find(|line| line.contains("Σ"));
    assert!(table.is_some(), "{}", seen.screen);
}

#[test]
fn a_dumb_terminal_gets_plain_lines() {
    let seen = Pty::new(80).runs(
        at_terminal(["--item", "1.1"]).env("TERM", "dumb"),
        |_, _| {},
    );
    assert_eq!(seen.code, Some(0), "{}", seen.screen);
    assert!(!seen.bytes.contains(&0x1b), "{}", seen.screen);
    assert!(seen.screen.starts_with("✔ 1.1 passed"), "{}", seen.screen);
}

#[test]
fn quiet_shows_no_bar_and_the_verdict_alone() {
    let seen = Pty::new(80).runs(at_terminal(["--phase", "1", "-q"]), |_, _| {});
    assert_eq!(seen.code, Some(0), "{}", seen.screen);
    let lines: Vec<&str> = seen.screen.lines().collect();
    assert_eq!(lines.len(), 2, "{}", seen.screen);
    assert!(lines[0].starts_with("Exit 0: pass"), "{}", seen.screen);
    assert!(lines[1].starts_with("Report: "), "{}", seen.screen);
    assert!(!seen.moments.iter().any(|moment| moment.contains('□')));
}

#[test]
fn a_terminal_without_colours_by_the_flag() {
    let run = at_terminal(["--item", "1.1", "--color", "never"]).env("CLICOLOR_FORCE", "1");
    let seen = Pty::new(80).runs(run, |_, _| {});
    assert_eq!(seen.code, Some(0), "{}", seen.screen);
    let bytes = String::from_utf8(seen.bytes).expect("UTF-8");
    let colours = regex::Regex::new("\u{1b}\\[[0-9;]*m").expect("an expression");
    assert!(!colours.is_match(&bytes), "{bytes:?}");
}

/// What the harness itself logs and bars would overwrite each other.
#[test]
fn the_harnesss_log_takes_the_bars_place() {
    let seen = Pty::new(80).runs(at_terminal(["--item", "1.1", "-v"]), |_, _| {});
    assert_eq!(seen.code, Some(0), "{}", seen.screen);
    assert!(!seen.moments.iter().any(|moment| moment.contains('□')));
}

// ------------------------------------------------------------------------ pipes

#[track_caller]
fn plain(ended: &Ended) {
    for said in [&ended.stdout, &ended.stderr] {
        assert!(!said.contains(['\u{1b}', '\r', '□']), "{said}");
    }
}

#[test]
fn a_failure_is_told_in_full_and_failed_goes_on_from_there() {
    needs_sandbox();
    let folder = tempfile::tempdir().expect("a folder");
    let reports = folder.path().join("reports");
    let run = |args: &[&str]| verify(args).env("VERIFY_REPORT_DIR", &reports).ends();
    let broken = candidate("worker_connections 2048;", "worker_connections2048;");
    let failed = run(&["--item", "1.1,1.3", "--candidate", broken.str()]);
    failed.exits(1);
    plain(&failed);
    failed.complains([
        "✘ 1.1 FAILED",
        "\n  expected  ",
        "\n  seen      ",
        "worker_connections2048",
    ]);
    assert!(failed.stdout.contains(" --failed\n"), "{}", failed.stdout);

    let quiet = run(&["-q", "--item", "1.1,1.3", "--candidate", broken.str()]);
    quiet.exits(1);
    plain(&quiet);
    quiet.complains(["✘ 1.1 FAILED", "\n  seen      ", "worker_connections2048"]);
    assert!(!quiet.stderr.contains("1.3"), "{}", quiet.stderr);
    assert_eq!(quiet.stdout.lines().count(), 2, "{}", quiet.stdout);
    assert!(quiet.stdout.starts_with("Exit 1: fail"), "{}", quiet.stdout);

    // 1.3 was skipped because of 1.1: it is open, too.
    let list = run(&["--failed", "--list"]);
    assert_eq!(list.stdout.lines().count(), 2, "{}", list.stdout);
    let both = run(&["--failed", "--phase", "1", "--item", "1.1", "--list"]);
    assert_eq!(both.stdout.lines().count(), 2, "{}", both.stdout);
    let one = run(&["--failed", "--item", "1.1", "--list"]);
    assert_eq!(one.stdout.lines().count(), 1, "{}", one.stdout);
    let neither = run(&["--failed", "--phase", "3"]);
    neither
        .exits(2)
        .complains(["of what is chosen nothing failed", "1.1, 1.3"]);

    let again = run(&["--failed"]);
    again.exits(0);
    plain(&again);
    assert!(
        again.stdout.contains("2 of 25 items were selected"),
        "{}",
        again.stdout
    );
    let nothing = run(&["--failed"]);
    nothing
        .exits(2)
        .complains(["nothing failed in the latest run"]);
    assert_eq!(nothing.stdout, "");
}

#[test]
fn failed_without_a_latest_run_or_with_one_of_another_plan_is_refused() {
    let ended = verify(["--failed"]).ends();
    ended
        .exits(2)
        .complains(["there is no latest run", "run `verify` first"]);
    ended.started_nothing();

    let folder = tempfile::tempdir().expect("a folder");
    let latest = folder.path().join("latest");
    fs::create_dir(&latest).expect("a folder");
    let example = super::support::root().join("reports/example/pass/report.json");
    let report = fs::read_to_string(example).expect("the example");
    let report = report.replace("verification plan", "plan of something else");
    fs::write(latest.join("report.json"), report).expect("a report");
    let other = verify(["--failed"])
        .env("VERIFY_REPORT_DIR", folder.path())
        .ends();
    other.exits(2).complains(["one of another plan", "--plan"]);
}
