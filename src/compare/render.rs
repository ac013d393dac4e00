//! A comparison for people and for programs. Pure.

use super::{
    Comparison,
    sections::{Cell, Row, Section, Tone, conclusions, name, sections, warning},
};
use crate::{
    plan::Lang,
    report::render::{
        BOLD, GREEN, RED, Style, YELLOW,
        text::{self, columns, line, md_inline, pad, wrap},
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
    let mut parts = vec![legend(found, style)];
    if !found.warnings.is_empty() {
        let warnings: Vec<String> = (found.warnings.iter())
            .map(|one| {
                style.paint(
                    YELLOW,
                    &format!("! {}", style.paragraph(2, &warning(one, style.lang))),
                )
            })
            .collect();
        parts.push(warnings.join("\n"));
    }
    for section in sections(found, style.lang) {
        parts.push(grid(&section, found.reports.len(), style));
    }
    let lines: Vec<String> = conclusions(found, style.lang)
        .iter()
        .map(|cell| paint(cell.tone, &style.paragraph(2, &cell.text), style))
        .collect();
    parts.push(lines.join("\n"));
    parts.join("\n\n") + "\n"
}

fn legend(found: &Comparison, style: Style) -> String {
    let mut lines = Vec::new();
    for (at, report) in found.reports.iter().enumerate() {
        let run = line(&format!(
            "{}  {}  {}",
            report.id, report.started_at, report.stack
        ));
        let files = line(&format!(
            "{} -> {}",
            report.baseline.path.to_string_lossy(),
            report.candidate.path.to_string_lossy()
        ));
        let name = name(at);
        let indent = columns(&name) + 2;
        let name = style.paint(BOLD, &name);
        lines.push(format!("{name}  {}", style.paragraph(indent, &run)));
        lines.push(format!(
            "{}{}",
            " ".repeat(indent),
            style.paragraph(indent, &files)
        ));
    }
    lines.join("\n")
}

fn paint(tone: Tone, text: &str, style: Style) -> String {
    match tone {
        Tone::Plain => text.to_owned(),
        Tone::Good => style.paint(GREEN, text),
        Tone::Bad => style.paint(RED, text),
        Tone::Unsure => style.paint(YELLOW, text),
    }
}

/// The least width of a column that words are wrapped into.
const LEAST_CELL: usize = 13;
/// What a row's label gets at least, where it needs it.
const LEAST_LABEL: usize = 22;

/// A section with a column for each report; where the terminal is too narrow for that, each cell
/// in a line of its own.
fn grid(section: &Section, reports: usize, style: Style) -> String {
    let mut text = style.paint(BOLD, section.title);
    if let Some(note) = &section.note {
        text.push_str(&format!("\n  {}", style.paragraph(2, note)));
    }
    let rows: Vec<Row> = section.rows.iter().map(clean).collect();
    let label = rows
        .iter()
        .map(|row| columns(&row.label))
        .max()
        .unwrap_or(0);
    let widest = rows
        .iter()
        .flat_map(|row| &row.cells)
        .map(|cell| columns(&cell.text))
        .max();
    let widest = widest.unwrap_or(0).max(1);
    let room = style.width.saturating_sub(2 + label.min(LEAST_LABEL)) / reports;
    let cell = widest.min(room.saturating_sub(2));
    if cell < widest && cell < LEAST_CELL {
        for row in &rows {
            text.push_str(&stacked(row, style));
        }
        return text;
    }
    let label = label.min(style.width.saturating_sub(2 + reports * (cell + 2)));
    let head = Row {
        label: String::new(),
        cells: (0..reports)
            .map(|at| Cell {
                text: name(at),
                tone: Tone::Plain,
            })
            .collect(),
    };
    for row in [&head].into_iter().chain(&rows) {
        text.push_str(&aligned(row, label, cell, style));
    }
    text
}

fn clean(row: &Row) -> Row {
    let cell = |cell: &Cell| Cell {
        text: line(&cell.text),
        tone: cell.tone,
    };
    Row {
        label: line(&row.label),
        cells: row.cells.iter().map(cell).collect(),
    }
}

fn aligned(row: &Row, label: usize, cell: usize, style: Style) -> String {
    let labels = wrap(&row.label, label);
    let cells: Vec<Vec<String>> = row.cells.iter().map(|one| wrap(&one.text, cell)).collect();
    let height = cells
        .iter()
        .map(Vec::len)
        .chain([labels.len()])
        .max()
        .unwrap_or(0);
    let at = |lines: &Vec<String>, at: usize| lines.get(at).cloned().unwrap_or_default();
    let mut text = String::new();
    for number in 0..height {
        let mut shown = format!("  {}", pad(&at(&labels, number), label));
        for (lines, one) in cells.iter().zip(&row.cells) {
            let line = at(lines, number);
            let blanks = " ".repeat(cell.saturating_sub(columns(&line)));
            let painted = if line.is_empty() {
                line
            } else {
                paint(one.tone, &line, style)
            };
            shown.push_str(&format!("  {painted}{blanks}"));
        }
        text.push('\n');
        text.push_str(shown.trim_end());
    }
    text
}

/// A row without columns: its cells in one line where that holds them, else each in its own.
fn stacked(row: &Row, style: Style) -> String {
    let mut text = format!("\n  {}", style.paragraph(4, &row.label));
    let named = |(at, cell): (usize, &Cell)| format!("{}  {}", name(at), cell.text);
    let inline: Vec<String> = row.cells.iter().enumerate().map(named).collect();
    if columns(&inline.join("   ")) + 4 <= style.width {
        let painted: Vec<String> = (row.cells.iter().enumerate())
            .map(|(at, cell)| format!("{}  {}", name(at), paint(cell.tone, &cell.text, style)))
            .collect();
        text.push_str(&format!("\n    {}", painted.join("   ")));
        return text;
    }
    for (at, cell) in row.cells.iter().enumerate() {
        let name = name(at);
        let indent = columns(&name) + 6;
        let said = paint(cell.tone, &style.paragraph(indent, &cell.text), style);
        text.push_str(&format!("\n    {name}  {said}"));
    }
    text
}

/// As Markdown: the same sections as tables.
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
        if let Some(note) = &section.note {
            text.push_str(&format!("{}\n\n", md_inline(note)));
        }
        text.push_str(&md_table(&section, found.reports.len()));
    }
    text
}

fn md_table(section: &Section, reports: usize) -> String {
    let names: String = (0..reports).map(|at| format!(" {} |", name(at))).collect();
    let mut text = format!("|  |{names}\n| --- |{}\n", " --- |".repeat(reports));
    for row in &section.rows {
        let cells: String = (row.cells.iter())
            .map(|cell| match cell.tone {
                Tone::Bad => format!(" **{}** |", md_inline(&cell.text)),
                _ => format!(" {} |", md_inline(&cell.text)),
            })
            .collect();
        text.push_str(&format!("| {} |{cells}\n", md_inline(&row.label)));
    }
    text
}
