//! At a terminal, at the very end: what to do next.

use std::path::Path;

use super::style::{BOLD, Style};
use crate::{
    plan::ItemId,
    report::{
        RunReport, Verdict,
        text::{columns, line, pad},
        words::{fill, quoted, words},
    },
    verdict::{Outcome, run_again},
};

/// What the report itself does not know.
#[derive(Clone, Copy, Debug)]
pub struct Ways<'a> {
    /// The file to open.
    pub report: &'a Path,
    /// The folder, or link, that the other commands are to be given.
    pub run: &'a Path,
    pub undo: Undo<'a>,
}

/// What there is to roll back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Undo<'a> {
    /// Nothing was deployed by `verify`, or it was rolled back.
    Nothing,
    /// A candidate that `verify` deployed in this compose project.
    Project(&'a str),
}

/// What makes sense after this run, each with the command for it, whole, to be copied;
/// and where the candidate failed and was not deployed by `verify`, what that means.
#[must_use]
pub fn next(report: &RunReport, ways: Ways<'_>, style: Style) -> String {
    let w = words(style.lang);
    let entries = entries(report, ways, style);
    let label_room = entries.iter().map(|(label, _)| columns(label)).max();
    let label_room = label_room.unwrap_or(0);
    let longest = entries.iter().map(|(_, command)| columns(command)).max();
    let beside = 2 + label_room + 2 + longest.unwrap_or(0) <= style.width;
    let mut text = style.paint(BOLD, w.what_next);
    for (label, command) in &entries {
        text.push_str(&match beside {
            true => format!("\n  {}  {command}", pad(label, label_room)),
            false => format!("\n  {}\n    {command}", style.paragraph(2, label)),
        });
    }
    if report.verdict == Some(Verdict::Fail)
        && !report.rollback.executed
        && ways.undo == Undo::Nothing
    {
        let note = style.paragraph(0, w.nothing_deployed);
        text.push_str(&format!("\n\n{note}"));
    }
    text + "\n"
}

fn entries(report: &RunReport, ways: Ways<'_>, style: Style) -> Vec<(String, String)> {
    let w = words(style.lang);
    let path = |path: &Path| quoted(&[path.to_string_lossy().into_owned()]);
    let mut entries = vec![(w.open_report.to_owned(), path(ways.report))];
    let mut entry = |label: &str, command: String| entries.push((label.to_owned(), line(&command)));
    if has(report, Outcome::Inconclusive) {
        entry(w.check_environment, "verify doctor".to_owned());
    }
    let open = !run_again(report).is_empty();
    if let Some(command) = repeated(report, open) {
        entry(if open { w.run_open } else { w.run_whole }, command);
    }
    if let Some(item) = first(report) {
        let plan = given(&report.run.command, "--plan");
        let trace = format!("verify trace {} {item}", path(ways.run));
        entry(&fill(w.see_trace, &[("item", &item)]), trace);
        let explain = format!("verify explain {item}{plan}");
        entry(&fill(w.see_checks, &[("item", &item)]), explain);
    }
    // The candidate failed: whole, or in what was selected.
    let failed = match report.verdict {
        Some(verdict) => verdict == Verdict::Fail,
        None => has(report, Outcome::Failed),
    };
    if let (Undo::Project(project), true) = (ways.undo, failed) {
        let project = quoted(&[project.to_owned()]);
        entry(w.put_back, format!("verify rollback --project {project}"));
    }
    entries
}

fn has(report: &RunReport, outcome: Outcome) -> bool {
    report.all_items().any(|item| item.outcome() == outcome)
}

/// The item to look at first: what shows the likeliest cause, else the worst failure.
fn first(report: &RunReport) -> Option<ItemId> {
    if let Some(cause) = report.causes.first() {
        return Some(cause.shown_by);
    }
    let failed = |id: &ItemId| {
        let item = report.item(*id);
        item.is_some_and(|item| item.outcome() == Outcome::Failed)
    };
    let mut findings: Vec<_> = report.findings.iter().collect();
    findings.sort_by_key(|finding| finding.severity as u8);
    let mut items = findings.iter().map(|finding| finding.item);
    items.find(failed)
}

/// The run's own command for what is open, or, where nothing is, for the whole plan; `None` where
/// that would be the very same, or would deploy once more.
fn repeated(report: &RunReport, open: bool) -> Option<String> {
    let typed = &report.run.command;
    let is_run = typed
        .get(1)
        .is_none_or(|word| word == "run" || word.starts_with('-'));
    let deploys = typed.iter().any(|word| word == "--deploy");
    if !is_run || deploys || (!open && !report.run.partial) {
        return None;
    }
    if open {
        let mut again = typed.clone();
        if !again.iter().any(|word| word == "--failed") {
            again.push("--failed".to_owned());
        }
        return Some(quoted(&again));
    }
    Some(quoted(&unchosen(typed)))
}

/// A command line without what chose some of the items.
fn unchosen(typed: &[String]) -> Vec<String> {
    let chooses = ["--phase", "--item", "--tags"];
    let mut whole = Vec::new();
    let mut words = typed.iter();
    while let Some(word) = words.next() {
        if chooses.contains(&word.as_str()) {
            words.next();
        } else if word != "--failed"
            && !chooses
                .iter()
                .any(|flag| word.starts_with(&format!("{flag}=")))
        {
            whole.push(word.clone());
        }
    }
    whole
}

/// A flag with its value as it was typed, with a blank before it; nothing where it was not.
fn given(typed: &[String], flag: &str) -> String {
    let beside = typed.iter().position(|word| word == flag);
    let beside = beside.and_then(|at| typed.get(at + 1)).cloned();
    let with = format!("{flag}=");
    let value = beside.or_else(|| {
        let joined = typed.iter().find_map(|word| word.strip_prefix(&with));
        joined.map(str::to_owned)
    });
    value.map_or_else(String::new, |value| format!(" {flag} {}", quoted(&[value])))
}
