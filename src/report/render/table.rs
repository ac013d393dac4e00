//! The report at a terminal.

use tabled::{
    builder::Builder,
    settings::{Alignment, Style as Borders, object::Columns},
};

use super::{
    failure::{field, fields, headline, told},
    lint,
    style::{BOLD, GREEN, RED, Style, YELLOW},
};
use crate::{
    report::{
        Verdict,
        text::{columns, line, wrap},
        view::{Cause, Finding, Item, Rollback, View},
        words::fill,
    },
    verdict::Outcome,
};

/// Below so many columns the tables have another form.
const NARROW: usize = 60;

/// How much of a hash tells files apart for a person.
const SHORT: usize = 12;

/// The report as a person reads it at a terminal: the plan's summary table, the findings,
/// whatever did not pass in full, and the verdict last, where the eye is.
#[must_use]
pub fn table(view: &View<'_>, style: Style) -> String {
    let w = view.t;
    let mut parts = vec![heading(view, style), summary(view, style)];
    if !view.inconclusive.is_empty() {
        let counted = format!("{}: {}", w.counted_as_skipped, view.inconclusive);
        parts.push(style.paragraph(2, &counted));
    }
    if !view.findings.is_empty() {
        parts.push(findings(view, style));
    }
    if let Some((first, others)) = view.causes.split_first() {
        let title = style.paint(BOLD, w.causes);
        parts.push(format!("{title}\n{}", cause(view, first, style)));
        parts.extend(others.iter().map(|other| cause(view, other, style)));
    }
    parts.extend(
        problems(view)
            .iter()
            .map(|items| problem(view, items, style)),
    );
    if !view.lint.is_empty() {
        parts.push(lint::section(view, style));
    }
    if let Some(rollback) = &view.rollback {
        parts.push(self::rollback(view, rollback, style));
    }
    parts.push(components(view, style));
    parts.push(verdict(view, style));
    if !view.decision.rollback.is_empty() {
        let sgr = if view.decision.rollback_failed {
            RED
        } else {
            YELLOW
        };
        parts.push(style.paint(sgr, &style.paragraph(2, view.decision.rollback)));
    }
    parts.join("\n\n") + "\n"
}

fn heading(view: &View<'_>, style: Style) -> String {
    let run = &view.run;
    let facts = [&*run.id, &run.stack, &run.profile, &run.took].join("  ");
    let mut files = view.files.iter();
    let mut path = || files.next().map_or("", |file| file.path.as_str());
    let (candidate, baseline) = (path(), path());
    let mut text = format!(
        "{}\n{}\n{}",
        style.paint(BOLD, &style.paragraph(2, &view.title)),
        style.paragraph(2, &facts),
        style.paragraph(2, &format!("{baseline} -> {candidate}")),
    );
    for file in files {
        let sha256: String = file.sha256.chars().take(SHORT).collect();
        let source = format!("{}: {} (SHA-256 {sha256}…)", file.label, file.path);
        text.push('\n');
        text.push_str(&style.paragraph(2, &source));
    }
    text
}

/// The plan's 検証サマリー. Where its words do not fit, signs stand for them, and are explained.
fn summary(view: &View<'_>, style: Style) -> String {
    let w = view.t;
    let words = [
        w.phase,
        w.items,
        w.column_passed,
        w.column_failed,
        w.column_skipped,
    ];
    let narrow = style.width < NARROW;
    let head = match narrow {
        true => [w.phase, "Σ", "✔", "✘", "-"],
        false => words,
    };
    // What is left of the width for the phases' titles.
    let numbers: usize = head[1..].iter().map(|word| columns(word) + 3).sum();
    let room = style.width.saturating_sub(numbers + 4).max(12);
    let mut builder = Builder::default();
    builder.push_record(head);
    for phase in &view.phases {
        let title = match narrow {
            true => &format!("{} {}", phase.id, phase.title),
            false => &phase.heading,
        };
        builder.push_record([
            wrap(title, room).join("\n"),
            phase.total.to_string(),
            phase.passed.to_string(),
            phase.failed.to_string(),
            phase.skipped.to_string(),
        ]);
    }
    let mut table = builder.build();
    table
        .with(Borders::sharp())
        .modify(Columns::new(1..), Alignment::right());
    if !narrow {
        return table.to_string();
    }
    let signs = head.iter().zip(words).skip(1);
    let signs: Vec<String> = signs.map(|(sign, word)| format!("{sign} {word}")).collect();
    format!("{table}\n{}", style.paragraph(0, &signs.join("  ")))
}

/// The plan's 検出された問題; as a list, where there is no room for a table.
fn findings(view: &View<'_>, style: Style) -> String {
    let w = view.t;
    let head = [w.no, w.problem, w.severity, w.state];
    let row = |one: &Finding| {
        let problem = line(&format!("{}{}", one.heading, one.note));
        let (severity, state) = (one.severity.to_owned(), one.state.to_owned());
        [one.no.to_string(), problem, severity, state]
    };
    let rows: Vec<[String; 4]> = view.findings.iter().map(row).collect();
    let widest = |column: usize| {
        let cells = rows.iter().map(|row| columns(&row[column]));
        cells.chain([columns(head[column])]).max().unwrap_or(0)
    };
    // Three columns beside the problem; each cell has a blank on both sides and a border.
    let others = widest(0) + widest(2) + widest(3) + 4 * 3 + 1;
    let room = style.width.saturating_sub(others);
    let title = style.paint(BOLD, w.findings);
    if room < 20 {
        let entry = |[no, problem, severity, state]: &[String; 4]| {
            let what = style.paragraph(5, problem);
            format!("\n {no:>2}. {what}\n     {severity}, {state}")
        };
        return title + &rows.iter().map(entry).collect::<String>();
    }
    let mut builder = Builder::default();
    builder.push_record(head);
    for [no, problem, severity, state] in rows {
        builder.push_record([no, wrap(&problem, room).join("\n"), severity, state]);
    }
    let mut table = builder.build();
    table
        .with(Borders::sharp())
        .modify(Columns::first(), Alignment::right());
    format!("{title}\n{table}")
}

fn cause(view: &View<'_>, cause: &Cause, style: Style) -> String {
    let w = view.t;
    let title = fill(w.cause, &[("no", &cause.no), ("cause", &cause.cause)]);
    let mut next = cause.remedy.clone();
    for command in &cause.look {
        next.push_str(&format!("\n    {command}"));
    }
    let shown = [
        (w.short_explains, cause.explains.join(", ")),
        (w.short_seen, format!("({}) {}", cause.shown_by, cause.seen)),
        (w.short_next, next),
    ];
    style.paint(RED, &style.paragraph(2, &title)) + &fields(&shown, style)
}

/// Whatever failed or is inconclusive; those that are inconclusive for the very same cause
/// together. What a cause explains is shown by one of its items.
fn problems<'a>(view: &'a View<'_>) -> Vec<Vec<&'a Item>> {
    let same = |first: &Item, next: &Item| {
        first.outcome == Outcome::Inconclusive
            && first.failure == next.failure
            && first.reason == next.reason
    };
    let shown_elsewhere = |item: &Item| {
        let mut causes = view.causes.iter();
        causes.any(|cause| cause.explains.contains(&item.id) && cause.shown_by != item.id)
    };
    let mut groups: Vec<Vec<&Item>> = Vec::new();
    for item in view.items().filter(|item| item.problem) {
        match groups.last_mut() {
            _ if item.outcome == Outcome::Failed && shown_elsewhere(item) => {}
            Some(group) if item.outcome == Outcome::Inconclusive && same(group[0], item) => {
                group.push(item);
            }
            _ => groups.push(vec![item]),
        }
    }
    groups
}

fn problem(view: &View<'_>, items: &[&Item], style: Style) -> String {
    let w = view.t;
    let item = items[0];
    let failed = item.outcome == Outcome::Failed;
    let title = match items.len() {
        1 => format!("{}{}: {}", item.name(), item.weight, item.word),
        _ => {
            let ids: Vec<&str> = items.iter().map(|item| item.id.as_str()).collect();
            format!("{}: {}", ids.join(", "), item.word)
        }
    };
    let sgr = if failed { RED } else { YELLOW };
    let mut text = style.paint(sgr, &style.paragraph(2, &title));
    let mut shown = match &item.failure {
        Some(failure) => {
            text.push_str(&headline(failure, style));
            told(failure, style)
        }
        None => vec![(w.short_reason, item.reason.clone())],
    };
    if failed {
        shown.push((w.short_matters, item.why.clone()));
    }
    if !failed || view.cause_of(item.item).is_none() {
        shown.push((w.short_next, item.next.clone()));
    }
    text + &fields(&shown, style)
}

/// The plan's ロールバック手順, and what was done of it.
fn rollback(view: &View<'_>, rollback: &Rollback, style: Style) -> String {
    let title = match rollback.executed {
        true => view.t.rollback_done,
        false => view.t.rollback_to_do,
    };
    let mut text = style.paint(BOLD, &style.paragraph(2, title));
    for (step, no) in rollback.steps.iter().zip(1..) {
        text.push_str(&format!("\n  {no}. {}", step.title));
        match step.class {
            "passed" => text.push_str(&format!(": {}", style.paint(GREEN, step.word))),
            "failed" => text.push_str(&format!(": {}", style.paint(RED, step.word))),
            _ => {}
        }
        for command in step.command.lines() {
            text.push_str(&format!("\n         {command}"));
        }
        if step.class != "open" {
            text.push_str(&field("   ", &step.seen, false, style));
        }
    }
    text
}

fn components(view: &View<'_>, style: Style) -> String {
    let w = view.t;
    let list = |real: bool, label: &str| {
        let these = view.components.iter().filter(|one| one.real == real);
        let named = these.map(|one| format!("{} {} {}", one.service, one.program, one.version));
        let list = named.collect::<Vec<_>>().join(", ");
        (!list.is_empty()).then(|| format!("{label}: {list}"))
    };
    let kinds = [list(true, w.real), list(false, w.doubles)];
    let mut kinds: Vec<String> = kinds.into_iter().flatten().collect();
    if kinds.is_empty() {
        kinds.push(w.none_started.to_owned());
    }
    style.paragraph(2, &format!("{}: {}", w.components, kinds.join("; ")))
}

fn verdict(view: &View<'_>, style: Style) -> String {
    let (w, decision) = (view.t, &view.decision);
    let text = match decision.verdict {
        Some(_) => format!(
            "{}: {} ({}): {}",
            w.verdict, decision.name, decision.count, decision.meaning
        ),
        None => format!("{} ({})", decision.meaning, decision.count),
    };
    let sgr = match decision.verdict {
        Some(Verdict::Pass) => GREEN,
        Some(Verdict::Fail) => RED,
        Some(Verdict::Conditional | Verdict::Inconclusive) | None => YELLOW,
    };
    let mut lines = vec![style.paint(sgr, &style.paragraph(2, &text))];
    for reason in &decision.reasons {
        lines.push(format!("  - {}", style.paragraph(4, reason)));
    }
    if !decision.distrust.is_empty() {
        let text = format!("{}: {}", w.distrust, decision.distrust);
        lines.push(style.paint(RED, &style.paragraph(2, &text)));
    }
    lines.join("\n")
}
