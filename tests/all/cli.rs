//! What a person types and reads: help, lists, saved reports, and what goes through a pipe.

use std::{fs, io::Read as _};

use super::support::{Ended, Scratch, candidate, steady, verify};

#[test]
fn the_short_help_names_every_command_and_flag() {
    let help = verify(["-h"]).ends();
    help.exits(0);
    insta::assert_snapshot!("help_short", help.stdout);
}

#[test]
fn the_long_help_tells_exit_codes_examples_and_settings() {
    let help = verify(["run", "--help"]).ends();
    help.exits(0);
    insta::assert_snapshot!("help_run", help.stdout);
}

#[test]
fn the_list_has_every_item_with_its_place() {
    let list = verify(["--list"]).ends();
    list.exits(0);
    insta::assert_snapshot!("list", list.stdout);
}

#[test]
fn phase_item_and_tags_choose_together() {
    let list = verify(["--list", "--tags", "@phase-3 and not @item-3.6"]).ends();
    list.exits(0);
    let numbers: Vec<&str> = list.stdout.lines().map(|line| &line[..3]).collect();
    assert_eq!(numbers, ["3.1", "3.2", "3.3", "3.4", "3.5"]);
    // --phase and --item together are both, not what they have in common.
    let list = verify(["--list", "--phase", "3", "--item", "4.4"]).ends();
    assert_eq!(list.stdout.lines().count(), 7);
    let list = verify(["--list", "--lang", "ja", "--item", "4.4"]).ends();
    list.exits(0);
    insta::assert_snapshot!(list.stdout, @"4.4  features/phase4_tokens.feature:40  トークン失効");
}

#[test]
fn a_dry_run_starts_nothing() {
    let dry = verify(["--dry-run", "--phase", "3"]).ends();
    dry.exits(0);
    assert!(dry.stdout.starts_with("6 items chosen"), "{}", dry.stdout);
}

#[test]
fn the_steps_are_listed_by_file_with_what_they_mean() {
    let steps = verify(["steps"]).ends();
    steps.exits(0);
    let files = steps.stdout.lines().skip_while(|line| *line != "deploy");
    let head: Vec<&str> = files.take(12).collect();
    insta::assert_snapshot!("steps_head", head.join("\n"));
}

#[test]
fn doctor_names_everything_that_a_run_needs() {
    super::support::needs_sandbox();
    let doctor = verify(["doctor"])
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .ends();
    doctor.exits(0);
    for need in ["nginx", "redis-server", "oauth2-proxy", "bwrap"] {
        let line = doctor.stdout.lines().find(|line| line.contains(need));
        assert!(line.is_some_and(|line| line.starts_with("ok ")), "{need}");
    }
    assert!(doctor.stdout.contains("`--stack auto` takes the sandbox"));
    let missing: Vec<_> = doctor
        .stdout
        .lines()
        .filter(|line| line.starts_with("MISSING"))
        .collect();
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert!(
        missing[0].contains("no Docker engine answers"),
        "{missing:?}"
    );
}

#[test]
fn doctor_says_what_is_missing_and_how_to_get_it() {
    let nowhere = tempfile::tempdir().expect("a folder");
    let doctor = verify(["doctor"])
        .env("PATH", nowhere.path())
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .ends();
    doctor.exits(4);
    let missing = |name: &str, from: &str| {
        let mut lines = doctor.stdout.lines();
        lines.any(|line| line.starts_with("MISSING") && line.contains(name) && line.contains(from))
    };
    assert!(missing("redis-server", "Debian: redis-server"));
    assert!(missing("bwrap", "Debian: bubblewrap"));
    assert!(doctor.stdout.contains("scripts/provision"));
}

// ------------------------------------------------------------------------ partial runs

#[test]
fn phase_3_runs_six_items_and_says_that_it_is_partial() {
    let run = verify(["--phase", "3"]).ends_in_sandbox();
    run.exits(0);
    let report = run.report();
    assert_eq!(report.0["run"]["partial"], true);
    assert!(report.verdict().is_null());
    let passed = ["3.1", "3.2", "3.3", "3.4", "3.5", "3.6"];
    assert_eq!(report.with_status("passed"), passed);
    assert_eq!(run.stderr.lines().count(), 6, "{}", run.stderr);
    insta::assert_snapshot!("phase_3", steady(&run.stdout));
    said_again(&run);
}

#[test]
fn item_4_4_alone_passes_and_says_nothing_of_4_1() {
    let run = verify(["--item", "4.4"]).ends_in_sandbox();
    run.exits(0);
    let report = run.report();
    assert_eq!(report.with_status("passed"), ["4.4"]);
    assert_eq!(report.with_status("failed"), [""; 0]);
    assert_eq!(report.with_status("inconclusive"), [""; 0]);
    assert!(!run.stderr.contains("4.1"), "{}", run.stderr);
    assert!(!run.stdout.contains("4.1"), "{}", run.stdout);
}

// ------------------------------------------------------------------------ saved reports

/// `gate` and `render` on what a run saved say what the run said.
#[track_caller]
fn said_again(run: &Ended) {
    let dir = run.dir();
    let saved = |name: &str| dir.join(name).to_str().expect("UTF-8").to_owned();
    for place in ["", "report.json", "events.ndjson"] {
        let run_info = run.report().0["run"].clone();
        let partial = run_info["partial"] == true;
        let code = run.code.expect("the run ended by itself");
        let strict = verify(["gate", &saved(place)]).ends();
        strict.exits(if partial && code == 0 { 4 } else { code });
        let gate = verify(["gate", "--allow-partial", &saved(place)]).ends();
        gate.exits(code);
        let id = run_info["id"].as_str().expect("an id");
        let mut lines = gate.stdout.lines();
        if partial {
            let first = lines.next().unwrap_or_default();
            assert!(first.starts_with("NOT VERIFIED: "), "{}", gate.stdout);
        }
        let line = lines.next().unwrap_or_default();
        assert!(line.starts_with(id), "{}", gate.stdout);
    }
    let render = |format: &str, lang: &str| {
        let args = ["render", "--format", format, "--lang", lang];
        let shown = verify(args.into_iter().chain([saved("").as_str()])).ends();
        shown.exits(0);
        shown.stdout
    };
    let read = |name: &str| fs::read_to_string(dir.join(name)).expect("it was written");
    for (format, name) in [("json", "report.json"), ("markdown", "report.md")] {
        let (shown, saved) = (render(format, "en"), read(name));
        for (shown, saved) in shown.lines().zip(saved.lines()) {
            assert_eq!(shown, saved, "{name}");
        }
        assert_eq!(shown.lines().count(), saved.lines().count(), "{name}");
    }
    let table = render("table", "en");
    assert!(run.stdout.starts_with(&table), "{table}");
    assert!(render("table", "ja").contains("項目数"));
    assert!(render("markdown", "ja").contains("検証結果"));
}

#[test]
fn a_saved_conditional_pass_is_one_and_is_accepted_on_request() {
    let run = verify(["--quick"]).ends_in_sandbox();
    run.exits(3);
    let report = run.report();
    assert_eq!(report.verdict(), "conditional");
    assert_eq!(report.with_status("passed").len(), 24, "{}", run.stdout);
    assert_eq!(report.with_status("skipped"), ["7.2"]);
    said_again(&run);
    let dir = run.dir();
    let dir = dir.to_str().expect("UTF-8");
    verify(["gate", "--allow-conditional", dir]).ends().exits(0);
}

#[test]
fn a_saved_failure_is_one_and_names_the_items() {
    let wrong = candidate(
        r#"track_user(email, "MCP/Internal")"#,
        r#"track_user(email, "MCP/Intern")"#,
    );
    let run = verify(["--phase", "3", "--candidate"])
        .arg(wrong.str())
        .ends_in_sandbox();
    run.exits(1);
    let report = run.report();
    assert_eq!(report.with_status("failed"), ["3.1", "3.6"]);
    assert_eq!(report.item("3.1")["fault"], "candidate");
    said_again(&run);
}

#[test]
fn a_gate_does_not_believe_a_report_that_was_touched_up() {
    let broken = candidate("\nevents {", "\nevnts {");
    let run = verify(["--quick", "--candidate"])
        .arg(broken.str())
        .ends_in_sandbox();
    run.exits(1);
    said_again(&run);
    let mut report = run.report().0;
    report["verdict"] = "pass".into();
    let touched = Scratch::file("report.json", report.to_string());
    let gate = verify(["gate", touched.str()]).ends();
    gate.exits(2).complains(["verdict"]);
}

#[test]
fn colours_are_for_terminals_and_for_whoever_asks() {
    let shown = |args: &[&str], variables: &[(&str, &str)]| {
        let example = ["render", "reports/example/pass"];
        let mut render = verify(example.iter().chain(args));
        render.command.env_remove("NO_COLOR");
        render.command.envs(variables.iter().copied());
        let ended = render.ends();
        ended.exits(0);
        ended.stdout.contains("\u{1b}[")
    };
    assert!(!shown(&[], &[]));
    assert!(shown(&[], &[("CLICOLOR_FORCE", "1")]));
    assert!(!shown(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(shown(&["--color", "always"], &[("NO_COLOR", "1")]));
    assert!(!shown(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]));
    verify(["-q", "-v", "--list"])
        .ends()
        .exits(2)
        .complains(["--quiet", "--verbose"]);
}

#[test]
fn what_is_printed_can_be_chosen() {
    let run = verify(["--item", "1.1", "--format", "json"]).ends_in_sandbox();
    run.exits(0);
    let saved = fs::read_to_string(run.dir().join("report.json")).expect("a report");
    assert_eq!(run.stdout.trim_end(), saved.trim_end());
}

// ------------------------------------------------------------------------ pipes

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    for args in [&["--list"][..], &["steps"], &["completions", "bash"]] {
        let mut command = verify(args).command;
        let mut child = command.spawn().expect("verify can be run");
        // The read end is closed before anything can be read from it.
        drop(child.stdout.take());
        let mut said = String::new();
        let mut stderr = child.stderr.take().expect("it is a pipe");
        stderr.read_to_string(&mut said).expect("UTF-8");
        assert_eq!(child.wait().expect("it is a child").code(), Some(0));
        assert_eq!(said, "");
    }
}

#[test]
fn a_run_whose_reader_is_gone_still_writes_its_report() {
    super::support::needs_sandbox();
    let mut verify = verify(["--item", "1.1"]);
    let mut child = verify.command.spawn().expect("verify can be run");
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().expect("it is a child").code(), Some(0));
    assert!(verify.reports().join("latest/report.json").is_file());
}
