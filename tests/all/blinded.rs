//! A harness that cannot see says so: for each sense that is blind, every item that uses it is
//! inconclusive, and none blames the candidate or passes.

use std::{fs, sync::Mutex, thread};

use verify::{engine::event::NEEDS_BROWSER, verdict::NOT_SELECTED};

use super::browser::has_browser;
use super::support::{Scratch, needs_sandbox, replaced, root, verify};

/// The senses, as `--blind` names them.
const SENSES: [&str; 9] = [
    "log-cut",
    "log-other",
    "upstream-journal",
    "idp-journal",
    "redis",
    "sockets",
    "states-gone",
    "states-unreadable",
    "files",
];

/// The shipped profile, with a shorter wait for what cannot come, and no claim on response
/// times: how fast the machine is decides nothing here.
fn profile() -> Scratch {
    let shipped = fs::read_to_string(root().join("fixtures/profiles/plan.yaml"));
    let shipped = shipped.expect("the shipped profile");
    let shipped = replaced(&shipped, "deadline_ms: 1000\n", "deadline_ms: 300\n");
    let shipped = replaced(&shipped, "slower_ratio: 0.10\n", "slower_ratio: 1000\n");
    Scratch::file("plan.yaml", shipped)
}

/// What the real browser does, and the sense that it is.
const BROWSER: &str = "browser";
const IN_BROWSER: [&str; 4] = [
    "--browser",
    "chromium",
    "--item",
    "2.1,2.2,2.3,4.1,X.9,X.18,X.19",
];

/// One cell of the table: whether the item read through the blinded sense, and what became of it.
struct Cell {
    item: String,
    sense: &'static str,
    read: bool,
    status: String,
    candidate: bool,
    why: String,
}

/// What one run with one blind sense came to.
fn cells(sense: &'static str, chosen: &[&str]) -> Vec<Cell> {
    let profile = profile();
    let mut run = verify(["--blind", sense, "--profile", profile.str()]);
    run.command.args(chosen);
    let ended = run.ends_in_sandbox();
    let report = ended.report();
    assert_eq!(report.0["run"]["stack"], "fake", "{sense}");
    if chosen.is_empty() {
        ended.exits(4);
        assert_eq!(report.verdict(), "inconclusive", "{sense}");
    }
    assert_eq!(report.0["rollback"]["required"], false, "{sense}");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let extended = report.0["extended"].as_array().into_iter().flatten();
    let items = report.items().iter().chain(extended);
    items
        // What only a real browser can go through is looked at in the runs in one, and those look
        // at nothing else.
        .filter(|item| item["reason"] != NEEDS_BROWSER && item["reason"] != NOT_SELECTED)
        .map(|item| {
            let evidence = item["evidence"].as_array().into_iter().flatten();
            let mut titles = evidence.map(|evidence| text(&evidence["title"]));
            Cell {
                item: text(&item["id"]),
                sense,
                read: titles.any(|title| title == "read through the blinded sense"),
                status: text(&item["status"]),
                candidate: item["fault"] == "candidate",
                why: format!("{} {}", item["reason"], item["failure"]),
            }
        })
        .collect()
}

/// Every cell, two senses at a time.
fn table(senses: &[&'static str], chosen: &[&str]) -> Vec<Cell> {
    let left = Mutex::new(senses.iter());
    let all = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = left.lock().expect("no panic while it is held").next();
                    let Some(sense) = next else { break };
                    let found = cells(sense, chosen);
                    all.lock().expect("no panic while it is held").extend(found);
                }
            });
        }
    });
    all.into_inner().expect("no panic while it was held")
}

/// What is wrong with a cell, whatever the table says that it should be.
fn complaint(cell: &Cell) -> Option<String> {
    let Cell {
        item, sense, why, ..
    } = cell;
    match (cell.status.as_str(), cell.candidate) {
        (_, true) | ("failed", _) => Some(format!("{sense}: {item} blames the candidate: {why}")),
        ("passed", _) if cell.read => Some(format!("{sense}: {item} read blindly, and passed")),
        ("passed" | "inconclusive", _) => None,
        (status, _) => Some(format!("{sense}: {item} is {status}: {why}")),
    }
}

/// The table as text, an item a line.
fn drawn(cells: &[Cell], senses: &[&str]) -> String {
    let mut items: Vec<&str> = Vec::new();
    for cell in cells {
        if !items.contains(&cell.item.as_str()) {
            items.push(&cell.item);
        }
    }
    let head: String = senses.iter().map(|sense| format!("{sense:18}")).collect();
    let mut lines = vec![format!("{:6}{head}", "")];
    for item in items {
        let status = |sense: &&str| {
            let of = |cell: &&Cell| cell.item == item && cell.sense == *sense;
            let cell = cells.iter().find(of).expect("every run has every item");
            format!("{:18}", cell.status)
        };
        let row: String = senses.iter().map(status).collect();
        lines.push(format!("{item:6}{row}"));
    }
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    lines.join("\n")
}

/// Runs with each of the senses blind.
fn seen_without(senses: &[&'static str]) -> Vec<Cell> {
    needs_sandbox();
    let cells = table(senses, &[]);
    let wrong: Vec<String> = cells.iter().filter_map(complaint).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for sense in senses {
        let read = cells.iter().any(|cell| cell.sense == *sense && cell.read);
        assert!(read, "{sense}: nothing was read through it");
    }
    cells
}

#[test]
fn no_item_passes_or_blames_the_candidate_where_log_journal_or_redis_is_blind() {
    seen_without(&["log-cut", "upstream-journal", "redis"]);
}

#[test]
#[ignore = "each sense, seven minutes: make test-all"]
fn no_item_passes_or_blames_the_candidate_by_a_sense_that_is_blind() {
    let cells = seen_without(&SENSES);
    insta::assert_snapshot!(drawn(&cells, &SENSES));
}

/// The same of what a real browser does, which may be blind itself.
#[test]
#[ignore = "each sense and the browser, four minutes: make test-all"]
fn nothing_in_a_real_browser_passes_or_blames_the_candidate_by_a_sense_that_is_blind() {
    needs_sandbox();
    if !has_browser() {
        return;
    }
    let senses: Vec<&str> = SENSES.into_iter().chain([BROWSER]).collect();
    let cells = table(&senses, &IN_BROWSER);
    let wrong: Vec<String> = cells.iter().filter_map(complaint).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let read = cells.iter().any(|cell| cell.sense == BROWSER && cell.read);
    assert!(read, "nothing was looked at in the blind browser");
    let blind = |cell: &&Cell| cell.sense == BROWSER && cell.status == "inconclusive";
    let inconclusive: Vec<&str> = cells.iter().filter(blind).map(|cell| &*cell.item).collect();
    for item in ["X.18", "X.19"] {
        assert!(inconclusive.contains(&item), "{inconclusive:?}");
    }
    insta::assert_snapshot!(drawn(&cells, &senses));
}

#[test]
fn a_blind_run_is_for_the_sandbox_alone_and_in_no_help() {
    for stack in ["containers", "compose", "auto"] {
        verify(["--blind", "redis", "--stack", stack])
            .ends()
            .exits(2)
            .complains(["go with --stack sandbox"])
            .started_nothing();
    }
    verify(["--blind", "smell"])
        .ends()
        .exits(2)
        .complains(["there is no sense `smell`"]);
    let help = verify(["--help"]).ends();
    help.exits(0);
    for flag in ["--blind", "--trouble", "--foreign-traffic"] {
        assert!(!help.stdout.contains(flag), "{}", help.stdout);
    }
}
