//! At a terminal, at the very end: what to do next.

use std::path::Path;

use super::{
    BOLD, Style,
    text::{columns, line, pad},
    words::{self, say},
};
use crate::{
    plan::{ItemId, Lang},
    report::{RunReport, Verdict},
    verdict::{Standing, is_selected, run_again, standing},
};

/// What the report itself does not know.
#[derive(Clone, Copy, Debug)]
pub struct Ways<'a> {
    /// The file to open.
    pub report: &'a Path,
    /// The folder, or link, that the other commands are to be given.
    pub run: &'a Path,
    /// What there is to roll back.
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
    let lang = style.lang;
    let entries = entries(report, ways, lang);
    let title = say(lang, "What next", "次の操作");
    let label_room = entries.iter().map(|(label, _)| columns(label)).max();
    let label_room = label_room.unwrap_or(0);
    let longest = entries.iter().map(|(_, command)| columns(command)).max();
    let beside = 2 + label_room + 2 + longest.unwrap_or(0) <= style.width;
    let mut text = style.paint(BOLD, title);
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
        let note = say(
            lang,
            "verify deployed nothing, so there is nothing for it to roll back: the baseline stays. \
             Where the candidate runs already, the plan's way back is above, step by step.",
            "verify は何もデプロイしていないため、verify によるロールバックは不要です（旧設定のまま）。\
             新しい設定が既に稼働している場合は、上記の計画の手順でロールバックしてください。",
        );
        text.push_str(&format!("\n\n{}", style.paragraph(0, note)));
    }
    text + "\n"
}

fn entries(report: &RunReport, ways: Ways<'_>, lang: Lang) -> Vec<(String, String)> {
    let path = |path: &Path| words::quoted(&[path.to_string_lossy().into_owned()]);
    let mut entries = vec![(
        say(lang, "open the report", "レポートを開く").to_owned(),
        path(ways.report),
    )];
    let open = run_again(report);
    let all = || report.items.iter().chain(&report.extended);
    if all().any(|item| is_selected(item) && standing(item) == Standing::Unclear) {
        let label = say(lang, "see what a run needs", "実行環境を確認");
        entries.push((label.to_owned(), "verify doctor".to_owned()));
    }
    if let Some(command) = repeated(report, !open.is_empty()) {
        let label = match open.is_empty() {
            true => say(
                lang,
                "run the whole plan, for a verdict",
                "計画全体を実行（総合評価）",
            ),
            false => say(lang, "run only what did not pass", "未成功の項目のみ再実行"),
        };
        entries.push((label.to_owned(), command));
    }
    if let Some(item) = first(report) {
        let plan = given(&report.run.command, "--plan");
        let label = match lang {
            Lang::En => format!("see the trace of {item}"),
            Lang::Ja => format!("{item} のトレースを表示"),
        };
        entries.push((label, format!("verify trace {} {item}", path(ways.run))));
        let label = match lang {
            Lang::En => format!("see what {item} checks"),
            Lang::Ja => format!("{item} の検証内容を表示"),
        };
        entries.push((label, format!("verify explain {item}{plan}")));
    }
    if let (Undo::Project(project), true) = (ways.undo, failed(report)) {
        let label = say(lang, "put the baseline back", "旧設定に戻す");
        let project = words::quoted(&[project.to_owned()]);
        entries.push((
            label.to_owned(),
            format!("verify rollback --project {project}"),
        ));
    }
    let one_line = |(label, command): (String, String)| (label, line(&command));
    entries.into_iter().map(one_line).collect()
}

/// Whether the candidate failed: whole, or in what was chosen.
fn failed(report: &RunReport) -> bool {
    let mut all = report.items.iter().chain(&report.extended);
    match report.verdict {
        Some(verdict) => verdict == Verdict::Fail,
        None => all.any(|item| standing(item) == Standing::Failed),
    }
}

/// The item to look at first: what shows the likeliest cause, else the worst failure.
fn first(report: &RunReport) -> Option<ItemId> {
    if let Some(cause) = report.causes.first() {
        return Some(cause.shown_by);
    }
    let failed = |id: &ItemId| {
        let mut all = report.items.iter().chain(&report.extended);
        all.any(|item| item.id == *id && standing(item) == Standing::Failed)
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
        return Some(words::quoted(&again));
    }
    Some(words::quoted(&unchosen(typed)))
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
    value.map_or_else(String::new, |value| {
        format!(" {flag} {}", words::quoted(&[value]))
    })
}
