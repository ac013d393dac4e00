//! `verify explain`, `diff` and `history`, on the shipped plan and on saved reports.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ::verify::{
    plan::Lang,
    report::{Fault, RunReport, Status, load},
    verdict::{findings, judge_run, summary},
};
use serde_json::Value;
use tempfile::TempDir;

use super::support::{line_of, root, verify};

/// A folder of saved reports, made of the example of a real run.
struct Saved(TempDir);

impl Saved {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn dir(&self) -> &str {
        self.0.path().to_str().expect("a scratch path is UTF-8")
    }

    /// The example's run once more, at another minute and with a change; judged again.
    fn run(&self, minute: u32, change: impl Fn(&mut RunReport)) -> PathBuf {
        let mut report = load(&root().join("reports/example/pass")).expect("the example");
        report.run.id = format!("20260101T00{minute:02}00-{minute:04x}");
        report.run.started_at = format!("2026-01-01T00:{minute:02}:00+00:00");
        change(&mut report);
        judge(&mut report);
        let dir = self.0.path().join(&report.run.id);
        fs::create_dir(&dir).expect("the folder of a run");
        let json = serde_json::to_string(&report).expect("a report is JSON");
        fs::write(dir.join("report.json"), json).expect("a report can be written");
        dir
    }
}

fn judge(report: &mut RunReport) {
    report.findings = findings(&report.items, &report.extended);
    for row in &mut report.phases {
        *row = summary(row.id, row.title.clone(), &report.items);
    }
    let (verdict, reasons) = judge_run(report);
    report.rollback.required = verdict == Some(::verify::report::Verdict::Fail);
    report.verdict = verdict;
    report.reasons = reasons.iter().map(|reason| reason.text(Lang::En)).collect();
}

/// The candidate fails an item.
fn failing(id: &str) -> impl Fn(&mut RunReport) + use<'_> {
    move |report| {
        let found = report
            .items
            .iter_mut()
            .find(|item| item.id.to_string() == id);
        let item = found.expect("an item of the example");
        item.status = Status::Failed;
        item.fault = Some(Fault::Candidate);
        item.reason = Some("expected a line, saw none".to_owned());
    }
}

fn same(_: &mut RunReport) {}

fn shown(path: &Path) -> &str {
    path.to_str().expect("a scratch path is UTF-8")
}

#[test]
fn an_item_is_explained_from_the_shipped_plan_and_its_mutants() {
    let told = verify(["explain", "3.4"]).ends();
    told.exits(0);
    let feature = Path::new("features/phase3_tracking.feature");
    let row = "| Token API |";
    let place = format!(
        "{}:{}",
        feature.display(),
        line_of(&root().join(feature), row)
    );
    for part in [
        "3.4 Token API tracking",
        "Requests in the context Token API are tracked",
        &place,
        "But the requests that are not tracked left no tracking line",
        "Control",
        "Trap",
        "(tracking-token-api-missing)",
        "(tracking-missing)",
        "sudo docker compose exec redis redis-cli PING",
    ] {
        assert!(told.stdout.contains(part), "`{part}`:\n{}", told.stdout);
    }
}

#[test]
fn several_items_are_explained_in_japanese_too() {
    let told = verify(["explain", "3.4,X.7", "--lang", "ja"]).ends();
    told.exits(0);
    for part in [
        "3.4 Token API追跡",
        "X.7 upstream 停止",
        "落とし穴",
        "失敗時の対応",
    ] {
        assert!(told.stdout.contains(part), "`{part}`:\n{}", told.stdout);
    }
}

#[test]
fn an_item_that_is_not_there_names_those_that_are_near() {
    let told = verify(["explain", "3.9"]).ends();
    told.exits(2)
        .complains(["no item 3.9", "3.4 Token API tracking"]);
    assert_eq!(told.stdout, "");
    let told = verify(["explain", "logout"]).ends();
    told.exits(2).complains(["2.3 Logout"]);
}

#[test]
fn another_plan_has_its_own_mutants_or_none() {
    let plan = ["explain", "1.3", "--plan", "examples/five-items"];
    let told = verify(plan).ends();
    told.exits(0);
    assert!(told.stdout.contains("The old address"), "{}", told.stdout);
    assert!(
        told.stdout.contains("no catalogue of mutants"),
        "{}",
        told.stdout
    );
    let foreign = verify(plan)
        .arg("--mutants")
        .arg("fixtures/mutants/phase7.yaml")
        .ends();
    foreign
        .exits(2)
        .complains(["phase7.yaml:", "the plan has no item"]);
}

#[test]
fn a_newly_failing_item_is_told_and_is_an_exit_code_where_that_is_wanted() {
    let saved = Saved::new();
    let (good, bad) = (saved.run(1, same), saved.run(2, failing("3.1")));
    let diff = |reports: [&Path; 2], flag: &[&str]| {
        let args = ["diff", shown(reports[0]), shown(reports[1])];
        verify(args.iter().chain(flag)).ends()
    };
    let told = diff([&good, &bad], &[]);
    told.exits(0);
    for part in [
        "newly failing",
        "critical",
        "Fail",
        "B against A: 1 newly failing",
    ] {
        assert!(told.stdout.contains(part), "`{part}`:\n{}", told.stdout);
    }
    diff([&good, &bad], &["--exit-code"]).exits(1);
    diff([&bad, &good], &["--exit-code"]).exits(0);
    diff([&good, &good], &["--exit-code"]).exits(0);
    let markdown = diff([&good, &bad], &["--format", "markdown", "--lang", "ja"]);
    markdown.exits(0);
    let row = "| 3.1 MCP/Internal追跡 | 成功 | **新たに失敗** |";
    assert!(markdown.stdout.contains(row), "{}", markdown.stdout);
}

#[test]
fn three_reports_stand_side_by_side() {
    let saved = Saved::new();
    let runs = [
        saved.run(1, same),
        saved.run(2, failing("3.1")),
        saved.run(3, same),
    ];
    let paths = runs.iter().map(|path| shown(path));
    let args: Vec<&str> = ["diff", "--format", "json"]
        .into_iter()
        .chain(paths)
        .collect();
    let told = verify(args).ends();
    told.exits(0);
    let found: Value = serde_json::from_str(&told.stdout).expect("JSON");
    assert_eq!(found["reports"].as_array().map(Vec::len), Some(3));
    assert_eq!(found["items"][0]["id"], "3.1");
    let changes = serde_json::json!(["newly-failing", "fixed"]);
    assert_eq!(found["items"][0]["changes"], changes);
}

#[test]
fn reports_that_cannot_be_compared_are_refused_or_warned_of() {
    let one = verify(["diff", "reports/example/pass"]).ends();
    one.exits(2);
    let none = verify(["diff", "reports/example/pass", "/nowhere/report.json"]).ends();
    none.exits(2).complains(["/nowhere/report.json"]);
    let saved = Saved::new();
    let other = saved.run(1, |report| report.run.stack = "containers".to_owned());
    let told = verify(["diff", "reports/example/pass", shown(&other)]).ends();
    told.exits(0);
    assert!(
        told.stdout.contains("times are not compared"),
        "{}",
        told.stdout
    );
}

#[test]
fn the_history_has_every_run_names_what_wavers_and_what_cannot_be_read() {
    let saved = Saved::new();
    saved.run(3, same);
    saved.run(1, same);
    saved.run(2, failing("3.1"));
    let torn = saved.0.path().join("20260101T000400-0004");
    fs::create_dir(&torn).expect("a folder");
    fs::write(torn.join("report.json"), "{\"schema_version\": 1").expect("a torn report");
    let history = |args: &[&str]| {
        let base = ["history", "--report-dir", saved.dir()];
        verify(base.iter().chain(args)).ends()
    };
    let told = history(&[]);
    told.exits(0);
    for part in ["Runs: 3", "3.1 MCP/Internal tracking", "✔✘✔"] {
        assert!(told.stdout.contains(part), "`{part}`:\n{}", told.stdout);
    }
    assert!(
        told.stdout.contains("20260101T000400-0004 cannot be read"),
        "{}",
        told.stdout
    );
    let json = history(&["--format", "json", "--last", "2", "--item", "3.1"]);
    json.exits(0);
    let found: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(found["older"], 1);
    let ids: Vec<&str> = (found["runs"].as_array().expect("runs").iter())
        .filter_map(|run| run["id"].as_str())
        .collect();
    assert_eq!(ids, ["20260101T000200-0002", "20260101T000300-0003"]);
    assert_eq!(found["flaky"][0]["id"], "3.1");
    assert_eq!(found["unread"][0]["folder"], "20260101T000400-0004");
    history(&["--item", "9.9"]).exits(2).complains(["9.9"]);
    history(&["--item", "three"]).exits(2).complains(["3.4"]);
}

#[test]
fn a_folder_without_runs_says_so() {
    let told = verify(["history"]).ends();
    told.exits(0);
    assert!(
        told.stdout.contains("No report of a run in"),
        "{}",
        told.stdout
    );
}
