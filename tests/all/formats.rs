//! `--format NAME[=PATH]`: which formats, where they go, and what becomes of a wrong one.

use std::fs;

use super::support::{Scratch, root, verify};

/// A report that is there without a run.
const SAVED: &str = "reports/example/pass/report.json";

#[test]
fn several_formats_go_to_files_and_the_table_to_standard_output() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join("made").join(name);
    let render = verify(["render", SAVED])
        .arg("--format")
        .arg(format!("json={}", path("one.json").display()))
        .arg("--format")
        .arg(format!("json={}", path("two.json").display()))
        .arg("--format")
        .arg(format!("markdown={}", path("report.md").display()))
        .ends();
    render.exits(0);
    assert!(render.stdout.contains("Verdict: "), "{}", render.stdout);
    let read = |name: &str| fs::read_to_string(path(name)).expect("it was written");
    let saved = fs::read_to_string(root().join(SAVED)).expect("a report");
    assert_eq!(read("one.json").trim_end(), saved.trim_end());
    assert_eq!(read("two.json"), read("one.json"));
    assert!(read("report.md").starts_with("# "));
}

#[test]
fn every_format_of_a_saved_report_can_be_shown_and_written() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, begins) in [
        ("table", "\n"),
        ("json", "{"),
        ("markdown", "# "),
        ("junit", "<?xml"),
        ("ctrf", "{"),
        ("tap", "TAP version 14\n"),
        ("cucumber-messages", "{\"meta\":"),
        ("github", "::notice title=Verdict"),
        ("sarif", "{"),
    ] {
        let shown = verify(["render", SAVED, "--format", name]).ends();
        shown.exits(0);
        let start = shown.stdout.trim_start_matches('\n');
        assert!(start.starts_with(begins.trim_start()), "{name}: {start}");
        let path = folder.path().join(name);
        let as_file = format!("{name}={}", path.display());
        let other = if name == "table" { "json" } else { "table" };
        verify(["render", SAVED, "--format", &as_file, "--format", other])
            .ends()
            .exits(0);
        let written = fs::read_to_string(&path).expect("it was written");
        assert_eq!(written, shown.stdout, "{name}");
    }
}

/// A run with `--allow-conditional` ended with 0, and a rendering made later says the same.
#[test]
fn a_saved_report_is_rendered_with_the_policy_of_its_run() {
    let saved =
        fs::read_to_string(root().join("tests/reports/conditional.json")).expect("a report");
    let mut report: serde_json::Value = serde_json::from_str(&saved).expect("JSON");
    for (allowed, code) in [(false, 3), (true, 0)] {
        report["run"]["allow_conditional"] = allowed.into();
        let file = Scratch::file("report.json", report.to_string());
        let shown = verify(["render", file.str(), "--format", "markdown"]).ends();
        shown.exits(0);
        let own = shown.stdout.lines().find(|row| row.ends_with("| ✔ |"));
        let own = own.expect("the row of this run");
        assert!(own.starts_with(&format!("| {code} | ")), "{own}");
    }
}

// ------------------------------------------------------------------------ GitHub Actions

/// `verify` as GitHub Actions runs it, and the file of the step's summary.
fn in_actions(args: &[&str]) -> (super::support::Verify, Scratch) {
    let summary = Scratch::file("summary.md", "what was there\n");
    let command = verify(args)
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", &summary.path);
    (command, summary)
}

fn read(scratch: &Scratch) -> String {
    fs::read_to_string(&scratch.path).expect("a summary")
}

#[test]
fn github_actions_gets_annotations_and_a_summary_unasked() {
    let file = Scratch::nothing("junit.xml");
    let to_file = format!("junit={}", file.str());
    // Formats for files alone do not say what standard output gets.
    let (run, summary) = in_actions(&["--item", "1.1", "--format", &to_file]);
    let run = run.ends_in_sandbox();
    run.exits(0);
    let begin = run.stdout.find("::").expect("a command");
    let (table, commands) = run.stdout.split_at(begin);
    assert!(table.contains("Phase 1: Basics"), "{table}");
    assert!(
        commands.starts_with("::notice title=Partial run::"),
        "{commands}"
    );
    let text = read(&summary);
    assert!(text.starts_with("what was there\n# "), "{text}");
    assert!(text.contains("| Phase 1: Basics | 4 | 1 |"), "{text}");
    assert!(read(&file).contains("<testsuites name=\"verify\" tests=\"1\""));
}

#[test]
fn whoever_names_a_format_gets_that_alone() {
    let (run, summary) = in_actions(&["--item", "1.1", "--format", "table"]);
    let run = run.ends_in_sandbox();
    run.exits(0);
    assert!(!run.stdout.contains("::"), "{}", run.stdout);
    assert_eq!(read(&summary), "what was there\n");

    let (render, summary) = in_actions(&["render", SAVED]);
    let render = render.ends();
    assert!(!render.stdout.contains("::notice"), "{}", render.stdout);
    assert_eq!(read(&summary), "what was there\n");

    let (render, summary) = in_actions(&["render", SAVED, "--format", "github=/dev/null"]);
    render.ends().exits(0);
    assert!(read(&summary).contains("Verification summary"));
}

#[test]
fn a_summary_is_never_longer_than_github_takes() {
    let (render, summary) = in_actions(&["render", SAVED, "--format", "github"]);
    let limit = 1024 * 1024;
    fs::write(&summary.path, "x".repeat(limit - 100)).expect("a summary");
    render.ends().exits(0);
    assert!(read(&summary).len() <= limit);
    let (render, _summary) = in_actions(&["render", SAVED, "--format", "github"]);
    let render = render.env("GITHUB_STEP_SUMMARY", "/proc/none.md").ends();
    render
        .exits(0)
        .complains(["GITHUB_STEP_SUMMARY", "/proc/none.md"]);
}

#[test]
fn what_the_linter_finds_is_annotated_at_its_line() {
    let wrong = super::lint::tracking_at_info();
    let at = super::support::line_of(&wrong.path, "ngx.INFO, \"Tracking user: ");
    let github = verify(["lint", "--format", "github", "--candidate", wrong.str()]).ends();
    github.exits(1);
    let place = format!("file={},line={at},title=", wrong.str());
    assert!(github.stdout.contains(&place), "{}", github.stdout);
    assert!(github.stdout.lines().all(|line| line.starts_with("::")));
    let sarif = Scratch::nothing("deep/findings.sarif");
    let to_file = format!("sarif={}", sarif.str());
    let both = verify(["lint", "--format", &to_file, "--candidate", wrong.str()]).ends();
    both.exits(1);
    let shown = verify(["lint", "--format", "sarif", "--candidate", wrong.str()]).ends();
    assert_eq!(read(&sarif), shown.stdout);
    assert!(both.stdout.contains("errors"), "{}", both.stdout);
}

// ------------------------------------------------------------------------ where they go

#[test]
fn standard_output_gets_one_format_at_most() {
    let (one, other) = ("json", "markdown=-");
    verify(["render", SAVED, "--format", one, "--format", other])
        .ends()
        .exits(2)
        .complains(["json and markdown cannot both", "standard output", "=PATH"])
        .started_nothing();
    let json = verify(["render", SAVED, "--format", "json=-"]).ends();
    json.exits(0);
    assert!(json.stdout.starts_with('{'));
}

#[test]
fn a_wrong_name_is_told_with_the_nearest() {
    for command in [&["render", SAVED][..], &["run"], &["lint"]] {
        verify(command)
            .arg("--format")
            .arg("markdwon=x.md")
            .ends()
            .exits(2)
            .complains(["`markdwon`", "did you mean `markdown`?", "known: table"])
            .started_nothing();
    }
    verify(["run"])
        .arg("--format=json=")
        .ends()
        .exits(2)
        .complains(["names no file"])
        .started_nothing();
    verify(["lint", "--format", "markdown"])
        .ends()
        .exits(2)
        .complains([
            "--format markdown",
            "`verify lint` has table, json, sarif, github",
        ])
        .started_nothing();
}

#[test]
fn a_place_where_no_file_can_be_is_said_before_anything_starts() {
    let file = Scratch::file("file", "");
    let below = format!("{}/report.json", file.str());
    let folder = file.path.parent().expect("a folder").display().to_string();
    for path in [&below, &folder] {
        verify(["--format", &format!("json={path}")])
            .ends()
            .exits(2)
            .complains(["--format json", path.as_str()])
            .started_nothing();
    }
    verify(["--format", "json=x.json", "--format", "markdown=x.json"])
        .ends()
        .exits(2)
        .complains(["cannot both go to x.json"])
        .started_nothing();
}

/// `/proc` is a folder, and takes no file from anybody.
#[test]
fn a_file_that_cannot_be_written_does_not_hide_the_verdict() {
    let good = Scratch::nothing("good.json");
    let run = verify(["--item", "1.1", "--format", "json=/proc/none.json"])
        .arg(format!("--format=json={}", good.str()))
        .ends_in_sandbox();
    run.exits(4).complains(["/proc/none.json"]);
    assert!(run.stdout.contains("Exit 0"), "{}", run.stdout);
    assert!(good.path.is_file(), "the other one is written");

    let broken = super::support::candidate("\nevents {", "\nevnts {");
    let run = verify(["--item", "1.1", "--format", "json=/proc/none.json"])
        .arg("--candidate")
        .arg(broken.str())
        .ends_in_sandbox();
    run.exits(1).complains(["/proc/none.json"]);

    let lint = verify(["lint", "--format", "sarif=/proc/none.sarif"]).ends();
    lint.exits(2).complains(["/proc/none.sarif"]);
    assert_eq!(lint.stdout, "nothing found\n");
}

#[test]
fn the_environment_and_the_settings_file_name_formats_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |config: &str| {
        let file = folder.path().join("verify.yaml");
        fs::write(&file, config).expect("a settings file");
        verify(["--item", "1.1", "--config"]).arg(&file)
    };
    let list = "format:\n  - json=sub/a.json\n  - markdown\n";
    let listed = run(list).ends_in_sandbox();
    listed.exits(0);
    assert!(listed.stdout.starts_with("# "), "{}", listed.stdout);
    let file = folder.path().join("sub/a.json");
    assert!(file.is_file(), "relative to the file's folder");

    let environment = format!("json, json={}", folder.path().join("b.json").display());
    let over = run("format: markdown\n")
        .env("VERIFY_FORMAT", &environment)
        .ends_in_sandbox();
    over.exits(0);
    let written = fs::read_to_string(folder.path().join("b.json")).expect("it was written");
    assert_eq!(over.stdout, written);

    run("format: [json, jsno]\n")
        .ends()
        .exits(2)
        .complains(["verify.yaml:", "did you mean `json`?"])
        .started_nothing();
    run("")
        .env("VERIFY_FORMAT", "table,jsno")
        .ends()
        .exits(2)
        .complains(["VERIFY_FORMAT: there is no format `jsno`", "`json`"])
        .started_nothing();
}
