//! The report at a terminal.

use tabled::{
    builder::Builder,
    settings::{Alignment, Style as Borders, object::Columns},
};

use super::{
    Style, causes, lint, table_items,
    text::{columns, line, wrap},
    words::{self, say},
};
use crate::{
    gate::{Policy, decide},
    plan::Lang,
    report::{Finding, RunReport, Verdict},
    verdict::{Standing, standing},
};

/// Below so many columns the tables have another form.
const NARROW: usize = 60;

/// What is to be seen first.
pub const BOLD: &str = "1";
/// What is wrong.
pub const RED: &str = "1;31";
/// What is right.
pub const GREEN: &str = "1;32";
/// What is to be looked at.
pub const YELLOW: &str = "1;33";

impl Style {
    /// `text` in a colour, where there are colours.
    #[must_use]
    pub fn paint(self, sgr: &str, text: &str) -> String {
        if self.color {
            format!("\u{1b}[{sgr}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// `text` in lines of this width, those after the first indented.
    #[must_use]
    pub fn paragraph(self, indent: usize, text: &str) -> String {
        let lines = wrap(text, self.width.saturating_sub(indent).max(20));
        lines.join(&format!("\n{}", " ".repeat(indent)))
    }
}

/// The report as a person reads it at a terminal: the plan's summary table, the findings,
/// whatever did not pass in full, and the verdict last, where the eye is.
#[must_use]
pub fn table(report: &RunReport, style: Style) -> String {
    let mut parts = vec![heading(report, style), summary(report, style)];
    if let Some(unclear) = inconclusive(report, style) {
        parts.push(unclear);
    }
    if !report.findings.is_empty() {
        parts.push(findings(report, style));
    }
    parts.extend(causes::table(report, style));
    parts.extend(table_items::details(report, style));
    if !report.lint.is_empty() {
        parts.push(lint::section(report, style));
    }
    if report.rollback.required || report.rollback.executed {
        parts.push(table_items::rollback(report, style));
    }
    parts.push(components(report, style));
    parts.push(verdict(report, style));
    if let Some(outcome) = words::rollback_outcome(report, style.lang) {
        let ok = report
            .rollback
            .steps
            .iter()
            .all(|step| step.ok == Some(true));
        let sgr = if ok { YELLOW } else { RED };
        parts.push(style.paint(sgr, &style.paragraph(2, outcome)));
    }
    parts.join("\n\n") + "\n"
}

/// How much of a hash tells files apart for a person.
const SHORT: usize = 12;

fn heading(report: &RunReport, style: Style) -> String {
    let run = &report.run;
    let took = words::duration(run.duration_ms);
    let facts = format!("{}  {}  {}  {took}", run.id, run.stack, run.profile);
    let candidate = run.candidate.path.to_string_lossy();
    let baseline = run.baseline.path.to_string_lossy();
    let mut text = format!(
        "{}\n{}\n{}",
        style.paint(BOLD, &style.paragraph(2, &line(run.plan.get(style.lang)))),
        style.paragraph(2, &line(&facts)),
        style.paragraph(2, &line(&format!("{baseline} -> {candidate}"))),
    );
    for source in &run.sources {
        let label = words::source_name(source.role, style.lang);
        let sha256: String = source.sha256.chars().take(SHORT).collect();
        let told = format!("{label}: {} (SHA-256 {sha256}…)", source.path.display());
        text.push('\n');
        text.push_str(&style.paragraph(2, &line(&told)));
    }
    text
}

/// The plan's 検証サマリー. Where its words do not fit, signs stand for them, and are explained.
fn summary(report: &RunReport, style: Style) -> String {
    let words = match style.lang {
        Lang::En => ["Phase", "Items", "Passed", "Failed", "Skipped"],
        Lang::Ja => ["Phase", "項目数", "成功", "失敗", "スキップ"],
    };
    let narrow = style.width < NARROW;
    let head = match narrow {
        true => ["Phase", "Σ", "✔", "✘", "-"],
        false => words,
    };
    // What is left of the width for the phases' titles.
    let numbers: usize = head[1..].iter().map(|word| columns(word) + 3).sum();
    let room = style.width.saturating_sub(numbers + 4).max(12);
    let mut builder = Builder::default();
    builder.push_record(head);
    for phase in &report.phases {
        let title = line(phase.title.get(style.lang));
        let title = match narrow {
            true => format!("{} {title}", phase.id),
            false => format!("Phase {}: {title}", phase.id),
        };
        builder.push_record([
            wrap(&title, room).join("\n"),
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

/// The table counts what is inconclusive as skipped; here it is named.
fn inconclusive(report: &RunReport, style: Style) -> Option<String> {
    let unclear: Vec<String> = (report.items.iter())
        .filter(|item| standing(item) == Standing::Unclear)
        .map(|item| item.id.to_string())
        .collect();
    if unclear.is_empty() {
        return None;
    }
    let label = say(
        style.lang,
        "Inconclusive (counted as skipped)",
        "判定不能（スキップに計上）",
    );
    Some(style.paragraph(2, &format!("{label}: {}", unclear.join(", "))))
}

/// The plan's 検出された問題.
fn findings(report: &RunReport, style: Style) -> String {
    let lang = style.lang;
    let head = match lang {
        Lang::En => ["No", "Problem", "Severity", "State"],
        Lang::Ja => ["No", "問題内容", "重大度", "対応状況"],
    };
    let rows: Vec<[String; 4]> = (report.findings.iter())
        .map(|finding| {
            [
                finding.no.to_string(),
                problem(report, finding, style),
                words::severity(finding.severity, lang).to_owned(),
                words::state(finding.state, lang).to_owned(),
            ]
        })
        .collect();
    let widest = |column: usize| {
        let cells = rows.iter().map(|row| columns(&row[column]));
        cells.chain([columns(head[column])]).max().unwrap_or(0)
    };
    // Three columns beside the problem; each cell has a blank on both sides and a border.
    let others = widest(0) + widest(2) + widest(3) + 4 * 3 + 1;
    let room = style.width.saturating_sub(others);
    let title = style.paint(BOLD, say(lang, "Problems found", "検出された問題"));
    if room < 20 {
        return title + &list(&rows, style);
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

/// The same as a list, where there is no room for a table.
fn list(rows: &[[String; 4]], style: Style) -> String {
    let entry = |[no, problem, severity, state]: &[String; 4]| {
        let what = style.paragraph(5, problem);
        format!("\n {no:>2}. {what}\n     {severity}, {state}")
    };
    rows.iter().map(entry).collect()
}

/// What the problem is; why it did not run, where the details below do not say it.
fn problem(report: &RunReport, finding: &Finding, style: Style) -> String {
    let mut all = report.items.iter().chain(&report.extended);
    let Some(item) = all.find(|item| item.id == finding.item) else {
        return line(&format!("{} {}", finding.item, finding.summary));
    };
    let what = words::standing_word(item, style.lang);
    let title = format!("{} {}: {what}", item.id, item.title.get(style.lang));
    match standing(item) {
        Standing::Skipped => line(&format!("{title}: {}", words::reason(item, style.lang))),
        _ => match (causes::number(report, item.id), style.lang) {
            (Some(no), Lang::En) => line(&format!("{title} (cause {no})")),
            (Some(no), Lang::Ja) => line(&format!("{title}（原因{no}）")),
            (None, _) => line(&title),
        },
    }
}

fn components(report: &RunReport, style: Style) -> String {
    let lang = style.lang;
    let real = |real: bool| {
        let all = report.run.components.iter().filter(|one| one.real == real);
        let named = all.map(|one| format!("{} {} {}", one.service, one.program, one.version));
        named.collect::<Vec<_>>().join(", ")
    };
    let mut kinds = Vec::new();
    for (label, list) in [
        (say(lang, "real", "実物"), real(true)),
        (say(lang, "doubles", "代替"), real(false)),
    ] {
        if !list.is_empty() {
            kinds.push(format!("{label}: {list}"));
        }
    }
    if kinds.is_empty() {
        kinds.push(say(lang, "none was started", "起動なし").to_owned());
    }
    let label = say(lang, "Components", "構成");
    style.paragraph(2, &line(&format!("{label}: {}", kinds.join("; "))))
}

fn verdict(report: &RunReport, style: Style) -> String {
    let lang = style.lang;
    let passed: u32 = report.phases.iter().map(|phase| phase.passed).sum();
    let total: u32 = report.phases.iter().map(|phase| phase.total).sum();
    let count = match lang {
        Lang::En => format!("{passed} of {total} items passed"),
        Lang::Ja => format!("{total}項目中{passed}項目が成功"),
    };
    let mut lines = Vec::new();
    match report.verdict {
        Some(verdict) => {
            let (name, sentence) = words::verdict(verdict, lang);
            let sgr = match verdict {
                Verdict::Pass => GREEN,
                Verdict::Fail => RED,
                Verdict::Conditional | Verdict::Inconclusive => YELLOW,
            };
            let label = say(lang, "Verdict", "総合評価");
            let text = style.paragraph(2, &format!("{label}: {name} ({count}): {sentence}"));
            lines.push(style.paint(sgr, &text));
        }
        None => {
            let text = format!("{} ({count})", words::partial_notice(lang));
            lines.push(style.paint(YELLOW, &style.paragraph(2, &text)));
        }
    }
    for reason in words::reasons(report, lang) {
        lines.push(format!("  - {}", style.paragraph(4, &line(&reason))));
    }
    if let Err(error) = decide(report, Policy::default()) {
        let label = say(
            lang,
            "Do not trust this report",
            "このレポートは信頼できません",
        );
        let text = style.paragraph(2, &line(&format!("{label}: {error}")));
        lines.push(style.paint(RED, &text));
    }
    lines.join("\n")
}
