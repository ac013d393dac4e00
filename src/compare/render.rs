//! A comparison for people and for programs. Pure.

use super::{
    Comparison,
    words::{conclusions, name, sections, warning},
};
use crate::{
    plan::Lang,
    report::layout::{Tone, title},
    report::render::{
        BOLD, Style,
        text::{self, columns, line, md_inline},
        words::say,
    },
};

/// As JSON: pretty, with a line end.
///
/// # Errors
/// When a path in it is not UTF-8, which JSON cannot hold.
pub fn json(found: &Comparison) -> Result<String, serde_json::Error> {
    text::json(found)
}

/// At a terminal: the reports as columns A, B, C, what speaks against comparing them, what is
/// different, and what it comes to last, where the eye is.
#[must_use]
pub fn table(found: &Comparison, style: Style) -> String {
    let lang = style.lang;
    let lines = |lines: Vec<String>| (!lines.is_empty()).then(|| lines.join("\n"));
    let warnings = found.warnings.iter().map(|one| {
        let text = format!("! {}", style.paragraph(2, &warning(one, lang)));
        Tone::Unsure.paint(&text, style)
    });
    let mut parts = vec![legend(found, style)];
    parts.extend(lines(warnings.collect()));
    for section in sections(found, lang) {
        let note = section
            .note
            .map(|it| format!("\n  {}", style.paragraph(2, it)));
        parts.push(format!(
            "{}{}\n{}",
            title(section.title, style),
            note.unwrap_or_default(),
            section.table.shown(style)
        ));
    }
    let conclusions = conclusions(found, lang);
    let conclusions = conclusions.iter();
    let concluded = conclusions.map(|it| it.tone.paint(&style.paragraph(2, &it.text), style));
    parts.extend(lines(concluded.collect()));
    parts.join("\n\n") + "\n"
}

fn legend(found: &Comparison, style: Style) -> String {
    let reports = found.reports.iter().enumerate().map(|(at, report)| {
        let name = name(at);
        let indent = columns(&name) + 2;
        let run = format!("{}  {}  {}", report.id, report.started_at, report.stack);
        let files = format!(
            "{} -> {}",
            report.baseline.path.to_string_lossy(),
            report.candidate.path.to_string_lossy()
        );
        format!(
            "{}  {}\n{}{}",
            style.paint(BOLD, &name),
            style.paragraph(indent, &line(&run)),
            " ".repeat(indent),
            style.paragraph(indent, &line(&files))
        )
    });
    reports.collect::<Vec<_>>().join("\n")
}

/// As Markdown: the same tables.
#[must_use]
pub fn markdown(found: &Comparison, lang: Lang) -> String {
    let title = say(lang, "Comparison of verification runs", "検証結果の比較");
    let mut text = format!("# {title}\n\n");
    for (at, report) in found.reports.iter().enumerate() {
        text.push_str(&format!(
            "- **{}**: {}, {}, {}, {} -> {}\n",
            name(at),
            md_inline(&report.id),
            md_inline(&report.started_at),
            md_inline(&report.stack),
            md_inline(&report.baseline.path.to_string_lossy()),
            md_inline(&report.candidate.path.to_string_lossy()),
        ));
    }
    for cell in conclusions(found, lang) {
        let strong = if cell.tone == Tone::Bad { "**" } else { "" };
        text.push_str(&format!("\n{strong}{}{strong}\n", md_inline(&cell.text)));
    }
    for one in &found.warnings {
        text.push_str(&format!("\n> ⚠ {}\n", md_inline(&warning(one, lang))));
    }
    for section in sections(found, lang) {
        text.push_str(&format!("\n## {}\n\n", section.title));
        if let Some(note) = section.note {
            text.push_str(&format!("{}\n\n", md_inline(note)));
        }
        text.push_str(&section.table.markdown());
    }
    text
}
